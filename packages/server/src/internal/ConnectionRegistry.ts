/**
 * The connections of one server that are open now, and how they are brought to an end together.
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
  // With what runs for each, once it does. One is in here until all about it is over.
  private readonly open = new Map<Connection, Task | undefined>()
  private readonly empty = Latch.makeUnsafe(true)
  private draining: DrainRequest | undefined = undefined
  // What is done about a connection whose handshake was under way when the drain began.
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

  /** Why every new connection is refused now, or `undefined` where it is not so. */
  get refusal(): Refusal | undefined {
    if (this.draining?.refuses === true) return { status: 503, reason: "the server is shutting down" }
    return this.budget.isExceeded ? { status: 503, reason: "the server is busy" } : undefined
  }

  /** Counts a connection that was accepted. */
  beginHandshake(peer: Pick<PeerInfo, "localAddress" | "remoteAddress"> | undefined): Candidate {
    this.empty.closeUnsafe()
    return this.admission.enter(this.admission.keyOf(peer))
  }

  endHandshake(candidate: Candidate): void {
    this.admission.leave(candidate)
    this.openWhenEmpty()
  }

  private openWhenEmpty(): void {
    // Who is refused is not waited for: its answer was written already.
    const awaited = this.draining?.refuses === false ? this.admission.size : 0
    if (this.open.size + awaited === 0) this.empty.openUnsafe()
  }

  /** Adds a connection, which counts for an address until it is removed. */
  add(connection: Connection, address: string | undefined): void {
    this.open.set(connection, undefined)
    this.admission.opened(address)
    this.empty.closeUnsafe()
    this.onLate?.(connection)
  }

  /** Remembers what runs for a connection. */
  track(connection: Connection, task: Task): void {
    if (this.open.has(connection)) this.open.set(connection, task)
  }

  remove(connection: Connection, address: string | undefined): void {
    if (this.open.delete(connection)) this.admission.closed(address)
    this.openWhenEmpty()
  }

  /**
   * Interrupts what is left, handshakes and handlers, and then what the handlers do after the end of their connections;
   * each has `patience`. What cannot be interrupted is left to itself, and named in the log.
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
      return Effect.logWarning(`Stopped with handlers that cannot be interrupted left behind: ${named.join(", ")}`)
    })
  }

  /**
   * Interrupts handlers of connections that are over for so long. Runs until it is interrupted.
   *
   * One look at all connections now and then, in place of a timer for each that ends.
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
   * Brings all connections to an end. Three quarters of the time are for finishing what was received; whoever is busy
   * then gets its close frame all the same, and when the time is over the sockets are dropped. A connection whose
   * handshake ends during the drain takes part in the steps that are left; after the drain it is closed at once, and
   * dropped after a quarter of the time.
   */
  drain(farewell: DrainRequest): Effect.Effect<void> {
    const { code, isFinal, reason, timeout } = farewell
    return Effect.contextWith((context: Context.Context<never>) => {
      const fork = Effect.runForkWith(context)
      this.draining = farewell
      this.onLate = (connection) => void fork(Effect.ignore(connection.drain(code, reason)))
      this.openWhenEmpty()
      // Those who are here when the step begins.
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
        ConnectionHandler.abandon(connection, "the server could not wait any longer")
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
    Effect.logWarning("A handler goes on although its connection is over, and is interrupted"),
    stop(task)
  ).pipe(Effect.asVoid, Effect.annotateLogs({ connection: connection.id }))

// How many connections a warning names.
const MOST_NAMED = 20

// How often a connection that is over is looked at before its handler is interrupted.
const LOOKS = 4

interface DrainRequest {
  readonly code: number
  readonly reason: string
  readonly timeout: Duration.Duration
  /** Whether whoever comes now is refused. Otherwise it is let in, to be told goodbye. */
  readonly refuses: boolean
  /** Whether the drain belongs to the end of the server's Scope, when a test no longer moves its clock. */
  readonly isFinal: boolean
}
