/**
 * A page for bidders of the auction: typed messages over a client that connects again. Everything that it imports runs
 * in a browser, so any bundler makes a script of it, such as
 * `npx rolldown packages/examples/src/auctionPage.ts -f iife -n auction`.
 */
/// <reference lib="dom" />
import { Effect, Stream } from "effect"
import type { Scope } from "effect"
import { Reconnect, TypedConnection } from "effect-ws/browser"
import { Auction } from "./auctionMessages.ts"

const show = (id: string, text: string) =>
  Effect.sync(() => {
    document.getElementById(id)!.textContent = text
  })

const described = (message: (typeof Auction.client.receive)["Type"]): string =>
  message._tag === "Highest"
    ? `${message.name} bids ${message.amount}, at ${message.at.toISOString()}`
    : `${message.amount} is not enough, ${message.highest} is bid`

/** Runs the page: the elements `state`, `said`, `amount` and `bid` are its own. */
export const run = (url: string, name: string): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const client = yield* Reconnect.make({ url })
    const typed = yield* TypedConnection.make(client, Auction.client)

    // The auction knows a bidder by the connection, so each one enters.
    yield* client.events.pipe(
      Stream.runForEach((event) =>
        Effect.gen(function* () {
          if (event._tag === "Open") {
            const opened = yield* TypedConnection.make(event.connection, Auction.client)
            yield* Effect.ignore(opened.send({ _tag: "Enter", name }))
          }
          yield* show("state", event._tag)
        })
      ),
      Effect.forkScoped
    )

    const amount = document.getElementById("amount") as HTMLInputElement
    yield* Stream.fromEventListener(document.getElementById("bid")!, "click").pipe(
      Stream.runForEach(() =>
        // What is no amount is refused here, before the server sees it.
        Effect.catch(typed.send({ _tag: "Bid", amount: Number(amount.value) }), (error) => show("said", error.message))
      ),
      Effect.forkScoped
    )

    yield* Effect.ignore(Stream.runForEach(typed.messages, (message) => show("said", described(message))))
  })
