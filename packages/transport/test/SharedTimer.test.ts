import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Duration, Effect } from "effect"
import { afterEach, beforeEach, vi } from "vitest"
import { latestOf, SharedTimer } from "../src/SharedTimer.ts"

const clock = Context.get(Context.empty(), Clock.Clock)

class Ticker extends SharedTimer {
  readonly users = new Set<string>()
  starts = 0
  interrupts = 0

  add(user: string): void {
    this.users.add(user)
    this.start(clock)
  }

  remove(user: string): void {
    if (this.users.delete(user)) this.stopSoon()
  }

  finish = (): void => {}

  protected get isNeeded(): boolean {
    return this.users.size > 0
  }

  protected run(): Effect.Effect<void> {
    this.starts++
    return Effect.callback<void>((resume) => {
      this.finish = () => resume(Effect.suspend(() => this.end))
      return Effect.sync(() => this.interrupts++)
    })
  }
}

describe("SharedTimer", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout"] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it("has one fiber for all its users", () => {
    const timer = new Ticker()
    timer.add("a")
    timer.add("b")
    timer.remove("a")
    vi.runAllTimers()
    assert.deepStrictEqual([timer.starts, timer.interrupts], [1, 0])
  })

  it("keeps its fiber for users that come right after the last has left", () => {
    const timer = new Ticker()
    for (let visit = 0; visit < 5; visit++) {
      timer.add("a")
      timer.remove("a")
    }
    timer.add("b")
    vi.runAllTimers()
    assert.deepStrictEqual([timer.starts, timer.interrupts], [1, 0])
  })

  it("interrupts its fiber when no other wait has begun, and starts another for a later one", () => {
    const timer = new Ticker()
    timer.add("a")
    timer.remove("a")
    vi.runAllTimers()
    assert.deepStrictEqual([timer.starts, timer.interrupts], [1, 1])
    timer.add("b")
    vi.runAllTimers()
    assert.deepStrictEqual([timer.starts, timer.interrupts], [2, 1])
  })

  it("starts another fiber after one that ended by itself", () => {
    const timer = new Ticker()
    timer.add("a")
    timer.users.clear()
    timer.finish()
    timer.add("b")
    vi.runAllTimers()
    assert.deepStrictEqual([timer.starts, timer.interrupts], [2, 0])
  })

  it("leaves no timer of the system behind", () => {
    const timer = new Ticker()
    timer.add("a")
    timer.remove("a")
    vi.advanceTimersByTime(10)
    assert.strictEqual(vi.getTimerCount(), 0)
  })

  it("is the same for one Clock and the same options", () => {
    const made = latestOf<Duration.Duration, { readonly after: Duration.Duration }>(
      (timer, after) => Duration.equals(timer.after, after),
      (after) => ({ after })
    )
    const first = made(Duration.seconds(1), clock)
    assert.strictEqual(made(Duration.millis(1000), clock), first)
    assert.notStrictEqual(made(Duration.seconds(1), { ...clock }), first)
    assert.notStrictEqual(made(Duration.seconds(2), clock), first)
    assert.deepStrictEqual(made(Duration.seconds(1), clock), first)
  })
})
