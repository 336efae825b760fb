import type * as CloseError from "@effect-ws/protocol/CloseError"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { Poller } from "../src/internal/receive/Poller.ts"
import * as reading from "../src/internal/receive/reading.ts"
import { FakeHost } from "./support/FakeHost.ts"
import { frame } from "./support/StubSocket.ts"

const text = (payload: string): Uint8Array => frame(0x81, payload)
const close = (code: number): Uint8Array => frame(0x88, Uint8Array.of(code >> 8, code & 0xff))

/** Starts a fiber that reads one message: its text, or the tag of its error, once there is one. */
const read = (host: FakeHost): Effect.Effect<{ readonly fiber: Fiber.Fiber<unknown>; readonly state: () => string }> =>
  Effect.map(
    Effect.forkDetach(
      Effect.match(reading.receive(host.receiver), {
        onSuccess: ({ data }) => String(data),
        onFailure: (error: CloseError.CloseError) => error._tag
      }),
      { startImmediately: true }
    ),
    (fiber) => ({
      fiber,
      state: () => {
        const exit = fiber.pollUnsafe()
        return exit === undefined ? "waits" : Exit.isSuccess(exit) ? exit.value : "interrupted"
      }
    })
  )

/** Polls a host; `calls` counts the calls of `onReady`. The first turn has ended. */
const poll = (host: FakeHost, poller: Partial<Poller> = {}) => {
  const polled = { calls: 0 }
  host.receiver.poll([], { ...poller, onReady: () => void polled.calls++ })
  assert.isTrue(host.receiver.done())
  host.calls.length = 0
  return polled
}

const textsOf = (events: ReturnType<FakeHost["receiver"]["take"]>): ReadonlyArray<unknown> =>
  events.map((event) => ("data" in event ? event.data : event._tag))

describe("Receiver, for fibers that wait", () => {
  it.effect("resumes one for each message, in order, when it delivers and not before", () =>
    Effect.gen(function* () {
      const host = yield* FakeHost.make()
      const [one, two, three] = [yield* read(host), yield* read(host), yield* read(host)]
      host.receiver.receive(Buffer.concat([text("a"), text("b")]))
      assert.deepStrictEqual([one.state(), two.state()], ["waits", "waits"])
      host.receiver.deliver()
      assert.deepStrictEqual([one.state(), two.state(), three.state()], ["a", "b", "waits"])
      assert.isTrue(host.receiver.isIdle)
    })
  )

  it.effect("gives an interrupted one nothing", () =>
    Effect.gen(function* () {
      const host = yield* FakeHost.make()
      const [one, two] = [yield* read(host), yield* read(host)]
      yield* Fiber.interrupt(one.fiber)
      host.receiver.receive(text("a"))
      host.receiver.deliver()
      assert.strictEqual(two.state(), "a")
    })
  )

  it.effect("ends all of them with the end of the connection, after what was received", () =>
    Effect.gen(function* () {
      const host = yield* FakeHost.make()
      host.receiver.receive(text("a"))
      const readers = [yield* read(host), yield* read(host), yield* read(host)]
      host.finish()
      assert.deepStrictEqual(
        readers.map(({ state }) => state()),
        ["a", "AbnormalClosure", "AbnormalClosure"]
      )
    })
  )

  it.effect("answers the peer's close frame when a reader has taken everything", () =>
    Effect.gen(function* () {
      const host = yield* FakeHost.make()
      host.receiver.receive(Buffer.concat([text("a"), close(1000)]))
      assert.strictEqual((yield* read(host)).state(), "a")
      assert.isTrue(host.session.mustAnswerClose)
      assert.strictEqual((yield* read(host)).state(), "NormalClosure")
      assert.isFalse(host.session.mustAnswerClose)
    })
  )
})

