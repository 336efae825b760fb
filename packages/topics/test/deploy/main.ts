/**
 * The deploy by hand, over TCP: `npx -y pnpm@12 deploy:topics [CLIENTS]`, 10 000 by default. Nodes and clients are in
 * one process, which needs two file descriptors for each client.
 */
import * as Client from "@effect-ws/client/Client"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Tcp from "@effect-ws/transport/Tcp"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Context, Effect, Layer, Logger } from "effect"
import type * as NetAddress from "effect/net/NetAddress"
import * as MemoryEngine from "../../src/MemoryEngine.ts"
import * as TopicLog from "../../src/TopicLog.ts"
import * as TopicServer from "../../src/TopicServer.ts"
import { run } from "./Deploy.ts"

const clients = Number(process.argv[2] ?? 10_000)
const rate = clients / 10
const write = (line: string): void => void process.stdout.write(`${line}\n`)

const engine = MemoryEngine.make()

const startNode = Effect.gen(function* () {
  const options = { origins: "any", maxHandshakesPerSecond: rate, maxHandshakes: clients } as const
  const layer = TopicServer.layer({ authorize: TopicServer.allowAll }, options).pipe(
    Layer.provideMerge(TopicLog.layerMemory({ engine })),
    Layer.provide(Tcp.layerServer({ port: 0, host: "127.0.0.1" }))
  )
  const context = yield* Layer.build(layer)
  const server = Context.get(context, WebSocketServer.WebSocketServer)
  const { port } = server.address as NetAddress.InetAddress
  return { server, log: Context.get(context, TopicLog.TopicLog), url: `ws://127.0.0.1:${port}/` }
})

const program = Effect.gen(function* () {
  const [old, next] = [yield* startNode, yield* startNode]
  const { attempts, gaps, got, hasClosedEarly, mostAtOnce, pageReads, published, turns } = yield* run({
    old,
    next,
    clients,
    rooms: 10,
    drain: { notReadyFor: "2 seconds", over: "10 seconds", retryDelay: "5 seconds" },
    pass: Effect.sleep("100 millis")
  })
  const complete = got.filter((items) => items.join() === Array.from({ length: published }, (_, at) => at + 1).join())
  write(
    `${complete.length} of ${clients} clients have all ${published} entries once and in order, with ${gaps.length} gaps`
  )
  write(`${attempts} attempts to connect, at most ${mostAtOnce} clients taken in 100 ms, ${pageReads} page reads`)
  write(`all of them moved after about ${(turns / 10).toFixed(1)} seconds`)
  if (complete.length < clients || gaps.length > 0 || hasClosedEarly) process.exitCode = 1
})

NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide([Client.layerDialer(), Logger.layer([])])))
