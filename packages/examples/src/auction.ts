/**
 * An auction whose messages are values: the Schemas that both ends share check what arrives, and a message that does
 * not match them never gets here.
 *
 * `node packages/examples/src/auction.ts` listens on port 8000. Talk to it with
 * `npx -y pnpm@12 connect ws://127.0.0.1:8000/`: `{"_tag":"Enter","name":"Ada"}`, then `{"_tag":"Bid","amount":500}`.
 * Send `{"_tag":"Bid","amount":"lots"}`, and see the close reason.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Clock, Effect, Layer, Ref, Stream } from "effect"
import type { SocketServer } from "effect/socket"
import { CloseError, Tcp, TypedConnection, WebSocketServer } from "effect-ws"
import { Auction } from "./auctionMessages.ts"

/** One bidder's conversation. The state is shared by all. */
const bidder = (highest: Ref.Ref<number>) =>
  TypedConnection.handler(
    Auction.server,
    Effect.fnUntraced(function* (typed) {
      const server = yield* WebSocketServer.WebSocketServer
      let name: string | undefined

      const bid = Effect.fnUntraced(function* (name: string, amount: number) {
        const before = yield* Ref.getAndUpdate(highest, (highest) => Math.max(highest, amount))
        if (amount <= before) return yield* typed.send({ _tag: "TooLow", amount, highest: before })
        const at = new Date(yield* Clock.currentTimeMillis)
        // Encoded once, whatever the number of bidders.
        yield* server.broadcast({ _tag: "Highest", name, amount, at }, { as: Auction.server })
      })

      yield* Stream.runForEach(typed.messages, (message) => {
        if (message._tag === "Enter") {
          name = message.name
          return Effect.void
        }
        return name === undefined
          ? Effect.fail(new CloseError.PolicyViolation({ reason: "enter before you bid" }))
          : Effect.asVoid(bid(name, message.amount))
      })
    })
  )

/** The server. */
export const server: Layer.Layer<WebSocketServer.WebSocketServer, never, SocketServer.SocketServer> = Layer.unwrap(
  Effect.map(Ref.make(0), (highest) => WebSocketServer.layer(bidder(highest)))
)

if (import.meta.main) {
  server.pipe(Layer.provide(Tcp.layerServer({ port: 8000 })), Layer.launch, NodeRuntime.runMain)
}
