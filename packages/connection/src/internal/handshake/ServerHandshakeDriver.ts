/**
 * The server's side of one opening handshake: reads the request, asks for the decision, answers, and makes a connection
 * of what was accepted.
 *
 * It is a sink of the socket and no fiber. A decision that is there at once is carried out in the very callback that
 * completed the request; only one that takes time has a fiber, and the socket is not read meanwhile. The caller that
 * begins it owns the socket: when it is over, `releaseSocket` releases it.
 */
import type { Extension } from "@effect-ws/extensions/Extension"
import * as HandshakePolicy from "@effect-ws/protocol/HandshakePolicy"
import * as HandshakeRejection from "@effect-ws/protocol/HandshakeRejection"
import { HttpHeadError, HeadParser } from "@effect-ws/protocol/HeadParser"
import type { HeadLimits } from "@effect-ws/protocol/HeadParser"
import * as Http2Head from "@effect-ws/protocol/Http2Head"
import type * as HttpHead from "@effect-ws/protocol/HttpHead"
import * as ServerHandshake from "@effect-ws/protocol/ServerHandshake"
import type { UpgradeRequest } from "@effect-ws/protocol/ServerHandshake"
import * as Subprotocol from "@effect-ws/protocol/Subprotocol"
import type { SharedTimeouts, Timeout, TimeoutTarget } from "@effect-ws/transport/SharedTimeouts"
import * as Push from "@effect-ws/transport/Push"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type {
  Acceptance,
  AcceptError,
  Decide,
  HandshakeOwner,
  HandshakeProgress,
  HttpAnswer
} from "./HandshakeDecision.ts"
import { AnsweredAsHttp } from "../../AnsweredAsHttp.ts"
import * as Peer from "../../Peer.ts"
import { checkHead } from "./checkHead.ts"
import { isPlainGet } from "./httpAnswers.ts"
import { HandshakeTelemetry } from "../telemetry/HandshakeTelemetry.ts"
import type { HandshakeTime } from "./HandshakeTime.ts"
import type { Environment } from "../ConnectionParts.ts"
import type { TelemetryConfig } from "../telemetry/TelemetryConfig.ts"
import { makeConnection } from "../makeConnection.ts"
import { openExtensions } from "./openExtensions.ts"
import type { OpenedExtensions } from "./openExtensions.ts"
import { PulledSocket } from "./PulledSocket.ts"
import { Http1ResponseWriter, Http2ResponseWriter } from "./ResponseWriter.ts"
import type { ResponseWriter } from "./ResponseWriter.ts"
import type { ConnectionImpl } from "../ConnectionImpl.ts"

/** What all handshakes of one server have in common. */
export interface ServerHandshakeConfig<R> {
  readonly limits: HeadLimits
  /** What is checked before the program decides, and what is negotiated where the program does not choose. */
  readonly policy: Pick<HandshakePolicy.HandshakePolicy, "paths" | "origins" | "subprotocols">
  readonly forwarding: ReturnType<typeof Peer.forwarding>
  readonly decide: Decide<R>
  readonly respond: ((request: HttpHead.RequestHead) => HttpAnswer | undefined) | undefined
  readonly extensions: ReadonlyArray<Extension>
  readonly timeout: Duration.Duration
  readonly deadlines: SharedTimeouts
  /** The observer of metrics and spans, if there is one. */
  readonly observer: TelemetryConfig | undefined
  readonly environment: Environment
}

export class ServerHandshakeDriver<R> implements Push.ByteSink, TimeoutTarget {
  private readonly config: ServerHandshakeConfig<R>
  private readonly socket: Socket.Socket
  private readonly context: Context.Context<R>
  private readonly scope: Scope.Scope
  private readonly owner: HandshakeOwner
  private readonly telemetry: HandshakeTelemetry | undefined
  // A timeout that began before there was a socket covers the handshake, too.
  private time: Timeout | undefined
  // Whether the client has sent anything, including bytes of the TLS handshake.
  private hasSent: boolean

