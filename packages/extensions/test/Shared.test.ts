import { DeflateFrame, PermessageDeflate } from "@effect-ws/extensions"
import { PreparedMessage } from "@effect-ws/protocol"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { makePair, written } from "./Pair.ts"

const Level = Schema.Literals([1, 6, 9])
const Bits = Schema.Literals([8, 9, 12, 15])

describe("messages that are compressed for many", () => {
  it.effect.prop(
    "are what a connection would have sent by itself",
    {
      extension: Schema.Literals(["permessage-deflate", "deflate-frame"]),
      text: Schema.String,
      repeat: Schema.Literals([1, 50, 5000]),
      level: Level,
      bits: Bits,
      contextTakeover: Schema.Boolean,
      skipIfLarger: Schema.Boolean,
      threshold: Schema.Literals([0, 100]),
      compress: Schema.UndefinedOr(Schema.Boolean)
    },
    ({ bits, compress, extension, level, skipIfLarger, repeat, contextTakeover, text, threshold }) =>
      Effect.scoped(
        Effect.gen(function* () {
          const common = { level, skipIfLarger, threshold }
          const make = () =>
            extension === "deflate-frame"
              ? DeflateFrame.make({ ...common, contextTakeover, maxWindowBits: bits })
              : PermessageDeflate.make({ ...common, serverContextTakeover: contextTakeover, serverMaxWindowBits: bits })
          const pair = () => makePair({ server: [make()], client: [make()] })
          const [alone, first, second] = [yield* pair(), yield* pair(), yield* pair()]
          const data = text.repeat(repeat)
          const prepared = PreparedMessage.make(data)
          alone.server.send(data, { compress })
          const expected = yield* written(alone.server)
          for (const { server } of [first, second]) {
            assert.isUndefined(server.sendPrepared(prepared, { compress }))
            assert.isTrue(Buffer.from(yield* written(server)).equals(expected))
          }
        })
      ),
    { arbitrary: { runs: 100 } }
  )
})
