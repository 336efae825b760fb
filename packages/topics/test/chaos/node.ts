/** One node of topics as a process of its own: `node node.ts PORT REDIS_URL`. Says `ready` when it accepts. */
import * as Tcp from "@effect-ws/transport/Tcp"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer, Logger } from "effect"
import * as TopicLog from "../../src/TopicLog.ts"
import * as TopicServer from "../../src/TopicServer.ts"

const [port, url] = process.argv.slice(2)

const Log = TopicLog.layerRedis({
  redis: NodeRedis.layer({
    url: url!,
    disableOfflineQueue: true,
    socket: { connectTimeout: 1000, reconnectStrategy: false }
  }),
  commandTimeout: "1 second",
  blockTimeout: "1 second",
  startTimeout: "30 seconds",
  maxEntries: 100_000,
  recentEntries: 64
})

const Server = TopicServer.layer({ authorize: TopicServer.allowAll }, { origins: "any" })

const program = Layer.build(
  Server.pipe(Layer.provide(Log), Layer.provide(Tcp.layerServer({ port: Number(port), host: "127.0.0.1" })))
).pipe(
  Effect.andThen(Effect.sync(() => void process.stdout.write("ready\n"))),
  Effect.andThen(Effect.never),
  Effect.scoped,
  Effect.provide(Logger.layer([]))
)

NodeRuntime.runMain(program)