  // The client whose request a trusted proxy forwards.
  private forwarded: Peer.Peer | undefined = undefined
  private ends: Push.PushSocket | PulledSocket | undefined = undefined
  // Set when the socket's reader and writer are acquired.
  private response: ResponseWriter | undefined = undefined
  // Until the request is complete.
  private parser: HeadParser<"request"> | undefined
  // Frames may come in the same packet as the request.
  private readonly early: Array<Uint8Array> = []
  // The fiber of an asynchronous step: acquiring the socket, or deciding.
  private fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  // The outcome, while the response is being written.
  private pendingExit: Exit.Exit<never, AcceptError> | undefined = undefined
  private over = false

  constructor(
    config: ServerHandshakeConfig<R>,
    socket: Socket.Socket,
    context: Context.Context<R>,
    scope: Scope.Scope,
    owner: HandshakeOwner,
    time: HandshakeTime | undefined
  ) {
    this.config = config
    this.socket = socket
    this.context = context
    this.scope = scope
    this.owner = owner
    this.time = time
    this.hasSent = time !== undefined && time.hasSent
    if (time !== undefined) time.handshake = this
    this.telemetry =
      config.observer && new HandshakeTelemetry(config.observer, "server", context as Context.Context<never>)
    this.parser = new HeadParser("request", config.limits)
  }

  start(): void {
    const { deadlines, environment } = this.config
    const { socket } = this
    this.time ??= deadlines.add(this)
    if (Push.isPushSocket(socket)) return this.read(socket, socket.readerUnsafe)
    this.run(Effect.zip(socket.reader, socket.writer), (exit) => {
      if (Exit.isFailure(exit)) return this.finish(Exit.failCause(exit.cause))
      const pulled = new PulledSocket(...exit.value, environment.context)
      this.read(pulled, pulled)
    })
  }

  /** Aborts the handshake, for example when the server stops. */
  interrupt(): void {
    this.abort(Exit.interrupt())
  }

  /** Rejects a client that has not sent its request yet, to make room for another client. */
  evict(): void {
    if (this.ends === undefined || this.pendingExit !== undefined) this.abort(this.pendingExit ?? Exit.fail(evicted))
    else this.refuse(evicted)
  }

  get progress(): HandshakeProgress {
    return this.parser === undefined || this.pendingExit !== undefined
      ? "complete"
      : this.hasSent
        ? "partial"
        : "silent"
  }

  private read(ends: Push.PushSocket | PulledSocket, reader: Push.PushReader): void {
    this.ends = ends
    const parsedUpgrade = Push.parsedUpgrade(this.socket)
    if (parsedUpgrade !== undefined) this.parser = undefined
    const respond = parsedUpgrade?.respond
    this.response = respond === undefined ? new Http1ResponseWriter(this.writer) : new Http2ResponseWriter(respond)
    reader.subscribe(this)
    if (parsedUpgrade === undefined || this.over) return
    const { head } = parsedUpgrade
    this.attempt(() => (respond === undefined ? this.onParsedUpgrade(head) : this.onHttp2Request(head)))
  }

  private get reader(): Push.PushReader {
    return this.ends instanceof PulledSocket ? this.ends : this.ends!.readerUnsafe
  }

  private get writer(): Push.PushWriter {
    return this.ends instanceof PulledSocket ? this.ends : this.ends!.writerUnsafe
  }

  // -- what the transport tells ---------------------------------------------------------------------------------------

  onChunk(bytes: Uint8Array): void {
    if (this.over || this.pendingExit !== undefined) return
    if (this.parser === undefined) {
      this.early.push(bytes)
      return
    }
    this.hasSent = true
    const parsed = this.parser.push(bytes)
    if (parsed === undefined) return
    this.parser = undefined
    if (parsed instanceof HttpHeadError) return this.refuse(HandshakeRejection.fromHeadError(parsed))
    if (parsed.rest.length > 0) this.early.push(parsed.rest)
    this.attempt(() => this.onRequest(parsed.head))
  }

  onDrain(): void {
    if (this.pendingExit !== undefined) this.finish(this.pendingExit)
  }

  onEnd(): void {
    if (this.parser !== undefined) this.abort(Exit.fail(ended(1000)))
  }

  onClose(error: Socket.SocketError | undefined): void {
    this.abort(this.pendingExit ?? Exit.fail(error ?? ended(1006)))
  }

