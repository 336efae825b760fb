/** Servers of topics on a network in memory, and the in-memory engine that they share. */
import * as Memory from "@effect-ws/transport/Memory"
import type { MemoryNetwork } from "@effect-ws/transport/Memory"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { SocketServer } from "effect/socket"
import { TestClock } from "effect/testing"
import type * as MemoryEngine from "../../src/MemoryEngine.ts"
import * as TopicLog from "../../src/TopicLog.ts"
import type { TopicLogOptions } from "../../src/TopicLog.ts"
import * as TopicPresence from "../../src/TopicPresence.ts"
import * as TopicProtocol from "../../src/TopicProtocol.ts"
import * as TopicServer from "../../src/TopicServer.ts"

/** Lets everything happen that needs no time to pass. */
export const settle = Effect.forEach(Array.from({ length: 20 }), () => Effect.promise(() => Promise.resolve()), {
  discard: true
}).pipe(Effect.andThen(TestClock.adjust(0)), Effect.repeat({ times: 5 }))

export interface ServeOptions {
  readonly port: number
  readonly engine: MemoryEngine.MemoryEngine
  readonly log?: TopicLogOptions
  readonly topics?: Partial<TopicServer.TopicServerOptions>
  readonly server?: WebSocketServer.ServerOptions
  /** Tells who is subscribed; `topics.member` names them. */
  readonly presence?: TopicPresence.PresenceOptions
}

/** Starts a node that can be killed: its connections break, and it listens no more. */
export const serve = Effect.fnUntraced(function* (options: ServeOptions) {
  const network = yield* Memory.MemoryNetwork
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
  const sockets = yield* Scope.provide(network.listen({ port: options.port }), scope)
  const log = Context.get(
    yield* Scope.provide(Layer.build(TopicLog.layerMemory({ ...options.log, engine: options.engine })), scope),
    TopicLog.TopicLog
  )
  const withLog = Layer.succeed(TopicLog.TopicLog, log)
  const services =
    options.presence === undefined ? withLog : Layer.provideMerge(TopicPresence.layer(options.presence), withLog)
  const context: Context.Context<TopicLog.TopicLog> = yield* Scope.provide(Layer.build(services), scope)
  const handlers = yield* Effect.provide(
    TopicServer.make({ authorize: TopicServer.allowAll, ...options.topics }),
    context
  ).pipe(Scope.provide(scope))
  const server = yield* WebSocketServer.make(handlers, {
    ...options.server,
    subprotocols: [TopicProtocol.subprotocol],
    drainTimeout: 0
  }).pipe(
    Effect.provideService(SocketServer.SocketServer, Context.get(sockets, SocketServer.SocketServer)),
    Scope.provide(scope)
  )
  const kill = Effect.gen(function* () {
    for (const connection of yield* server.connections) yield* connection.abort("killed")
    yield* Scope.close(scope, Exit.void)
  })
  return { log, presence: Context.getOption(context, TopicPresence.TopicPresence), server, kill }
})

export type Network = MemoryNetwork
