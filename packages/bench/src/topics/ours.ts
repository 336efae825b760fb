/** One node of topics over Redis: `node ours.ts PORT REDIS_URL`. Prints `ready` when it accepts. */
import * as TopicLog from "@effect-ws/topics/TopicLog"
import * as TopicServer from "@effect-ws/topics/TopicServer"
import * as Tcp from "@effect-ws/transport/Tcp"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { Effect, Layer, Logger } from "effect"

const [port, url] = process.argv.slice(2)

process.stdin.on("end", () => process.exit(0)).resume()

const Log = TopicLog.layerRedis({
  redis: NodeRedis.layer({ url: url!, disableOfflineQueue: true }),
  maxEntries: 10_000
})

const Server = TopicServer.layer({ authorize: TopicServer.allowAll }, { origins: "any" }).pipe(
  Layer.provide(Log),
  Layer.provide(Tcp.layerServer({ port: Number(port), host: "127.0.0.1" }))
)

Effect.runFork(
  Layer.build(Server).pipe(
    Effect.andThen(Effect.sync(() => void process.stdout.write("ready\n"))),
    Effect.andThen(Effect.never),
    Effect.scoped,
    Effect.provide(Logger.layer([]))
  )
)
