import { assert, describe, it } from "@effect/vitest"
import type { ConnectFailure } from "effect-ws/cli/ConnectFailure"
import * as ConnectPipe from "effect-ws/cli/ConnectPipe"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

const split = (
  chunks: ReadonlyArray<Uint8Array>,
  longest?: number
): Effect.Effect<ReadonlyArray<string>, ConnectFailure> =>
  Stream.runCollect(ConnectPipe.split(Stream.fromIterable(chunks), longest))

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

describe("ConnectPipe", () => {
  it.effect.each<readonly [text: string, lines: ReadonlyArray<string>]>([
    ["", []],
    ["\n", [""]],
    ["a\nb\n", ["a", "b"]],
    ["a\nb", ["a", "b"]],
    ["a\r\n\r\nb\r\n", ["a", "", "b"]],
    ["\uFEFFa\n", ["\uFEFFa"]]
  ])("%j", ([text, lines]) => Effect.map(split([utf8(text)]), (found) => assert.deepStrictEqual(found, lines)))

  it.effect.prop(
    "however the bytes are cut, the lines are the same",
    [Arbitrary.schema(Schema.String), Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 }))],
    ([text, size]) =>
      Effect.gen(function* () {
        const bytes = utf8(text.toWellFormed().replaceAll(/[a-f]/g, "\n"))
        const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
          bytes.subarray(at * size, (at + 1) * size)
        )
        assert.deepStrictEqual(yield* split(pieces), yield* split([bytes]))
      }),
    { arbitrary: { runs: 1000 } }
  )

  it.effect("refuses a line that is not UTF-8, by its number", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(split([utf8("a\n\nb"), new Uint8Array([0xff, 10])]))
      assert.match(failure.message, /^line 3 of standard input is not UTF-8; --commands/)
      assert.strictEqual(failure.exitCode, 1)
    })
  )

  it.effect("refuses a line that is too long before it has an end", () =>
    Effect.gen(function* () {
      const endless = Stream.forever(Stream.make(utf8("abc")))
      const failure = yield* Effect.flip(Stream.runDrain(ConnectPipe.split(endless, 10)))
      assert.strictEqual(failure.message, "line 1 of standard input is longer than 10 bytes")
    })
  )
})
