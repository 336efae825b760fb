import type { Connection } from "@effect-ws/connection/Connection"
import * as ConnectionSocket from "@effect-ws/connection/ConnectionSocket"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Queue, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as ClientSocket from "../src/ClientSocket.ts"
import { network } from "./support/standard.ts"
import type { Network } from "./support/standard.ts"
import { acceptance, listening, response } from "./support/web.ts"

const url = "ws://server.test/"

const test = (name: string, program: Effect.Effect<void, unknown, Network>): void => {
  it.effect(name, () => Effect.provide(program, network))
}

/** A server that reads: the test holds its connections, and what came over them. */
const serving = Effect.fnUntraced(function* () {
  const connections = yield* Queue.unbounded<Connection>()
  const received = yield* Queue.unbounded<string | Uint8Array>()
  yield* WebSocketServer.make((connection) =>
    Effect.andThen(
      Queue.offer(connections, connection),
      Stream.runForEach(connection.messages, ({ data }) => Queue.offer(received, data))
    )
  )
  return { connections, received }
})

describe("a client as a Socket", () => {
  test(
    "connects for each reader, with the URL of that moment",
    Effect.gen(function* () {
      const { connections } = yield* serving()
      let count = 0
      const socket = yield* ClientSocket.make(Effect.sync(() => `${url}?token=${++count}`))
      for (const token of [1, 2]) {
        const scope = yield* Scope.make()
        const { pull } = yield* Scope.provide(socket.reader, scope)
        const far = yield* Queue.take(connections)
        assert.strictEqual(far.request.query, `token=${token}`)
        yield* far.send("hello")
        assert.deepStrictEqual(yield* pull, ["hello"])
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual((yield* far.closed).received?.code, 1000)
      }
    })
  )

  test(
    "fails a pull and a write that wait as soon as the Scope of the reader closes, although the server does not answer",
    Effect.gen(function* () {
      yield* WebSocketServer.make(() => Effect.never, { drainTimeout: 0 })
      const socket = yield* ClientSocket.make(url)
      const { write } = yield* socket.writer
      const scope = yield* Scope.make()
      const { pull } = yield* Scope.provide(socket.reader, scope)
      const pulling = yield* Effect.forkChild(Effect.flip(pull), { startImmediately: true })
      const piece = new Uint8Array(100_000)
      const writing = yield* Effect.forkChild(Effect.flip(write(piece).pipe(Effect.repeat({ times: 50 }))), {
        startImmediately: true
      })
      yield* TestClock.adjust(0)
      assert.deepStrictEqual([pulling.pollUnsafe(), writing.pollUnsafe()], [undefined, undefined])
      yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      // The clock does not move: neither waits for a timeout.
      assert.strictEqual((yield* Fiber.join(pulling)).reason._tag, "SocketCloseError")
      assert.strictEqual((yield* Fiber.join(writing)).reason._tag, "SocketCloseError")
    })
  )

  test(
    "holds what is written while there is no connection for the next one",
    Effect.gen(function* () {
      const { received } = yield* serving()
      const socket = yield* ClientSocket.make(url)
      const writer = yield* socket.writer
      const written = yield* Effect.forkChild(writer.writeAll(["a", Uint8Array.of(1)]), { startImmediately: true })
      assert.isUndefined(written.pollUnsafe())
      const first = yield* Scope.make()
      yield* Scope.provide(socket.reader, first)
      yield* Fiber.join(written)
      assert.deepStrictEqual([yield* Queue.take(received), yield* Queue.take(received)], ["a", Uint8Array.of(1)])
      yield* Scope.close(first, Exit.void)
      const later = yield* Effect.forkChild(writer.write("b"), { startImmediately: true })
      assert.isUndefined(later.pollUnsafe())
      yield* socket.reader
      yield* Fiber.join(later)
      assert.strictEqual(yield* Queue.take(received), "b")
    })
  )

  test(
    "says why there is no connection: a SocketOpenError with the cause",
    Effect.gen(function* () {
      yield* listening({ port: 8080 }, () => response("503 Service Unavailable", [], "later"))
      const cases = [
        ["ws://server.test:81/", "Unknown"],
        ["ws://server.test:8080/", "Unknown"],
        ["mailto:x", "Unknown"]
      ] as const
      for (const [url, kind] of cases) {
        const socket = yield* ClientSocket.make(url)
        const { reason } = yield* Effect.flip(socket.reader)
        assert.deepStrictEqual([reason._tag, "kind" in reason && reason.kind], ["SocketOpenError", kind], url)
      }
      const socket = yield* ClientSocket.make("ws://server.test:8080/")
      const { reason } = yield* Effect.flip(socket.reader)
      assert.propertyVal("cause" in reason && reason.cause, "status", 503)
    })
  )

  test(
    "gives up in time, and calls that a timeout",
    Effect.gen(function* () {
      yield* listening({ port: 8080 }, () => () => Effect.never)
      const socket = yield* ClientSocket.make("ws://server.test:8080/", { handshakeTimeout: "3 seconds" })
      const waiting = yield* Effect.forkChild(Effect.flip(socket.reader), { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      const { reason } = yield* Fiber.join(waiting)
      assert.deepStrictEqual([reason._tag, "kind" in reason && reason.kind], ["SocketOpenError", "Timeout"])
    })
  )

  test(
    "waits a second for a peer that may be dead, and no longer",
    Effect.gen(function* () {
      // It opens the connection, and is never heard of again.
      yield* listening(
        { port: 8080 },
        (asked) => (writer) => Effect.andThen(writer.write(acceptance(asked)), Effect.never)
      )
      const socket = yield* ClientSocket.make("ws://server.test:8080/")
      const scope = yield* Scope.make()
      const { pull } = yield* Scope.provide(socket.reader, scope)
      const reading = yield* Effect.forkChild(Effect.flip(pull), { startImmediately: true })
      yield* (yield* socket.writer).write("anybody there?")
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      assert.strictEqual((yield* Fiber.join(reading)).reason._tag, "SocketCloseError")
      yield* TestClock.adjust("999 millis")
      assert.isUndefined(closing.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      for (let turn = 0; turn < 10; turn++) yield* Effect.yieldNow
      assert.isDefined(closing.pollUnsafe())
    })
  )

  test(
    "is the other end of a connection that is one, too",
    Effect.gen(function* () {
      const { connections } = yield* serving()
      const socket = yield* ClientSocket.make(url)
      const near = yield* socket.reader
      const far = ConnectionSocket.fromConnection(yield* Queue.take(connections))
      yield* (yield* far.writer).writeAll(["a", "b"])
      assert.deepStrictEqual([...(yield* near.pull)], ["a", "b"])
    })
  )
})
