/**
 * What the two ends of the auction say to each other. The server and its clients, those in a browser too, import this
 * one module, so that neither can send what the other does not know.
 */
import { Schema } from "effect"
import { TypedConnection } from "effect-ws/browser"

/** An amount of money, in cents. */
export const Amount = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100_000_000 }))

/** What a bidder says. */
export const FromBidder = Schema.TaggedUnion({
  Enter: { name: Schema.NonEmptyString },
  Bid: { amount: Amount }
})

/** What the auction says. */
export const FromAuction = Schema.TaggedUnion({
  /** The highest bid is this one. */
  Highest: { name: Schema.String, amount: Amount, at: Schema.Date },
  /** A bid was too low. */
  TooLow: { amount: Amount, highest: Amount }
})

export const Auction = TypedConnection.protocol({ fromClient: FromBidder, fromServer: FromAuction })
