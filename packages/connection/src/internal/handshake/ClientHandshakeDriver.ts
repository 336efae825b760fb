/**
 * The client's side of one opening handshake: sends the request, reads the answer, and makes a connection of it.
 *
 * It is a sink of its socket and no fiber, as the server's side is: most handshakes are over within the two callbacks
 * in which the socket opened and the answer came.
 */
import * as Argument from "@effect-ws/protocol/Argument"
import type { Extension } from "@effect-ws/extensions/Extension"
import * as Negotiation from "@effect-ws/extensions/Negotiation"
import type { ExtensionInstance } from "@effect-ws/protocol/Extension"
import * as ClientHandshake from "@effect-ws/protocol/ClientHandshake"
import { HttpHeadError, HeadParser } from "@effect-ws/protocol/HeadParser"
import type { Http2ResponseHead } from "@effect-ws/protocol/Http2Head"
import type { ResponseHead } from "@effect-ws/protocol/HttpHead"
import type { UpgradeRequest } from "@effect-ws/protocol/ServerHandshake"
import * as SharedTimeouts from "@effect-ws/transport/SharedTimeouts"
import type * as Push from "@effect-ws/transport/Push"
import { describe } from "@effect-ws/transport/SocketFailure"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type { ConnectError, ConnectOptions, Refusal } from "./ConnectOptions.ts"
import * as ConnectionOptions from "../../ConnectionOptions.ts"
import { HandshakeTimeout } from "../../HandshakeTimeout.ts"
import type { HandshakeTelemetry } from "../telemetry/HandshakeTelemetry.ts"
import { environment, makeConnection } from "../makeConnection.ts"
import type { ConnectionImpl } from "../ConnectionImpl.ts"

/** What a handshake is made of. */
export interface ClientHandshakeConfig {
  readonly socket: Socket.Socket
  readonly reader: Push.PushReader
  readonly writer: Push.PushWriter
  readonly extensions: ReadonlyArray<Extension>
  readonly request: UpgradeRequest
  /** Checks the answer. */
  readonly check: (
    head: ResponseHead | Http2ResponseHead
  ) => Result.Result<ClientHandshake.AcceptedHandshake, ClientHandshake.HandshakeError>
  /** Whether the URL says that the server speaks TLS. */
  readonly secure: boolean
  readonly options: ConnectOptions
  readonly context: Context.Context<Scope.Scope>
  /** Hears of an answer that opened no WebSocket, before `done` does. */
  readonly onRefusal: ((refusal: Refusal) => void) | undefined
  /** The handshake, where it is observed. */
  readonly telemetry: HandshakeTelemetry | undefined
  readonly done: (exit: Exit.Exit<ConnectionImpl, ConnectError>) => void
}

const defaultTimeout = Duration.seconds(10)

export class ClientHandshakeDriver implements Push.ByteSink {
  private readonly parts: ClientHandshakeConfig
  private readonly timeout: Duration.Duration
  private readonly maxInterim: number
  private readonly settings: ConnectionOptions.Settings
  // Until the answer is complete.
  private parser: HeadParser<"response"> | undefined
  private interim = 0
  // Frames may come in the same packet as the answer.
  private early: Array<Uint8Array> = []
  private deadline: SharedTimeouts.Timeout | undefined = undefined
  // Extensions that take time to open.
  private fiber: Fiber.Fiber<unknown> | undefined = undefined
  private over = false
  private hasAnswered = false

  constructor(parts: ClientHandshakeConfig) {
    const { handshakeTimeout, maxInterimResponses } = parts.options
    this.parts = parts
    this.timeout = Argument.duration("handshakeTimeout", handshakeTimeout ?? defaultTimeout)
    this.maxInterim = Argument.limit("maxInterimResponses", maxInterimResponses ?? 8)
    this.settings = ConnectionOptions.settings(parts.options, Context.get(parts.context, Clock.Clock))
    // Over HTTP/2 the head of the answer is none of the stream's bytes.
    this.parser = parts.request.version === "HTTP/2" ? undefined : new HeadParser("response", parts.options)
  }

  /** Sends the request, where that is bytes of ours. */
  start(head: Uint8Array | undefined): void {
    const { context, reader, writer } = this.parts
    this.deadline = SharedTimeouts.start(this.timeout, Context.get(context, Clock.Clock), this)
    if (head !== undefined) writer.writeUnsafe(head)
    reader.subscribe(this)
  }

  interrupt(): void {
    this.over = true
    this.deadline?.stop()
    this.fiber?.interruptUnsafe()
  }

  // -- what the transport tells ---------------------------------------------------------------------------------------

  onChunk(bytes: Uint8Array): void {
    if (this.over) return
    this.hasAnswered = true
    let chunk = bytes
    while (this.parser !== undefined) {
      const parsed = this.parser.push(chunk)
      if (parsed === undefined) return
      if (parsed instanceof HttpHeadError) return this.finish(Exit.fail(parsed))
      chunk = parsed.rest
      const { status } = parsed.head
      if (status >= 200 || status === 101) {
        this.parser = undefined
        if (chunk.length > 0) this.early.push(chunk)
        return this.onResponse(parsed.head)
      }
      // RFC 9110 15.2: "A client MUST be able to parse one or more 1xx responses received prior to a final response,
      // even if the client does not expect one."
      this.parser = new HeadParser("response", this.parts.options)
      const max = this.maxInterim
      if (++this.interim > max) {
        this.parser = undefined
        return this.refuse(parsed.head, tooManyInterim(parsed.head, max))
      }
    }
    this.early.push(chunk)
  }

