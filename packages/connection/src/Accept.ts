/**
 * The server's side of the opening handshake, as one effect: any Effect `Socket` on which a client is about to speak HTTP
 * becomes a connection.
 *
 * Whether a client is let in is one decision, a function from the request to an acceptance or a rejection. The options
 * configure the usual one (paths, origins, subprotocols); `decide` replaces it. Whatever is refused gets a complete HTTP
 * response that says why.
 *
 * @since 0.1.0
 */
import type { Extension } from "@effect-ws/extensions/Extension"
import * as Extensions from "@effect-ws/extensions/Extensions"
import * as Negotiation from "@effect-ws/extensions/Negotiation"
import * as HandshakePolicy from "@effect-ws/protocol/HandshakePolicy"
import * as HandshakeRejection from "@effect-ws/protocol/HandshakeRejection"
import type { HeaderFields } from "@effect-ws/protocol/HeaderFields"
import * as Fields from "@effect-ws/protocol/HeaderFields"
import type { HeadLimits } from "@effect-ws/protocol/HeadParser"
import * as HttpHead from "@effect-ws/protocol/HttpHead"
import * as ServerHandshake from "@effect-ws/protocol/ServerHandshake"
import type { UpgradeRequest } from "@effect-ws/protocol/ServerHandshake"
import * as Push from "@effect-ws/transport/Push"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import type { Connection } from "./Connection.ts"
import * as ConnectionOptions from "./ConnectionOptions.ts"
import { hold } from "./internal/hold.ts"
import { open } from "./internal/open.ts"
import { readHead } from "./internal/readHead.ts"
import { sha1 } from "./internal/sha1.ts"

/**
 * What an acceptance says beside yes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Acceptance {
  /** The subprotocol to speak, one of those the client offered. Default: none. */
  readonly subprotocol?: string | undefined
  /** Headers to add to the response, such as cookies. Default: none. */
  readonly headers?: HeaderFields | undefined
  /** What the connection's `context` holds, such as who the user is. Default: nothing. */
  readonly context?: Context.Context<never> | undefined
}

/**
 * Decides over a request: what is accepted, or a `HandshakeRejection` with the status and text to answer.
 *
 * @category models
 * @since 0.1.0
 */
export type Decide<R = never> = (
  request: UpgradeRequest
) => Effect.Effect<Acceptance, HandshakeRejection.HandshakeRejection, R>

/**
 * An HTTP response to a request that is no handshake, such as a page.
 *
 * @category models
 * @since 0.1.0
 */
export interface HttpAnswer {
  readonly status: number
  readonly headers: HeaderFields
  readonly body: Uint8Array
}

/**
 * A plain HTTP request was answered by `respond`, and no connection came of it.
 *
 * @category errors
 * @since 0.1.0
 */
export class HttpAnswered extends Schema.TaggedError<HttpAnswered>("@effect-ws/connection/HttpAnswered")(
  "HttpAnswered",
  { method: Schema.String, target: Schema.String, status: Schema.Int }
) {
  override get message(): string {
    return `${this.method} ${this.target} was answered with ${this.status}`
  }
}

/**
 * Why a socket did not become a connection. The peer has its answer already, where one could be given.
 *
 * @category errors
 * @since 0.1.0
 */
export type AcceptError = HandshakeRejection.HandshakeRejection | HttpAnswered | Socket.SocketError

/**
 * What the server's side of a handshake may be told.
 *
 * @category models
 * @since 0.1.0
 */
export interface AcceptOptions<R = never> extends ConnectionOptions.ConnectionOptions, HeadLimits {
  /** The paths that exist; others get 404. Default: every path. */
  readonly locations?: ReadonlyArray<string> | undefined
  /**
   * The origins of web pages that may connect; others get 403. `"same-origin"` takes pages from the host they connect
   * to, `"any"` takes all, and clients that send no origin are no web page and pass. Default: `"same-origin"`.
   */
  readonly origins?: HandshakePolicy.Origins | undefined
  /** The subprotocols that the server speaks, best first. Default: none. */
  readonly subprotocols?: ReadonlyArray<string> | undefined
  /** Decides in place of the three options above. Default: as they say. */
  readonly decide?: Decide<R> | undefined
  /** How long a client may take to send its request; then it gets 408. Default: 10 seconds. */
  readonly handshakeTimeout?: Duration.Input | undefined
  /**
   * Answers a GET that asks for no upgrade; `undefined` leaves it to the handshake to refuse, with 426. Default: refuse.
   */
  readonly respond?: ((request: HttpHead.RequestHead) => HttpAnswer | undefined) | undefined
}

/**
 * The usual decision: paths, then origins, then the choice of a subprotocol.
 *
 * @category constructors
 * @since 0.1.0
 */
export const policy =
  (options: Pick<AcceptOptions, "locations" | "origins" | "subprotocols">): Decide =>
  (request) =>
    Effect.fromResult(HandshakePolicy.decide(request, options))

