/**
 * Runs handlers without a fiber for each connection: connections with work stand in one queue, each at most once, and a
 * fixed number of workers takes them in turn.
 *
 * A worker runs the handlers of one connection on a slice of its events, and queues the connection again if there are
 * more. So the events of one connection stay in order, a busy connection cannot starve the others, and an idle one
 * needs no memory but its own. The queue is bounded by the number of open connections.
 */
import type { ConnectionEvent } from "@effect-ws/connection/Connection"
import * as Polling from "@effect-ws/connection/Polling"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as MutableList from "effect/MutableList"
import type * as Scope from "effect/Scope"
import type { Dispatch } from "./dispatch.ts"
import { interruptsWithin } from "./endsWithin.ts"
import { concludeHandlers } from "./Runner.ts"
import type { Runner, RunContext } from "./Runner.ts"

export class WorkerPool<E, R> implements Runner<R> {
  readonly dispatch: Dispatch<E, R>
  readonly maxEventsPerTurn: number
  private readonly queue = MutableList.make<ScheduledConnection<E, R>>()
  private readonly idle: Array<(next: ScheduledConnection<E, R>) => void> = []
  private readonly workers = new Set<Worker<E, R>>()
  private isStopped = false

  constructor(dispatch: Dispatch<E, R>, slice: number) {
    this.dispatch = dispatch
    this.maxEventsPerTurn = slice
  }

  start(runContext: RunContext<R>): void {
    const scheduled = new ScheduledConnection(this, runContext)
    runContext.track(scheduled)
    scheduled.start()
  }

  /** Gives a connection to an idle worker, or queues it. */
  ready(scheduled: ScheduledConnection<E, R>): void {
    const worker = this.idle.pop()
    if (worker === undefined) MutableList.append(this.queue, scheduled)
    else worker(scheduled)
  }

  private get next(): Effect.Effect<ScheduledConnection<E, R>> {
    return Effect.callback((resume) => {
      const next = MutableList.take(this.queue)
      if (next !== MutableList.Empty) return resume(Effect.succeed(next))
      const worker = (next: ScheduledConnection<E, R>): void => resume(Effect.succeed(next))
      this.idle.push(worker)
      return Effect.sync(() => {
        const at = this.idle.indexOf(worker)
        if (at >= 0) this.idle.splice(at, 1)
      })
    })
  }

  /**
   * Starts `count` workers, for as long as the Scope is open. At its end the workers have `patience` to stop. A handler
   * that cannot be interrupted may outlast that; the drain has logged it before.
   */
  startWorkers(count: number, patience: Duration.Duration): Effect.Effect<void, never, Scope.Scope> {
    const stop = Effect.suspend(() => {
      this.isStopped = true
      return interruptsWithin(Fiber.interruptAll(Array.from(this.workers, ({ fiber }) => fiber)), patience)
    })
    return Effect.flatMap(
      Effect.addFinalizer(() => stop),
      () =>
        Effect.contextWith((context: Context.Context<never>) =>
          Effect.sync(() => {
            for (let worker = 0; worker < count; worker++) this.spawnWorker(context)
          })
        )
    )
  }

  // A worker ends when its handler is interrupted, so a new one replaces it.
  private spawnWorker(context: Context.Context<never>): void {
    const worker = new Worker(this.next, context)
    this.workers.add(worker)
    worker.fiber.addObserver((exit) => {
      this.workers.delete(worker)
      if (!this.isStopped) this.spawnWorker(context)
      worker.scheduled?.settle(exit)
    })
  }

  /** Interrupts the handler of one connection, if one is running. */
  stop(scheduled: ScheduledConnection<E, R>): Effect.Effect<void> {
    for (const worker of this.workers) if (worker.scheduled === scheduled) return Fiber.interrupt(worker.fiber)
    return Effect.void
  }
}

class Worker<E, R> {
  /** The connection that the worker is serving. */
  scheduled: ScheduledConnection<E, R> | undefined = undefined
  readonly fiber: Fiber.Fiber<never>

  constructor(next: Effect.Effect<ScheduledConnection<E, R>>, context: Context.Context<never>) {
    this.fiber = Effect.runForkWith(context)(
      Effect.forever(
        Effect.flatMap(next, (scheduled) => {
          this.scheduled = scheduled
          return scheduled.take(this)
        }),
        { disableYield: true }
      )
    )
  }
}

/** A connection in the queue of the workers. */
class ScheduledConnection<E, R> implements Polling.Poller {
  private readonly runner: WorkerPool<E, R>
  private readonly runContext: RunContext<R>
  private readonly poll: Polling.Poll
  private isOpen: boolean
  // Kept while there are events: an idle connection retains none.
  private context: Context.Context<R> | undefined = undefined

  constructor(runner: WorkerPool<E, R>, runContext: RunContext<R>) {
    this.runner = runner
    this.runContext = runContext
    this.isOpen = runner.dispatch.open === undefined
    this.poll = Polling.poll(runContext.connection, runner.dispatch.kinds, this)
  }

  /** Queues the connection for `onOpen`. Without this handler it waits for its first event. */
  start(): void {
    if (this.isOpen) this.settle(Exit.void)
    else this.runner.ready(this)
  }

  onReady(): void {
    // No handler of a worker is left to run at the end of a connection.
    if (this.poll.isEnded) this.settle(Exit.void)
    else this.runner.ready(this)
  }

  onIdle(): void {
    this.context = undefined
  }

  get stop(): Effect.Effect<void> {
    return this.runner.stop(this)
  }

  /** Serves the connection once: `onOpen`, or a slice of its events. */
  take(worker: Worker<E, R>): Effect.Effect<void> {
    if (this.isOpen) this.context ??= this.runContext.makeContext()
    const context = this.context ?? this.runContext.makeContext()
    return Effect.flatMap(Effect.exit(Effect.updateContext(this.work, () => context)), (exit) =>
      Effect.sync(() => {
        worker.scheduled = undefined
        this.settle(exit)
      })
    )
  }

  private get work(): Effect.Effect<void, E, R> {
    const { dispatch, maxEventsPerTurn } = this.runner
    const { connection } = this.runContext
    return Effect.suspend(() => {
      if (!this.isOpen) {
        this.isOpen = true
        return dispatch.open!(connection)
      }
      const events: ReadonlyArray<ConnectionEvent> = this.poll.take(maxEventsPerTurn)
      let at = 0
      return Effect.whileLoop({
        while: () => at < events.length,
        body: () => dispatch.handle(connection, events[at++]!),
        step: () => {}
      })
    })
  }

  /** Ends a turn: queues the connection again, waits for events, or closes it. */
  settle(exit: Exit.Exit<void, E>): void {
    if (Exit.isSuccess(exit)) {
      if (this.poll.done()) return
      if (!this.poll.isEnded) return this.runner.ready(this)
    }
    concludeHandlers(this.runContext, exit, this.runner.dispatch)
  }
}