  /** A stream of HTTP/2 was answered. */
  onHead(head: Http2ResponseHead): void {
    if (this.over) return
    if (head.status >= 200) return this.onResponse(head)
    const max = this.maxInterim
    if (++this.interim > max) this.refuse(head, tooManyInterim(head, max))
  }

  onDrain(): void {}

  onEnd(): void {
    if (this.parser !== undefined) this.finish(Exit.fail(this.brokenOff(undefined)))
  }

  onClose(error: Socket.SocketError | undefined): void {
    this.abort(this.brokenOff(error))
  }

  expire(): void {
    this.abort(new HandshakeTimeout({ after: this.timeout }))
  }

  // -- what becomes of the answer -------------------------------------------------------------------------------------

  private onResponse(head: ResponseHead | Http2ResponseHead): void {
    const { check, extensions, telemetry } = this.parts
    telemetry?.answered(head.status)
    const accepted = check(head)
    if (Result.isFailure(accepted)) return this.refuse(head, accepted.failure)
    const { subprotocol } = accepted.success
    const agreed = Negotiation.check(extensions, accepted.success.extensions)
    if (Result.isFailure(agreed)) return this.refuse(head, agreed.failure)
    const agreement = agreed.success
    if (agreement === Negotiation.none) return this.accept(head, subprotocol, agreement, [])
    const fiber = Effect.runForkWith(this.parts.context)(agreement.open)
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return this.onOpened(head, subprotocol, agreement, exit)
    this.fiber = fiber
    this.parts.reader.pause()
    fiber.addObserver((exit) => {
      if (!this.over) this.onOpened(head, subprotocol, agreement, exit)
    })
  }

  private onOpened(
    head: ResponseHead | Http2ResponseHead,
    subprotocol: string | undefined,
    agreement: Negotiation.NegotiatedExtensions,
    exit: Exit.Exit<ReadonlyArray<ExtensionInstance>>
  ): void {
    if (Exit.isSuccess(exit)) this.accept(head, subprotocol, agreement, exit.value)
    else this.finish(Exit.failCause(exit.cause))
  }

  private accept(
    head: ResponseHead | Http2ResponseHead,
    subprotocol: string | undefined,
    agreement: Negotiation.NegotiatedExtensions,
    instances: ReadonlyArray<ExtensionInstance>
  ): void {
    const { context, reader, request, socket, telemetry, writer } = this.parts
    const own = environment(this.settings, context as Context.Context<never>)
    const connection = makeConnection(
      {
        role: "client",
        environment: own,
        socket,
        reader,
        writer,
        request,
        subprotocol,
        extensions: agreement.answers,
        attached: head,
        telemetry
      },
      instances,
      this.early
    )
    this.finish(Exit.succeed(connection))
  }

  private brokenOff(error: Socket.SocketError | undefined): Socket.SocketError {
    const cause = error ?? new Socket.SocketError({ reason: new Socket.SocketCloseError({ code: 1006 }) })
    const { request, secure } = this.parts
    const mayWantTls = !secure && !this.hasAnswered && cause.reason._tag === "SocketCloseError"
    return new Socket.SocketError({ reason: new HandshakeBrokenOff(request.host, cause, mayWantTls) })
  }

  private refuse(head: ResponseHead | Http2ResponseHead, error: ConnectError): void {
    const { onRefusal, reader } = this.parts
    reader.pause()
    onRefusal?.({ head, early: this.early, reader })
    this.finish(Exit.fail(error))
  }

  // Ends first and interrupts then: that an extension was interrupted is not why there is no connection.
  private abort(error: ConnectError): void {
    this.finish(Exit.fail(error))
    this.fiber?.interruptUnsafe()
  }

  private finish(exit: Exit.Exit<ConnectionImpl, ConnectError>): void {
    if (this.over) return
    this.over = true
    this.deadline?.stop()
    this.parts.done(exit)
  }
}

class HandshakeBrokenOff extends Socket.SocketReadError {
  // The base class types its message as a literal; `never` is the only way past that.
  override readonly message: never
  constructor(host: string, cause: Socket.SocketError, mayWantTls: boolean) {
    super({ cause })
    // Most servers that expect TLS say nothing to plain HTTP.
    const advice = mayWantTls ? "; if the server speaks TLS, use wss:// or https://" : ""
    // What a transport says of an end in order is a number.
    const how = cause.reason._tag === "SocketCloseError" ? "" : `: ${describe(cause)}`
    this.message = `${host} closed the connection in place of an answer to the handshake${how}${advice}` as never
  }
}

const tooManyInterim = ({ headers, status }: Http2ResponseHead, max: number): ClientHandshake.HandshakeError =>
  new ClientHandshake.HandshakeError({
    rule: "TooManyInterimResponses",
    status,
    headers,
    detail: `expected a final answer after at most ${max} interim responses, found another ${status}`
  })
