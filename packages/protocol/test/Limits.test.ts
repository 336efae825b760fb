import { assert, describe, it } from "@effect/vitest"
import * as Limits from "../src/Limits.ts"

describe("Limits", () => {
  it("has the documented defaults", () => {
    assert.deepStrictEqual(Limits.make(), {
      maxMessageSize: 16 * 1024 * 1024,
      maxFrameSize: 16 * 1024 * 1024,
      maxFragments: 16_384,
      maxPendingPings: 16
    })
  })

  it("bounds a frame by the message unless told otherwise", () => {
    assert.strictEqual(Limits.make({ maxMessageSize: 100 }).maxFrameSize, 100)
    assert.deepStrictEqual(
      Limits.make({ maxMessageSize: 100, maxFrameSize: 10, maxFragments: 3, maxPendingPings: 1 }),
      {
        maxMessageSize: 100,
        maxFrameSize: 10,
        maxFragments: 3,
        maxPendingPings: 1
      }
    )
    assert.deepStrictEqual(Limits.make({ maxMessageSize: undefined }), Limits.make())
  })
})
