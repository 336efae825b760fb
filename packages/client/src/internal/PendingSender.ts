/**
 * Sends the messages that were queued for want of a connection, one connection after the other.
 *
 * A connection that breaks does not say what arrived. So a message that was sent stays recorded until the proof of its
 * connection succeeds, and what is recorded when the connection ends may be lost.
 */
import * as CloseError from "@effect-ws/protocol/CloseError"
import type { SendOptions } from "@effect-ws/protocol/Session"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { Pending } from "./Pending.ts"
import type { ReconnectableConnection } from "./ReconnectingOptions.ts"

type SendFailure<C extends ReconnectableConnection> = Effect.Error<ReturnType<C["send"]>>

export class PendingSender<C extends ReconnectableConnection> {
  private readonly pending: Pending
  private readonly proof: (connection: C) => Effect.Effect<unknown, unknown>
  private readonly onRefused: (data: string | Uint8Array) => void
  // Open when there may be queued messages for the connection.
  private readonly wanted = Latch.makeUnsafe(false)
  // Messages that were sent on the current connection and are not yet proven to have arrived.
  private readonly unproven: Array<string | Uint8Array> = []
  // How many messages left that list so far.
  private settledCount = 0

  /** `onRefused` receives each message that the connection refuses while it stays open. */
  constructor(
    pending: Pending,
    proof: (connection: C) => Effect.Effect<unknown, unknown>,
    onRefused: (data: string | Uint8Array) => void
  ) {
    this.pending = pending
    this.proof = proof
    this.onRefused = onRefused
  }

  /** The number of queued messages. */
  get size(): number {
    return this.pending.size
  }

  /** Queues a message. Returns false when there is no room. */
  offer(data: string | Uint8Array, options: SendOptions | undefined): boolean {
    const isQueued = this.pending.offer(data, options)
    if (isQueued) this.wanted.openUnsafe()
    return isQueued
  }

  /** Sends the queued messages, and those that are queued later, until the connection takes no more. */
  run(connection: C): Effect.Effect<void, never, Scope.Scope> {
    const some = Effect.suspend(() => {
      this.wanted.closeUnsafe()
      return this.sendAll(connection)
    })
    return Effect.suspend(() => {
      if (this.pending.size > 0) this.wanted.openUnsafe()
      return Effect.asVoid(Effect.repeat(this.wanted.whenOpen(some), { while: (isTaking) => isTaking }))
    })
  }

  // Sends all queued messages. Returns whether the connection can still take more.
  private sendAll(connection: C): Effect.Effect<boolean, never, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      while (true) {
        const next = this.pending.shift()
        if (next === undefined) break
        // From here on the message may have been written, even if this fiber is interrupted.
        this.unproven.push(next.data)
        const outcome = yield* Effect.result(trySend(connection, next.data, next.options))
        if (Result.isSuccess(outcome) && outcome.success) continue
        if (Result.isFailure(outcome) && !isMisuse(outcome.failure)) return false
        this.unproven.pop()
        if (Result.isSuccess(outcome)) {
          this.pending.unshift(next)
          return false
        }
        this.onRefused(next.data)
      }
      if (this.unproven.length > 0) yield* Effect.forkScoped(this.prove(connection))
      return true
    })
  }

  // Learns whether what was sent so far has arrived.
  private prove(connection: C): Effect.Effect<void> {
    const upTo = this.settledCount + this.unproven.length
    return this.proof(connection).pipe(
      Effect.andThen(Effect.sync(() => this.settle(upTo - this.settledCount))),
      Effect.ignore
    )
  }

  private settle(count: number): ReadonlyArray<string | Uint8Array> {
    const messages = this.unproven.splice(0, count)
    this.settledCount += messages.length
    return messages
  }

  /** Removes and returns the messages that may be lost, now that their connection has ended. */
  takeUnproven(): ReadonlyArray<string | Uint8Array> {
    return this.settle(this.unproven.length)
  }

  /** Removes and returns the messages that were not sent. */
  clear(): ReadonlyArray<string | Uint8Array> {
    return this.pending.clear()
  }
}

/**
 * Sends a message on a connection. Returns false only when the connection was closing and wrote none of its bytes. A
 * failure with a close means that the connection broke while the message waited: it may have been written.
 */
export const trySend = <C extends ReconnectableConnection>(
  connection: C,
  data: string | Uint8Array,
  options: SendOptions | undefined
): Effect.Effect<boolean, SendFailure<C>> => {
  const sending = connection.send(data, options) as Effect.Effect<unknown, SendFailure<C>>
  // A closing connection fails `send` at once. A `send` that does not complete at once waits for the peer to read.
  return Effect.flatMap(Effect.forkChild(sending, { startImmediately: true }), (fiber) => {
    const exit = fiber.pollUnsafe()
    if (exit === undefined) {
      return Effect.as(
        Effect.onInterrupt(Fiber.join(fiber), () => Fiber.interrupt(fiber)),
        true
      )
    }
    if (Exit.isSuccess(exit)) return Effect.succeed(true)
    const error = Cause.findError(exit.cause)
    return Result.isSuccess(error) && CloseError.isCloseError(error.success)
      ? Effect.succeed(false)
      : Effect.as(exit, true)
  })
}

// Misuse by the program, after which the connection stays open.
const isMisuse = (error: unknown): boolean => Predicate.isTagged(error, "SendError")
