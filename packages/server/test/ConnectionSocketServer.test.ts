import type { Connection } from "@effect-ws/connection/Connection"
import * as CloseError from "@effect-ws/protocol/CloseError"
import * as HandshakeRejection from "@effect-ws/protocol/HandshakeRejection"
import type { Dialer } from "@effect-ws/transport/Dialer"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Option } from "effect"
import type { Scope } from "effect"
import type { Socket } from "effect/socket"
import { SocketServer } from "effect/socket"
import * as ConnectionSocketServer from "../src/ConnectionSocketServer.ts"
import type { ServerOptions } from "../src/WebSocketServer.ts"
import { captureLogs, connect, receiveText } from "@effect-ws/test-peers/Programs"
import type { Entry } from "@effect-ws/test-peers/Programs"
import { memory, tcp } from "./support/transports.ts"

class User extends Context.Service<User, string>()("test/User") {}

const echo = Effect.fnUntraced(function* (socket: Socket.Socket): Effect.fn.Return<never, unknown, Scope.Scope> {
  const { pull } = yield* socket.reader
  const writer = yield* socket.writer
  while (true) yield* writer.writeAll(yield* pull)
}, Effect.scoped)

/** Runs a handler, as a program that was written for Effect's socket servers does. */
const running = Effect.fnUntraced(function* <E, R>(
  handler: (socket: Socket.Socket) => Effect.Effect<unknown, E, R>,
  options?: ServerOptions
) {
  const context = yield* Layer.build(ConnectionSocketServer.layer({ drainTimeout: "100 millis", ...options }))
  const server = Context.get(context, SocketServer.SocketServer)
  // With the new server in the context, as a Layer that requires it has.
  const fiber = yield* server.run(handler).pipe(Effect.provideContext(context), Effect.forkScoped)
  return { server, fiber }
})

for (const transport of [memory, tcp]) {
  const logs: Array<Entry> = []

  const test = (
    name: string,
    program: Effect.Effect<void, unknown, SocketServer.SocketServer | Dialer | Scope.Scope>
  ): void => {
    it.live(name, () => program.pipe(Effect.scoped, Effect.provide([Layer.fresh(transport.layer), captureLogs(logs)])))
  }

  describe(`WebSocket connections as a SocketServer, ${transport.name}`, () => {
    test(
      "run a program that was written for sockets",
      Effect.gen(function* () {
        const { server } = yield* running(echo)
        for (const text of ["one", "two"]) {
          const client = yield* connect(server)
          yield* client.send(text)
          assert.strictEqual(yield* receiveText(client), text)
          assert.strictEqual((yield* client.close()).received?.code, 1000)
        }
      })
    )

    test(
      "do the handshake as it is configured, and refuse what is refused",
      Effect.gen(function* () {
        const { server } = yield* running(echo, { paths: ["/rpc"], subprotocols: ["a"] })
        const client = yield* connect(server, { target: "/rpc", subprotocols: ["a"] })
        assert.strictEqual(client.subprotocol, "a")
        const refused = yield* Effect.flip(connect(server, { target: "/other" }))
        assert.propertyVal(refused, "status", 404)
      })
    )

    test(
      "give the handler the connection, and what the decision attached",
      Effect.gen(function* () {
        const seen = yield* Deferred.make<readonly [string, Connection | undefined]>()
        const { server } = yield* running(
          Effect.fnUntraced(function* () {
            const user = yield* Effect.serviceOption(User)
            const connection = yield* Effect.serviceOption(ConnectionSocketServer.CurrentConnection)
            yield* Deferred.succeed(seen, [Option.getOrElse(user, () => "nobody"), Option.getOrUndefined(connection)])
          }),
          {
            decide: ({ path }) =>
              path === "/ada"
                ? Effect.succeed({ context: Context.make(User, "ada") })
                : Effect.fail(new HandshakeRejection.HandshakeRejection({ status: 403, reason: "no" }))
          }
        )
        yield* connect(server, { target: "/ada" })
        const [user, connection] = yield* Deferred.await(seen)
        assert.deepStrictEqual([user, connection?.request.path], ["ada", "/ada"])
      })
    )

    const exits: ReadonlyArray<readonly [string, Effect.Effect<void, unknown>, number, boolean]> = [
      ["returns closes with 1000", Effect.void, 1000, false],
      ["fails with a typed close closes with that", Effect.fail(new CloseError.PolicyViolation({})), 1008, false],
      ["fails otherwise closes with 1011 and is logged", Effect.fail("oops"), 1011, true],
      ["dies closes with 1011 and is logged", Effect.die("oops"), 1011, true]
    ]
    for (const [name, exit, code, isLogged] of exits) {
      test(
        `a handler that ${name}`,
        Effect.gen(function* () {
          logs.length = 0
          const { server } = yield* running(() => exit)
          const client = yield* connect(server)
          assert.strictEqual((yield* client.closed).received?.code, code)
          assert.strictEqual(
            logs.some(({ level }) => level === "Error"),
            isLogged
          )
        })
      )
    }

    test(
      "drain when the run is interrupted",
      Effect.gen(function* () {
        const { fiber, server } = yield* running(echo)
        const client = yield* connect(server)
        yield* client.send("hello")
        assert.strictEqual(yield* receiveText(client), "hello")
        yield* Fiber.interrupt(fiber)
        const { received } = yield* client.closed
        assert.deepStrictEqual(received, { code: 1001, reason: "server shutting down" })
      })
    )
  })
}
