/**
 * From an accepted socket to the end of its conversation: a fiber for the handshake, and when that is done
 * whatever runs the program. The two follow each other and do not nest, so that an idle connection holds nothing of the
 * handshake.
 */
import type * as Accept from "@effect-ws/connection/Accept"
import type { Connection } from "@effect-ws/connection/Connection"
import type { Closure } from "@effect-ws/protocol/Session"
import * as Dialer from "@effect-ws/transport/Dialer"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import { refuse } from "./refuse.ts"
import type { Roster } from "./Roster.ts"
import type { Runner } from "./Runner.ts"

type AcceptOne<R> = (socket: Socket.Socket) => Effect.Effect<Connection, Accept.AcceptError, Scope.Scope | R>

export class Conversations<R> {
  private readonly runner: Runner<R>
  private readonly accept: AcceptOne<R>
  private readonly roster: Roster
  private readonly context: Context.Context<R>
  private readonly annotations: Readonly<Record<string, unknown>>
  private readonly logsDebug: boolean

  constructor(runner: Runner<R>, accept: AcceptOne<R>, roster: Roster, context: Context.Context<R>) {
    this.runner = runner
    this.accept = accept
    this.roster = roster
    this.context = context
    this.annotations = Context.get(context, References.CurrentLogAnnotations)
    this.logsDebug = LogLevel.isGreaterThanOrEqualTo("Debug", Context.get(context, References.MinimumLogLevel))
  }

  /** Starts with a socket that was accepted; `onEnd` hears when all about it is over. */
  start(socket: Socket.Socket, onEnd: () => void): void {
    const scope = Scope.makeUnsafe()
    const context = Context.add(this.context, Scope.Scope, scope)
    const refusal = this.roster.refusal
    const handshake = Effect.runForkWith(context)(refusal === undefined ? this.accept(socket) : refuse(socket, refusal))
    this.roster.beginHandshake(handshake)
    handshake.addObserver((exit) => {
      this.roster.endHandshake(handshake)
      if (Exit.isSuccess(exit)) return this.converse(exit.value, scope, onEnd)
      this.reportHandshake(context, exit.cause)
      this.end(scope, exit, onEnd)
    })
  }

  private converse(connection: Connection, scope: Scope.Closeable, onEnd: () => void): void {
    // Made afresh: the handshake's context holds what its fibers made of it.
    const annotated = Context.add(Context.add(this.context, Scope.Scope, scope), References.CurrentLogAnnotations, {
      ...this.annotations,
      connection: connection.id
    })
    this.report(annotated, () => connectMessage(connection))
    this.roster.add(connection)
    const fiber = this.runner.start(connection, annotated, (closure) => {
      this.roster.remove(connection)
      this.report(annotated, () => closeMessage(closure))
      this.end(scope, Exit.void, onEnd)
    })
    if (fiber !== undefined) this.roster.track(connection, fiber)
  }

  private end(scope: Scope.Closeable, exit: Exit.Exit<unknown, unknown>, onEnd: () => void): void {
    Effect.runForkWith(this.context)(Scope.close(scope, exit))
    onEnd()
  }

  private reportHandshake(context: Context.Context<R>, cause: Cause.Cause<Accept.AcceptError>): void {
    const error = Cause.findError(cause)
    if (Result.isSuccess(error)) this.report(context, () => `No connection: ${error.success.message}`)
    else if (!Cause.hasInterruptsOnly(cause))
      Effect.runForkWith(context)(Effect.logError("The handshake failed", cause))
  }

  // Names and addresses are looked up only where somebody reads them.
  private report(context: Context.Context<R>, message: () => string): void {
    if (this.logsDebug) Effect.runForkWith(context)(Effect.logDebug(message()))
  }
}

const connectMessage = ({ remoteAddress, request }: Connection): string =>
  `Connected: ${request.path}${remoteAddress === undefined ? "" : ` from ${Dialer.formatAddress(remoteAddress)}`}`

const closeMessage = (closure: Closure): string => `Closed by ${closure.initiator}: ${closure.error.message}`
