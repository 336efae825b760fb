/**
 * What runs the program of each connection: all in which the kinds of server differ.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as Conversation from "@effect-ws/connection/Conversation"
import type { Closure } from "@effect-ws/protocol/Session"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { Running } from "../Handlers.ts"

/** A connection whose program is to be run. */
export interface Visit<R> {
  readonly connection: Connection
  /** What the program runs with, its Scope included: made afresh with each call, since an idle connection holds none. */
  readonly makeContext: () => Context.Context<R>
  /** To be told when all about the connection is over. */
  readonly ended: (closure: Closure) => void
}

export interface Runner<R> {
  /** Runs the program on a connection. The fiber, if any, is the program's own: interrupting it closes with 1001. */
  readonly start: (visit: Visit<R>) => Fiber.Fiber<unknown, unknown> | undefined
}

/** A fiber for each connection, which is the handler, no more and no less. */
export class FiberRunner<E, R> implements Runner<R> {
  private readonly program: Running<E, R>

  constructor(program: Running<E, R>) {
    this.program = program
  }

  start(visit: Visit<R>): Fiber.Fiber<unknown, E> {
    const handler = Effect.suspend(() => this.program.handler(visit.connection))
    const fiber = Effect.runForkWith(visit.makeContext())(handler)
    fiber.addObserver((exit) => this.conclude(visit, exit))
    return fiber
  }

  private conclude(visit: Visit<R>, exit: Exit.Exit<unknown, E>): void {
    const { afterwards } = this.program
    const { connection } = visit
    const concluded = Effect.flatMap(Conversation.conclude(connection, exit), (closure) =>
      Effect.as(afterwards === undefined ? Effect.void : afterwards(connection, closure), closure)
    )
    Effect.runForkWith(visit.makeContext())(
      Effect.map(concluded, (closure) => visit.ended(closure)),
      { uninterruptible: true }
    )
  }
}
