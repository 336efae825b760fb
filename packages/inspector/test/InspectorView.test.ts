/**
 * What a viewer is told, and what it may do, by the typed messages that the page uses too.
 */
import * as Client from "@effect-ws/client/Client"
import * as TypedConnection from "@effect-ws/connection/TypedConnection"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Inspector from "../src/Inspector.ts"
import { InspectorProtocol } from "../src/InspectorProtocol.ts"
import type { FromInspector, FromViewer } from "../src/InspectorProtocol.ts"
import * as InspectorView from "../src/InspectorView.ts"
import * as Recording from "../src/Recording.ts"
import { quiet } from "@effect-ws/test-peers/InMemory"

/** An echo server at echo.test, and beside it one for viewers at viewers.test. */
const served = (options?: InspectorView.ViewOptions, record?: Inspector.Options) => {
  const echo = WebSocketServer.layer((connection) =>
    Stream.runForEach(connection.messages, (message) => connection.send(message))
  )
  const viewers = Layer.unwrap(
    Effect.map(Inspector.Inspector, (inspector) =>
      WebSocketServer.layer(InspectorView.make(inspector, options), InspectorView.serverOptions)
    )
  )
  return Layer.mergeAll(
    echo.pipe(Layer.provide(Memory.layerServer({ port: 80 }))),
    viewers.pipe(Layer.provide([Memory.layerServer({ port: 81 }), Inspector.layerOff]))
  ).pipe(
    Layer.provideMerge(Inspector.layer(record)),
    Layer.provideMerge(Memory.layerDialer),
    Layer.provideMerge(Layer.fresh(Memory.layerNetwork()))
  )
}

const update = Effect.andThen(quiet, Effect.andThen(TestClock.adjust("500 millis"), quiet))

const view = Effect.gen(function* () {
  const connection = yield* Client.connect("ws://viewers.test:81/")
  const typed = yield* TypedConnection.make(connection, InspectorProtocol.client)
  const told: Array<FromInspector> = []
  yield* Effect.forkScoped(
    Effect.ignore(Stream.runForEach(typed.messages, (message) => Effect.sync(() => told.push(message))))
  )
  const ask = (command: FromViewer) => Effect.andThen(typed.send(command), update)
  const all = <K extends FromInspector["_tag"]>(tag: K) =>
    told.filter((message): message is Extract<FromInspector, { readonly _tag: K }> => message._tag === tag)
  yield* quiet
  return { told, ask, all, connection }
})

