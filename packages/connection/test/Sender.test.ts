import type { ExtensionInstance } from "@effect-ws/protocol/Extension"
import * as PreparedMessage from "@effect-ws/protocol/PreparedMessage"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { FakeHost } from "./support/FakeHost.ts"

const bytes = (size: number): Uint8Array => new Uint8Array(size)

const start = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<Fiber.Fiber<Exit.Exit<A, E>>> =>
  Effect.forkDetach(Effect.exit(effect), { startImmediately: true })

/** The tag of the error with which a fiber has ended, or what it does. */
const stateOf = (fiber: Fiber.Fiber<Exit.Exit<unknown, unknown>>): string => {
  const ended = fiber.pollUnsafe()
  if (ended === undefined) return "waits"
  const exit = Exit.isSuccess(ended) ? ended.value : ended
  if (Exit.isSuccess(exit)) return "done"
  const error = Cause.squash(exit.cause)
  return typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : "died"
}

/** A sender whose transport takes nothing, with more sent than `writeHighWaterMark`. */
const blocked = Effect.fnUntraced(function* (options: Parameters<typeof FakeHost.make>[0] = {}) {
  const host = yield* FakeHost.make({ writeHighWaterMark: 1000, ...options })
  host.reader.takes = false
  host.sender.sendSync(bytes(100_000))
  host.sender.sendSync(bytes(100_000))
  host.sender.flush()
  host.calls.length = 0
  return host
})

