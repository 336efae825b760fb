import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Exit, Schema } from "effect"
import type { Fiber } from "effect"
import { Waiters } from "../src/internal/receive/Waiters.ts"

/** A fiber of which the test decides when it is interrupted, and that notes each attempt with which it goes on. */
class Waiting {
  readonly fiber: Fiber.Fiber<unknown, unknown>
  private isInterrupted = false

  constructor(waiters: Waiters, name: string, resumed: Array<string>) {
    this.fiber = {
      pollUnsafe: () => (this.isInterrupted ? Exit.interrupt() : undefined)
    } as unknown as Fiber.Fiber<unknown, unknown>
    const attempt = Effect.succeed(name)
    waiters.add(
      this.fiber,
      (given) => {
        assert.strictEqual(given, attempt)
        resumed.push(name)
      },
      attempt
    )
  }

  interrupt(): void {
    this.isInterrupted = true
  }
}

const start = () => {
  const waiters = new Waiters()
  const resumed: Array<string> = []
  return { waiters, resumed, add: (name: string) => new Waiting(waiters, name, resumed) }
}

const Step = Schema.Struct({
  kind: Schema.Literals(["Add", "Interrupt", "Wake"]),
  pick: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20 }))
})

describe("Waiters", () => {
  it("resumes those that wait in order, each with its own attempt, one for each wake", () => {
    const { add, resumed, waiters } = start()
    for (const name of ["a", "b", "c"]) add(name)
    waiters.wake()
    assert.deepStrictEqual(resumed, ["a"])
    waiters.wake()
    waiters.wake()
    assert.deepStrictEqual(resumed, ["a", "b", "c"])
    assert.isFalse(waiters.isWaiting)
  })

  it("does nothing where none waits", () => {
    const { resumed, waiters } = start()
    assert.isFalse(waiters.isWaiting)
    waiters.wake()
    assert.deepStrictEqual(resumed, [])
  })

  it("lets one that is resumed wait again, behind the others, before wake returns", () => {
    const { add, resumed, waiters } = start()
    waiters.add(
      { pollUnsafe: () => undefined } as unknown as Fiber.Fiber<unknown, unknown>,
      () => {
        resumed.push("a")
        add("a again")
      },
      Effect.void
    )
    add("b")
    for (let left = 3; left > 0; left--) waiters.wake()
    assert.deepStrictEqual(resumed, ["a", "b", "a again"])
    assert.isFalse(waiters.isWaiting)
  })

  it("holds none of those that were interrupted, however many come", () => {
    const { add, waiters } = start()
    const first = add("first")
    for (let count = 0; count < 1000; count++) add(String(count)).interrupt()
    const more = Reflect.get(waiters, "more") as ReadonlyArray<unknown>
    assert.isAtMost(more.length, 1)
    first.interrupt()
    assert.isFalse(waiters.isWaiting)
  })

  it.prop(
    "resumes each that was not interrupted once, in order, whatever happens",
    { steps: Arbitrary.array(Arbitrary.schema(Step), { maxLength: 60 }) },
    ({ steps }) => {
      const { add, resumed, waiters } = start()
      const model: Array<{ readonly name: string; readonly waiting: Waiting }> = []
      const expected: Array<string> = []
      for (const [at, { kind, pick }] of steps.entries()) {
        if (kind === "Add") model.push({ name: String(at), waiting: add(String(at)) })
        else if (kind === "Interrupt" && model.length > 0) model.splice(pick % model.length, 1)[0]!.waiting.interrupt()
        else if (kind === "Wake" && waiters.isWaiting) {
          expected.push(model.shift()!.name)
          waiters.wake()
        }
        assert.strictEqual(waiters.isWaiting, model.length > 0)
        assert.deepStrictEqual(resumed, expected)
      }
    },
    { arbitrary: { runs: 500 } }
  )
})
