/**
 * Chat rooms that outlive their server: each room is a topic with a position, so a page that lost its connection asks
 * for what came after the last line that it has, on whatever node it finds then, and shows every line once.
 *
 * `node packages/examples/src/rooms.ts` listens on port 8000, with the rooms in memory. With `REDIS_URL` the same
 * program is one of many nodes: start several, with a `PORT` each, and put a load balancer in front.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Config, Effect, Layer, Option } from "effect"
import type { SocketServer } from "effect/socket"
import { Tcp, TopicLog, WebSocketServer } from "effect-ws"
import * as TopicProtocol from "effect-ws/TopicProtocol"
import * as TopicServer from "effect-ws/TopicServer"
import type * as TopicLogError from "effect-ws/TopicLogError"
import { readFileSync } from "node:fs"

const bounds: TopicLog.TopicLogOptions = { maxEntries: 500, maxAge: "1 day", maxEntryBytes: 4096 }

/** The log: in Redis where there is a URL, which is the only case in which `redis` is loaded. */
const log = (
  url: string | undefined
): Layer.Layer<TopicLog.TopicLog, TopicLogError.EngineUnsupported | TopicLogError.LogUnavailable> =>
  url === undefined
    ? TopicLog.layerMemory(bounds)
    : Layer.unwrap(
        Effect.map(
          Effect.promise(() => import("@effect/platform-node/NodeRedis")),
          (NodeRedis) =>
            TopicLog.layerRedis({
              ...bounds,
              redis: NodeRedis.layer({ url, disableOfflineQueue: true }),
              commandTimeout: "2 seconds",
              startTimeout: "30 seconds"
            })
        )
      )

/** Everyone may do everything in a room, and nothing elsewhere. */
const authorize = ({ topic }: TopicServer.Action): Effect.Effect<void, TopicProtocol.Denied> =>
  /^room:.{1,40}$/u.test(topic)
    ? Effect.void
    : Effect.fail(new TopicProtocol.Denied({ reason: "expected room:NAME, of at most 40 characters" }))

const page = {
  status: 200,
  headers: {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:; frame-ancestors 'none'"
  },
  body: readFileSync(new URL("./rooms.html", import.meta.url))
}

/** A node, with the page at `/`. */
export const node = (
  url?: string
): Layer.Layer<
  WebSocketServer.WebSocketServer,
  TopicLogError.EngineUnsupported | TopicLogError.LogUnavailable,
  SocketServer.SocketServer
> =>
  TopicServer.layer(
    { authorize },
    {
      maxMessageSize: 16_384,
      respond: (request) => (request.target === "/" ? page : undefined),
      readyPath: "/ready",
      maxHandshakesPerSecond: 500
    }
  ).pipe(Layer.provide(log(url)))

/**
 * One of many nodes is drained at a pace when it is stopped, so that its clients do not all come to the others at once.
 */
const drainAtPace = Layer.effectDiscard(
  Effect.flatMap(WebSocketServer.WebSocketServer, (server) =>
    Effect.addFinalizer(() => server.drain({ notReadyFor: "4 seconds", over: "5 seconds", retryDelay: "2 seconds" }))
  )
)

if (import.meta.main) {
  Layer.unwrap(
    Effect.gen(function* () {
      const port = yield* Config.Port("PORT").pipe(Config.withDefault(8000))
      const url = yield* Config.option(Config.String("REDIS_URL"))
      const server = Layer.provide(node(Option.getOrUndefined(url)), Tcp.layerServer({ port }))
      return Option.isNone(url) ? server : Layer.provideMerge(drainAtPace, server)
    })
  ).pipe(Layer.launch, NodeRuntime.runMain)
}
