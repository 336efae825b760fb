/**
 * A server that knows who it talks to: Digest or Basic for people and tools, a token for services. Who it is stands in
 * the connection's context, and the handler cannot run without it.
 *
 * `node packages/examples/src/authenticated.ts` listens on port 8000; try
 * `effect-ws connect ws://localhost:8000/ --user alice:wonderland`.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Context, Effect, Layer, Option, Redacted, Stream } from "effect"
import type { SocketServer } from "effect/socket"
import { Accept, Auth, Tcp, WebSocketServer } from "effect-ws"
import * as AuthNonces from "effect-ws/AuthNonces"

/** Who is at the other end. */
export class User extends Context.Service<User, string>()("examples/User") {}

const users = Auth.users([["alice", Redacted.make("wonderland")]])
const token = Redacted.make("an-opaque-token")

const policy = Auth.anyOf(
  Auth.digest({ realm: "examples", ...users }),
  Auth.basic({ realm: "examples", ...users }),
  Auth.bearer({
    realm: "examples",
    verify: (given) => Effect.succeed(Auth.sameSecret(given, token) ? Option.some("a service") : Option.none())
  })
)

/** The server: greets each by name, and echoes. */
export const server: Layer.Layer<WebSocketServer.WebSocketServer, never, SocketServer.SocketServer> =
  WebSocketServer.layer(
    Effect.fnUntraced(function* (connection) {
      yield* connection.send(`hello ${yield* Auth.identity(connection, User)}`)
      yield* Stream.runForEach(connection.messages, (message) => connection.send(message))
    }),
    { decide: Auth.required(policy, Accept.all, { as: User }) }
  ).pipe(Layer.provide(AuthNonces.layer()))

if (import.meta.main) {
  server.pipe(Layer.provide(Tcp.layerServer({ port: 8000 })), Layer.launch, NodeRuntime.runMain)
}
