/**
 * A ticker: prices of a few symbols, each a topic. A client says `subscribe SYMBOL` and `unsubscribe SYMBOL`, and gets
 * a line for each change of what it subscribed to.
 *
 * One fiber publishes, whatever the number of clients, and each line is encoded once. Of a price only the newest
 * matters, so a client that is slow misses older ones, one symbol at a time, and no other client notices.
 *
 * `node packages/examples/src/ticker.ts` listens on port 8000.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, Random, Schedule } from "effect"
import type { SocketServer } from "effect/socket"
import { PermessageDeflate, Tcp, Topics, WebSocketServer } from "effect-ws"
import type { Connection, Handlers } from "effect-ws"

const openings = new Map([
  ["ACME", 100],
  ["INIT", 250],
  ["UMBR", 40]
])

const answer = Effect.fnUntraced(function* (connection: Connection.Connection, line: string) {
  const topics = yield* Topics.Topics
  const [command, symbol = ""] = line.split(" ")
  if (!openings.has(symbol)) return yield* connection.send(`unknown symbol ${symbol}`)
  switch (command) {
    case "subscribe":
      return yield* topics.subscribe(connection, symbol, { onSlowSubscriber: "dropOldest", maxQueuedMessages: 1 })
    case "unsubscribe":
      return yield* topics.unsubscribe(connection, symbol)
    default:
      return yield* connection.send("say: subscribe SYMBOL, or: unsubscribe SYMBOL")
  }
})

const handlers: Handlers.Handlers<unknown, Topics.Topics> = {
  onMessage: (connection, message) => answer(connection, String(message.data))
}

/** Moves each price a little, every second. */
const market = Effect.gen(function* () {
  const topics = yield* Topics.Topics
  const prices = new Map(openings)
  const move = Effect.fnUntraced(function* (symbol: string) {
    const price = prices.get(symbol)! * (1 + (yield* Random.nextBetween(-0.01, 0.01)))
    prices.set(symbol, price)
    const { dropped, subscribers } = yield* topics.publish(symbol, `${symbol} ${price.toFixed(2)}`)
    if (dropped > 0) yield* Effect.logInfo(`${symbol}: ${dropped} of ${subscribers} missed a price`)
  })
  const round = Effect.forEach([...openings.keys()], move, { discard: true })
  yield* Effect.forkScoped(Effect.delay(Effect.repeat(round, Schedule.spaced("1 second")), "1 second"))
})

/** The server and the market, which share the topics. */
export const Ticker: Layer.Layer<WebSocketServer.WebSocketServer, never, SocketServer.SocketServer> =
  WebSocketServer.layerQueue(handlers).pipe(
    Layer.merge(Layer.effectDiscard(market)),
    Layer.provide(Topics.layer({ maxSubscriptions: openings.size }))
  )

if (import.meta.main) {
  Ticker.pipe(
    Layer.provide([PermessageDeflate.layer({ serverContextTakeover: false }), Tcp.layerServer({ port: 8000 })]),
    Layer.launch,
    NodeRuntime.runMain
  )
}
