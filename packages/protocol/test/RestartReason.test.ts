import { assert, describe, it } from "@effect/vitest"
import * as RestartReason from "../src/RestartReason.ts"

describe("RestartReason", () => {
  it("says a delay that a client reads back", () => {
    assert.strictEqual(RestartReason.encode(1499.6), "restarting, retry after 1500 ms")
    for (const delay of [0, 1, 1500, 60_000]) {
      assert.strictEqual(RestartReason.delayOf(1012, RestartReason.encode(delay)), delay)
    }
  })

  it("asks for a minute at most, and for nothing with another code or text", () => {
    assert.strictEqual(RestartReason.delayOf(1012, RestartReason.encode(3_600_000)), 60_000)
    assert.strictEqual(RestartReason.delayOf(1001, RestartReason.encode(1500)), 0)
    const others = [
      "",
      "restarting",
      "restarting, retry after -1 ms",
      "restarting, retry after 1e9 ms",
      "x restarting, retry after 1 ms"
    ]
    for (const reason of [...others, "restarting, retry after 99999999999 ms"]) {
      assert.strictEqual(RestartReason.delayOf(1012, reason), 0, reason)
    }
  })
})
