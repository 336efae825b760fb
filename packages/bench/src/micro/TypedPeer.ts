/**
 * Servers of the row `typed`: each reads a message of JSON as a value of a Schema and sends the value back, by hand or
 * as typed messages. `ws` and `stream` echo the same message without a look at it.
 */
import type * as ConnectionModule from "@effect-ws/connection/Connection"
import type * as CodecModule from "@effect-ws/connection/MessageCodec"
import type * as TypedModule from "@effect-ws/connection/TypedConnection"
import type * as EffectModule from "effect/Effect"
import type * as SchemaModule from "effect/Schema"
import type * as StreamModule from "effect/Stream"
import { importFrom } from "./Checkout.ts"

type Connection = ConnectionModule.Connection

/** What a server does with a connection. */
export type Talk = (connection: Connection) => EffectModule.Effect<unknown, unknown>

/** The ways by name: JSON alone, a Schema by hand, and typed messages in two codecs. */
export const ways = ["json", "schema", "typed", "typed-binary"] as const
export type Way = (typeof ways)[number]

/** Whether a peer is one of the ways. */
export const isWay = (peer: string): peer is Way => ways.some((way) => way === peer)

const trade = { symbol: "ACME", price: 101.25, size: 300, tags: ["fast", "dark"] }

const load = async (checkout: string) => {
  const Schema = await importFrom<typeof SchemaModule>(checkout, "effect/Schema")
  const Effect = await importFrom<typeof EffectModule>(checkout, "effect/Effect")
  const MessageCodec = await importFrom<typeof CodecModule>(checkout, "@effect-ws/connection/MessageCodec")
  const Trade = Schema.Struct({
    symbol: Schema.String,
    price: Schema.Finite,
    size: Schema.Int,
    tags: Schema.Array(Schema.String)
  })
  return { Schema, Effect, MessageCodec, Trade, binary: MessageCodec.binary() }
}

/** The message that clients of a peer send, and expect to come back. */
export const messageFor = async (
  peer: string,
  checkout: string
): Promise<{ readonly kind: "text" | "binary"; readonly payload: Uint8Array }> => {
  if (peer !== "typed-binary") return { kind: "text", payload: Buffer.from(JSON.stringify(trade)) }
  const { Effect, Trade, binary } = await load(checkout)
  const encode = binary.compile(Trade).encode(trade) as EffectModule.Effect<Uint8Array>
  return { kind: "binary", payload: Effect.runSync(encode) }
}

/** Makes the conversation of a way. */
export const makeTalk = async (way: Way, checkout: string): Promise<Talk> => {
  const { MessageCodec, Schema, Trade, binary } = await load(checkout)
  const Stream = await importFrom<typeof StreamModule>(checkout, "effect/Stream")
  const TypedConnection = await importFrom<typeof TypedModule>(checkout, "@effect-ws/connection/TypedConnection")
  const byHand =
    <A>(decode: (text: string) => A, encode: (value: A) => string): Talk =>
    (connection) =>
      Stream.runForEach(connection.messages, ({ data }) => connection.send(encode(decode(data as string))))
  const FromJson = Schema.fromJsonString(Trade)
  switch (way) {
    case "json":
      return byHand(JSON.parse, JSON.stringify)
    case "schema":
      return byHand(Schema.decodeUnknownSync(FromJson), Schema.encodeSync(FromJson))
    default: {
      const codec = way === "typed" ? MessageCodec.json : binary
      return TypedConnection.handler({ receive: Trade, send: Trade, codec }, (typed) =>
        Stream.runForEach(typed.messages, (value) => typed.send(value))
      )
    }
  }
}
