import * as CloseError from "@effect-ws/protocol/CloseError"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Duration, Schema } from "effect"
import { PendingPings } from "../src/internal/keepalive/PendingPings.ts"

/** Pings, and what those of the program were answered: their round-trip time in nanoseconds, or the end. */
const start = () => {
  const pings = new PendingPings()
  const answers: Array<string> = []
  const add = (id: number, sentAt: number): void =>
    pings.add(id, {
      sentAt: BigInt(sentAt),
      succeed: (roundTrip) => void answers.push(`${id}: ${Number(Duration.toNanosUnsafe(roundTrip))}`),
      fail: (error) => void answers.push(`${id}: ${error._tag}`)
    })
  const pong = (id: number, now: number): number | undefined => nanosOf(pings.onPong(id, BigInt(now)))
  return { pings, answers, add, pong }
}

const nanosOf = (duration: Duration.Duration | undefined): number | undefined =>
  duration === undefined ? undefined : Number(Duration.toNanosUnsafe(duration))

const Step = Schema.Struct({
  kind: Schema.Literals(["Ask", "Add", "Delete", "Pong"]),
  pick: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20 }))
})

describe("PendingPings", () => {
  it("answers the ping of a pong and those before it, each with its own round-trip time", () => {
    const { add, answers, pong } = start()
    for (const [id, sentAt] of [
      [1, 10],
      [2, 20],
      [3, 30]
    ] as const) {
      add(id, sentAt)
    }
    assert.strictEqual(pong(2, 100), 80)
    assert.deepStrictEqual(answers, ["1: 90", "2: 80"])
    assert.strictEqual(pong(3, 100), 70)
    assert.deepStrictEqual(answers, ["1: 90", "2: 80", "3: 70"])
  })

  it("answers a ping once", () => {
    const { add, answers, pong } = start()
    add(1, 10)
    pong(1, 20)
    assert.isUndefined(pong(1, 30))
    assert.deepStrictEqual(answers, ["1: 10"])
  })

  it("keeps the newest ping of the keepalive only", () => {
    const { pings, pong } = start()
    for (let id = 1; id <= 1000; id++) pings.ask(id, BigInt(id))
    assert.isUndefined(pong(999, 2000))
    assert.strictEqual(pong(1000, 2000), 1000)
    assert.isUndefined(pong(1000, 3000))
  })

  it("takes the newest of all that a pong answers for the latency, also where it is the keepalive's", () => {
    const { add, answers, pings, pong } = start()
    add(1, 0)
    pings.ask(2, 90n)
    assert.strictEqual(pong(2, 100), 10)
    assert.strictEqual(nanosOf(pings.latency), 10)
    assert.deepStrictEqual(answers, ["1: 100"])
  })

  it("shows the latency to the program that it answers", () => {
    const { pings, pong } = start()
    let seen: number | undefined = undefined
    pings.add(1, { sentAt: 10n, succeed: () => (seen = nanosOf(pings.latency)), fail: () => {} })
    pong(1, 30)
    assert.strictEqual(seen, 20)
  })

  it("fails all that wait with the end of the connection, once", () => {
    const { add, answers, pings, pong } = start()
    add(1, 10)
    add(2, 10)
    pings.delete(1)
    pings.failAll(new CloseError.GoingAway({ reason: "" }))
    pings.failAll(new CloseError.NormalClosure())
    assert.deepStrictEqual(answers, ["2: GoingAway"])
    assert.isUndefined(pong(2, 20))
  })

  it("fails the others also when one throws, and throws that", () => {
    const { add, answers, pings } = start()
    const bug = (): never => {
      throw new Error("a bug of the program")
    }
    pings.add(1, { sentAt: 0n, succeed: bug, fail: bug })
    add(2, 0)
    assert.throws(() => pings.failAll(new CloseError.NormalClosure()), "a bug of the program")
    assert.deepStrictEqual(answers, ["2: NormalClosure"])
  })

  it.prop(
    "answers what a pong answers, in order, and returns the time of the newest of it",
    { steps: Arbitrary.array(Arbitrary.schema(Step), { maxLength: 60 }) },
    ({ steps }) => {
      const { add, answers, pings, pong } = start()
      let awaited: Array<{ readonly id: number; readonly sentAt: number }> = []
      let asked: { readonly id: number; readonly sentAt: number } | undefined = undefined
      const expected: Array<string> = []
      let id = 0
      for (const [at, { kind, pick }] of steps.entries()) {
        const now = at * 10
        if (kind === "Ask") {
          asked = { id: ++id, sentAt: now }
          pings.ask(id, BigInt(now))
        } else if (kind === "Add") {
          awaited.push({ id: ++id, sentAt: now })
          add(id, now)
        } else if (kind === "Delete") {
          // A ping that is not there is none to delete.
          awaited = awaited.filter((ping) => ping.id !== pick)
          pings.delete(pick)
        } else {
          const newest = Math.min(pick, id)
          const answered = awaited.filter((ping) => ping.id <= newest)
          awaited = awaited.filter((ping) => ping.id > newest)
          expected.push(...answered.map((ping) => `${ping.id}: ${now - ping.sentAt}`))
          if (asked !== undefined && asked.id <= newest) {
            answered.push(asked)
            asked = undefined
          }
          const last = answered.toSorted((a, b) => a.id - b.id).at(-1)
          const roundTrip = last === undefined ? undefined : now - last.sentAt
          assert.strictEqual(pong(newest, now), roundTrip)
          if (roundTrip !== undefined) assert.strictEqual(nanosOf(pings.latency), roundTrip)
        }
        assert.deepStrictEqual(answers, expected)
      }
    },
    { arbitrary: { runs: 500 } }
  )
})
