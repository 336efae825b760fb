/** The page of the auction in a real browser, against its server. */
import * as Chromium from "@effect-ws/test-support/Chromium"
import { bundle } from "@effect-ws/test-support/Bundle"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Schedule, Scope } from "effect"
import { HttpUpgrade } from "effect-ws"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import type { Page } from "playwright-core"
import { server } from "../src/auction.ts"

const html = `<!doctype html><p id="state"></p><p id="said"></p><input id="amount"><button id="bid">Bid</button>`

/** The auction and its page on one port, since the auction wants pages of its own origin. */
const serve = Effect.fnUntraced(function* (port: number) {
  const http = yield* Effect.acquireRelease(
    Effect.callback<Http.Server>((resume) => {
      const http = Http.createServer((_, response) => response.setHeader("Content-Type", "text/html").end(html))
      http.listen(port, "127.0.0.1", () => resume(Effect.succeed(http)))
    }),
    (http) => Effect.sync(() => void http.close())
  )
  yield* Layer.build(server.pipe(Layer.provide(HttpUpgrade.layerServer(http))))
  return (http.address() as AddressInfo).port
})

const shows = (page: Page, id: string, expected: string) =>
  Effect.gen(function* () {
    const text = Effect.promise(() => page.textContent(`#${id}`))
    yield* Effect.repeat(text, {
      until: (text) => text!.startsWith(expected),
      schedule: Schedule.spaced("20 millis")
    }).pipe(
      Effect.timeoutOrElse({
        duration: "10 seconds",
        orElse: () => Effect.map(text, (text) => assert.strictEqual(text, expected))
      })
    )
  })

const bid = (page: Page, amount: string) =>
  Effect.promise(async () => {
    await page.fill("#amount", amount)
    await page.click("#bid")
  })

describe("the page of the auction", { timeout: 60_000 }, () => {
  it.live.skipIf(Chromium.isLeftOut)("bids, also after the server restarts (left out where Chromium is missing)", () =>
    Effect.gen(function* () {
      const { code, external } = yield* bundle(
        import.meta.dirname,
        `import { Effect } from "effect"
import { run } from "../src/auctionPage.ts"
globalThis.start = (url, name) => void Effect.runFork(Effect.scoped(run(url, name)))`
      )
      assert.deepStrictEqual(external, [])
      const first = yield* Scope.make()
      const port = yield* Scope.provide(serve(0), first)
      const browser = yield* Chromium.launch
      const page = yield* Effect.promise(() => browser.newPage())
      yield* Effect.promise(async () => {
        await page.goto(`http://127.0.0.1:${port}/`)
        await page.addScriptTag({ content: code, type: "module" })
        await page.waitForFunction("globalThis.start !== undefined")
        await page.evaluate(`start("ws://127.0.0.1:${port}/", "Ada")`)
      })
      yield* shows(page, "state", "Open")
      yield* bid(page, "500")
      yield* shows(page, "said", "Ada bids 500, at ")
      yield* bid(page, "400")
      yield* shows(page, "said", "400 is not enough, 500 is bid")
      yield* bid(page, "0.5")
      yield* shows(page, "said", "Expected")

      yield* Scope.close(first, Exit.void)
      yield* shows(page, "state", "C")
      yield* serve(port)
      yield* shows(page, "state", "Open")
      yield* bid(page, "600")
      yield* shows(page, "said", "Ada bids 600, at ")
    })
  )
})