/**
 * Does the server's side of the opening handshake on a socket.
 *
 * **Details**
 *
 * Extensions are those in the context, see `Extensions`. A rejection was answered already when it arrives as an error;
 * closing the Scope then lets the answer out and ends the stream. The Scope holds the socket.
 *
 * @category constructors
 * @since 0.1.0
 */
export const accept = <R = never>(
  socket: Socket.Socket,
  options?: AcceptOptions<R>
): Effect.Effect<Connection, AcceptError, Scope.Scope | R> => Effect.flatMap(make(options), (accept) => accept(socket))

/**
 * Prepares {@link accept} for many sockets: options and extensions are read once.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <R = never>(
  options: AcceptOptions<R> = {}
): Effect.Effect<(socket: Socket.Socket) => Effect.Effect<Connection, AcceptError, Scope.Scope | R>> =>
  Effect.zipWith(Extensions.current, Effect.context<never>(), (extensions, context) =>
    acceptor(options, extensions, context)
  )

const acceptor = <R>(
  options: AcceptOptions<R>,
  extensions: ReadonlyArray<Extension>,
  // One for all connections: what a fiber makes of its own context is held as long as anything refers to that.
  context: Context.Context<never>
): ((socket: Socket.Socket) => Effect.Effect<Connection, AcceptError, Scope.Scope | R>) => {
  const settings = ConnectionOptions.settings(options)
  const decide: Decide<R> = options.decide ?? policy(options)
  const timeout = Duration.fromInputUnsafe(options.handshakeTimeout ?? "10 seconds")

  return Effect.fnUntraced(function* (socket) {
    const held = yield* hold(socket)
    const { reader, writer } = held
    const refuse = (rejection: HandshakeRejection.HandshakeRejection) =>
      Effect.andThen(writer.write(HandshakeRejection.encode(rejection)), Effect.fail(rejection))

    const read = yield* readHead("request", reader, options).pipe(
      Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.fail(timedOut(timeout)) }),
      Effect.mapError((error) => (error._tag === "HeadError" ? HandshakeRejection.fromHeadError(error) : error)),
      Effect.catchTag("HandshakeRejection", refuse)
    )
    const peer = Push.peerInfo(socket) ?? Push.peerInfo(reader)
    const answer = isPlainGet(read.head) ? options.respond?.(read.head) : undefined
    if (answer !== undefined) {
      yield* writer.write(encodeAnswer(answer, read.head.method === "GET"))
      return yield* new HttpAnswered({ method: read.head.method, target: read.head.target, status: answer.status })
    }
    const request = ServerHandshake.readUpgrade(read.head, { secure: peer?.secure })
    if (Result.isFailure(request)) return yield* refuse(request.failure)
    const acceptance = yield* decide(request.success).pipe(
      Effect.catchTag("HandshakeRejection", refuse),
      Effect.tapDefect(() => writer.write(HandshakeRejection.encode(broken)))
    )
    const agreement = yield* Negotiation.negotiate(extensions, request.success.extensions)
    const response = ServerHandshake.acceptResponse(request.success, {
      subprotocol: acceptance.subprotocol,
      headers: acceptance.headers,
      extensions: agreement.answers,
      sha1
    })
    // A decision that cannot be carried out is the program's mistake; the client is told that much.
    if (Result.isFailure(response)) {
      yield* writer.write(HandshakeRejection.encode(broken))
      return yield* Effect.die(response.failure)
    }
    yield* writer.write(Result.getOrThrow(HttpHead.encodeResponse(response.success)))
    const instances = yield* agreement.open
    held.connection = open(
      {
        role: "server",
        socket,
        reader,
        writer,
        early: read.early,
        settings,
        agreement,
        request: request.success,
        subprotocol: acceptance.subprotocol,
        attached: acceptance.context,
        peer
      },
      instances,
      context
    )
    return held.connection
  })
}

const timedOut = (timeout: Duration.Duration): HandshakeRejection.HandshakeRejection =>
  new HandshakeRejection.HandshakeRejection({
    rule: "HandshakeTimeout",
    status: 408,
    reason: `the request was not complete within ${Duration.format(timeout)}`
  })

const broken = new HandshakeRejection.HandshakeRejection({ status: 500, reason: "the server failed to answer" })

const isPlainGet = (head: HttpHead.RequestHead): boolean =>
  (head.method === "GET" || head.method === "HEAD") && !Fields.has(head.headers, "Upgrade")

const encodeAnswer = (answer: HttpAnswer, withBody: boolean): Uint8Array => {
  const head = Result.getOrThrow(
    HttpHead.encodeResponse({
      version: "HTTP/1.1",
      status: answer.status,
      reason: "",
      headers: [...answer.headers, { name: "Connection", value: "close" }]
    })
  )
  if (!withBody) return head
  const bytes = new Uint8Array(head.length + answer.body.length)
  bytes.set(head)
  bytes.set(answer.body, head.length)
  return bytes
}
