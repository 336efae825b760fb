/**
 * What Effect asks of its `Socket`, held by connections as sockets over every transport: a batch is one operation,
 * every wait ends with the Scope of the reader, and an end in order stays one.
 */
import * as ConnectionSocket from "@effect-ws/connection/ConnectionSocket"
import type { Dialer } from "@effect-ws/transport/Dialer"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Scope } from "effect"
import { Socket, SocketServer } from "effect/socket"
import * as ConnectionSocketServer from "../src/ConnectionSocketServer.ts"
import { connect } from "@effect-ws/test-peers/Programs"
import { transports } from "./support/transports.ts"

/** A socket of a server, and the one of its client. */
const pair = Effect.gen(function* () {
  const context = yield* Layer.build(
    ConnectionSocketServer.layer({ drainTimeout: "100 millis", closeTimeout: "30 seconds" })
  )
  const server = Context.get(context, SocketServer.SocketServer)
  const accepted = yield* Deferred.make<Socket.Socket>()
  const over = yield* Deferred.make<void>()
  yield* Effect.forkScoped(
    server.run((socket) => Effect.andThen(Deferred.succeed(accepted, socket), Deferred.await(over)))
  )
  const connection = yield* connect(server, { closeTimeout: "30 seconds" })
  // It need not answer when the test is over.
  yield* Effect.addFinalizer(() => connection.abort())
  return { far: yield* Deferred.await(accepted), near: ConnectionSocket.fromConnection(connection) }
})

const ends = {
  "of a server": Effect.map(pair, ({ far, near }) => ({ socket: far, peer: near })),
  "of a client": Effect.map(pair, ({ far, near }) => ({ socket: near, peer: far }))
}

const codeOf = ({ reason }: Socket.SocketError): number | string =>
  reason._tag === "SocketCloseError" ? reason.code : reason._tag

const soon = Effect.sleep("50 millis")

for (const transport of transports) {
  // Eight of them are more than what a system holds for a peer that does not read.
  const piece = "x".repeat(transport.large < 1 << 20 ? transport.large / 4 : 2 * transport.large)
  for (const [end, both] of Object.entries(ends)) {
    const test = (
      name: string,
      program: Effect.Effect<void, unknown, SocketServer.SocketServer | Dialer | Scope.Scope>
    ) =>
      it.live(
        name,
        () => program.pipe(Effect.scoped, Effect.provide([Layer.fresh(transport.layer), Logger.layer([])])),
        15_000
      )

    describe(`a connection as a socket, ${transport.name}, ${end}`, () => {
      test(
        "sends a batch as one, whatever other fibers write while it waits for the peer",
        Effect.gen(function* () {
          const { peer, socket } = yield* both
          const { writeAll } = yield* socket.writer
          const names = ["a", "b", "c", "d"]
          const writing = yield* Effect.forkScoped(
            Effect.forEach(names, (name) => writeAll([`<${name}`, piece, `${name} `, piece, `${name}>`]), {
              concurrency: "unbounded"
            }),
            { startImmediately: true }
          )
          yield* soon
          assert.isUndefined(writing.pollUnsafe(), "the peer has not read anything")
          const { pull } = yield* peer.reader
          const marks: Array<string> = []
          while (marks.length < names.length * 3) {
            for (const chunk of yield* pull) if (chunk.length < 10) marks.push(String(chunk))
          }
          assert.strictEqual(marks.join(""), names.map((name) => `<${name}${name} ${name}>`).join(""))
          yield* Fiber.join(writing)
        })
      )

      test(
        "ends a pull and a write that wait as soon as the Scope of the reader closes, though the peer does not answer",
        Effect.gen(function* () {
          const { socket } = yield* both
          const scope = yield* Scope.make()
          const { pull } = yield* Scope.provide(socket.reader, scope)
          const { write } = yield* socket.writer
          const pulling = yield* Effect.forkChild(Effect.flip(pull), { startImmediately: true })
          const writing = yield* Effect.forkChild(Effect.flip(Effect.forever(write(piece))), { startImmediately: true })
          yield* soon
          assert.deepStrictEqual([pulling.pollUnsafe(), writing.pollUnsafe()], [undefined, undefined])
          yield* Scope.close(scope, Exit.void)
          assert.deepStrictEqual(
            [codeOf(yield* Fiber.join(pulling)), codeOf((yield* Fiber.join(writing)) as Socket.SocketError)],
            [1000, 1000]
          )
          assert.strictEqual(codeOf(yield* Effect.flip(write("more"))), 1000)
        })
      )

      test(
        "gives the peer what was written before a CloseEvent, and its code",
        Effect.gen(function* () {
          const { peer, socket } = yield* both
          const { pull } = yield* peer.reader
          const { write } = yield* socket.writer
          yield* write("last")
          yield* write(new Socket.CloseEvent(4000, "bye"))
          assert.deepStrictEqual(yield* pull, ["last"])
          assert.strictEqual(codeOf(yield* Effect.flip(pull)), 4000)
        })
      )
    })
  }
}
