import * as Chromium from "@effect-ws/test-support/Chromium"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { Client, Memory, Tcp, WebSocketServer } from "effect-ws"
import type { Page } from "playwright-core"
import { server } from "../src/chat.ts"

const inMemory = server.pipe(Layer.provideMerge(Layer.fresh(Memory.layer({ port: 80 }))))

const said = (from: string | null, text: string): string => JSON.stringify({ from, text })

describe("chat", () => {
  const enter = (room: string, name: string) => Client.connect(`ws://chat.test/rooms/${room}?name=${name}`)

  it.effect("tells a room what is said in it, and no other room", () =>
    Effect.gen(function* () {
      const ada = yield* enter("tea", "Ada")
      assert.strictEqual((yield* ada.receive).data, said(null, "Ada came in"))
      const bob = yield* enter("tea", "Bob")
      const eve = yield* enter("coffee", "Eve")
      assert.strictEqual((yield* ada.receive).data, said(null, "Bob came in"))
      yield* bob.send("Grüße")
      assert.strictEqual((yield* ada.receive).data, said("Bob", "Grüße"))
      yield* bob.close()
      assert.strictEqual((yield* ada.receive).data, said(null, "Bob left"))
      yield* eve.send("alone?")
      assert.strictEqual((yield* eve.receive).data, said(null, "Eve came in"))
      assert.strictEqual((yield* eve.receive).data, said("Eve", "alone?"))
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("closes on bytes with 1003, and on a speech with 1009", () =>
    Effect.gen(function* () {
      for (const [message, tag] of [
        [new Uint8Array(1), "UnsupportedData"],
        ["a".repeat(5000), "MessageTooBig"]
      ] as const) {
        const guest = yield* enter(tag, "Ada")
        yield* guest.send(message)
        yield* guest.receive
        assert.strictEqual((yield* Effect.flip(guest.receive))._tag, tag)
      }
    }).pipe(Effect.provide(inMemory))
  )

  it.effect("closes with 1013 on a guest who does not listen, and goes on for the others", () =>
    Effect.gen(function* () {
      const ada = yield* enter("tea", "Ada")
      assert.strictEqual((yield* ada.receive).data, said(null, "Ada came in"))
      const bob = yield* Client.connect("ws://chat.test/rooms/tea?name=Bob", { receiveBufferSize: 1 })
      assert.strictEqual((yield* ada.receive).data, said(null, "Bob came in"))
      const speech = "a".repeat(4000)
      let speeches = 0
      let heard = said("Ada", speech)
      for (; heard === said("Ada", speech) && speeches < 2000; speeches++) {
        yield* ada.send(speech)
        heard = String((yield* ada.receive).data)
      }
      assert.strictEqual(heard, said(null, "Bob left"))
      assert.isAbove(speeches, 200)
      assert.strictEqual((yield* ada.receive).data, said("Ada", speech))
      const last = yield* Stream.runDrain(bob.messages).pipe(Effect.flip)
      assert.strictEqual(last._tag, "TryAgainLater")
    }).pipe(Effect.provide(inMemory))
  )

  for (const [url, status] of [
    ["ws://chat.test/", 404],
    ["ws://chat.test/rooms/", 404],
    ["ws://chat.test/rooms/%ff?name=x", 404],
    ["ws://chat.test/rooms/tea", 400],
    [`ws://chat.test/rooms/tea?name=${"x".repeat(41)}`, 400]
  ] as const) {
    it.effect(`refuses ${url.slice(0, 40)} with ${status}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Client.connect(url))
        assert(error._tag === "UnexpectedResponse")
        assert.strictEqual(error.status, status)
      }).pipe(Effect.provide(inMemory))
    )
  }
})

const enterRoom = async (page: Page, name: string, room: string): Promise<void> => {
  await page.fill("#name", name)
  await page.fill("#room", room)
  await page.click("#join button")
  await page.waitForSelector('#status[data-state="in"]')
}

const say = async (page: Page, text: string): Promise<void> => {
  await page.fill("#text", text)
  await page.click("#say button")
}

const heard = (page: Page, count: number): Promise<ReadonlyArray<string>> =>
  page
    .locator("#log li")
    .nth(count - 1)
    .waitFor()
    .then(() => page.locator("#log li").allTextContents())

describe.skipIf(Chromium.isLeftOut)("chat in Chromium (left out where Chromium is missing)", () => {
  it.live(
    "has two rooms for three pages, which hear those of their own",
    () =>
      Effect.gen(function* () {
        const { address } = yield* WebSocketServer.WebSocketServer
        assert(address._tag === "InetAddressV4")
        const browser = yield* Chromium.launch
        yield* Effect.promise(async () => {
          const open = async (): Promise<Page> => {
            const page = await browser.newPage()
            await page.goto(`http://127.0.0.1:${address.port}/`)
            return page
          }
          const [ada, bob, eve] = [await open(), await open(), await open()]
          await enterRoom(ada, "Ada", "tea & cakes")
          await enterRoom(bob, "Bob", "tea & cakes")
          await enterRoom(eve, "Eve", "coffee")
          await say(ada, "Hello <b>Bob</b>")
          await say(eve, "anybody here?")
          assert.deepStrictEqual(await heard(bob, 2), ["Bob came in", "AdaHello <b>Bob</b>"])
          assert.deepStrictEqual(await heard(ada, 3), ["Ada came in", "Bob came in", "AdaHello <b>Bob</b>"])
          assert.deepStrictEqual(await heard(eve, 2), ["Eve came in", "Eveanybody here?"])
          await enterRoom(bob, "Bob", "coffee")
          assert.deepStrictEqual((await heard(ada, 4)).slice(3), ["Bob left"])
          assert.deepStrictEqual((await heard(eve, 3)).slice(2), ["Bob came in"])
        })
      }).pipe(Effect.scoped, Effect.provide(server.pipe(Layer.provideMerge(Tcp.layer({ port: 0 }))))),
    60_000
  )
})
