/**
 * What typed messages cost beside what one would write by hand: `node src/typed.ts [--rounds N]`.
 *
 * In one process and without a network: a connection that gives the same message again and again is read to the end, and
 * each value is sent back. The figures are nanoseconds for each message, the median of the rounds.
 */
import * as MessageCodec from "@effect-ws/connection/MessageCodec"
import * as TypedConnection from "@effect-ws/connection/TypedConnection"
import * as Message from "@effect-ws/protocol/Message"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { median } from "./Statistics.ts"

const Trade = Schema.Struct({
  symbol: Schema.String,
  price: Schema.Finite,
  size: Schema.Int,
  tags: Schema.Array(Schema.String)
})
type Trade = typeof Trade.Type

const trade: Trade = { symbol: "ACME", price: 101.25, size: 300, tags: ["fast", "dark"] }
const json = JSON.stringify(trade)

const count = 50_000

/** A connection that has so many messages and no other end. */
const connection = (message: Message.Message) => {
  const batch = [message] as const
  let left = count
  let bytes = 0
  return {
    messages: Stream.fromPull(
      Effect.sync(() => Effect.suspend(() => (left-- > 0 ? Effect.succeed(batch) : Effect.interrupt)))
    ),
    receive: Effect.succeed(message),
    send: (data: string | Uint8Array) => {
      bytes += data.length
      return Effect.void
    },
    close: () => Effect.sync(() => bytes)
  }
}

type Below = ReturnType<typeof connection>

const byHand = (decode: (text: string) => Trade, encode: (trade: Trade) => string) => (below: Below) =>
  Stream.runForEach(below.messages, ({ data }) => below.send(encode(decode(data as string))))

const typed = (codec: MessageCodec.MessageCodec<unknown>) => (below: Below) =>
  Effect.flatMap(TypedConnection.make(below, { receive: Trade, send: Trade, codec }), (typed) =>
    Stream.runForEach(typed.messages, (trade) => typed.send(trade))
  )

const FromJson = Schema.fromJsonString(Trade)

const binary = MessageCodec.binary()
const encoded = Effect.runSync(binary.compile(Trade).encode(trade) as Effect.Effect<Uint8Array>)

const ways = [
  [
    "strings, not looked at",
    byHand(
      () => trade,
      () => json
    ),
    Message.text(json)
  ],
  ["JSON.parse and JSON.stringify", byHand(JSON.parse as (text: string) => Trade, JSON.stringify), Message.text(json)],
  [
    "Schema.fromJsonString by hand",
    byHand(Schema.decodeUnknownSync(FromJson), Schema.encodeSync(FromJson)),
    Message.text(json)
  ],
  ["TypedConnection, JSON", typed(MessageCodec.json), Message.text(json)],
  ["TypedConnection, Effect's binary encoding", typed(binary), Message.binary(encoded)]
] as const

Command.make(
  "typed",
  { rounds: Flag.Int("rounds").pipe(Flag.withDefault(7)) },
  Effect.fnUntraced(function* ({ rounds }) {
    const figures = new Map(ways.map(([name]) => [name as string, new Array<number>()]))
    // The first round warms up.
    for (let round = 0; round <= rounds; round++) {
      for (const [name, run, message] of ways) {
        const began = process.hrtime.bigint()
        yield* Effect.exit(run(connection(message)))
        if (round > 0) figures.get(name)!.push(Number(process.hrtime.bigint() - began) / count)
      }
    }
    for (const [name, of] of figures) yield* Console.log(`${String(Math.round(median(of)!)).padStart(6)} ns  ${name}`)
  })
).pipe(Command.run({ version: "0.0.0" }), Effect.provide(NodeServices.layer), NodeRuntime.runMain)
