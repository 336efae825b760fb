/**
 * The keepalive of one connection: whether the peer is alive, and whether our own program is.
 *
 * After `interval` without a byte from the peer, a ping is sent; no byte within `timeout` ends the connection. That
 * time starts when the system has taken the ping, and again when blocked output moves; after blocked output it allows
 * for what the system still holds. Output that is blocked and does not move for `interval` and `timeout` ends the
 * connection, too. The peer's silence does not count while we do not read; pings are still sent then, so that a reset
 * is noticed.
 *
 * The pings of the program are here as well: both need to know which ping a pong answers. A connection has one of these
 * from its first ping, or from the first tick at which there is something to watch.
 */
import * as CloseError from "@effect-ws/protocol/CloseError"
import type { SendError } from "@effect-ws/protocol/SendError"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { ClosingHandshake } from "../close/ClosingHandshake.ts"
import type { Host } from "../ConnectionParts.ts"
import type { KeepaliveTicks } from "./KeepaliveTimer.ts"
import { OutputProgress } from "./OutputProgress.ts"
import { PendingPings } from "./PendingPings.ts"
import type { Receiver } from "../receive/Receiver.ts"
import type { Sender } from "../send/Sender.ts"

/** The connection as its keepalive sees it. */
export interface KeepaliveHost extends Host {
  /** Ticks since the last byte from the peer. */
  idleTicks: number
  readonly receiver: Receiver
  readonly sender: Sender
  readonly closing: ClosingHandshake
}

// How many times `timeout` a pong may take for what the system holds: a bound for wrong estimates.
const MAX_BACKLOG = 10

// What the peer's silence calls for.
type Verdict = "ping" | "silent" | "stalled" | undefined

export class ConnectionKeepalive {
  private readonly connection: KeepaliveHost
  private readonly pings = new PendingPings()
  // Of the output, in milliseconds of ticks.
  private readonly progress = new OutputProgress()
  private now = 0
  // The number of the ping that waits for its pong, or 0.
  private ping = 0
  // What the system had taken when the ping was sent: a pong shows that the peer has read as much.
  private takenBefore = 0
  // Ticks since the system took the ping, or since there was another sign of life.
  private waited = 0
  // Ticks since the last ping, while we do not read.
  private unread = 0

  constructor(connection: KeepaliveHost) {
    this.connection = connection
  }

  /** Whether there is nothing to watch, so that a connection needs no keepalive of its own yet. */
  static isQuiet({ idleTicks, receiver, sender }: KeepaliveHost, { interval }: KeepaliveTicks): boolean {
    return interval === Infinity || (idleTicks < interval && !receiver.isPaused && sender.queue.refusedBytes === 0)
  }

  onTick(ticks: KeepaliveTicks): void {
    const { connection } = this
    if (ticks.interval === Infinity) return
    const verdict = this.judge(connection.idleTicks, !connection.receiver.isPaused, ticks)
    if (verdict === "ping") this.sendPing()
    else if (verdict === "silent") connection.fail(new CloseError.InternalError({ reason: "keepalive timeout" }))
    else if (verdict === "stalled") {
      connection.closing.drop(new CloseError.InternalError({ reason: "keepalive timeout" }))
    }
  }

  private judge(idleTicks: number, isReading: boolean, { interval, millis, timeout }: KeepaliveTicks): Verdict {
    const { queue } = this.connection.sender
    this.now += millis
    const hasMoved = this.progress.look(queue, this.now)
    if (this.progress.stalledFor(this.now) >= (interval + timeout) * millis) return "stalled"
    if (!isReading) {
      this.waited = 0
      // Reading may stop for a moment only, and each tick may find one.
      if (idleTicks <= 1) this.unread = 0
      if (++this.unread < interval) return undefined
      this.unread = 0
      return "ping"
    }
    this.unread = 0
    // A byte came since the last tick.
    if (idleTicks <= 1) this.ping = 0
    if (this.ping === 0) return idleTicks >= interval ? "ping" : undefined
    this.waited = hasMoved || queue.isBlocked || this.progress.isBlocked ? 0 : this.waited + 1
    const backlog = Math.min(this.progress.backlogMillis / millis, MAX_BACKLOG * timeout)
    return this.waited >= timeout + backlog ? "silent" : undefined
  }

  private sendPing(): void {
    const { connection } = this
    const id = connection.session.ping()
    if (typeof id !== "number") return
    this.ping = id
    this.takenBefore = connection.sender.queue.takenBytes
    this.waited = 0
    this.pings.ask(id, nowOf(connection))
    connection.advanceAfterTurn()
  }

  /** Returns the round-trip time of the newest ping that the pong answers. */
  onPong(ping: number): Duration.Duration | undefined {
    if (this.ping !== 0 && ping >= this.ping) this.progress.confirm(this.takenBefore)
    return this.pings.onPong(ping, nowOf(this.connection))
  }

  /** Sends a ping for the program, and waits for its pong. */
  sendAwaited(payload: Uint8Array | undefined): Effect.Effect<Duration.Duration, CloseError.CloseError | SendError> {
    const { connection, pings } = this
    return Effect.callback((resume) => {
      const id = connection.session.ping(payload)
      if (typeof id !== "number") return resume(Effect.fail(id))
      pings.add(id, {
        sentAt: nowOf(connection),
        succeed: (roundTrip) => resume(Effect.succeed(roundTrip)),
        fail: (error) => resume(Effect.fail(error))
      })
      connection.advanceAfterTurn()
      return Effect.sync(() => pings.delete(id))
    })
  }

  /** The round-trip time that the last pong showed. */
  get latency(): Duration.Duration | undefined {
    return this.pings.latency
  }

  /** The milliseconds that the peer may need for what the system holds, see {@link OutputProgress}. */
  get backlogMillis(): number {
    return this.progress.backlogMillis
  }

  /** Fails the pings of the program that wait for a pong. Throws what one of them threw, when all have failed. */
  failPings(error: CloseError.CloseError): void {
    this.pings.failAll(error)
  }
}

/**
 * Ends a connection whose program takes nothing for `handlerStallTimeout`: such a program keeps us from reading, and so
 * from noticing what the peer does.
 */
export const watchProgram = (connection: KeepaliveHost, { stall }: KeepaliveTicks): void => {
  const { receiver, sender } = connection
  if (!receiver.isPaused || receiver.queue.isEmpty || sender.queue.isBlocked) {
    receiver.unreadTicks = 0
    return
  }
  if (++receiver.unreadTicks < stall) return
  Effect.runForkWith(connection.environment.context)(
    Effect.annotateLogs(Effect.logWarning("The handler takes no messages (handlerStallTimeout): closing"), {
      connection: connection.id
    })
  )
  connection.closing.drop(new CloseError.InternalError({ reason: "handler stalled" }))
}

const nowOf = (host: Host): bigint => Context.get(host.environment.context, Clock.Clock).monotonicTimeNanosUnsafe()
