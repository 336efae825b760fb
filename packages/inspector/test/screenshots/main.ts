/**
 * Makes the screenshots of docs/inspector.md, and prints how smooth the page is while it shows so many connections.
 *
 *     npx -y pnpm@12 exec node packages/inspector/test/screenshots/main.ts [FOLDER] [NAME]...
 */
import * as Chromium from "@effect-ws/test-support/Chromium"
import { Console, Effect, Layer, Logger } from "effect"
import { join, resolve } from "node:path"
import type { Page } from "playwright-core"
import * as InspectorServer from "../../src/InspectorServer.ts"
import { crowd, server } from "./crowd.ts"

interface Shot {
  readonly name: string
  readonly connections: number
  readonly scheme: "light" | "dark"
  readonly width: number
  readonly height: number
  readonly selects: boolean
  readonly tab?: "closed" | "refused"
}

const wide = { width: 1440, height: 860 }
const phone = { width: 390, height: 780 }
const shots: ReadonlyArray<Shot> = [
  { name: "inspector-10-light", connections: 10, scheme: "light", selects: true, ...wide },
  { name: "inspector-1000-dark", connections: 1000, scheme: "dark", selects: true, ...wide },
  { name: "inspector-1000-closed", connections: 1000, scheme: "light", selects: false, tab: "closed", ...wide },
  { name: "inspector-10000-light", connections: 10_000, scheme: "light", selects: false, ...wide },
  { name: "inspector-phone", connections: 1000, scheme: "light", selects: false, ...phone },
  { name: "inspector-phone-detail", connections: 1000, scheme: "dark", selects: true, ...phone }
]

const [folder = resolve(import.meta.dirname, "../../../../docs"), ...names] = process.argv.slice(2)

/** Time between frames of the browser in ms: the median and the longest, over three seconds. */
const smoothness = (page: Page): Promise<{ readonly median: number; readonly longest: number }> =>
  page.evaluate(
    `new Promise((resolve) => {
      const gaps = []
      let last = performance.now()
      const end = last + 3000
      const next = (now) => {
        gaps.push(now - last)
        last = now
        if (now < end) requestAnimationFrame(next)
        else resolve({ median: gaps.sort((a, b) => a - b)[gaps.length >> 1], longest: gaps.at(-1) })
      }
      requestAnimationFrame(next)
    })`
  )

const take = Effect.fnUntraced(function* ({ connections, height, name, scheme, selects, tab, width }: Shot) {
  yield* crowd(connections)
  const { url } = yield* InspectorServer.InspectorServer
  // The pings of the rush are over.
  yield* Effect.sleep(connections > 5000 ? "60 seconds" : "3 seconds")
  const browser = yield* Chromium.launch
  const page = yield* Effect.promise(() =>
    browser.newPage({ colorScheme: scheme, viewport: { width, height }, deviceScaleFactor: width < 500 ? 2 : 1 })
  )
  page.on("pageerror", (error) => console.error(error.message))
  page.on("console", (message) => console.error(message.text()))
  yield* Effect.promise(async () => {
    await page.goto(url, { timeout: 120_000 })
    await page.waitForSelector("#space [role=row]", { timeout: 120_000 })
    if (tab !== undefined) await page.click(`#tab-${tab}`)
    if (!selects) return
    if (width > 500) await page.click('#head button:text-is("Msg/s")')
    await page.waitForTimeout(2000)
    await page.click("#space [role=row]:nth-child(1)")
  })
  yield* Effect.sleep("14 seconds")
  const { longest, median } = yield* Effect.promise(() => smoothness(page))
  yield* Effect.promise(() => page.screenshot({ path: join(folder, `${name}.png`) }))
  yield* Effect.promise(() => browser.close())
  yield* Console.log(
    `${name}: ${connections} connections, frames every ${median.toFixed(1)} ms, at most ${longest.toFixed(0)} ms`
  )
})

const inspected = (size: number) =>
  InspectorServer.layer({ allowClose: true, allowDrain: true, pingInterval: "1 second" }).pipe(
    Layer.provideMerge(server(size))
  )

for (const shot of shots.filter(({ name }) => names.length === 0 || names.includes(name))) {
  await Effect.runPromise(
    take(shot).pipe(
      Effect.provide(Layer.fresh(inspected(shot.connections))),
      Effect.scoped,
      Effect.provide(Logger.layer([]))
    )
  )
}
process.exit(0)
