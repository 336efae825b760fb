/**
 * Runs handler records on the fiber server: a root fiber for each batch of events, and none while a connection is idle.
 *
 * A parked fiber costs memory for as long as the connection is open, and waking it costs more than starting a new one.
 * So a connection calls back when there are events, a fiber handles all of them in order, and ends. The next batch
 * waits for it. What a handler forks as a child lives until the connection's program ends: a fiber that has children
 * when its batch is done waits for the next batch in place of ending, which would interrupt them.
 */
import type { ConnectionEvent } from "@effect-ws/connection/Connection"
import * as Polling from "@effect-ws/connection/Polling"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { Dispatch } from "./dispatch.ts"
import { concludeHandlers } from "./Runner.ts"
import type { Runner, RunContext } from "./Runner.ts"

export class BatchRunner<E, R> implements Runner<R> {
  private readonly dispatch: Dispatch<E, R>

  constructor(dispatch: Dispatch<E, R>) {
    this.dispatch = dispatch
  }

  start(runContext: RunContext<R>): void {
    const batches = new Batches(this.dispatch, runContext)
    runContext.track(batches)
    batches.onReady()
  }
}

/** The batches of one connection. `Effect.whileLoop` calls `while`, `body` and `step` for each event. */
class Batches<E, R> implements Polling.Poller {
  private readonly dispatch: Dispatch<E, R>
  private readonly runContext: RunContext<R>
  private readonly poll: Polling.Poll
  private isOpen: boolean
  private isOver = false
  private events: ReadonlyArray<ConnectionEvent> = noEvents
  private at = 0
  // Runs a batch with the context of the connection. Kept while there are events: an idle connection retains none.
  private fork: ((batch: Effect.Effect<void, E, R>) => Fiber.Fiber<void, E>) | undefined = undefined
  private fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  // Resumes the fiber that waits for the next batch because it has children.
  private resume: ((next: Effect.Effect<void>) => void) | undefined = undefined

  constructor(dispatch: Dispatch<E, R>, runContext: RunContext<R>) {
    this.dispatch = dispatch
    this.runContext = runContext
    this.isOpen = dispatch.open === undefined
    this.poll = Polling.poll(runContext.connection, dispatch.kinds, this)
  }

  get sendWaits(): boolean {
    return true
  }

  get readsWhileBlocked(): boolean {
    return true
  }

  onReady(): void {
    const { resume } = this
    if (resume === undefined) return this.run()
    this.resume = undefined
    this.events = this.poll.take(Infinity)
    resume(Effect.void)
  }

  onIdle(): void {
    this.fork = undefined
  }

  /** Interrupts the current batch. An idle connection ends like one whose handler was interrupted. */
  get stop(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.fiber !== undefined) return Fiber.interrupt(this.fiber)
      if (!this.isOver) this.conclude(Exit.interrupt())
      return Effect.void
    })
  }

  // A loop in place of recursion: batches that complete synchronously may follow each other.
  private run(): void {
    while (!this.isOver) {
      if (this.isOpen) this.events = this.poll.take(Infinity)
      const exit = this.hasWork ? this.runBatch() : Exit.void
      if (exit === undefined || this.settle(exit)) return
    }
  }

  /** Runs one batch; returns `undefined` where it does not complete synchronously. */
  private runBatch(): Exit.Exit<void, E> | undefined {
    const fork = this.fork ?? Effect.runForkWith(this.runContext.makeContext())
    if (this.isOpen) this.fork = fork
    const fiber = fork(Effect.whileLoop(this))
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return exit
    fiber.addObserver((exit) => {
      if (!this.settle(exit)) this.run()
    })
    return undefined
  }

  private get hasWork(): boolean {
    return this.at < this.events.length || !this.isOpen
  }

  while(): boolean {
    if (this.hasWork) {
      this.fiber ??= Fiber.getCurrent()
      return true
    }
    this.events = noEvents
    this.at = 0
    return hasChildren(this.fiber) && !this.poll.isEnded
  }

  body(): Effect.Effect<unknown, E, R> {
    const { dispatch, runContext } = this
    if (!this.isOpen) {
      this.isOpen = true
      return dispatch.open!(runContext.connection)
    }
    return this.hasWork ? dispatch.handle(runContext.connection, this.events[this.at++]!) : this.nextBatch
  }

  step(): void {}

  private get nextBatch(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      this.resume = resume
      if (!this.poll.done()) this.onReady()
    })
  }

  /** Ends a batch; returns `false` where the next one can start at once. */
  private settle(exit: Exit.Exit<void, E>): boolean {
    this.fiber = undefined
    this.resume = undefined
    this.events = noEvents
    this.at = 0
    if (Exit.isSuccess(exit)) {
      if (this.poll.done()) return true
      if (!this.poll.isEnded) return false
    }
    this.conclude(exit)
    return true
  }

  private conclude(exit: Exit.Exit<void, E>): void {
    this.isOver = true
    concludeHandlers(this.runContext, exit, this.dispatch)
  }
}

const noEvents: ReadonlyArray<ConnectionEvent> = []

// Effect interrupts the children of a fiber when it ends, and has no public way to ask for them.
const hasChildren = (fiber: (Fiber.Fiber<unknown, unknown> & Parent) | undefined): boolean =>
  fiber?._children !== undefined && fiber._children.size > 0

interface Parent {
  readonly _children?: ReadonlySet<unknown> | undefined
}
