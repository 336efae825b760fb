import * as Client from "@effect-ws/client/Client"
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import * as Opcode from "@effect-ws/protocol/Opcode"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Inspector from "../src/Inspector.ts"
import { quiet } from "@effect-ws/test-peers/InMemory"

const served = (options?: Inspector.Options, server?: WebSocketServer.ServerOptions) =>
  WebSocketServer.layer(
    (connection) => Stream.runForEach(connection.messages, (message) => connection.send(message)),
    server
  ).pipe(Layer.provideMerge(Inspector.layer(options)), Layer.provideMerge(Layer.fresh(Memory.layer({ port: 80 }))))

const url = "ws://inspected.test/chat?token=secret"
const headers = [
  { name: "Authorization", value: "Bearer secret" },
  { name: "Cookie", value: "session=secret" },
  { name: "X-Api-Key", value: "secret" },
  { name: "Referer", value: "https://example.com/page?code=secret" },
  { name: "X-Team", value: "blue" }
]

describe("Inspector", () => {
  it.effect("counts what goes over open connections, and remembers how they closed", () =>
    Effect.gen(function* () {
      const inspector = yield* Inspector.Inspector
      yield* TestClock.adjust("1 second")
      const client = yield* Client.connect(url, { headers })
      yield* client.send("hello")
      yield* client.receive
      yield* client.ping()
      const [open, ...others] = yield* inspector.connections
      assert.deepStrictEqual(others, [])
      assert.include(open, { path: "/chat", secure: false, openedAt: 1000, latency: undefined })
      assert.deepStrictEqual(open!.received, { bytes: 11 + 7, frames: 2, messages: 1 })
      assert.deepStrictEqual(open!.sent, { bytes: 7 + 3, frames: 2, messages: 1 })
      assert.deepStrictEqual(open!.buffered, { inbound: 0, outbound: 0 })

      yield* TestClock.adjust("2 seconds")
      yield* client.close(4001, "enough")
      yield* quiet
      assert.deepStrictEqual(yield* inspector.connections, [])
      const [closed] = yield* inspector.closed
      assert.include(closed, { number: 0, code: 4001, reason: "enough", initiator: "remote", clean: true })
      assert.include(closed, { openedAt: 1000, closedAt: 3000, violation: undefined })
      const totals = yield* inspector.totals
      assert.include(totals, { open: 0, opened: 1, closed: 1, refused: 0, unlisted: 0 })
      assert.strictEqual(totals.received.messages, 1)
    }).pipe(Effect.provide(served()))
  )

  it.effect("tells the rule that a peer broke, and the frame that broke it", () =>
    Effect.gen(function* () {
      const inspector = yield* Inspector.Inspector
      const client = yield* Client.connect(url)
      const [open] = yield* inspector.connections
      assert.isTrue(yield* inspector.watch(open!.id))
      const payload = new Uint8Array([0xff])
      const bits = { fin: true, rsv1: false, rsv2: false, rsv3: false }
      yield* client.sendFrame({ ...bits, opcode: Opcode.Text, payload }, { unchecked: true })
      yield* client.closed
      yield* quiet
      const [closed] = yield* inspector.closed
      assert.include(closed, { code: 1007, initiator: "local", violation: "InvalidUtf8" })
      const recording = yield* inspector.recording(open!.id)
      assert.deepStrictEqual(
        recording!.frames.map(({ from, opcode, violation }) => [from, opcode, violation]),
        [
          ["peer", 1, "InvalidUtf8"],
          ["server", 8, undefined],
          ["peer", 8, undefined]
        ].slice(0, recording!.frames.length)
      )
      assert.strictEqual(recording!.closing?.closed.violation, "InvalidUtf8")
    }).pipe(Effect.provide(served()))
  )

  it.effect("keeps refused handshakes, without the query", () =>
    Effect.gen(function* () {
      const inspector = yield* Inspector.Inspector
      yield* Effect.flip(Client.connect(url))
      yield* quiet
      const [refusal] = yield* inspector.refusals
      assert.include(refusal, { number: 0, status: 404, rule: "UnknownLocation", path: "/chat" })
      assert.notInclude(JSON.stringify(refusal), "secret")
    }).pipe(Effect.provide(served({}, { paths: ["/other"] })))
  )

  it.effect("keeps no payloads, and no secrets of the request, unless asked for", () =>
    Effect.gen(function* () {
      const inspector = yield* Inspector.Inspector
      const client = yield* Client.connect(url, { headers, subprotocols: ["bearer.secret"] })
      const [open] = yield* inspector.connections
      yield* inspector.watch(open!.id)
      yield* client.send("secret")
      yield* client.receive
      const recording = yield* inspector.recording(open!.id)
      assert.deepStrictEqual(
        recording!.frames.map(({ from, length }) => [from, length]),
        [
          ["peer", 6],
          ["server", 6]
        ]
      )
      assert.notInclude(JSON.stringify(recording), "secret")
      const shown = Object.fromEntries(recording!.opening.headers)
      assert.include(shown, {
        Authorization: "[redacted]",
        Cookie: "[redacted]",
        "X-Api-Key": "[redacted]",
        Referer: "https://example.com/page?[redacted]",
        "X-Team": "blue"
      })
      assert.strictEqual(recording!.opening.path, "/chat")
    }).pipe(Effect.provide(served({ redactHeaders: ["x-api-key"] })))
  )

  it.effect("keeps frames only while a connection is watched", () =>
    Effect.gen(function* () {
      const inspector = yield* Inspector.Inspector
      const client = yield* Client.connect(url)
      const id = (yield* inspector.connections)[0]!.id
      assert.isUndefined(yield* inspector.recording(id))
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* inspector.watch(id)
          yield* client.send("one")
          yield* client.receive
          assert.strictEqual((yield* inspector.recording(id))!.frames.length, 2)
        })
      )
      assert.isUndefined(yield* inspector.recording(id))
      assert.isFalse(yield* inspector.watch(-1))
    }).pipe(Effect.provide(served()))
  )

  it.effect("bounds what it keeps", () =>
    Effect.gen(function* () {
      const inspector = yield* Inspector.Inspector
      const clients = yield* Effect.forEach([1, 2, 3, 4], () => Client.connect(url))
      const ids = (yield* inspector.connections).map(({ id }) => id)
      assert.strictEqual(ids.length, 3)
      assert.strictEqual((yield* inspector.totals).unlisted, 1)
      assert.isTrue(yield* inspector.watch(ids[0]!))
      assert.isFalse(yield* inspector.watch(ids[1]!))
      for (const text of ["1", "2", "3", "4"]) {
        yield* clients[0]!.send(text)
        yield* clients[0]!.receive
      }
      const recording = yield* inspector.recording(ids[0]!)
      assert.strictEqual(recording!.opening.missing, "first")
      assert.deepStrictEqual(
        recording!.frames.map(({ from, text }) => [from, text]),
        [
          ["server", "3"],
          ["peer", "4"],
          ["server", "4"]
        ]
      )
      for (const client of clients) yield* client.close()
      yield* quiet
      assert.deepStrictEqual(
        (yield* inspector.closed).map(({ number }) => number),
        [1, 2]
      )
    }).pipe(Effect.provide(served({ maxConnections: 3, maxLogs: 1, maxFrames: 3, maxClosed: 2, payloads: "full" })))
  )

  it.effect("says what compressed messages say, also those that are sent in pieces", () =>
    Effect.gen(function* () {
      const inspector = yield* Inspector.Inspector
      const client = yield* Client.connect(url)
      const text = "again and ".repeat(500)
      yield* client.send(text)
      yield* client.receive
      const id = (yield* inspector.connections)[0]!.id
      yield* inspector.watch(id)
      yield* client.send(text)
      yield* client.receive
      yield* client.sendStream({ _tag: "Text", chunks: Stream.make("one ", "two ", text) })
      yield* client.receive
      const { frames } = (yield* inspector.recording(id))!
      const said = frames.flatMap(({ decoded, from, text }) => (decoded ? [[from, text]] : []))
      assert.deepStrictEqual(said, [
        ["peer", text],
        ["server", text],
        ["peer", `one two ${text}`],
        ["server", `one two ${text}`]
      ])
      for (const { decoded, length, text } of frames) {
        if (decoded) assert.isBelow(length, text!.length)
        else assert.isUndefined(text)
      }
    }).pipe(Effect.provide(served({ payloads: "full" }).pipe(Layer.provideMerge(PermessageDeflate.layer()))))
  )

  it.effect("keeps the frames of all connections from the opening on, where asked for", () =>
    Effect.gen(function* () {
      const inspector = yield* Inspector.Inspector
      const client = yield* Client.connect(url)
      yield* client.send("first")
      yield* client.receive
      yield* client.close()
      yield* quiet
      const { id } = (yield* inspector.closed)[0]!
      const recording = yield* inspector.recording(id)
      assert.strictEqual(recording!.opening.missing, "none")
      assert.deepStrictEqual(
        recording!.frames.map(({ opcode }) => opcode),
        [1, 1, 8, 8]
      )
    }).pipe(Effect.provide(served({ frames: "all" })))
  )
})
