/**
 * Bounds the memory that all connections together hold. Each connection has its own bounds, but ten thousand
 * connections that may each send a message of 16 MiB exhaust the memory with half a message each.
 *
 * A budget counts the bytes that its connections have received and not handed on, and those that they were given to
 * send and the system has not taken. No sender waits for it, since messages that are half there free nothing by
 * waiting. Above the limit connections are closed with 1013: those of the remote address that holds most, and of these
 * the one first that has made no progress for longest. The connection that needs the memory is not the one, and an
 * address that holds little is left alone. New handshakes get 503 only where that does not free enough.
 *
 * @since 0.1.0
 */
import * as Argument from "@effect-ws/protocol/Argument"
import { addressKey } from "@effect-ws/transport/AddressKey"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as NetAddress from "effect/net/NetAddress"

/**
 * Options of a budget.
 *
 * @category models
 * @since 0.1.0
 */
export interface BudgetOptions {
  /** The bytes that all connections together may hold. Default: 1 GiB. */
  readonly limit?: number | undefined
  /**
   * The bytes that the connections of one remote address may hold together, whatever the others hold. An IPv6 address
   * counts as its /64. The process holds at most `limit`, `minPerConnection` for each address, and one message. Default: 128 KiB,
   * enough for both buffers of a connection.
   */
  readonly minPerConnection?: number | undefined
}

/**
 * What a budget needs to know of a connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Holder {
  readonly remoteAddress: NetAddress.SocketAddress | undefined
  /** Closes the connection and releases what it holds. */
  letGo(): void
}

/**
 * What one connection holds, as its budget was last told.
 *
 * @category models
 * @since 0.1.0
 */
export interface Holding {
  readonly bytes: number
}

/**
 * Counts what connections hold.
 *
 * @category models
 * @since 0.1.0
 */
export class Budget {
  readonly limit: number
  readonly minPerConnection: number
  private held = 0
  private most = 0
  private count = 0
  // Of the addresses that hold something; peers without an address count as one.
  private readonly shares = new Map<string, Share>()

  constructor(options?: BudgetOptions) {
    this.limit = Argument.limit("limit", options?.limit ?? 1024 ** 3)
    this.minPerConnection = Argument.limit("minPerConnection", options?.minPerConnection ?? 128 * 1024)
  }

  /**
   * The bytes that are held now. What the system takes of a connection's output in parts is noticed when it has taken
   * all, or when something else happens there: until then the figure is too high rather than too low.
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

  /** Begins to count a connection, which holds nothing yet. */
  open(holder: Holder): Holding {
    return new Held(holder, new Share(addressKey(holder.remoteAddress) ?? ""))
  }

  /**
   * Records what a connection holds now, and that it made progress. Where that is more than there is room for, closes
   * connections.
   *
   * **Gotchas**
   *
   * What is recorded must be taken back, with 0 in the end.
   */
  update(holding: Holding, bytes: number): void {
    const held = holding as Held
    const before = held.bytes
    const share = this.shareOf(held)
    held.bytes = bytes
    share.bytes += bytes - before
    // The latest stands at the end.
    share.held.delete(held)
    if (bytes > 0) share.held.add(held)
    else if (share.held.size === 0) this.shares.delete(share.key)
    this.held += bytes - before
    if (this.held > this.most) this.most = this.held
    if (bytes > before && this.held > this.limit) this.shed(held)
  }

  // The share of a connection's address among those that hold something. It may have been left and begun anew since.
  private shareOf(held: Held): Share {
    if (held.share.held.size > 0) return held.share
    const current = this.shares.get(held.share.key)
    if (current === undefined) this.shares.set(held.share.key, held.share)
    else held.share = current
    return held.share
  }

  private shed(asking: Held): void {
    for (let next = this.next(asking); next !== undefined; next = this.next(asking)) {
      next.isLettingGo = true
      this.count++
      try {
        next.holder.letGo()
      } catch (defect) {
        // It is not asked again. The connection that asks must not suffer for it.
        Effect.runFork(Effect.logError("A connection could not be closed for the memory budget", Cause.die(defect)))
      }
    }
  }

  private next(asking: Held): Held | undefined {
    if (this.held <= this.limit) return undefined
    let most = this.minPerConnection
    let found: Held | undefined = undefined
    for (const share of this.shares.values()) {
      if (share.bytes <= most) continue
      const longest = share.longest(asking)
      if (longest === undefined) continue
      most = share.bytes
      found = longest
    }
    // A connection that alone exceeds the limit is closed itself.
    if (found === undefined && asking.bytes > Math.max(this.limit, this.minPerConnection) && !asking.isLettingGo)
      return asking
    return found
  }
}

/** What the connections of one address hold, in the order in which they made progress. */
class Share {
  readonly key: string
  readonly held = new Set<Held>()
  bytes = 0

  constructor(key: string) {
    this.key = key
  }

  /** The connection that has made no progress for longest, except the one that asks. */
  longest(asking: Held): Held | undefined {
    for (const held of this.held) if (held !== asking && !held.isLettingGo) return held
    return undefined
  }
}

class Held implements Holding {
  readonly holder: Holder
  share: Share
  bytes = 0
  isLettingGo = false

  constructor(holder: Holder, share: Share) {
    this.holder = holder
    this.share = share
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

/**
 * Gives a budget as {@link layer} does, with options from `Config`: each option is a `Config`, or one `Config` gives
 * all of them.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (options: Config.Wrap<BudgetOptions>): Layer.Layer<never, Config.ConfigError> =>
  Layer.effect(
    CurrentBudget,
    Effect.map(Config.unwrap(options), (options) => new Budget(options))
  )
