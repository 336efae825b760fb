/**
 * Pools HTTP/2 sessions by route, and leases them to connections. A session closes when it has had no connection for
 * `idleTimeout`. When the server sends GOAWAY, the session gets no new connections and closes with its last one.
 */
import type * as Http2Session from "@effect-ws/transport/Http2Session"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { OpenSocket } from "./LazySocket.ts"

/** The result of a dial: an HTTP/2 session, a connection for HTTP/1.1, or neither. */
export type Dialed =
  | { readonly _tag: "Session"; readonly session: Http2Session.Http2Session }
  | {
      readonly _tag: "Http1"
      readonly socket: OpenSocket
      /** Why it is HTTP/1.1: the server chose it by ALPN, or the sockets of the Dialer are not Node's. */
      readonly chosenBy: "server" | "network"
    }
  /** The server speaks HTTP/2 without extended CONNECT, so without WebSockets. */
  | { readonly _tag: "NoConnect" }

/** Where to connect to, and how. */
export interface Route<E, R> {
  /** Connections whose routes have equal keys may share a session. */
  readonly key: string
  readonly dial: (options: Http2Session.SessionOptions) => Effect.Effect<Dialed, E, R | Scope.Scope>
}

export interface PoolOptions {
  readonly session: Http2Session.SessionOptions
  readonly maxStreams: number
  readonly idleTimeout: Duration.Duration
  readonly maxRemembered: number
}

interface Pooled {
  readonly session: Http2Session.Http2Session
  readonly scope: Scope.Closeable
  leases: number
  timer: NodeJS.Timeout | undefined
}

interface Entry {
  readonly sessions: Set<Pooled>
  /** A dial is in progress; other callers wait for its result. */
  dialing: Deferred.Deferred<void, unknown> | undefined
}

export class SessionPool {
  private readonly options: PoolOptions
  private readonly entries = new Map<string, Entry>()
  // Keys of servers without extended CONNECT. The oldest comes first, and is forgotten first.
  private readonly withoutConnect = new Set<string>()

  constructor(options: PoolOptions) {
    this.options = options
  }

  /** How many sessions are open. */
  readonly size: Effect.Effect<number> = Effect.sync(() => {
    let size = 0
    for (const { sessions } of this.entries.values()) size += sessions.size
    return size
  })

  /** Whether an earlier dial found that the server speaks HTTP/2 without WebSockets. */
  isWithoutConnect(key: string): boolean {
    return this.withoutConnect.has(key)
  }

  /**
   * Leases a session that has room, or dials. Closing the Scope returns the session to the pool, or closes the
   * connection of HTTP/1.1.
   */
  lease<E, R>(route: Route<E, R>): Effect.Effect<Dialed, E, R | Scope.Scope> {
    return Effect.uninterruptibleMask((restore) => Effect.suspend(() => this.leaseNow(route, restore)))
  }

  private leaseNow<E, R>(route: Route<E, R>, restore: Restore): Effect.Effect<Dialed, E, R | Scope.Scope> {
    const entry = this.entryOf(route.key)
    for (const pooled of entry.sessions) if (this.hasRoom(pooled)) return this.take(route.key, pooled)
    const { dialing } = entry
    if (dialing === undefined) return this.dial(route, entry, restore)
    // Another caller dials the same route. If that fails, a dial of ours would fail as well.
    return Effect.andThen(
      restore(Deferred.await(dialing) as Effect.Effect<void, E>),
      Effect.suspend(() => this.leaseNow(route, restore))
    )
  }

  private dial<E, R>(route: Route<E, R>, entry: Entry, restore: Restore): Effect.Effect<Dialed, E, R | Scope.Scope> {
    const { key } = route
    const dialing = (entry.dialing = Deferred.makeUnsafe<void, unknown>())
    const scope = Scope.makeUnsafe()
    return Effect.flatMap(Effect.exit(restore(Scope.provide(route.dial(this.options.session), scope))), (exit) => {
      entry.dialing = undefined
      const leased = this.dialed(key, entry, scope, exit)
      // The waiting callers use the result, or dial again where this attempt was interrupted.
      const isFailure = Exit.isFailure(exit) && !Exit.hasInterrupts(exit)
      Deferred.doneUnsafe(dialing, isFailure ? Exit.asVoid(exit) : Exit.void)
      return leased
    })
  }