describe("Receiver, as to the socket,", () => {
  const limited = FakeHost.make({ receiveBufferSize: 100 })

  it.effect("pauses it above receiveBufferSize, and resumes it when the program has taken something", () =>
    Effect.gen(function* () {
      const host = yield* limited
      host.receiver.receive(text("x".repeat(50)))
      host.receiver.updateReadFlow()
      assert.isFalse(host.reader.isPaused)
      host.receiver.receive(text("y".repeat(50)))
      host.receiver.updateReadFlow()
      assert.isTrue(host.reader.isPaused)
      host.idleTicks = 5
      yield* read(host)
      assert.isFalse(host.reader.isPaused)
      // The peer was not asked to send.
      assert.strictEqual(host.idleTicks, 0)
    })
  )

  it.effect("does not pause it while a reader waits for the rest of a large message", () =>
    Effect.gen(function* () {
      const host = yield* limited
      const reader = yield* read(host)
      const large = text("x".repeat(1000))
      host.receiver.receive(large.slice(0, 500))
      host.receiver.deliver()
      host.receiver.updateReadFlow()
      assert.isFalse(host.reader.isPaused)
      host.receiver.receive(large.slice(500))
      host.receiver.deliver()
      assert.lengthOf(reader.state(), 1000)
    })
  )

  it.effect("pauses it while the connection drains", () =>
    Effect.gen(function* () {
      const host = yield* limited
      host.isDraining = true
      host.receiver.updateReadFlow()
      assert.isTrue(host.reader.isPaused)
      host.isDraining = false
      host.receiver.updateReadFlow()
      assert.isFalse(host.reader.isPaused)
    })
  )

  it.effect("counts what was received and not taken, incomplete messages included", () =>
    Effect.gen(function* () {
      const host = yield* limited
      host.receiver.receive(text("x".repeat(50)).slice(0, 30))
      const part = host.receiver.bufferedBytes
      assert.isAbove(part, 0)
      host.receiver.receive(text("x".repeat(50)).slice(30))
      assert.isAtLeast(host.receiver.bufferedBytes, 50)
      yield* read(host)
      assert.strictEqual(host.receiver.bufferedBytes, 0)
    })
  )
})

describe("Receiver, for a poller,", () => {
  it.effect("calls once until the poller is done, however much arrives", () =>
    Effect.gen(function* () {
      const host = yield* FakeHost.make()
      const polled = poll(host)
      for (const data of ["a", "b"]) {
        host.receiver.receive(text(data))
        host.receiver.deliver()
      }
      assert.strictEqual(polled.calls, 1)
      assert.isFalse(host.receiver.isIdle)
      assert.deepStrictEqual(textsOf(host.receiver.take(1)), ["a"])
      assert.isFalse(host.receiver.done())
      assert.deepStrictEqual(textsOf(host.receiver.take(Infinity)), ["b"])
      assert.isTrue(host.receiver.done())
      assert.isTrue(host.receiver.isIdle)
      host.receiver.receive(text("c"))
      host.receiver.deliver()
      assert.strictEqual(polled.calls, 2)
    })
  )

  it.effect("calls for the end, and says so when everything was taken", () =>
    Effect.gen(function* () {
      const host = yield* FakeHost.make()
      const polled = poll(host)
      host.receiver.receive(text("a"))
      host.session.abort("the test ends it")
      host.receiver.deliver()
      assert.strictEqual(polled.calls, 1)
      assert.isFalse(host.receiver.isEnded)
      assert.deepStrictEqual(textsOf(host.receiver.take(Infinity)), ["a"])
      assert.isTrue(host.receiver.isEnded)
      assert.isFalse(host.receiver.done())
    })
  )

  for (const readsWhileBlocked of [false, true]) {
    it.effect(
      readsWhileBlocked
        ? "calls also while the peer does not read, where the poller wants that"
        : "does not call while the peer does not read, and stops reading then",
      () =>
        Effect.gen(function* () {
          const host = yield* FakeHost.make({ receiveBufferSize: 10, writeHighWaterMark: 1000 })
          const polled = poll(host, { readsWhileBlocked })
          host.sendWaits = false
          host.reader.takes = false
          for (let count = 0; count < 2; count++) host.sender.sendSync(new Uint8Array(100_000))
          host.sender.flush()
          host.receiver.receive(text("more than fits"))
          host.receiver.deliver()
          host.receiver.updateReadFlow()
          assert.strictEqual(polled.calls, readsWhileBlocked ? 1 : 0)
          assert.isTrue(host.reader.isPaused)
          host.reader.takes = true
          host.reader.drain()
          host.receiver.deliver()
          assert.strictEqual(polled.calls, 1)
        })
    )
  }

  it.effect("aborts for what it throws, and calls once more for the end", () =>
    Effect.gen(function* () {
      const host = yield* FakeHost.make()
      let calls = 0
      host.receiver.poll([], {
        onReady: () => {
          if (++calls < 3) throw new Error("a bug of the program")
        }
      })
      host.receiver.done()
      host.receiver.receive(text("a"))
      assert.throws(() => host.receiver.deliver(), "a bug of the program")
      host.session.abort("what ConnectionCore does then")
      assert.throws(() => host.receiver.deliver(), "a bug of the program")
      host.receiver.deliver()
      assert.strictEqual(calls, 2)
    })
  )
})

