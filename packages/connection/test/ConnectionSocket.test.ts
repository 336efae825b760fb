import * as Accept from "@effect-ws/connection/Accept"
import * as Connect from "@effect-ws/connection/Connect"
import type { Connection } from "@effect-ws/connection/Connection"
import * as Dialer from "@effect-ws/transport/Dialer"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Scope, Stream } from "effect"
import { Socket } from "effect/socket"
import { SocketServer } from "effect/socket/SocketServer"
import * as ConnectionSocket from "../src/ConnectionSocket.ts"

/** Both ends of a connection; the far one as a socket. */
const pair = Effect.fnUntraced(function* () {
  const sockets = yield* SocketServer
  const accepted = yield* Deferred.make<Connection>()
  const accept = (socket: Socket.Socket): Effect.Effect<never, unknown, Scope.Scope> =>
    Effect.andThen(
      Effect.flatMap(Accept.accept(socket), (connection) => Deferred.succeed(accepted, connection)),
      Effect.never
    )
  yield* Effect.forkScoped(sockets.run((socket) => Effect.scoped(accept(socket))))
  const dialer = yield* Dialer.Dialer
  const near = yield* Connect.connect(yield* dialer.dial(sockets.address), "ws://memory/")
  const connection = yield* Deferred.await(accepted)
  return { near, connection, socket: ConnectionSocket.fromConnection(connection) }
})

const test = (
  name: string,
  program: Effect.Effect<void, unknown, SocketServer | Dialer.Dialer | Scope.Scope>
): void => {
  it.effect(name, () => program.pipe(Effect.provide(Memory.layer({ port: 80 }))))
}

/** What the reader's end says: the code and the reason. */
const endOf = (pull: Socket.Reader["pull"]): Effect.Effect<string> =>
  Effect.flip(Effect.forever(pull)).pipe(
    Effect.map(({ reason }) =>
      reason._tag === "SocketCloseError" ? `${reason.code} ${reason.closeReason ?? "-"}` : reason._tag
    )
  )

describe("a connection as a Socket", () => {
  test(
    "gives text as strings and binary as bytes, one chunk a message",
    Effect.gen(function* () {
      const { near, socket } = yield* pair()
      const { pull } = yield* socket.reader
      for (const data of ["text", Uint8Array.of(1, 2), "", new Uint8Array(0)]) yield* near.send(data)
      const chunks: Array<string | Uint8Array> = []
      while (chunks.length < 4) chunks.push(...(yield* pull))
      assert.deepStrictEqual(chunks, ["text", Uint8Array.of(1, 2), "", new Uint8Array(0)])
    })
  )

  test(
    "sends strings as text and bytes as binary, in their order",
    Effect.gen(function* () {
      const { near, socket } = yield* pair()
      const writer = yield* Effect.scoped(socket.writer)
      yield* writer.write("a")
      yield* writer.writeAll([Uint8Array.of(1), "b", Uint8Array.of(2)])
      const messages = yield* near.messages.pipe(Stream.take(4), Stream.runCollect)
      assert.deepStrictEqual(
        messages.map(({ data }) => data),
        ["a", Uint8Array.of(1), "b", Uint8Array.of(2)]
      )
    })
  )

  const ends: ReadonlyArray<readonly [string, (near: Connection) => Effect.Effect<unknown, unknown>, string]> = [
    ["1000", (near) => near.close(1000, "done"), "1000 done"],
    ["1001", (near) => near.close(1001), "1001 -"],
    ["an application's code", (near) => near.close(4000, "bye"), "4000 bye"],
    ["a reset", (near) => near.abort(), "1006 read ECONNRESET: the peer reset the connection"]
  ]
  for (const [name, end, expected] of ends) {
    test(
      `ends with a SocketCloseError when the peer ends it with ${name}, after what was sent before`,
      Effect.gen(function* () {
        const { near, socket } = yield* pair()
        const { pull } = yield* socket.reader
        const waiting = yield* Effect.forkChild(endOf(pull), { startImmediately: true })
        yield* end(near)
        assert.strictEqual(yield* Fiber.join(waiting), expected)
        const writer = yield* socket.writer
        assert.strictEqual(yield* endOf(Effect.as(writer.write("x"), [""] as const)), expected)
      })
    )
  }

  test(
    "closes with the code of a CloseEvent, behind what was written; a code that may not be sent is a write error",
    Effect.gen(function* () {
      const { near, socket } = yield* pair()
      const { pull } = yield* socket.reader
      const writer = yield* socket.writer
      for (const event of [new Socket.CloseEvent(1006), new Socket.CloseEvent(1000, "x".repeat(124))]) {
        const { reason } = yield* Effect.flip(writer.write(event))
        assert.strictEqual(reason._tag, "SocketWriteError")
      }
      yield* writer.write("last")
      yield* writer.write(new Socket.CloseEvent(4001, "bye"))
      assert.strictEqual((yield* near.receive).data, "last")
      assert.deepStrictEqual((yield* near.closed).received, { code: 4001, reason: "bye" })
      assert.strictEqual(yield* endOf(pull), "4001 bye")
    })
  )

  test(
    "closes with 1000 when the reader's Scope does, and fails a pull that waits",
    Effect.gen(function* () {
      const { near, socket } = yield* pair()
      const scope = yield* Scope.make()
      const { pull } = yield* Scope.provide(socket.reader, scope)
      const waiting = yield* Effect.forkChild(endOf(pull), { startImmediately: true })
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* Fiber.join(waiting), "1000 -")
      assert.strictEqual((yield* near.closed).received?.code, 1000)
      assert.strictEqual(yield* endOf((yield* socket.reader).pull), "1000 -")
    })
  )

  test(
    "cannot be upgraded to TLS",
    Effect.gen(function* () {
      const { socket } = yield* pair()
      const { reason } = yield* Effect.flip((yield* socket.reader).upgrade())
      assert.strictEqual(reason._tag, "SocketUpgradeError")
    })
  )

  test(
    "works as a channel of Effect",
    Effect.gen(function* () {
      const { near, socket } = yield* pair()
      yield* Effect.forkScoped(Stream.runForEach(near.messages, (message) => near.send(message)))
      const texts = yield* Stream.make("a", "b").pipe(
        Stream.concat(Stream.never),
        Stream.pipeThroughChannel(Socket.toChannelString(socket)),
        Stream.take(2),
        Stream.runCollect
      )
      assert.deepStrictEqual(texts, ["a", "b"])
      assert.strictEqual((yield* near.closed).received?.code, 1000)
    })
  )
})
