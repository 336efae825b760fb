/**
 * Effect Cluster over WebSockets: runners that share entities between them, and reach each other by connections of this
 * library. What a proxy or an ingress between them lets through is a WebSocket, with TLS and credentials as for any
 * other.
 *
 * `node packages/examples/src/cluster.ts` starts two runners in one process and counts with entities of both.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Context, Effect, Layer, Option, Schema } from "effect"
import {
  Entity,
  MessageStorage,
  RunnerAddress,
  RunnerHealth,
  Runners,
  RunnerStorage,
  ShardingConfig,
  SocketRunner
} from "effect/cluster"
import type { Sharding } from "effect/cluster"
import { Rpc, RpcClient, RpcSerialization } from "effect/rpc"
import type { SocketServer } from "effect/socket"
import { Client, Tcp } from "effect-ws"
import * as ClientSocket from "effect-ws/ClientSocket"
import * as ConnectionSocketServer from "effect-ws/ConnectionSocketServer"

/** A counter for each name. It lives on one of the runners, and any of them can ask it. */
export const Counter = Entity.make("Counter", [
  Rpc.make("Add", { payload: { by: Schema.Int }, success: Schema.Int }),
  Rpc.make("WhereAreYou", { success: Schema.String })
])

const Counters = Counter.toLayer(
  Effect.gen(function* () {
    const runner = yield* Entity.CurrentRunnerAddress
    let count = 0
    return {
      Add: ({ payload: { by } }) => Effect.sync(() => (count += by)),
      WhereAreYou: () => Effect.succeed(`${runner.host}:${runner.port}`)
    }
  })
)

/** How a runner reaches the others: by a connection to each, which is dialed anew when it is lost. */
const ClientProtocol = Layer.effect(
  Runners.RpcClientProtocol,
  Effect.gen(function* () {
    const serialization = yield* RpcSerialization.RpcSerialization
    return {
      codecFor: serialization.codecFor,
      make: Effect.fnUntraced(function* (address) {
        const socket = yield* Layer.build(ClientSocket.layer(`ws://${address.host}:${address.port}/cluster`))
        return yield* RpcClient.makeProtocolSocket().pipe(
          Effect.provideContext(Context.add(socket, RpcSerialization.RpcSerialization, serialization))
        )
      }, Effect.provide(Client.layerDirect()))
    }
  })
)

/** How the others reach a runner. */
const Listener = (port: number) =>
  ConnectionSocketServer.layer({ paths: ["/cluster"] }).pipe(Layer.provide(Tcp.layerServer({ port })))

/**
 * One runner of the cluster. What all of them share, which in production is a database, is in the context: who the
 * runners are, and the messages that must not be lost.
 */
export const Runner = (
  port: number
): Layer.Layer<
  Sharding.Sharding,
  SocketServer.SocketServerError,
  RunnerStorage.RunnerStorage | MessageStorage.MessageStorage
> =>
  Counters.pipe(
    Layer.provideMerge(SocketRunner.layer),
    Layer.provide([Listener(port), RunnerHealth.layerPing.pipe(Layer.provide(Runners.layerRpc))]),
    Layer.provide(ClientProtocol),
    Layer.provide([
      RpcSerialization.layerSchemaBinary(),
      ShardingConfig.layer({
        runnerAddress: Option.some(RunnerAddress.make("127.0.0.1", port)),
        shardsPerGroup: 16,
        refreshAssignmentsInterval: "200 millis"
      })
    ])
  )

/** What the runners of one process share. */
export const Shared = Layer.merge(RunnerStorage.layerMemory, MessageStorage.layerNoop)

/** Counts with each name, asked from one runner; gives where each counter is. */
export const count = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
  const clientOf = yield* Counter.client
  return yield* Effect.forEach(names, (name) =>
    Effect.gen(function* () {
      const counter = clientOf(name)
      const total = yield* counter.Add({ by: 1 })
      return { name, total, runner: yield* counter.WhereAreYou() }
    })
  )
})

const main = Effect.gen(function* () {
  const shared = yield* Layer.build(Shared)
  const start = (port: number) => Layer.build(Layer.fresh(Runner(port))).pipe(Effect.provideContext(shared))
  const runners = [yield* start(34_431), yield* start(34_432)]
  yield* Effect.sleep("1 second")
  for (const runner of runners) {
    for (const { name, runner: where, total } of yield* Effect.provideContext(
      count(["tea", "coffee", "milk"]),
      runner
    )) {
      yield* Console.log(`${name} is ${total}, on ${where}`)
    }
  }
}).pipe(Effect.scoped)

if (import.meta.main) NodeRuntime.runMain(main)