describe("Receiver, after our close frame,", () => {
  /** A host that has sent its close frame, for which messages still arrive. */
  const closing = (options?: Parameters<typeof FakeHost.make>[0]) =>
    Effect.map(FakeHost.make({ receiveBufferSize: 100, ...options }), (host) => ({
      host,
      close: (closer: number | undefined) => {
        host.session.close(1000)
        host.receiver.closing(closer)
      }
    }))

  it.effect("keeps what arrives for a fiber that reads, and ends it with the peer's close frame", () =>
    Effect.gen(function* () {
      const { close: begin, host } = yield* closing()
      const reader = yield* read(host)
      begin(-1)
      host.receiver.receive(text("late"))
      host.receiver.deliver()
      assert.strictEqual(reader.state(), "late")
      const next = yield* read(host)
      assert.strictEqual(next.state(), "waits")
      host.receiver.receive(close(1000))
      host.receiver.deliver()
      assert.strictEqual(next.state(), "NormalClosure")
    })
  )

  it.effect("drops it where handlers read, which are done with the connection", () =>
    Effect.gen(function* () {
      const { close: begin, host } = yield* closing()
      host.receiver.observeForHandlers([])
      host.receiver.receive(text("early"))
      begin(undefined)
      host.receiver.receive(text("late"))
      assert.isTrue(host.receiver.queue.isEmpty)
      assert.isTrue(Cause.isDone(host.receiver.end))
    })
  )

  it.effect("drops what does not fit where nothing was read, so that the peer's close frame is reached", () =>
    Effect.gen(function* () {
      const { close: begin, host } = yield* closing()
      begin(undefined)
      for (let count = 0; count < 5; count++) host.receiver.receive(text("x".repeat(60)))
      host.receiver.updateReadFlow()
      assert.isFalse(host.reader.isPaused)
      assert.isAtMost(host.receiver.queue.bytes, 300)
      host.receiver.receive(close(1000))
      assert.isTrue(host.session.isClosed)
    })
  )

  it.effect("waits closeReplyTimeout for a reader that takes nothing, and then drops what does not fit", () =>
    Effect.gen(function* () {
      const { close: begin, host } = yield* closing({ closeReplyTimeout: "1 second" })
      host.receiver.receive(text("a"))
      yield* read(host)
      begin(-1)
      for (let count = 0; count < 2; count++) host.receiver.receive(text("x".repeat(60)))
      host.receiver.updateReadFlow()
      assert.isTrue(host.reader.isPaused)
      host.calls.length = 0
      yield* TestClock.adjust("999 millis")
      assert.deepStrictEqual(host.asked, [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(host.asked, ["advance"])
      host.receiver.updateReadFlow()
      assert.isFalse(host.reader.isPaused)
      host.receiver.receive(text("dropped"))
      assert.strictEqual((yield* read(host)).state(), "x".repeat(60))
    })
  )

  it.effect("drops everything when the program has ended, unless a fiber waits", () =>
    Effect.gen(function* () {
      const first = yield* closing()
      yield* read(first.host)
      first.host.receiver.programEnded()
      first.close(-1)
      first.host.receiver.receive(text("late"))
      assert.isFalse(first.host.receiver.queue.isEmpty)
      const second = yield* closing()
      second.host.receiver.programEnded()
      second.close(-1)
      second.host.receiver.receive(text("late"))
      assert.isTrue(second.host.receiver.queue.isEmpty)
    })
  )
})

describe("Receiver, for the end,", () => {
  const endOf = Effect.fnUntraced(function* (act: (host: FakeHost) => void) {
    const host = yield* FakeHost.make()
    act(host)
    const { end } = host.receiver
    return end === undefined ? "none" : Cause.isDone(end) ? "Done" : end._tag
  })

  it.effect("gives an ordinary end for 1000, 1001, and our own close, and the error otherwise", () =>
    Effect.gen(function* () {
      const receives = (code: number) => (host: FakeHost) => {
        host.receiver.receive(close(code))
        host.session.answerClose()
      }
      assert.strictEqual(yield* endOf(() => {}), "none")
      assert.strictEqual(yield* endOf(receives(1000)), "Done")
      assert.strictEqual(yield* endOf(receives(1001)), "Done")
      assert.strictEqual(yield* endOf(receives(1008)), "PolicyViolation")
      assert.strictEqual(yield* endOf((host) => host.session.abort("x")), "AbnormalClosure")
      assert.strictEqual(
        yield* endOf((host) => {
          host.session.close(4000)
          host.receiver.receive(close(4000))
        }),
        "Done"
      )
    })
  )
})