  expire(): void {
    const after = Duration.format(this.config.timeout)
    if (this.ends === undefined || this.pendingExit !== undefined) {
      this.abort(this.pendingExit ?? Exit.fail(timedOut(408, `the socket was not ready within ${after}`)))
    } else if (this.parser !== undefined) {
      this.refuse(timedOut(408, `the request was not complete within ${after}`))
    } else {
      this.stopFiber()
      this.refuse(timedOut(503, `the server did not decide within ${after}`))
    }
  }

  // -- from the request to the answer ---------------------------------------------------------------------------------

  /** Another program has read the request. */
  private onParsedUpgrade(head: Push.RequestHead): void {
    const checked = checkHead(head, this.config.limits)
    if (Result.isSuccess(checked)) this.onRequest(checked.success)
    else this.refuse(checked.failure)
  }

  private onRequest(head: HttpHead.RequestHead): void {
    if (this.answersPlain(head)) return
    this.onUpgrade(ServerHandshake.readUpgrade(head, { secure: this.info?.secure }))
  }

  /** A stream of an HTTP/2 session was opened. */
  private onHttp2Request({ headers }: Push.RequestHead): void {
    const head = Http2Head.fromFields(headers, this.config.limits)
    if (Result.isFailure(head)) return this.refuse(head.failure)
    const plain = head.success.method === "CONNECT" ? undefined : ServerHandshake.asHttp1(head.success)
    if (plain !== undefined && this.answersPlain(plain)) return
    this.onUpgrade(ServerHandshake.readConnect(head.success, { secure: this.info?.secure }))
  }

  /** Answers a request that asks for no WebSocket, where the program does. */
  private answersPlain(head: HttpHead.RequestHead): boolean {
    const { respond } = this.config
    if (respond === undefined || !isPlainGet(head)) return false
    const rejection = ServerHandshake.checkHost(head)
    if (rejection !== undefined) this.refuse(rejection)
    const answer = rejection === undefined ? respond(head) : undefined
    if (answer !== undefined) this.answer(head, answer)
    return rejection !== undefined || answer !== undefined
  }

  private get info(): Push.PeerInfo | undefined {
    return Push.peerInfo(this.socket) ?? Push.peerInfo(this.reader)
  }

  private onUpgrade(read: Result.Result<UpgradeRequest, HandshakeRejection.HandshakeRejection>): void {
    const { decide, forwarding, policy } = this.config
    if (Result.isFailure(read)) return this.refuse(read.failure)
    const { info } = this
    const headers = read.success.headers
    const forwarded = info === undefined ? undefined : forwarding(info, headers)
    if (forwarded !== undefined) {
      this.forwarded = forwarded.peer
      const refused = this.owner.forwarded?.(forwarded.peer)
      if (refused !== undefined) return this.refuse(refused)
    }
    const request = forwarded === undefined ? read.success : asDialed(read.success, forwarded)
    const peer = forwarded?.peer ?? info
    this.telemetry?.received(request, peer)
    const checked = HandshakePolicy.check(request, policy)
    if (Result.isFailure(checked)) return this.refuse(checked.failure)
    const deciding = decide({ ...request, peer: peer ?? Peer.unknown, context: Context.empty() })
    this.run(this.telemetry === undefined ? deciding : this.telemetry.within(deciding), (exit) =>
      this.onDecision(request, exit)
    )
  }

  private answer({ method, target }: HttpHead.RequestHead, answer: HttpAnswer): void {
    const { status } = answer
    this.response!.answer(answer, method === "GET")
    this.respondAndClose(Exit.fail(new AnsweredAsHttp({ method, target, status })))
  }

  private onDecision(
    request: UpgradeRequest,
    exit: Exit.Exit<Acceptance, HandshakeRejection.HandshakeRejection>
  ): void {
    if (Exit.isFailure(exit)) {
      const rejection = Cause.findError(exit.cause)
      return Result.isSuccess(rejection) ? this.refuse(rejection.success) : this.break(exit.cause as Cause.Cause<never>)
    }
    const acceptance = exit.value
    this.run(openExtensions(this.config.extensions, request.extensions, acceptance.extensions), (exit) =>
      Exit.isSuccess(exit) ? this.accept(request, acceptance, exit.value) : this.break(exit.cause)
    )
  }

