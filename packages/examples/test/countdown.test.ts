/**
 * A bug report becomes a test: the recording of a connection, saved from the inspector, replayed against the handler.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Recording from "effect-ws/Recording"
import * as Replay from "effect-ws/Replay"
import { readFileSync } from "node:fs"
import { handler } from "../src/countdown.ts"

const recording = Recording.parse(readFileSync(new URL("../recordings/countdown-twice.jsonl", import.meta.url), "utf8"))

describe("countdown", () => {
  it.effect("counts only the latest, unlike when it was recorded", () =>
    Effect.gen(function* () {
      const { differences, recorded, sent } = yield* Replay.run(yield* recording, handler)
      // Then, the first countdown went on beside the second.
      assert.deepStrictEqual(
        recorded.map(({ data }) => data),
        ['{"left":3}', '{"left":2}', '{"left":5}', '{"left":1}', '{"left":4}', '{"left":0}', '{"left":3}']
      )
      assert.deepStrictEqual(
        sent.map(({ at, data }) => [Math.round(at), data]),
        [
          [0, '{"left":3}'],
          [1000, '{"left":2}'],
          [1500, '{"left":5}'],
          [2500, '{"left":4}'],
          [3500, '{"left":3}']
        ]
      )
      assert.isAbove(differences.length, 0)
    })
  )
})
