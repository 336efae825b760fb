/**
 * Effect RPC over WebSocket: one group of procedures, a server and a client for it, and one Layer that says where they
 * meet. Nothing of `effect/rpc` knows of this library: it asks for a `SocketServer` on one side and for a `Socket` on
 * the other.
 *
 * `node packages/examples/src/rpc.ts` runs it, once over TCP and once in memory.
 */
import * as Client from "@effect-ws/client/Client"
import * as ClientSocket from "@effect-ws/client/ClientSocket"
import * as ConnectionSocketServer from "@effect-ws/server/ConnectionSocketServer"
import * as Dialer from "@effect-ws/transport/Dialer"
import * as Memory from "@effect-ws/transport/Memory"
import * as Tcp from "@effect-ws/transport/Tcp"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Layer, Schema, Stream } from "effect"
import { Rpc, RpcClient, RpcGroup, RpcSerialization, RpcServer } from "effect/rpc"
import type { Socket } from "effect/socket"
import { SocketServer } from "effect/socket"

/** No person has this name. */
export class NoSuchUser extends Schema.TaggedError<NoSuchUser>("examples/NoSuchUser")("NoSuchUser", {
  name: Schema.String
}) {}

/** What client and server agree on: a call, a call that may fail, and a stream. */
export class Procedures extends RpcGroup.make(
  Rpc.make("Greet", { payload: { name: Schema.NonEmptyString }, success: Schema.String }),
  Rpc.make("AgeOf", { payload: { name: Schema.String }, success: Schema.Int, error: NoSuchUser }),
  Rpc.make("Count", { payload: { to: Schema.Int }, success: Schema.Int, stream: true })
) {}

const ages = new Map([["ada", 36]])

const Handlers = Procedures.toLayer({
  Greet: ({ name }) => Effect.succeed(`Hello ${name}`),
  AgeOf: ({ name }) =>
    Effect.suspend(() => {
      const age = ages.get(name)
      return age === undefined ? Effect.fail(new NoSuchUser({ name })) : Effect.succeed(age)
    }),
  Count: ({ to }) => Stream.range(1, to)
})

/** The server, on any transport: each WebSocket is a client of the procedures. */
export const Server: Layer.Layer<never, never, SocketServer.SocketServer> = RpcServer.layer(Procedures).pipe(
  Layer.provide(Handlers),
  Layer.provide(RpcServer.layerProtocolSocketServer),
  Layer.provide([ConnectionSocketServer.layer({ paths: ["/rpc"] }), RpcSerialization.layerJson])
)

/** The socket of a client to the server that listens in the context. Elsewhere this is a URL. */
const ToServer: Layer.Layer<Socket.Socket, never, SocketServer.SocketServer | Dialer.Dialer> = Layer.unwrap(
  Effect.map(SocketServer.SocketServer, ({ address }) =>
    ClientSocket.layer(`ws://${Dialer.formatAddress(address)}/rpc`)
  )
)

/** The client's side of the connection, which dials anew when it is lost. */
export const ClientProtocol: Layer.Layer<RpcClient.Protocol, never, SocketServer.SocketServer | Dialer.Dialer> =
  RpcClient.layerProtocolSocket().pipe(Layer.provide([ToServer, RpcSerialization.layerJson]))

/** Calls every procedure once, and gives what came back in lines. */
export const program = Effect.gen(function* () {
  const client = yield* RpcClient.make(Procedures)
  const greeting = yield* client.Greet({ name: "Ada" })
  const age = yield* client.AgeOf({ name: "ada" })
  const nobody = yield* Effect.flip(client.AgeOf({ name: "bob" }))
  const numbers = yield* Stream.runCollect(client.Count({ to: 5 }))
  return [greeting, `ada is ${age}`, `${nobody._tag}`, numbers.join(" ")]
}).pipe(Effect.scoped)

/** Server and client in one process. */
export const run = program.pipe(Effect.provide(Layer.merge(Server, ClientProtocol)))

/** Where they meet: a port of this machine, or memory. */
export const networks = {
  TCP: Layer.merge(Tcp.layerServer({ port: 0 }), Client.layerDirect()),
  Memory: Memory.layer({ port: 80 })
}

const main = Effect.forEach(
  Object.entries(networks),
  ([name, network]) =>
    Effect.flatMap(run, (lines) => Console.log(`${name}: ${lines.join(", ")}`)).pipe(Effect.provide(network)),
  { discard: true }
)

if (import.meta.main) NodeRuntime.runMain(main)
