/**
 * One direction of a faulty connection: decides the size of the next piece, when it passes, and whether anything passes
 * at all. It does not move bytes itself. Sleeps use Effect's Clock; without a timed fault there are none.
 */
import * as Effect from "effect/Effect"
import type * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import type * as Socket from "effect/socket/Socket"
import type { Faults } from "./Faults.ts"
import * as Monotonic from "../Monotonic.ts"
import { readError, systemError } from "./errors.ts"
import { limit, millis } from "./options.ts"

/** The items of a pipe: chunks, or the end of the stream, orderly or with an error. */
export type Item =
  | { readonly _tag: "Chunks"; readonly chunks: ReadonlyArray<Uint8Array> }
  | { readonly _tag: "End"; readonly error: Socket.SocketError | undefined }

/** Delivers a piece; returns an Effect when the delivery has to wait. */
export type Deliver = (piece: Uint8Array) => Effect.Effect<void, Socket.SocketError> | undefined

/** Maximum chunks in flight with latency. */
const inFlight = 1024

/** Makes a generator of numbers from 0 up to 1 that is the same for the same seed. */
export const makeRandom = (seed: number): (() => number) => {
  // Neighbouring seeds must not give neighbouring numbers.
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    // The low bits of a linear congruential generator repeat soon.
    return (state >>> 8) / 0x1000000
  }
}

export class FaultPipe {
  private readonly _random: () => number
  private readonly _gate: Latch.Latch | undefined
  private readonly _latency: number
  private readonly _jitter: number
  private readonly _bytesPerMilli: number
  private readonly _min: number
  private readonly _max: number
  private readonly _marks: Array<{ readonly at: number; readonly fault: Effect.Effect<void, Socket.SocketError> }> = []
  private _passed = 0
  private _lastDue = 0

  constructor(faults: Faults, random: () => number, gate: Latch.Latch | undefined) {
    this._random = random
    this._gate = gate
    this._latency = millis("latency", faults.latency ?? 0)
    this._jitter = millis("jitter", faults.jitter ?? 0)
    this._bytesPerMilli = limit("bandwidth", faults.bandwidth ?? Infinity, 1) / 1000
    const size = faults.chunkSize ?? Infinity
    const [min, max] = typeof size === "number" ? [size, size] : size
    this._min = limit("chunkSize", min, 1)
    this._max = limit("chunkSize", max, min)
    if (faults.stall !== undefined) {
      this._marks.push({ at: faults.stall.after, fault: Effect.sleep(faults.stall.duration) })
    }
    if (faults.blackholeAfter !== undefined) this._marks.push({ at: faults.blackholeAfter, fault: Effect.never })
    if (faults.resetAfter !== undefined) this._marks.push({ at: faults.resetAfter, fault: Effect.fail(resetByFault()) })
    this._marks.sort((a, b) => a.at - b.at)
  }

  /** Runs the pipe from `source` to its end. Returns the error that the end carries, if any. */
  run(
    source: Effect.Effect<Item>,
    deliver: Deliver
  ): Effect.Effect<Socket.SocketError | undefined, Socket.SocketError> {
    return this._latency > 0 || this._jitter > 0
      ? Effect.scoped(this._carryLate(source, deliver))
      : this._carryNow(source, deliver)
  }

  private readonly _carryNow = Effect.fnUntraced(
    { self: this },
    function* (source: Effect.Effect<Item>, deliver: Deliver) {
      yield* this._applyFaults()
      while (true) {
        const item = yield* source
        if (this._gate !== undefined) yield* this._gate.await
        if (item._tag === "End") return item.error
        for (const chunk of item.chunks) yield* this._pass(chunk, deliver)
      }
    }
  )

  /** The same with a queue that delays everything, so that latency does not reduce the throughput. */
  private readonly _carryLate = Effect.fnUntraced(
    { self: this },
    function* (source: Effect.Effect<Item>, deliver: Deliver) {
      const queue = yield* Queue.bounded<{ readonly due: number; readonly item: Item }>(inFlight)
      yield* Effect.flatMap(source, (item) =>
        Effect.flatMap(Monotonic.millis, (now) => {
          // Bytes of a stream do not overtake each other.
          this._lastDue = Math.max(this._lastDue, now + this._latency + this._random() * this._jitter)
          return Effect.as(Queue.offer(queue, { due: this._lastDue, item }), item._tag === "End")
        })
      ).pipe(Effect.repeat({ until: (ended) => ended }), Effect.forkScoped)
      const late = Effect.flatMap(Queue.take(queue), ({ due, item }) =>
        Effect.flatMap(Monotonic.millis, (now) =>
          due > now ? Effect.as(Effect.sleep(due - now), item) : Effect.succeed(item)
        )
      )
      return yield* this._carryNow(late, deliver)
    }
  )

  private readonly _pass = Effect.fnUntraced({ self: this }, function* (chunk: Uint8Array, deliver: Deliver) {
    let offset = 0
    while (offset < chunk.length) {
      const size = this._nextSize(chunk.length - offset)
      const waiting = deliver(chunk.subarray(offset, offset + size))
      if (waiting !== undefined) yield* waiting
      offset += size
      this._passed += size
      if (this._bytesPerMilli !== Infinity) yield* Effect.sleep(size / this._bytesPerMilli)
      if (this._marks.length > 0) yield* this._applyFaults()
      if (this._gate !== undefined) yield* this._gate.await
    }
  })

  private _nextSize(left: number): number {
    const mark = this._marks[0]
    const untilMark = mark === undefined ? Infinity : mark.at - this._passed
    // Sends 50 ms worth of bytes at a time, so that a narrow pipe trickles instead of bursting.
    const trickle = Math.max(1, Math.floor(this._bytesPerMilli * 50))
    const size =
      this._min === this._max ? this._min : this._min + Math.floor(this._random() * (this._max - this._min + 1))
    return Math.min(left, size, untilMark, trickle)
  }

  private _applyFaults(): Effect.Effect<void, Socket.SocketError> {
    const mark = this._marks[0]
    if (mark === undefined || mark.at > this._passed) return Effect.void
    this._marks.shift()
    return Effect.andThen(
      mark.fault,
      Effect.suspend(() => this._applyFaults())
    )
  }
}

const resetByFault = (): Socket.SocketError =>
  readError(systemError("ECONNRESET", "read", "injected fault: connection reset"))
