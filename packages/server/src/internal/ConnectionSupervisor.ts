/**
 * The life of a connection from the accepted socket on: first the handshake, then the runner of the program. The two
 * run one after the other and are not nested, so an idle connection retains nothing of the handshake.
 */
import type * as Accept from "@effect-ws/connection/Accept"
import type { Connection } from "@effect-ws/connection/Connection"
import type { Peer } from "@effect-ws/connection/Peer"
import * as Telemetry from "@effect-ws/connection/Telemetry"
import { HandshakeRejection } from "@effect-ws/protocol/HandshakeRejection"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import * as Dialer from "@effect-ws/transport/Dialer"
import * as Push from "@effect-ws/transport/Push"
import type { Arrival, ArrivalListener } from "@effect-ws/transport/PushSocketServer"
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
import type { Candidate, Refusal } from "./Admission.ts"
import { rejectBeforeRequest } from "./rejectBeforeRequest.ts"
import type { RefusalLog } from "./RefusalLog.ts"
import type { ConnectionRegistry, OpenConnection } from "./ConnectionRegistry.ts"
import type { Runner, Task, RunContext } from "./Runner.ts"

/** What all connections of a server share. */
export class ConnectionSupervisor<R> implements ArrivalListener {
  readonly runner: Runner<R>
  readonly acceptor: Accept.Acceptor<R>
  readonly registry: ConnectionRegistry
  readonly context: Context.Context<R>
  /** The connections that have no socket yet, since their PROXY header or TLS handshake is under way. */
  readonly arriving = new Map<Arrival, Arriving<R>>()
  readonly annotations: Readonly<Record<string, unknown>>
  readonly logsDebug: boolean
  readonly refusals: RefusalLog

  constructor(
    runner: Runner<R>,
    acceptor: Accept.Acceptor<R>,
    registry: ConnectionRegistry,
    context: Context.Context<R>,
    refusals: RefusalLog
  ) {
    this.runner = runner
    this.acceptor = acceptor
    this.registry = registry
    this.context = context
    this.refusals = refusals
    this.annotations = Context.get(context, References.CurrentLogAnnotations)
    this.logsDebug = LogLevel.isGreaterThanOrEqualTo("Debug", Context.get(context, References.MinimumLogLevel))
  }

  /**
   * Starts the handshake on an accepted socket. Calls `onEnd` when the connection and its finalizers are done.
   * `arrival` is the record of the connection from before it had a socket.
   */
  start(socket: Socket.Socket, onEnd: (() => void) | undefined, arrival?: Arrival): void {
    const arriving = arrival && this.arriving.get(arrival)
    if (arrival !== undefined) this.arriving.delete(arrival)
    new ServerConnection(this, socket, onEnd).start(arriving)
  }

  readonly onArrival = (arrival: Arrival): void => {
    const arriving = new Arriving(this, arrival)
    if (this.registry.admission.isDropped(arriving.candidate)) arriving.evict()
    else this.arriving.set(arrival, arriving)
  }

  readonly onIdentity = (arrival: Arrival): void => {
    this.arriving.get(arrival)?.identify()
  }

  readonly onDeparture = (arrival: Arrival): void => {
    this.arriving.get(arrival)?.end()
  }
}

/**
 * A connection whose PROXY header or TLS handshake is under way; it counts among the handshakes and has their timeout.
 */
class Arriving<R> implements Accept.HandshakeUnderWay {
  readonly candidate: Candidate
  readonly time: Accept.StartedTime
  /** The refusal that follows from its address, once that is known. */
  refusal: Refusal | undefined = undefined
  private readonly server: ConnectionSupervisor<R>
  private readonly arrival: Arrival

  constructor(server: ConnectionSupervisor<R>, arrival: Arrival) {
    this.server = server
    this.arrival = arrival
    this.candidate = server.registry.beginHandshake({ remoteAddress: arrival.remoteAddress, localAddress: undefined })
    this.candidate.stage = this
    this.time = server.acceptor.startTime(() => this.evict())
  }

  get progress(): Accept.HandshakeProgress {
    return this.arrival.hasSent ? "partial" : "silent"
  }

  /** Counts the connection by the address in its PROXY header. */
  identify(): void {
    const { remoteAddress } = this.arrival
    this.refusal = this.server.registry.admission.identify(this.candidate, { remoteAddress, localAddress: undefined })
  }

  /** Passes the connection on, now that it has a socket: to the handshake, or to be refused. */
  handOver(refusal: Refusal | undefined): void {
    this.time.hasSent = this.arrival.hasSent
    if (refusal !== undefined) this.time.stop()
  }

  interrupt(): void {
    this.evict()
  }

  evict(): void {
    this.arrival.drop()
    this.end()
  }

  /** Ends a connection that will have no socket. */
  end(): void {
    const { arriving, registry } = this.server
    arriving.delete(this.arrival)
    this.time.stop()
    registry.endHandshake(this.candidate)
  }
}

