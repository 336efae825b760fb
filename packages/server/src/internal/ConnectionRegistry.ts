/**
 * The open connections of one server, and how a drain closes them together.
 */
import type { Budget } from "@effect-ws/connection/Budget"
import type { Connection } from "@effect-ws/connection/Connection"
import * as ConnectionHandler from "@effect-ws/connection/ConnectionHandler"
import { LinkedList } from "@effect-ws/transport/internal"
import type { Links } from "@effect-ws/transport/internal"
import type { PeerInfo } from "@effect-ws/transport/Push"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Admission, Candidate, Refusal } from "./Admission.ts"
import { endsWithin, interruptsWithin } from "./endsWithin.ts"
import { stop } from "./Runner.ts"
import type { Task } from "./Runner.ts"

/** An open connection. */
export interface OpenConnection extends Links<OpenConnection> {
  readonly connection: Connection
  /** The key under which admission counts it. */
  readonly address: string | undefined
  /** Its current task, once it has one. */
  readonly task: Task | undefined
}

export class ConnectionRegistry {
  readonly admission: Admission
  // A connection stays here until its handlers and finalizers are done.
  private readonly open = new LinkedList<OpenConnection>()
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
    // Every broadcast asks for them, and following the links is much faster than an iterator.
    const connections: Array<Connection> = []
    for (let open = this.open.first; open !== undefined; open = open.next) {
      if (open.connection.closeInfo === undefined) connections.push(open.connection)
    }
    return connections
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

  /** Adds a connection, which counts for its address until it is removed. */
  add(open: OpenConnection): void {
    this.open.add(open)
    this.admission.opened(open.address)
    this.empty.closeUnsafe()
    this.onLate?.(open.connection)
  }

  remove(open: OpenConnection): void {
    if (this.open.delete(open)) this.admission.closed(open.address)
    this.openWhenEmpty()
  }

  /**
   * Interrupts the handshakes and handlers that are left, then the handlers that run after the close; each round takes
   * at most `patience`. Logs the connections whose handlers cannot be interrupted.
   */
  interrupt(patience: Duration.Duration): Effect.Effect<void> {
    const round = Effect.suspend(() => {
      for (const { stage } of Array.from(this.admission.candidates)) stage?.interrupt()
      const tasks = Array.from(this.open, ({ task }) => task).filter((task) => task !== undefined)
      return Effect.andThen(Effect.forEach(tasks, stop, { concurrency: "unbounded", discard: true }), this.empty.await)
    })
    const bounded = interruptsWithin(round, patience)
    return Effect.flatMap(bounded, (done) =>
      done ? Effect.void : Effect.flatMap(bounded, (done) => (done ? Effect.void : this.reportLeft))
    )
  }

  private get reportLeft(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const connections = Array.from(
        this.open,
        ({ connection: { id, request } }) => `connection ${id} (${request.path})`
      )
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
    const late = new Map<OpenConnection, { readonly task: Task; looks: number }>()
    const look = Effect.suspend(() => {
      for (const open of late.keys()) if (!this.open.has(open)) late.delete(open)
      const overdue: Array<Effect.Effect<void>> = []
      for (const open of this.open) {
        const { connection, task } = open
        if (task === undefined || connection.closeInfo === undefined) continue
        const seen = late.get(open)
        if (seen?.task !== task) late.set(open, { task, looks: 1 })
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
