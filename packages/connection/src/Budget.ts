/**
 * A bound on what all connections together hold in memory. Each connection has bounds of its own, but ten thousand of
 * them, each allowed a message of 16 MiB, are another matter: half a message each is enough.
 *
 * A budget counts the bytes that its connections have received and not handed on, and those that they were given to send
 * and the system has not taken. Nobody is made to wait for it, since messages that are half there free nothing by
 * waiting: above the limit, the connection that asks for more is closed with 1013, and new handshakes get 503. A
 * connection that holds little is never the one.
 *
 * @since 0.1.0
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"

/**
 * What a budget may be told.
 *
 * @category models
 * @since 0.1.0
 */
export interface BudgetOptions {
  /** The bytes that all connections together may hold. Default: 1 GiB. */
  readonly limit?: number | undefined
  /**
   * What a connection may hold whatever the others do, in bytes. The process holds at most `limit`, and `floor` for each
   * connection above that. Default: 128 KiB, enough for both of a connection's buffers.
   */
  readonly floor?: number | undefined
}

/**
 * Counts what connections hold.
 *
 * @category models
 * @since 0.1.0
 */
export class Budget {
  readonly limit: number
  readonly floor: number
  private held = 0
  private most = 0
  private count = 0

  constructor(options?: BudgetOptions) {
    this.limit = Argument.limit("limit", options?.limit ?? 1024 ** 3)
    this.floor = Argument.limit("floor", options?.floor ?? 128 * 1024)
  }

  /**
   * The bytes that are held now. What the system takes of a connection's output in parts is noticed when it has taken all,
   * or when something else happens there: until then the figure is too high rather than too low.
   */
  get used(): number {
    return this.held
  }

  /** The most that were held at any time. */
  get peak(): number {
    return this.most
  }

  /** How many connections were closed for it. */
  get closed(): number {
    return this.count
  }

  /** Whether more is held than should be. */
  get isExceeded(): boolean {
    return this.held > this.limit
  }

  /**
   * Records that whoever held `before` bytes now holds `after`. `false`: that is more than there is room for, and it
   * should let go of them.
   *
   * **Gotchas**
   *
   * What is recorded must be taken back, with 0 in the end.
   */
  adjust(before: number, after: number): boolean {
    this.held += after - before
    if (this.held > this.most) this.most = this.held
    return after <= before || after <= this.floor || this.held <= this.limit
  }

  /** Counts a connection that was closed for it. @internal */
  noteClosed(): void {
    this.count++
  }
}

/**
 * The budget of the connections that are made in a context. By default all of the process share one of 1 GiB.
 *
 * @category references
 * @since 0.1.0
 */
export const CurrentBudget: Context.Reference<Budget> = Context.Reference<Budget>(
  "@effect-ws/connection/Budget/CurrentBudget",
  { defaultValue: () => new Budget() }
)

/**
 * Gives the servers and clients that are built on it a budget of their own.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: BudgetOptions): Layer.Layer<never> =>
  Layer.sync(CurrentBudget, () => new Budget(options))
