/**
 * The open connections of one server, and how a drain closes them together.
 */
import type { Budget } from "@effect-ws/connection/Budget"
import type { Connection } from "@effect-ws/connection/Connection"
import * as ConnectionHandler from "@effect-ws/connection/ConnectionHandler"
import type { PeerInfo } from "@effect-ws/transport/Push"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Admission, Candidate, Refusal } from "./Admission.ts"
import { endsWithin, interruptsWithin } from "./endsWithin.ts"
import { stop } from "./Runner.ts"
import type { Task } from "./Runner.ts"

export class ConnectionRegistry {
  readonly admission: Admission
  // Each connection with its current task, once it has one. It stays here until its handlers and finalizers are done.
  private readonly open = new Map<Connection, Task | undefined>()
  private readonly empty = Latch.makeUnsafe(true)
  private draining: DrainRequest | undefined = undefined
  // Closes a connection whose handshake was under way when the drain began.
  private onLate: ((connection: Connection) => void) | undefined = undefined

  private readonly budget: Budget

  constructor(admission: Admission, budget: Budget) {
    this.admission = admission
    this.budget = budget
  }

  get size(): number {
    return this.open.size
  }

  get connections(): ReadonlyArray<Connection> {
    return Array.from(this.open.keys()).filter((connection) => connection.closeInfo === undefined)
  }

  /** The refusal of every new connection, or `undefined` if they are accepted. */
  get refusal(): Refusal | undefined {
    if (this.draining?.refuses === true) return { status: 503, reason: "the server is shutting down" }
    return this.budget.isExceeded ? { status: 503, reason: "the server is busy" } : undefined
  }

  /** Counts an accepted connection. */
  beginHandshake(peer: Pick<PeerInfo, "localAddress" | "remoteAddress"> | undefined): Candidate {
    this.empty.closeUnsafe()
    return this.admission.enter(this.admission.keyOf(peer))
  }

  endHandshake(candidate: Candidate): void {
    this.admission.leave(candidate)
    this.openWhenEmpty()
  }

  private openWhenEmpty(): void {
    // A drain does not wait for refused connections: their responses were written already.
    const awaited = this.draining?.refuses === false ? this.admission.size : 0
    if (this.open.size + awaited === 0) this.empty.openUnsafe()
  }

  /** Adds a connection, which counts for `address` until it is removed. */
  add(connection: Connection, address: string | undefined): void {
    this.open.set(connection, undefined)
    this.admission.opened(address)
    this.empty.closeUnsafe()
    this.onLate?.(connection)
  }

  /** Records the current task of a connection. */
  track(connection: Connection, task: Task): void {
    if (this.open.has(connection)) this.open.set(connection, task)
  }

  remove(connection: Connection, address: string | undefined): void {
    if (this.open.delete(connection)) this.admission.closed(address)
    this.openWhenEmpty()
  }

  /**
   * Interrupts the handshakes and handlers that are left, then the handlers that run after the close; each round takes
   * at most `patience`. Logs the connections whose handlers cannot be interrupted.
   */
  interrupt(patience: Duration.Duration): Effect.Effect<void> {
    const round = Effect.suspend(() => {
      for (const { stage } of this.admission.candidates) stage?.interrupt()
      const tasks = Array.from(this.open.values()).filter((task) => task !== undefined)
      return Effect.andThen(Effect.forEach(tasks, stop, { concurrency: "unbounded", discard: true }), this.empty.await)
    })
    const bounded = interruptsWithin(round, patience)
    return Effect.flatMap(bounded, (done) =>
      done ? Effect.void : Effect.flatMap(bounded, (done) => (done ? Effect.void : this.reportLeft))
    )
  }

