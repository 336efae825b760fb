/**
 * The Chromium of this machine, for tests of what a browser makes of our servers and pages.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { chromium } from "playwright-core"
import type { Browser } from "playwright-core"
import * as Executable from "./Executable.ts"

const executablePath = Executable.find("chromium", "chromium-browser", "google-chrome")

const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync"
]

/** Whether tests of it are to be left out: it is missing, and this is not CI, where nothing may be. */
export const isLeftOut: boolean = executablePath === undefined && !process.env["CI"]

/** Starts it, without a window, until the Scope closes. */
export const launch: Effect.Effect<Browser, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(() => {
    if (executablePath === undefined) throw new Error("chromium, chromium-browser or google-chrome is missing in PATH")
    return chromium.launch({ executablePath, headless: true, args })
  }),
  (browser) => Effect.promise(() => browser.close())
)
