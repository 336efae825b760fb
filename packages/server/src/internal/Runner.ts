/**
 * Runs the program of each connection. The kinds of server differ only here.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as ConnectionHandler from "@effect-ws/connection/ConnectionHandler"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { Dispatch } from "./dispatch.ts"

/** A connection whose program is to run. */
export interface RunContext<R> {
  readonly connection: Connection
  /**
   * Makes the context of the program, its Scope included. It is made at each call, so that an idle connection retains
   * none.
   */
  readonly makeContext: () => Context.Context<R>
  /** Records the current task of the connection, so that it can be interrupted. */
  readonly track: (task: Task) => void
  /** Runs when the program is done with the connection. */
  readonly onEnded: (closeInfo: CloseInfo) => void
}

/** The current task of a connection: a fiber of its own, or its share of a worker's fiber, which can be stopped. */
export type Task = Fiber.Fiber<unknown, unknown> | { readonly stop: Effect.Effect<void> }

/** Interrupts a task and waits until it has ended. */
export const stop = (task: Task): Effect.Effect<unknown> => ("stop" in task ? task.stop : Fiber.interrupt(task))

export interface Runner<R> {
  /** Runs the program on a connection. Interrupting it closes the connection with 1001. */
  readonly start: (runContext: RunContext<R>) => void
}

/**
 * Closes a connection according to the exit of its program, then runs `afterwards`. The close has its own timeout and
 * is uninterruptible; `afterwards` is interruptible.
 */
export const concludeRun = <R>(
  runContext: RunContext<R>,
  exit: Exit.Exit<unknown, unknown>,
  afterwards: ((connection: Connection, closeInfo: CloseInfo) => Effect.Effect<unknown, never, R>) | undefined
): void => {
  const { connection } = runContext
  const goOn = (closeInfo: CloseInfo): void => {
    if (afterwards === undefined) return runContext.onEnded(closeInfo)
    const last = Effect.runForkWith(runContext.makeContext())(Effect.suspend(() => afterwards(connection, closeInfo)))
    runContext.track(last)
    last.addObserver(() => runContext.onEnded(closeInfo))
  }
  if (ConnectionHandler.closeWithExitSync(connection, exit, goOn)) return
  const closing = Effect.runForkWith(runContext.makeContext())(ConnectionHandler.closeWithExit(connection, exit), {
    uninterruptible: true
  })
  closing.addObserver((closed) => {
    if (Exit.isFailure(closed)) throw new Error("closing a connection does not fail", { cause: closed.cause })
    goOn(closed.value)
  })
}

/**
 * Ends the program of a connection with a handler record: calls `onError` after a failure, closes, then calls
 * `onClose`. `onError` may wait, and closing waits for the peer, so both run in fibers of their own.
 */
export const concludeHandlers = <E, R>(
  runContext: RunContext<R>,
  exit: Exit.Exit<unknown, E>,
  { closed, failed }: Dispatch<E, R>
): void => {
  if (Exit.isSuccess(exit)) return concludeRun(runContext, exit, closed)
  const telling = Effect.runForkWith(runContext.makeContext())(failed(runContext.connection, exit))
  runContext.track(telling)
  telling.addObserver(() => concludeRun(runContext, exit, closed))
}

/** Runs each handler in a fiber of its own, which does nothing else. */
export class FiberRunner<E, R> implements Runner<R> {
  private readonly handler: ConnectionHandler.Handler<E, R>

  constructor(handler: ConnectionHandler.Handler<E, R>) {
    this.handler = handler
  }

  start(runContext: RunContext<R>): void {
    const fiber = Effect.runForkWith(runContext.makeContext())(
      Effect.suspend(() => this.handler(runContext.connection))
    )
    runContext.track(fiber)
    fiber.addObserver((exit) => concludeRun(runContext, exit, undefined))
  }
}
