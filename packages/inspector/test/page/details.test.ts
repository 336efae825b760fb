/** The details of the selected connection, whatever the list beside them shows. */
import * as Client from "@effect-ws/client/Client"
import * as Chromium from "@effect-ws/test-support/Chromium"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { open, says, served, url } from "../support/openPage.ts"

describe.skipIf(Chromium.isLeftOut)("the details of a connection (left out where Chromium is missing)", () => {
  it.live(
    "close by the button and by Escape, whatever is listed",
    () =>
      Effect.gen(function* () {
        yield* Client.connect(url)
        const { page, problems } = yield* open
        const row = page.locator('#space [role="row"]:not([hidden])')
        const select = async (): Promise<void> => {
          await page.click("#tab-open")
          await row.click()
          await page.waitForSelector("#detail:not([hidden])")
        }
        const closed = (): Promise<unknown> => page.waitForSelector("#detail", { state: "hidden" })
        yield* Effect.promise(select)
        const id = Number(/\d+/.exec((yield* Effect.promise(() => page.textContent("#detail-name")))!)![0])
        // So that a refusal has the number that the connection has.
        const refusals = Math.max(12, id + 1)
        yield* Effect.forEach(Array.from({ length: refusals }), () =>
          Effect.flip(Client.connect("ws://echo.test/other"))
        )
        yield* Effect.promise(async () => {
          await says(page, "#tab-refused-count", String(refusals))
          for (const tab of ["#tab-closed", "#tab-refused"]) {
            await page.click(tab)
            assert.isTrue(await page.isVisible("#detail"))
            assert.strictEqual(await page.locator('#space [aria-selected="true"]').count(), 0)
            await page.click("#leave")
            await closed()
            await select()
            await page.click(tab)
            await page.keyboard.press("Escape")
            await closed()
            await select()
          }
          await page.fill("#filter", "no such path")
          await page.click("#leave")
          await closed()
          await page.fill("#filter", "")
          await select()
          await page.fill("#filter", "no such path")
          await page.press("#filter", "Escape")
          assert.strictEqual(await page.inputValue("#filter"), "")
          assert.isTrue(await page.isVisible("#detail"))
          await page.press("#filter", "Escape")
          await closed()
          await page.click("#pause")
          await select()
          await page.click("#leave")
          await closed()
        })
        assert.deepStrictEqual(problems, [])
      }).pipe(Effect.provide(served({ updateInterval: "50 millis" }))),
    60_000
  )

  it.live(
    "offer no close of a connection that has ended",
    () =>
      Effect.gen(function* () {
        const client = yield* Client.connect(url)
        const { page, problems } = yield* open
        yield* Effect.promise(async () => {
          await page.click('#space [role="row"]')
          await page.click("#close")
          assert.isTrue(await page.isVisible("#closing"))
        })
        yield* client.close()
        yield* Effect.promise(async () => {
          await page.waitForSelector("#closing", { state: "hidden" })
          assert.isTrue(await page.isHidden("#close"))
          await says(page, "#facts", /by the peer/)
          await page.click("#leave")
          await page.waitForSelector("#detail", { state: "hidden" })
        })
        assert.deepStrictEqual(problems, [])
      }).pipe(Effect.provide(served({ allowClose: true, updateInterval: "50 millis" }))),
    60_000
  )

  it.live(
    "say that a connection has ended of which the inspector keeps nothing",
    () =>
      Effect.gen(function* () {
        const client = yield* Client.connect(url)
        const { page, problems } = yield* open
        yield* Effect.promise(() => page.click('#space [role="row"]'))
        yield* client.close()
        yield* Effect.promise(async () => {
          await says(page, "#notice", /no longer lists/)
          await says(page, "#none", "No connection is open.")
          await page.click("#leave")
          await page.waitForSelector("#detail", { state: "hidden" })
        })
        assert.deepStrictEqual(problems, [])
      }).pipe(Effect.provide(served({ allowClose: true, updateInterval: "50 millis" }, { maxClosed: 0 }))),
    60_000
  )
})