describe("Sender", () => {
  it.effect("asks for one write at the end of the turn, which carries all messages of the turn", () =>
    Effect.gen(function* () {
      const host = yield* FakeHost.make()
      host.sender.sendSync("one")
      yield* host.sender.send("two", undefined)
      assert.deepStrictEqual(host.reader.written, [])
      assert.deepStrictEqual(host.asked, ["advanceAfterTurn", "advanceAfterTurn"])
      host.sender.flush()
      assert.lengthOf(host.reader.written, 1)
      assert.deepStrictEqual(host.reader.opcodes, [1, 1])
    })
  )

  it.effect("lets a send wait above writeHighWaterMark until the transport has drained", () =>
    Effect.gen(function* () {
      const host = yield* blocked()
      const sending = yield* start(host.sender.send("x", undefined))
      assert.strictEqual(stateOf(sending), "waits")
      // The transport is given what waited here, and is full again.
      host.reader.drain()
      assert.strictEqual(stateOf(sending), "waits")
      host.reader.takes = true
      host.reader.drain()
      assert.strictEqual(stateOf(sending), "done")
      const next = yield* start(host.sender.send("y", undefined))
      assert.strictEqual(stateOf(next), "done")
    })
  )

  it.effect("takes back the wait of a send that is interrupted", () =>
    Effect.gen(function* () {
      const host = yield* blocked()
      const sending = yield* start(host.sender.drained)
      const other = yield* start(host.sender.drained)
      yield* Fiber.interrupt(sending)
      host.reader.takes = true
      host.reader.drain()
      host.reader.drain()
      assert.strictEqual(stateOf(other), "done")
      assert.isFalse(host.sender.queue.isAwaited)
    })
  )

  it.effect("fails the connection with 1013 above maxBufferedBytes where sends do not wait, and not before", () =>
    Effect.gen(function* () {
      const host = yield* blocked({ maxBufferedBytes: 250_000 })
      host.sendWaits = false
      const sending = yield* start(host.sender.send(bytes(1000), undefined))
      assert.strictEqual(stateOf(sending), "done")
      assert.deepStrictEqual(host.asked, ["advanceAfterTurn"])
      yield* host.sender.send(bytes(100_000), undefined)
      assert.deepStrictEqual(host.asked, ["advanceAfterTurn", "fail TryAgainLater"])
    })
  )

  it.effect("aborts when blocked output has not moved for writeTimeout, and waits on while it moves", () =>
    Effect.gen(function* () {
      const host = yield* blocked({ writeTimeout: "10 seconds" })
      const waiting = yield* start(host.sender.drained)
      yield* TestClock.adjust("9 seconds")
      // A part has left, and the rest is still refused.
      host.reader.pendingBytes -= 1000
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(host.asked, [])
      assert.strictEqual(stateOf(waiting), "waits")
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(host.asked, ["abortNow"])
      assert.strictEqual(stateOf(waiting), "AbnormalClosure")
    })
  )

  it.effect("waits for flushed until the system has everything", () =>
    Effect.gen(function* () {
      const host = yield* FakeHost.make()
      host.reader.takes = false
      host.sender.sendSync("x")
      const flushing = yield* start(host.sender.flushed())
      // It wrote what waited, and the transport holds it.
      assert.deepStrictEqual(host.reader.opcodes, [1])
      assert.strictEqual(stateOf(flushing), "waits")
      host.reader.drain()
      assert.strictEqual(stateOf(flushing), "done")
    })
  )

  it.effect("reports messages that were written, once the program observes that, and each once", () =>
    Effect.gen(function* () {
      const host = yield* FakeHost.make()
      host.sender.sendSync("before")
      host.sender.flush()
      host.sender.queue.observe()
      host.reader.takes = false
      host.sender.sendSync("one")
      host.sender.flush()
      assert.deepStrictEqual(host.written, [])
      host.reader.takes = true
      host.reader.drain()
      assert.deepStrictEqual(host.written, ["one"])
      host.sender.sendSync("two")
      host.sender.flush()
      assert.deepStrictEqual(host.written, ["one", "two"])
    })
  )

  it.effect("sends a message of pieces without another in between", () =>
    Effect.gen(function* () {
      const host = yield* FakeHost.make()
      const { promise, resolve } = Promise.withResolvers<string>()
      const chunks = Stream.concat(Stream.make("a"), Stream.fromEffect(Effect.promise(() => promise)))
      const sending = yield* start(host.sender.sendStream({ _tag: "Text", chunks }))
      const other = yield* start(host.sender.sendStream({ _tag: "Binary", chunks: Stream.make(bytes(1)) }))
      const whole = yield* start(host.sender.send("whole", undefined))
      assert.isFalse(host.sender.isWritable)
      resolve("b")
      for (const fiber of [sending, other, whole]) yield* Fiber.join(fiber)
      host.sender.flush()
      assert.deepStrictEqual(host.reader.opcodes, [1, 0, 0, 2, 0, 1])
      assert.isTrue(host.sender.isWritable)
    })
  )

  it.effect("closes with 1011 when the stream of a message fails half way", () =>
    Effect.gen(function* () {
      const host = yield* FakeHost.make()
      const chunks = Stream.concat(Stream.make("a"), Stream.fail("no more"))
      const exit = yield* Effect.exit(host.sender.sendStream({ _tag: "Text", chunks }))
      assert.isTrue(Exit.isFailure(exit))
      assert.isFalse(host.session.canSend)
      host.sender.flush()
      assert.deepStrictEqual(host.reader.opcodes, [1, 8])
      assert.deepStrictEqual([...Buffer.concat(host.reader.written).subarray(5, 7)], [1011 >> 8, 1011 & 0xff])
    })
  )

  it.effect("dies of what is no message, and fails the connection with 1011", () =>
    Effect.gen(function* () {
      const host = yield* FakeHost.make()
      const exit = yield* Effect.exit(host.sender.send(5 as never, undefined))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.deepStrictEqual(host.asked, ["fail InternalError"])
    })
  )

  it.effect("ends every wait with the end of the connection, and refuses to send after it", () =>
    Effect.gen(function* () {
      const host = yield* blocked()
      const waits = [yield* start(host.sender.drained), yield* start(host.sender.send("x", undefined))]
      host.finish()
      assert.deepStrictEqual(waits.map(stateOf), ["AbnormalClosure", "AbnormalClosure"])
      assert.strictEqual(stateOf(yield* start(host.sender.send("y", undefined))), "AbnormalClosure")
      assert.strictEqual(host.sender.sendUnsafe(PreparedMessage.make("z"))?._tag, "AbnormalClosure")
      assert.deepStrictEqual([host.sender.canSend, host.sender.isClosed, host.sender.bufferedBytes], [false, true, 0])
    })
  )

  it.effect("waits for nothing after a detach, although the connection is not over", () =>
    Effect.gen(function* () {
      const host = yield* blocked()
      host.session.close(1000)
      host.isDetached = true
      assert.strictEqual(stateOf(yield* start(host.sender.drained)), "NormalClosure")
    })
  )

  it.effect("hands a defect of an extension to the connection, and not to a broadcast", () =>
    Effect.gen(function* () {
      const extension: ExtensionInstance = {
        name: "x-broken",
        rsv: 0,
        opcodes: [],
        level: "message",
        decode: () => undefined,
        encode: (part) => {
          part.payload = undefined as never
          return undefined
        }
      }
      const host = yield* FakeHost.make({ extensions: [extension] })
      assert.strictEqual(host.sender.sendUnsafe(PreparedMessage.make("x"))?._tag, "AbnormalClosure")
      assert.deepStrictEqual(host.asked, ["onDefect"])
    })
  )
})
