/**
 * Runs a handler record on one connection: a root fiber for each batch of events, and none while it is idle.
 *
 * A parked fiber costs memory for as long as the connection is open, and waking it costs more than starting a new one.
 * So a connection calls back when there are events, a fiber handles all of them in order, and ends. The next batch
 * waits for it. What a handler forks as a child lives until the connection's program ends: a fiber that has children
 * when its batch is done waits for the next batch in place of ending, which would interrupt them.
 *
 * A `BatchScheduler` decides when a batch runs. The kinds of server differ only there.
 */
import type { ConnectionEvent } from "@effect-ws/connection/Connection"
import * as Polling from "@effect-ws/connection/Polling"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { Dispatch } from "./dispatch.ts"
import { concludeHandlers } from "./Runner.ts"
import type { RunContext } from "./Runner.ts"

/** What decides when the batches of all connections run. */
export interface BatchScheduler<E, R> {
  readonly dispatch: Dispatch<E, R>
  /** Maximum events of a batch. */
  readonly maxEventsPerBatch: number
  /** Whether `send` waits while a peer does not read. Otherwise its messages cause no batch in the meantime. */
  readonly sendWaits: boolean
  /** A connection has a batch to run: call its `runBatch`, now or later, once. */
  readonly ready: (batches: HandlerBatches<E, R>) => void
  /** A batch has ended whose `runBatch` returned `"Suspended"`. */
  readonly ended: (batches: HandlerBatches<E, R>, outcome: BatchOutcome) => void
}

/** Whether there is another batch to run at once, or `ready` will be called when there is one. */
export type BatchOutcome = "More" | "Idle"

/** `Effect.whileLoop` calls `while`, `body` and `step` for each event. */
export class HandlerBatches<E, R> implements Polling.Poller {
  private readonly scheduler: BatchScheduler<E, R>
  private readonly runContext: RunContext<R>
  private readonly poll: Polling.Poll
  private isOpen = false
  private isOver = false
  private events: ReadonlyArray<ConnectionEvent> = noEvents
  private at = 0
  // Runs a batch with the context of the connection. Kept while there are events: an idle connection retains none.
  private fork: ((batch: Effect.Effect<void, E, R>) => Fiber.Fiber<void, E>) | undefined = undefined
  private fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  // Resumes the fiber that waits for the next batch because it has children.
  private resume: ((next: Effect.Effect<void>) => void) | undefined = undefined
  // What became of the current batch: `undefined` while it runs inside `runBatch`.
  private outcome: BatchOutcome | "Suspended" | undefined = undefined

  constructor(scheduler: BatchScheduler<E, R>, runContext: RunContext<R>) {
    this.scheduler = scheduler
    this.runContext = runContext
    this.poll = Polling.poll(runContext.connection, scheduler.dispatch.kinds, this)
  }

  get sendWaits(): boolean {
    return this.scheduler.sendWaits
  }

  get readsWhileBlocked(): boolean {
    return this.scheduler.sendWaits
  }

  onReady(): void {
    this.scheduler.ready(this)
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

  /** Runs `onOpen`, or the handlers of a batch of events. `"Suspended"`: `ended` of the scheduler will be called. */
  runBatch(): BatchOutcome | "Suspended" {
    if (this.isOver) return "Idle"
    this.outcome = undefined
    if (this.isOpen) this.events = this.poll.take(this.scheduler.maxEventsPerBatch)
    if (this.resume !== undefined) this.resumeFiber(this.resume)
    else if (this.hasWork) this.startFiber()
    else this.settle(Exit.void)
    return (this.outcome ??= "Suspended")
  }

  private resumeFiber(resume: (next: Effect.Effect<void>) => void): void {
    this.resume = undefined
    resume(Effect.void)
  }

  private startFiber(): void {
    const fork = this.fork ?? Effect.runForkWith(this.runContext.makeContext())
    if (this.isOpen) this.fork = fork
    const fiber = fork(Effect.whileLoop(this))
    const exit = fiber.pollUnsafe()
    if (exit === undefined) fiber.addObserver((exit) => this.settle(exit))
    else this.settle(exit)
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
    const { scheduler, runContext } = this
    if (!this.isOpen) {
      this.isOpen = true
      return scheduler.dispatch.open!(runContext.connection)
    }
    return this.hasWork ? scheduler.dispatch.handle(runContext.connection, this.events[this.at++]!) : this.nextBatch
  }

  step(): void {}

  private get nextBatch(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      this.resume = resume
      this.end(this.poll.done() ? "Idle" : "More")
    })
  }

  private settle(exit: Exit.Exit<void, E>): void {
    this.fiber = undefined
    this.resume = undefined
    this.events = noEvents
    this.at = 0
    if (Exit.isSuccess(exit)) {
      if (this.poll.done()) return this.end("Idle")
      if (!this.poll.isEnded) return this.end("More")
    }
    this.conclude(exit)
    this.end("Idle")
  }

  private end(outcome: BatchOutcome): void {
    const wasSuspended = this.outcome === "Suspended"
    this.outcome = outcome
    if (wasSuspended) this.scheduler.ended(this, outcome)
  }

  private conclude(exit: Exit.Exit<void, E>): void {
    this.isOver = true
    concludeHandlers(this.runContext, exit, this.scheduler.dispatch)
  }
}

const noEvents: ReadonlyArray<ConnectionEvent> = []

// Effect interrupts the children of a fiber when it ends, and has no public way to ask for them.
const hasChildren = (fiber: (Fiber.Fiber<unknown, unknown> & Parent) | undefined): boolean =>
  fiber?._children !== undefined && fiber._children.size > 0

interface Parent {
  readonly _children?: ReadonlySet<unknown> | undefined
}