  private dialed<E>(
    key: string,
    entry: Entry,
    scope: Scope.Closeable,
    exit: Exit.Exit<Dialed, E>
  ): Effect.Effect<Dialed, E, Scope.Scope> {
    if (Exit.isSuccess(exit) && exit.value._tag === "Session") {
      const { session } = exit.value
      const pooled: Pooled = { session, scope, leases: 0, timer: undefined }
      entry.sessions.add(pooled)
      session.onceClosed(() => this.retire(key, pooled))
      return this.take(key, pooled)
    }
    this.tidy(key, entry)
    if (Exit.isSuccess(exit) && exit.value._tag === "Http1") {
      return Effect.as(
        Effect.addFinalizer((exit) => Scope.close(scope, exit)),
        exit.value
      )
    }
    if (Exit.isSuccess(exit)) this.remember(key)
    return Effect.andThen(Scope.close(scope, exit), exit)
  }

  private take(key: string, pooled: Pooled): Effect.Effect<Dialed, never, Scope.Scope> {
    // Count the lease synchronously, before another caller checks for room.
    clearTimeout(pooled.timer)
    if (pooled.leases++ === 0) pooled.session.keepAlive(true)
    return Effect.as(
      Effect.addFinalizer(() => Effect.sync(() => this.release(key, pooled))),
      { _tag: "Session", session: pooled.session } as const
    )
  }

  private release(key: string, pooled: Pooled): void {
    if (--pooled.leases > 0) return
    if (this.entries.get(key)?.sessions.has(pooled) !== true) return closeNow(pooled)
    pooled.session.keepAlive(false)
    pooled.timer = setTimeout(() => {
      this.forget(key, pooled)
      closeNow(pooled)
    }, Duration.toMillis(this.options.idleTimeout)).unref()
  }

  /** Removes a session from the pool: it gets no new connections, and closes with its last one. */
  private retire(key: string, pooled: Pooled): void {
    if (!this.forget(key, pooled)) return
    clearTimeout(pooled.timer)
    if (pooled.leases === 0) closeNow(pooled)
  }

  /** Closes all sessions, including those in use. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const all = [...this.entries.values()].flatMap(({ sessions }) => [...sessions])
      this.entries.clear()
      return Effect.forEach(
        all,
        ({ scope, timer }) => {
          clearTimeout(timer)
          return Scope.close(scope, Exit.void)
        },
        { discard: true }
      )
    })
  }

  private hasRoom({ leases, session }: Pooled): boolean {
    return session.isOpen && leases < Math.min(this.options.maxStreams, session.maxStreams)
  }

  private entryOf(key: string): Entry {
    let entry = this.entries.get(key)
    if (entry === undefined) this.entries.set(key, (entry = { sessions: new Set(), dialing: undefined }))
    return entry
  }

  private forget(key: string, pooled: Pooled): boolean {
    const entry = this.entries.get(key)
    if (entry === undefined || !entry.sessions.delete(pooled)) return false
    this.tidy(key, entry)
    return true
  }

  private tidy(key: string, entry: Entry): void {
    if (entry.sessions.size === 0 && entry.dialing === undefined && this.entries.get(key) === entry) {
      this.entries.delete(key)
    }
  }

  private remember(key: string): void {
    this.withoutConnect.add(key)
    for (const oldest of this.withoutConnect) {
      if (this.withoutConnect.size <= this.options.maxRemembered) break
      this.withoutConnect.delete(oldest)
    }
  }
}

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

const closeNow = ({ scope }: Pooled): void => {
  Effect.runFork(Scope.close(scope, Exit.void))
}
