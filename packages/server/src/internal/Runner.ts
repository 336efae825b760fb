/**
 * What runs the program of each connection: all in which the kinds of server differ.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as Conversation from "@effect-ws/connection/Conversation"
import type { Closure } from "@effect-ws/protocol/Session"
import type * as Context from "effect/Context"
import type * as Fiber from "effect/Fiber"
import type { Running } from "../Handlers.ts"

export interface Runner<R> {
  /** Runs the program on a connection; `onEnd` hears when all about it is over. The fiber, if any, is its own. */
  readonly start: (
    connection: Connection,
    context: Context.Context<R>,
    onEnd: (closure: Closure) => void
  ) => Fiber.Fiber<unknown, unknown> | undefined
}

/** A fiber for each connection. */
export const fiberRunner = <E, R>(program: Running<E, R>): Runner<R> => ({
  start: (connection, context, onEnd) => Conversation.runFork(connection, program, context, onEnd)
})
