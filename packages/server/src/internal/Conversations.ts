/**
 * From an accepted socket to the end of its conversation: first the handshake, then whatever runs the program. The two
 * follow each other and do not nest, so that an idle connection holds nothing of the handshake.
 */
import type * as Accept from "@effect-ws/connection/Accept"
import type { Connection } from "@effect-ws/connection/Connection"
import * as Telemetry from "@effect-ws/connection/Telemetry"
import type { Closure } from "@effect-ws/protocol/Session"
import * as Dialer from "@effect-ws/transport/Dialer"
import * as Push from "@effect-ws/transport/Push"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import { refuse } from "./refuse.ts"
import type { Roster } from "./Roster.ts"
import type { Runner, Task, Visit } from "./Runner.ts"

/** What all conversations of a server have in common. */
export class Conversations<R> {
  readonly runner: Runner<R>
  readonly acceptor: Accept.Acceptor<R>
  readonly roster: Roster
  readonly context: Context.Context<R>
  readonly annotations: Readonly<Record<string, unknown>>
  readonly logsDebug: boolean

  constructor(runner: Runner<R>, acceptor: Accept.Acceptor<R>, roster: Roster, context: Context.Context<R>) {
    this.runner = runner
    this.acceptor = acceptor
    this.roster = roster
    this.context = context
    this.annotations = Context.get(context, References.CurrentLogAnnotations)
    this.logsDebug = LogLevel.isGreaterThanOrEqualTo("Debug", Context.get(context, References.MinimumLogLevel))
  }

  /** Starts with a socket that was accepted; `onEnd` hears when all about it is over. */
  start(socket: Socket.Socket, onEnd: (() => void) | undefined): void {
    new Conversation(this, socket, onEnd).start()
  }
}

class Conversation<R> implements Accept.HandshakeOwner, Visit<R> {
  private readonly server: Conversations<R>
  private readonly socket: Socket.Socket
  private readonly onEnd: (() => void) | undefined
  // What came with the request, such as the parameters of a route.
  private readonly services: Context.Context<never> | undefined
  private readonly scope = Scope.makeUnsafe()
  // The handshake first, and the connection when that is done.
  private handshake: { readonly interrupt: () => void } | undefined = undefined
  private opened: Connection | undefined = undefined

  constructor(server: Conversations<R>, socket: Socket.Socket, onEnd: (() => void) | undefined) {
    this.server = server
    this.socket = socket
    this.onEnd = onEnd
    this.services = Push.handover(socket)?.services
  }

  private get context(): Context.Context<R> {
    const { context } = this.server
    return this.services === undefined ? context : Context.merge(context, this.services)
  }

  get connection(): Connection {
    return this.opened!
  }

  start(): void {
    const { acceptor, roster } = this.server
    const { refusal } = roster
    roster.beginHandshake(this)
    const handshake =
      refusal === undefined ? acceptor.begin(this.socket, this.context, this.scope, this) : this.refuse(refusal)
    // It may be over already.
    if (roster.isShakingHands(this)) this.handshake = handshake
  }

  private refuse(reason: string): { readonly interrupt: () => void } {
    const { context } = this.server
    const fiber = Effect.runForkWith(Context.add(context, Scope.Scope, this.scope))(refuse(this.socket, reason))
    fiber.addObserver((exit) => this.handshakeDone(exit))
    return { interrupt: () => Effect.runFork(Fiber.interrupt(fiber)) }
  }

  /** Gives the handshake up. */
  interrupt(): void {
    this.handshake?.interrupt()
  }

  handshakeDone(exit: Exit.Exit<Connection, Accept.AcceptError>): void {
    const { roster, runner } = this.server
    this.handshake = undefined
    if (Exit.isFailure(exit)) {
      roster.endHandshake(this)
      this.reportHandshake(exit.cause)
      return this.end(exit)
    }
    const connection = exit.value
    this.opened = connection
    this.report(() => connectMessage(connection))
    roster.add(connection)
    // In this order, so that a drain does not miss it between the two.
    roster.endHandshake(this)
    runner.start(this)
  }

  track(task: Task): void {
    this.server.roster.track(this.connection, task)
  }

  makeContext(): Context.Context<R> {
    const own = Context.add(Context.add(this.context, Scope.Scope, this.scope), References.CurrentLogAnnotations, {
      ...this.server.annotations,
      connection: this.connection.id
    })
    return Telemetry.contextOf(this.connection, own)
  }

  ended(closure: Closure): void {
    this.report(() => closeMessage(closure))
    this.end(Exit.void)
  }

  private end(exit: Exit.Exit<unknown, unknown>): void {
    const { acceptor, context } = this.server
    acceptor.release(this.socket, this.opened)
    const closing = Scope.closeUnsafe(this.scope, exit)
    if (closing === undefined) return this.gone()
    const finalizers = Effect.runForkWith(context)(Effect.ignoreCause(closing, { log: "Error" }))
    finalizers.addObserver(() => this.gone())
  }

  // What the program registered with the Scope is released: whoever waits for the end of the server may go on.
  private gone(): void {
    if (this.opened !== undefined) this.server.roster.remove(this.opened)
    this.onEnd?.()
  }

  private reportHandshake(cause: Cause.Cause<Accept.AcceptError>): void {
    const error = Cause.findError(cause)
    if (Result.isSuccess(error)) this.report(() => `No connection: ${error.success.message}`)
    else if (!Cause.hasInterruptsOnly(cause)) {
      Effect.runForkWith(this.server.context)(Effect.logError("The handshake failed", cause))
    }
  }

  // Names and addresses are looked up only where somebody reads them.
  private report(message: () => string): void {
    if (!this.server.logsDebug) return
    const context = this.opened === undefined ? this.server.context : this.makeContext()
    Effect.runForkWith(context)(Effect.logDebug(message()))
  }
}

const connectMessage = ({ remoteAddress, request }: Connection): string =>
  `Connected: ${request.path}${remoteAddress === undefined ? "" : ` from ${Dialer.formatAddress(remoteAddress)}`}`

const closeMessage = (closure: Closure): string => `Closed by ${closure.initiator}: ${closure.error.message}`
