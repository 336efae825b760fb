import * as Chromium from "@effect-ws/test-support/Chromium"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Locator, Page } from "playwright-core"
import * as Certificates from "./support/Certificates.ts"
import * as ServeProcess from "./support/ServeProcess.ts"

const openPage = Effect.fnUntraced(function* (
  url: string,
  httpCredentials?: { readonly username: string; readonly password: string }
): Effect.fn.Return<Page, never, Scope.Scope> {
  const browser = yield* Chromium.launch
  const page = yield* Effect.promise(() =>
    browser.newPage({ ignoreHTTPSErrors: true, ...(httpCredentials && { httpCredentials }) })
  )
  yield* Effect.promise(() => page.goto(url))
  return page
})

const connect = async (page: Page): Promise<void> => {
  await page.click("#connect")
  await page.waitForSelector('#status[data-state="open"]')
}

const echoOf = (page: Page, kind: "text" | "binary"): Locator =>
  page.locator(`#log li[data-direction="in"][data-kind="${kind}"]`).last()

const talk = async (page: Page): Promise<void> => {
  await page.fill("#text", "Grüße, Jürgen ✓")
  await page.click("#send-text")
  assert.strictEqual(await echoOf(page, "text").locator(".body").textContent(), "Grüße, Jürgen ✓")
  await page.fill("#binary", "00 01 7f 80 ff")
  await page.click("#send-binary")
  assert.strictEqual(await echoOf(page, "binary").locator(".body").textContent(), "00 01 7f 80 ff")
  assert.isAtLeast(Number(await echoOf(page, "binary").getAttribute("data-rtt")), 0)
}

const end = async (page: Page): Promise<ReadonlyArray<string | null>> => {
  const close = page.locator('#log li[data-kind="close"]').last()
  await close.waitFor()
  return Promise.all(["data-code", "data-reason", "data-clean"].map((name) => close.getAttribute(name)))
}

describe.skipIf(Chromium.isLeftOut)(
  "Chromium on the page of serve (left out where Chromium is missing)",
  { timeout: 60_000 },
  () => {
    const overTls = Effect.gen(function* () {
      const { certFile, keyFile } = yield* Certificates.make
      return yield* ServeProcess.serve("--port", "0", "--tls-cert", certFile, "--tls-key", keyFile)
    })

    for (const [scheme, start] of [
      ["ws", ServeProcess.serve("--port", "0")],
      ["wss", overTls]
    ] as const) {
      it.live(`talks over ${scheme}, and closes with its own code and reason`, () =>
        Effect.gen(function* () {
          const server = yield* start
          assert.isTrue(server.address.startsWith(`${scheme}://`), server.address)
          const page = yield* openPage(server.address.replace(/^ws/, "http"))
          yield* Effect.promise(async () => {
            assert.strictEqual(await page.inputValue("#url"), `${server.address}/`)
            await connect(page)
            await talk(page)
            await page.fill("#close-code", "4001")
            await page.fill("#close-reason", "that was all")
            await page.click("#disconnect")
            assert.deepStrictEqual(await end(page), ["4001", "that was all", "true"])
          })
        })
      )

      it.live(`sees over ${scheme} that the server drains`, () =>
        Effect.gen(function* () {
          const server = yield* start
          const page = yield* openPage(server.address.replace(/^ws/, "http"))
          yield* Effect.promise(() => connect(page).then(() => talk(page)))
          yield* server.signal("SIGTERM")
          assert.deepStrictEqual(yield* Effect.promise(() => end(page)), ["1001", "server shutting down", "true"])
          assert.strictEqual((yield* server.ended).code, 0)
        })
      )
    }

    it.live("connects to the path it was loaded from, with a subprotocol", () =>
      Effect.gen(function* () {
        const server = yield* ServeProcess.serve("--port", "0", "--path", "/chat", "--subprotocol", "echo.v1")
        const page = yield* openPage(`${server.address.replace(/^ws/, "http")}/chat`)
        yield* Effect.promise(async () => {
          await page.fill("#protocols", "other, echo.v1")
          await connect(page)
          assert.strictEqual(await page.textContent("#subprotocol"), "echo.v1")
          await talk(page)
        })
      })
    )

    it.live.each(["basic", "digest"])("connects where %s has asked for a password, with that of the page", (scheme) =>
      Effect.gen(function* () {
        const auth = ["--auth", "alice:wonderland", "--auth-scheme", scheme]
        const server = yield* ServeProcess.serve("--port", "0", ...auth)
        const url = server.address.replace(/^ws/, "http")
        const page = yield* openPage(url, { username: "alice", password: "wonderland" })
        yield* Effect.promise(() => connect(page).then(() => talk(page)))
        const stranger = yield* openPage(url, { username: "alice", password: "rabbit" })
        assert.include(yield* Effect.promise(() => stranger.content()), "sign in to see this page")
      })
    )

    it.live("is refused where its origin is not named", () =>
      Effect.gen(function* () {
        const server = yield* ServeProcess.serve("--port", "0", "--origin", "https://example.com")
        const page = yield* openPage(server.address.replace(/^ws/, "http"))
        yield* Effect.promise(async () => {
          await page.click("#connect")
          assert.deepStrictEqual(await end(page), ["1006", "", "false"])
        })
      })
    )
  }
)