describe("InspectorView", () => {
  it.effect("tells what has changed, and nothing else", () =>
    Effect.gen(function* () {
      const client = yield* Client.connect("ws://echo.test/chat?token=secret")
      const { all, told } = yield* view
      assert.include(told[0], { _tag: "Hello", version: 1, updateMillis: 500, payloads: "none", allowClose: false })
      const [opened] = all("Opened")
      assert.strictEqual(opened!.connections.length, 1)
      assert.include(opened!.connections[0], { path: "/chat", secure: false })
      told.length = 0
      yield* update
      assert.deepStrictEqual(
        told.map(({ _tag }) => _tag),
        ["Totals"]
      )
      yield* client.send("hello")
      yield* client.receive
      yield* update
      const { id } = opened!.connections[0]!
      assert.deepStrictEqual(all("Traffic"), [{ _tag: "Traffic", values: [id, 11, 1, 7, 1, 0, 0, -1] }])
      yield* client.close(4001, "enough")
      yield* update
      const closed = all("Closed").flatMap(({ connections }) => connections)
      assert.strictEqual(closed.length, 1)
      assert.include(closed[0], { id, code: 4001, reason: "enough", initiator: "remote" })
      assert.include(all("Totals").at(-1), { open: 0, opened: 1, closed: 1 })
      assert.notInclude(JSON.stringify(told), "secret")
    }).pipe(Effect.provide(served()))
  )

  it.effect("tells of many connections in messages of bounded size", () =>
    Effect.gen(function* () {
      yield* Effect.forEach(Array.from({ length: 1100 }), () => Client.connect("ws://echo.test/"))
      const { all } = yield* view
      yield* quiet
      assert.deepStrictEqual(
        all("Opened").map(({ connections }) => connections.length),
        [500, 500, 100]
      )
    }).pipe(Effect.provide(served()))
  )

  it.effect("tells of the connections that closed since the last update and were not kept", () =>
    Effect.gen(function* () {
      const clients = yield* Effect.forEach(Array.from({ length: 3 }), () => Client.connect("ws://echo.test/"))
      const { all } = yield* view
      const ids = all("Opened").flatMap(({ connections }) => connections.map(({ id }) => id))
      yield* Effect.forEach(clients, (client) => client.close())
      yield* update
      assert.deepStrictEqual(
        all("Closed").flatMap(({ connections }) => connections.map(({ id }) => id)),
        ids.slice(2)
      )
      assert.deepStrictEqual(
        all("Forgotten").map((told) => told.ids),
        [ids.slice(0, 2)]
      )
      yield* update
      assert.strictEqual(all("Forgotten").length, 1)
    }).pipe(Effect.provide(served({}, { maxClosed: 1 })))
  )

  it.effect("sends the frames of the connection that is selected, and its recording", () =>
    Effect.gen(function* () {
      const client = yield* Client.connect("ws://echo.test/", { headers: [{ name: "Cookie", value: "secret" }] })
      const { all, ask, told } = yield* view
      const { id } = all("Opened")[0]!.connections[0]!
      yield* ask({ _tag: "Select", id })
      const [selected] = all("Selected")
      assert.isTrue(selected!.watched)
      assert.notInclude(JSON.stringify(selected), "secret")
      yield* client.send("Grüße")
      yield* client.receive
      yield* client.send(new Uint8Array([0, 255]))
      yield* update
      const frames = all("Frames").flatMap(({ frames }) => frames)
      assert.deepStrictEqual(
        frames.map(({ first, from, length, masked, preview }) => [from, first, length, masked, preview]),
        [
          ["peer", 0x81, 7, true, "Grüße"],
          ["server", 0x81, 7, false, "Grüße"],
          ["peer", 0x82, 2, true, "00 ff"],
          ["server", 0x82, 2, false, "00 ff"]
        ]
      )
      yield* ask({ _tag: "Save", id })
      const recording = yield* Recording.parse(all("Saved")[0]!.lines)
      assert.deepStrictEqual(
        recording.frames.map(({ base64, text }) => text ?? base64),
        ["Grüße", "Grüße", "AP8=", "AP8="]
      )
      yield* ask({ _tag: "Select", id: null })
      told.length = 0
      yield* client.send("more")
      yield* update
      assert.deepStrictEqual(all("Frames"), [])
      yield* ask({ _tag: "Save", id })
      assert.deepStrictEqual(all("Denied"), [
        { _tag: "Denied", command: "Save", reason: "no frames are kept of this connection" }
      ])
    }).pipe(Effect.provide(served({}, { payloads: "full" })))
  )

  it.effect("closes and drains nothing unless that is allowed", () =>
    Effect.gen(function* () {
      const client = yield* Client.connect("ws://echo.test/")
      const { all, ask } = yield* view
      const { id } = all("Opened")[0]!.connections[0]!
      yield* ask({ _tag: "Close", id, code: 1001, reason: "" })
      yield* ask({ _tag: "Drain" })
      assert.deepStrictEqual(
        all("Denied").map(({ command }) => command),
        ["Close", "Drain"]
      )
      assert.isUndefined(client.closeInfo)
    }).pipe(Effect.provide(served()))
  )

  it.effect("closes a connection, and drains the server, where that is allowed", () =>
    Effect.gen(function* () {
      const [first, second] = [yield* Client.connect("ws://echo.test/"), yield* Client.connect("ws://echo.test/")]
      const { all, ask } = yield* view
      const { id } = all("Opened")[0]!.connections[0]!
      yield* ask({ _tag: "Close", id, code: 1005, reason: "" })
      assert.include(all("Denied")[0], { command: "Close" })
      assert.isUndefined(first.closeInfo)
      yield* ask({ _tag: "Close", id, code: 4002, reason: "by the inspector" })
      assert.include((yield* first.closed).error, { code: 4002, reason: "by the inspector" })
      yield* ask({ _tag: "Drain" })
      assert.include((yield* second.closed).error, { code: 1001 })
      assert.strictEqual(all("Totals").at(-1)!.open, 0)
    }).pipe(Effect.provide(served({ allowClose: true, allowDrain: true })))
  )

  it.effect("pings the connection that is selected, where asked to", () =>
    Effect.gen(function* () {
      yield* Client.connect("ws://echo.test/")
      const { all, ask } = yield* view
      const { id } = all("Opened")[0]!.connections[0]!
      yield* ask({ _tag: "Select", id })
      yield* TestClock.adjust("1 second")
      yield* update
      assert.strictEqual(all("Traffic").at(-1)!.values[7], 0)
    }).pipe(Effect.provide(served({ pingInterval: "1 second" })))
  )

  it.effect("turns viewers away beyond the bound, and forgets those that left", () =>
    Effect.gen(function* () {
      const first = yield* view
      const second = yield* view
      assert.include((yield* second.connection.closed).error, { code: 1013 })
      yield* first.connection.close()
      yield* quiet
      const third = yield* view
      assert.strictEqual(third.told[0]?._tag, "Hello")
    }).pipe(Effect.provide(served({ maxViewers: 1 })))
  )
})
