/**
 * Sending to a peer that may read slowly, where only the newest value of each kind matters: prices, positions,
 * presence. A value that still waits is replaced by a newer one with the same key, so the peer is never sent what is
 * out of date already, and what waits is bounded by the number of keys.
 *
 * @since 0.1.0
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"

/**
 * Options of a conflating sender.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConflationOptions<A> {
  /** Which values replace each other: those with the same key. */
  readonly key: (value: A) => unknown
  /** Maximum keys that wait. The value that has waited longest is dropped for another one. Default: 1024. */
  readonly maxKeys?: number | undefined
}

/**
 * Sends the newest value of each key. The figures are those of the moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface Conflation<A, E> {
  /** Sends a value as soon as the peer reads. Never waits; fails when an earlier value could not be sent. */
  readonly send: (value: A) => Effect.Effect<void, E>
  /** How many values wait. */
  readonly pending: number
  /** How many values were replaced by newer ones. */
  readonly replaced: number
  /** How many values were dropped because of `maxKeys`. */
  readonly dropped: number
}

/**
 * Makes a sender that keeps the newest value for each key while the peer is slow.
 *
 * **Details**
 *
 * `send` of the connection, typed or not, waits while too much waits for the peer (`writeHighWaterMark`); until it
 * completes, values wait here, in the order in which their keys came. Closing the Scope drops what waits.
 *
 * **Gotchas**
 *
 * At the queue server `send` of a connection does not wait, so nothing is conflated there.
 *
 * **Example** (Prices, the newest of each symbol)
 *
 * ```ts skip-type-checking
 * const prices = yield* Conflation.make(typed, { key: (price) => price.symbol })
 * yield* prices.send({ symbol: "ACME", price: 101 })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* <A, E, R = never>(
  connection: { readonly send: (value: A) => Effect.Effect<unknown, E, R> },
  options: ConflationOptions<A>
): Effect.fn.Return<Conflation<A, E>, never, Scope.Scope | R> {
  const sender = new ConflatingSender<A, E>(options.key, Argument.limit("maxKeys", options.maxKeys ?? 1024, 1))
  yield* Effect.forkScoped(
    sender.run((value) => connection.send(value)),
    { startImmediately: true }
  )
  return sender
})

class ConflatingSender<A, E> implements Conflation<A, E> {
  replaced = 0
  dropped = 0
  private readonly key: (value: A) => unknown
  private readonly maxKeys: number
  // A Map keeps the place of a key whose value is replaced.
  private readonly waiting = new Map<unknown, A>()
  private readonly some = Latch.makeUnsafe(false)
  private end: Exit.Exit<never, E> | undefined = undefined

  constructor(key: (value: A) => unknown, maxKeys: number) {
    this.key = key
    this.maxKeys = maxKeys
  }

  get pending(): number {
    return this.waiting.size
  }

  send(value: A): Effect.Effect<void, E> {
    return Effect.suspend(() => {
      if (this.end !== undefined) return this.end
      const key = this.key(value)
      if (this.waiting.has(key)) this.replaced++
      else if (this.waiting.size >= this.maxKeys) {
        this.dropped++
        this.waiting.delete(this.waiting.keys().next().value)
      }
      this.waiting.set(key, value)
      this.some.openUnsafe()
      return Effect.void
    })
  }

  run<R>(send: (value: A) => Effect.Effect<unknown, E, R>): Effect.Effect<void, never, R> {
    const one = Effect.suspend(() => {
      const next = this.waiting.entries().next()
      if (next.done === true) {
        this.some.closeUnsafe()
        return Effect.void
      }
      const [key, value] = next.value
      this.waiting.delete(key)
      return send(value)
    })
    return Effect.forever(this.some.whenOpen(one)).pipe(
      Effect.onExit((exit: Exit.Exit<never, E>) =>
        Effect.sync(() => {
          this.end = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? Exit.interrupt() : exit
          this.waiting.clear()
        })
      ),
      Effect.ignoreCause
    )
  }
}
