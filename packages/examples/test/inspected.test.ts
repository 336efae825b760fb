import * as Chromium from "@effect-ws/test-support/Chromium"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { Client, Message, Tcp, TypedConnection, WebSocketRoute } from "effect-ws"
import * as InspectorProtocol from "effect-ws/InspectorProtocol"
import { createServer } from "node:http"
import { routes } from "../src/inspected.ts"

const served = HttpRouter.serve(routes).pipe(
  Layer.provideMerge(WebSocketRoute.layerServer(createServer, { host: "127.0.0.1", port: 0 })),
  Layer.provideMerge(Tcp.layerDialer()),
  Layer.provideMerge(Logger.layer([]))
)

const origin = Effect.map(HttpServer.HttpServer, ({ address }) => {
  assert(address._tag !== "UnixPathAddress")
  return `127.0.0.1:${address.port}`
})

const basic = (user: string) => `Basic ${Buffer.from(user).toString("base64")}`

const statusOf = (url: string, headers: Record<string, string> = {}) =>
  Effect.promise(async () => (await fetch(url, { headers: { ...headers, Connection: "close" } })).status)

describe("an inspected chat room", { timeout: 60_000 }, () => {
  it.live("shows the room to the admin, and to no other", () =>
    Effect.gen(function* () {
      const host = yield* origin
      const page = `http://${host}/inspector`
      assert.strictEqual(yield* statusOf(page), 401)
      assert.strictEqual(yield* statusOf(page, { Authorization: basic("admin:rabbit") }), 401)
      assert.strictEqual(yield* statusOf(page, { Authorization: basic("admin:hatter") }), 200)
      const refused = yield* Effect.flip(Client.connect(`ws://${host}/inspector/socket`))
      assert(refused._tag === "UnexpectedResponse")
      assert.strictEqual(refused.status, 401)

      const guest = yield* Client.connect(`ws://${host}/room?name=alice`)
      const admin = yield* Client.connect(`ws://${host}/inspector/socket`, {
        headers: { Authorization: basic("admin:hatter") }
      })
      const viewer = yield* TypedConnection.make(admin, InspectorProtocol.InspectorProtocol.client)
      type Told<K> = Extract<InspectorProtocol.FromInspector, { readonly _tag: K }>
      const next = <K extends InspectorProtocol.FromInspector["_tag"]>(
        tag: K,
        is: (told: Told<K>) => boolean = () => true
      ) =>
        Effect.map(
          Effect.repeat(viewer.receive, { until: (told) => told._tag === tag && is(told as Told<K>) }),
          (told) => told as Told<K>
        )
      assert.isTrue((yield* next("Hello")).allowClose)
      const { connections } = yield* next("Opened")
      // Viewers are not in the record.
      assert.deepStrictEqual(
        connections.map(({ path }) => path),
        ["/room"]
      )
      yield* guest.send("hello, all")
      assert.deepStrictEqual(yield* guest.receive, Message.text("hello, all"))
      const [id, , received, , sent] = (yield* next("Traffic", ({ values }) => values[2] === 1)).values
      assert.deepStrictEqual([id, received, sent], [connections[0]!.id, 1, 1])
      yield* viewer.send({ _tag: "Close", id: id!, code: 4001, reason: "good night" })
      assert.include((yield* guest.closed).error, { code: 4001, reason: "good night" })
      assert.include((yield* next("Closed")).connections[0], { id: id!, code: 4001, initiator: "local" })
    }).pipe(Effect.provide(served))
  )

  it.live.skipIf(Chromium.isLeftOut)(
    "asks the admin's browser for the password (left out where Chromium is missing)",
    () =>
      Effect.gen(function* () {
        const host = yield* origin
        const browser = yield* Chromium.launch
        yield* Client.connect(`ws://${host}/room`)
        yield* Effect.promise(async () => {
          const context = await browser.newContext({ httpCredentials: { username: "admin", password: "hatter" } })
          const page = await context.newPage()
          await page.goto(`http://${host}/inspector`)
          await page.waitForSelector('#status[data-state="live"]')
          await page.locator('#space [role="row"]').filter({ hasText: "/room" }).waitFor()
        })
      }).pipe(Effect.provide(served))
  )
})