  private get reportLeft(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const connections = Array.from(this.open.keys(), ({ id, request }) => `connection ${id} (${request.path})`)
      const more = connections.length > MOST_NAMED ? [`${connections.length - MOST_NAMED} more`] : []
      const named = [...connections.slice(0, MOST_NAMED), ...more]
      return Effect.logWarning(`Stopped while handlers that cannot be interrupted still run: ${named.join(", ")}`)
    })
  }

  /**
   * Interrupts handlers whose connections have been closed for `grace`. Runs until it is interrupted.
   *
   * It looks at all connections periodically, which is cheaper than a timer for each that closes.
   */
  interruptOverdueHandlers(grace: Duration.Duration): Effect.Effect<never> {
    const late = new Map<Connection, { readonly task: Task; looks: number }>()
    const look = Effect.suspend(() => {
      for (const connection of late.keys()) if (!this.open.has(connection)) late.delete(connection)
      const overdue: Array<Effect.Effect<void>> = []
      for (const [connection, task] of this.open) {
        if (task === undefined || connection.closeInfo === undefined) continue
        const seen = late.get(connection)
        if (seen?.task !== task) late.set(connection, { task, looks: 1 })
        else if (++seen.looks === LOOKS + 1) overdue.push(interruptLate(connection, task))
      }
      return Effect.forEach(overdue, (interrupting) => Effect.forkDetach(interrupting), { discard: true })
    })
    return Effect.forever(Effect.andThen(Effect.sleep(Duration.divideUnsafe(grace, LOOKS)), look))
  }

  /**
   * Closes all connections. They have three quarters of `timeout` to finish the messages that they received. Then busy
   * ones get a close frame too, and at the end of `timeout` the server drops the sockets. A connection whose handshake
   * ends during the drain joins the steps that are left. One whose handshake ends after the drain is closed at once,
   * and dropped after a quarter of `timeout`.
   */
  drain(request: DrainRequest): Effect.Effect<void> {
    const { code, isFinal, reason, timeout } = request
    return Effect.contextWith((context: Context.Context<never>) => {
      const fork = Effect.runForkWith(context)
      this.draining = request
      this.onLate = (connection) => void fork(Effect.ignore(connection.drain(code, reason)))
      this.openWhenEmpty()
      // Runs for the connections that are open when the step begins.
      const everyone = (goodbye: (connection: Connection) => Effect.Effect<unknown, unknown>): Effect.Effect<void> =>
        Effect.suspend(() =>
          Effect.forEach(this.connections, (connection) => Effect.ignore(goodbye(connection)), {
            concurrency: "unbounded",
            discard: true
          })
        )
      const within = (share: number, step: Effect.Effect<void>): Effect.Effect<boolean> =>
        endsWithin(Effect.andThen(step, this.empty.await), Duration.times(timeout, share), isFinal)
      const finish = within(
        3 / 4,
        everyone((connection) => connection.drain(code, reason))
      )
      const insist = within(
        1 / 4,
        everyone((connection) => connection.close(code, reason))
      )
      const abort = (connection: Connection): Effect.Effect<void> =>
        ConnectionHandler.abandon(connection, "drain timeout exceeded")
      const closeNow = (connection: Connection): Effect.Effect<void> =>
        Effect.flatMap(
          endsWithin(Effect.ignore(connection.close(code, reason)), Duration.times(timeout, 1 / 4), isFinal),
          (done) => (done ? Effect.void : abort(connection))
        )
      return Effect.flatMap(finish, (done) =>
        done ? Effect.void : Effect.flatMap(insist, (done) => (done ? Effect.void : everyone(abort)))
      ).pipe(
        Effect.andThen(
          Effect.sync(() => {
            this.onLate = (connection) => void fork(closeNow(connection))
          })
        )
      )
    })
  }
}

const interruptLate = (connection: Connection, task: Task): Effect.Effect<void> =>
  Effect.andThen(
    Effect.logWarning("Interrupting a handler that still runs after handlerTimeoutAfterClose"),
    stop(task)
  ).pipe(Effect.asVoid, Effect.annotateLogs({ connection: connection.id }))

// Maximum connections that a warning names.
const MOST_NAMED = 20

// How many times a closed connection is seen before its handler is interrupted.
const LOOKS = 4

interface DrainRequest {
  readonly code: number
  readonly reason: string
  readonly timeout: Duration.Duration
  /** Whether new connections are refused. Otherwise they are accepted and then drained. */
  readonly refuses: boolean
  /** Whether the drain is part of closing the server's Scope, when a test no longer moves its clock. */
  readonly isFinal: boolean
}