class ServerConnection<R> implements Accept.HandshakeOwner, RunContext<R>, OpenConnection {
  previous: OpenConnection | undefined = undefined
  next: OpenConnection | undefined = undefined
  // The key under which admission counts the connection. Set with `opened`.
  address: string | undefined = undefined
  task: Task | undefined = undefined
  private readonly server: ConnectionSupervisor<R>
  private readonly socket: Socket.Socket
  private readonly onEnd: (() => void) | undefined
  // Services that came with the request, such as the parameters of a route.
  private readonly services: Context.Context<never> | undefined
  private readonly scope = Scope.makeUnsafe()
  // Set during the handshake; `opened` is set after it.
  private candidate: Candidate | undefined = undefined
  private opened: Connection | undefined = undefined

  constructor(server: ConnectionSupervisor<R>, socket: Socket.Socket, onEnd: (() => void) | undefined) {
    this.server = server
    this.socket = socket
    this.onEnd = onEnd
    this.services = Push.parsedUpgrade(socket)?.services
  }

  private get context(): Context.Context<R> {
    const { context } = this.server
    return this.services === undefined ? context : Context.merge(context, this.services)
  }

  get connection(): Connection {
    return this.opened!
  }

  start(arriving: Arriving<R> | undefined): void {
    const { acceptor, registry } = this.server
    const candidate = arriving?.candidate ?? registry.beginHandshake(Push.peerInfo(this.socket))
    this.candidate = candidate
    const refusal = registry.refusal ?? candidate.refusal ?? arriving?.refusal
    arriving?.handOver(refusal)
    const handshake =
      refusal === undefined
        ? acceptor.begin(this.socket, this.context, this.scope, this, arriving?.time)
        : this.refuse(refusal)
    // The handshake may have ended already.
    if (registry.admission.has(candidate)) candidate.stage = handshake
  }

  private refuse(refusal: Refusal): Accept.HandshakeUnderWay {
    const { context } = this.server
    const fiber = Effect.runForkWith(Context.add(context, Scope.Scope, this.scope))(
      rejectBeforeRequest(this.socket, refusal)
    )
    fiber.addObserver((exit) => this.handshakeDone(exit))
    const interrupt = (): void => void Effect.runFork(Fiber.interrupt(fiber))
    return { progress: "complete", interrupt, evict: interrupt }
  }

  forwarded(peer: Peer): HandshakeRejection | undefined {
    const refusal = this.server.registry.admission.forwarded(this.candidate!, peer)
    return refusal && new HandshakeRejection({ rule: "Overloaded", ...refusal })
  }

  handshakeDone(exit: Exit.Exit<Connection, Accept.AcceptError>): void {
    const { registry, runner } = this.server
    const candidate = this.candidate!
    this.candidate = undefined
    if (Exit.isFailure(exit)) {
      registry.endHandshake(candidate)
      this.reportHandshake(exit.cause)
      return this.end(exit)
    }
    const connection = exit.value
    this.opened = connection
    this.address = candidate.address
    this.report(() => connectMessage(connection))
    registry.add(this)
    // Added before the handshake is removed, so that a drain always sees one of the two.
    registry.endHandshake(candidate)
    runner.start(this)
  }

  track(task: Task): void {
    this.task = task
  }

  makeContext(): Context.Context<R> {
    const own = Context.add(Context.add(this.context, Scope.Scope, this.scope), References.CurrentLogAnnotations, {
      ...this.server.annotations,
      connection: this.connection.id
    })
    return Telemetry.contextOf(this.connection, own)
  }

  onEnded(closeInfo: CloseInfo): void {
    this.report(() => closeMessage(closeInfo))
    this.end(Exit.void)
  }

  private end(exit: Exit.Exit<unknown, unknown>): void {
    const { acceptor, context } = this.server
    acceptor.release(this.socket, this.opened)
    const closing = Scope.closeUnsafe(this.scope, exit)
    if (closing === undefined) return this.onReleased()
    const finalizers = Effect.runForkWith(context)(Effect.ignoreCause(closing, { log: "Error" }))
    finalizers.addObserver(() => this.onReleased())
  }

  // Runs when the Scope's finalizers have run. Until then a drain waits for the connection.
  private onReleased(): void {
    if (this.opened !== undefined) this.server.registry.remove(this)
    this.onEnd?.()
  }

  private reportHandshake(cause: Cause.Cause<Accept.AcceptError>): void {
    const error = Cause.findError(cause)
    if (Result.isSuccess(error)) {
      const failure = error.success
      // A plain request, such as a browser's or a health check's, was answered and not turned away.
      if (failure._tag === "HandshakeRejection" && failure.rule !== "NotAnUpgrade") {
        this.server.refusals.refused(failure, Push.peerInfo(this.socket)?.remoteAddress)
      } else this.report(() => `Handshake failed: ${failure.message}`)
    } else if (!Cause.hasInterruptsOnly(cause)) {
      Effect.runForkWith(this.server.context)(Effect.logError("Handshake failed", cause))
    }
  }

  // The message is built only if debug messages are logged.
  private report(message: () => string): void {
    if (!this.server.logsDebug) return
    const context = this.opened === undefined ? this.server.context : this.makeContext()
    Effect.runForkWith(context)(Effect.logDebug(message()))
  }
}

const connectMessage = ({ remoteAddress, request }: Connection): string =>
  `Connected: ${request.path}${remoteAddress === undefined ? "" : ` from ${Dialer.formatAddress(remoteAddress)}`}`

const closeMessage = (closeInfo: CloseInfo): string => `Closed by ${closeInfo.initiator}: ${closeInfo.error.message}`