  private accept(request: UpgradeRequest, acceptance: Acceptance, { agreement, instances }: OpenedExtensions): void {
    const { context, headers } = acceptance
    const subprotocol =
      acceptance.subprotocol ?? Subprotocol.select(this.config.policy.subprotocols ?? [], request.subprotocols)
    const extensions = agreement.answers
    const accepted = this.response!.accept(request, { subprotocol, headers, extensions })
    // A decision that cannot be carried out is a mistake of the program, so the client gets 500.
    if (Result.isFailure(accepted)) return this.break(Cause.die(accepted.failure))
    if (request.version === "HTTP/2") this.telemetry?.answered(200)
    const { environment } = this.config
    const { reader, socket, writer } = this
    const connection = makeConnection(
      {
        role: "server",
        environment,
        socket,
        reader,
        writer,
        request,
        subprotocol,
        extensions,
        attached: context,
        forwarded: this.forwarded,
        telemetry: this.telemetry
      },
      instances,
      this.early
    )
    this.finish(Exit.succeed(connection))
  }

  // Continues with the result of an effect, synchronously where it completes synchronously.
  private run<A, E>(effect: Effect.Effect<A, E, R | Scope.Scope>, next: (exit: Exit.Exit<A, E>) => void): void {
    if (Exit.isExit(effect)) return next(effect as Exit.Exit<A, E>)
    const context = Context.add(this.context, Scope.Scope, this.scope)
    const fiber = Effect.runForkWith(context)(effect)
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return next(exit)
    this.fiber = fiber
    if (this.ends !== undefined) this.reader.pause()
    fiber.addObserver((exit) => {
      if (this.fiber !== fiber) return
      this.fiber = undefined
      this.attempt(() => next(exit))
    })
  }

  // The client gets an answer even when a function of the program throws.
  private attempt(step: () => void): void {
    try {
      step()
    } catch (defect) {
      this.break(Cause.die(defect))
    }
  }

  // -- how it ends ----------------------------------------------------------------------------------------------------

  private refuse(rejection: HandshakeRejection.HandshakeRejection): void {
    this.response!.reject(rejection)
    this.respondAndClose(Exit.fail(rejection))
  }

  private break(cause: Cause.Cause<never>): void {
    this.telemetry?.answered(broken.status)
    this.response!.reject(broken)
    this.respondAndClose(Exit.failCause(cause))
  }

  // A socket of ours writes the response out when it is closed. Other sockets are closed after they took it.
  private respondAndClose(exit: Exit.Exit<never, AcceptError>): void {
    if (this.ends instanceof PulledSocket && this.ends.pendingBytes > 0) this.pendingExit = exit
    else this.finish(exit)
  }

  private abort(exit: Exit.Exit<never, AcceptError>): void {
    this.stopFiber()
    this.finish(exit)
  }

  private stopFiber(): void {
    const fiber = this.fiber
    if (fiber === undefined) return
    this.fiber = undefined
    Effect.runFork(Fiber.interrupt(fiber))
  }

  private finish(exit: Exit.Exit<ConnectionImpl, AcceptError>): void {
    if (this.over) return
    this.over = true
    this.time?.stop()
    this.telemetry?.end(exit, Push.peerInfo(this.socket))
    if (Exit.isFailure(exit) && this.ends instanceof PulledSocket) this.ends.shutdown()
    this.owner.handshakeDone(exit)
  }
}

const broken = new HandshakeRejection.HandshakeRejection({ status: 500, reason: "the server failed to answer" })

const evicted = new HandshakeRejection.HandshakeRejection({
  rule: "Overloaded",
  status: 503,
  reason: "too many handshakes are under way"
})

const timedOut = (status: number, reason: string): HandshakeRejection.HandshakeRejection =>
  new HandshakeRejection.HandshakeRejection({ rule: "HandshakeTimeout", status, reason })

const ended = (code: number): Socket.SocketError =>
  new Socket.SocketError({ reason: new Socket.SocketCloseError({ code }) })

// The address that the client connected to, in place of the address that the proxy connected to.
const asDialed = (request: UpgradeRequest, { host, peer }: Peer.ForwardedPeer): UpgradeRequest => ({
  ...request,
  host: host ?? request.host,
  secure: peer.secure
})
