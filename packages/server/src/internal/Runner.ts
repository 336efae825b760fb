/**
 * What runs the program of each connection: all in which the kinds of server differ.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as ConnectionHandler from "@effect-ws/connection/ConnectionHandler"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { Running } from "../Handlers.ts"

/** A connection whose program is to be run. */
export interface RunContext<R> {
  readonly connection: Connection
  /** What the program runs with, its Scope included: made afresh with each call, since an idle connection holds none. */
  readonly makeContext: () => Context.Context<R>
  /** Tells what runs for the connection now, so that it can be interrupted. */
  readonly track: (task: Task) => void
  /** To be told when the program is done with the connection. */
  readonly onEnded: (closeInfo: CloseInfo) => void
}

/** What runs for a connection: a fiber of its own, or whatever can be told to interrupt its share of another. */
export type Task = Fiber.Fiber<unknown, unknown> | { readonly stop: Effect.Effect<void> }

/** Interrupts what runs for a connection, and waits for that. */
export const stop = (task: Task): Effect.Effect<unknown> => ("stop" in task ? task.stop : Fiber.interrupt(task))

export interface Runner<R> {
  /** Runs the program on a connection. Interrupting it closes with 1001. */
  readonly start: (visit: RunContext<R>) => void
}

/**
 * Closes a connection as the exit of its program says, and runs what comes after that. Closing has its own bound in time
 * and is not interrupted; what the program does then can be.
 */
export const concludeRun = <R>(
  visit: RunContext<R>,
  exit: Exit.Exit<unknown, unknown>,
  afterwards: ((connection: Connection, closeInfo: CloseInfo) => Effect.Effect<unknown, never, R>) | undefined
): void => {
  const { connection } = visit
  const closing = Effect.runForkWith(visit.makeContext())(ConnectionHandler.closeWithExit(connection, exit), {
    uninterruptible: true
  })
  closing.addObserver((closed) => {
    if (Exit.isFailure(closed)) throw new Error("closing a connection does not fail", { cause: closed.cause })
    if (afterwards === undefined) return visit.onEnded(closed.value)
    const last = Effect.runForkWith(visit.makeContext())(Effect.suspend(() => afterwards(connection, closed.value)))
    visit.track(last)
    last.addObserver(() => visit.onEnded(closed.value))
  })
}

/** A fiber for each connection, which is the handler, no more and no less. */
export class FiberRunner<E, R> implements Runner<R> {
  private readonly program: Running<E, R>

  constructor(program: Running<E, R>) {
    this.program = program
  }

  start(visit: RunContext<R>): void {
    const handler = Effect.suspend(() => this.program.handler(visit.connection))
    const fiber = Effect.runForkWith(visit.makeContext())(handler)
    visit.track(fiber)
    fiber.addObserver((exit) => concludeRun(visit, exit, this.program.afterwards))
  }
}
