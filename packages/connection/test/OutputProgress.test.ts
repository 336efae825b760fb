import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { OutputProgress } from "../src/internal/keepalive/OutputProgress.ts"

/** Output as an observer finds it at each look. */
const at = (takenBytes: number, refusedBytes = 0) => ({ takenBytes, refusedBytes })

const upTo = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))

const Look = Schema.Struct({ after: upTo(1000), taken: upTo(5000), refused: Schema.Literals([0, 0, 1, 700]) })

describe("OutputProgress", () => {
  it("takes no bytes for a sign of life that the system took at once", () => {
    const progress = new OutputProgress()
    assert.isFalse(progress.look(at(0), 0))
    assert.isFalse(progress.look(at(1000), 10))
    assert.isFalse(progress.look(at(5000, 300), 20))
    assert.isTrue(progress.isBlocked)
  })

  it("takes it for one when bytes move that were refused", () => {
    const progress = new OutputProgress()
    progress.look(at(1000, 300), 0)
    assert.isFalse(progress.look(at(1000, 300), 10))
    assert.isTrue(progress.look(at(1100, 200), 20))
    // All that was refused has moved.
    assert.isTrue(progress.look(at(1300), 30))
    assert.isFalse(progress.isBlocked)
    assert.isFalse(progress.look(at(9000), 40))
  })

  it("counts the time since blocked output has moved, and none without blocked output", () => {
    const progress = new OutputProgress()
    progress.look(at(1000), 0)
    assert.strictEqual(progress.stalledFor(500), 0)
    progress.look(at(1000, 300), 100)
    progress.look(at(1000, 300), 300)
    // From the look that found it blocked.
    assert.strictEqual(progress.stalledFor(300), 200)
    progress.look(at(1100, 200), 350)
    assert.strictEqual(progress.stalledFor(400), 50)
    progress.look(at(1300), 500)
    assert.strictEqual(progress.stalledFor(1000), 0)
  })

  it("estimates what the peer needs for what it has not confirmed, by the rate at which it read last", () => {
    const progress = new OutputProgress()
    progress.look(at(1000), 0)
    // A peer that never kept us waiting needs no time.
    assert.strictEqual(progress.backlogMillis, 0)
    progress.look(at(1000, 5000), 0)
    progress.look(at(2000, 4000), 100)
    // 1000 bytes in 100 ms, so 2000 bytes take 200 ms.
    assert.strictEqual(progress.backlogMillis, 200)
    progress.confirm(1500)
    assert.strictEqual(progress.backlogMillis, 50)
    // A pong that answers an earlier ping takes nothing back.
    progress.confirm(500)
    assert.strictEqual(progress.backlogMillis, 50)
    progress.confirm(9999)
    assert.strictEqual(progress.backlogMillis, 0)
  })

  it("keeps the rate when output is not blocked any more, until it is blocked again", () => {
    const progress = new OutputProgress()
    progress.look(at(0, 5000), 0)
    progress.look(at(1000, 4000), 100)
    progress.look(at(5000), 200)
    const rate = 5000 / 200
    assert.strictEqual(progress.backlogMillis, 5000 / rate)
    progress.look(at(6000), 10_000)
    assert.strictEqual(progress.backlogMillis, 6000 / rate)
    // Neither the bytes nor the time of before count for the new rate: 100 bytes in 10 ms.
    progress.look(at(6000, 100), 20_000)
    progress.look(at(6100), 20_010)
    assert.strictEqual(progress.backlogMillis, 610)
  })

  it.prop(
    "says that it moved only where bytes were refused at the look before and taken since; no estimate is negative",
    { looks: Arbitrary.array(Arbitrary.schema(Look), { maxLength: 40 }) },
    ({ looks }) => {
      const progress = new OutputProgress()
      let [now, taken, refused] = [0, 0, 0]
      for (const look of looks) {
        now += look.after
        taken += look.taken
        assert.strictEqual(progress.look(at(taken, look.refused), now), refused > 0 && look.taken > 0)
        refused = look.refused
        assert.strictEqual(progress.isBlocked, refused > 0)
        assert.isAtLeast(progress.stalledFor(now), 0)
        assert.isAtMost(progress.stalledFor(now), now)
        assert.isAtLeast(progress.backlogMillis, 0)
        assert.isTrue(Number.isFinite(progress.backlogMillis))
        progress.confirm(taken)
        assert.strictEqual(progress.backlogMillis, 0)
      }
    },
    { arbitrary: { runs: 500 } }
  )
})
