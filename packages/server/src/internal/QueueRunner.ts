/**
 * No fiber for a connection: those that have work stand in one queue, each at most once, and a fixed number of workers
 * takes them in turn.
 *
 * A worker runs the handlers of one connection on a slice of its events and puts it back when there is more. So the
 * events of one connection stay in order, a busy connection cannot starve the rest, and a quiet one costs no memory but
 * its own. The queue is bounded by the number of open connections.
 */
import type { ConnectionEvent } from "@effect-ws/connection/Connection"
import * as Conversation from "@effect-ws/connection/Conversation"
import * as Polling from "@effect-ws/connection/Polling"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Dispatch } from "../Handlers.ts"
import type { Runner, Visit } from "./Runner.ts"

export class QueueRunner<E, R> implements Runner<R> {
  readonly dispatch: Dispatch<E, R>
  readonly slice: number
  private queue: Array<Turns<E, R>> = []
  private taken = 0
  private readonly idle: Array<(next: Turns<E, R>) => void> = []

  constructor(dispatch: Dispatch<E, R>, slice: number) {
    this.dispatch = dispatch
    this.slice = slice
  }

  start(visit: Visit<R>): undefined {
    this.ready(new Turns(this, visit))
  }

  /** Gives a connection to a worker: now, where one has nothing to do, or in its turn. */
  ready(turns: Turns<E, R>): void {
    const worker = this.idle.pop()
    if (worker === undefined) this.queue.push(turns)
    else worker(turns)
  }

  private get next(): Effect.Effect<Turns<E, R>> {
    return Effect.callback((resume) => {
      if (this.taken < this.queue.length) {
        const next = this.queue[this.taken++]!
        if (this.taken === this.queue.length || this.taken > 1024) {
          this.queue = this.queue.slice(this.taken)
          this.taken = 0
        }
        return resume(Effect.succeed(next))
      }
      const worker = (next: Turns<E, R>): void => resume(Effect.succeed(next))
      this.idle.push(worker)
      return Effect.sync(() => {
        const at = this.idle.indexOf(worker)
        if (at >= 0) this.idle.splice(at, 1)
      })
    })
  }

  /** One worker; runs until it is interrupted. */
  get worker(): Effect.Effect<never> {
    return Effect.forever(
      Effect.flatMap(this.next, (turns) => turns.take),
      { disableYield: true }
    )
  }
}

/** One connection, as the workers see it. */
class Turns<E, R> implements Polling.Poller {
  private readonly runner: QueueRunner<E, R>
  private readonly visit: Visit<R>
  private readonly poll: Polling.Poll
  private isOpen = false
  // Kept from the first event on: a connection that has never said anything holds none.
  private context: Context.Context<R> | undefined = undefined

  constructor(runner: QueueRunner<E, R>, visit: Visit<R>) {
    this.runner = runner
    this.visit = visit
    this.poll = Polling.poll(visit.connection, runner.dispatch.kinds, this)
  }

  onReady(): void {
    this.runner.ready(this)
  }

  /** One turn of this connection. */
  get take(): Effect.Effect<void> {
    if (this.isOpen) this.context ??= this.visit.makeContext()
    const context = this.context ?? this.visit.makeContext()
    return Effect.flatMap(Effect.exit(Effect.updateContext(this.work, () => context)), (exit) =>
      Effect.sync(() => this.settle(exit))
    )
  }

  private get work(): Effect.Effect<void, E, R> {
    const { dispatch, slice } = this.runner
    const { connection } = this.visit
    return Effect.suspend(() => {
      if (!this.isOpen) {
        this.isOpen = true
        return dispatch.open(connection)
      }
      const events: ReadonlyArray<ConnectionEvent> = this.poll.take(slice)
      let at = 0
      return Effect.whileLoop({
        while: () => at < events.length,
        body: () => dispatch.handle(connection, events[at++]!),
        step: () => {}
      })
    })
  }

  private settle(exit: Exit.Exit<void, E>): void {
    if (Exit.isSuccess(exit)) {
      if (this.poll.done()) return
      if (!this.poll.isEnded) return this.runner.ready(this)
    }
    // Closing waits for the peer, which no worker should.
    const { dispatch } = this.runner
    const { connection } = this.visit
    const ending = dispatch.failed(connection, exit).pipe(
      Effect.andThen(Conversation.conclude(connection, exit)),
      Effect.tap((closure) => dispatch.closed(connection, closure)),
      Effect.map((closure) => this.visit.ended(closure))
    )
    Effect.runForkWith(this.visit.makeContext())(ending, { uninterruptible: true })
  }
}
