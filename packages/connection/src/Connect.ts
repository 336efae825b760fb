/**
 * The client's side of the opening handshake, as one effect: any Effect `Socket` that leads to a WebSocket server becomes
 * a connection.
 *
 * Dialling, redirects, authentication and proxies are the business of a client; this is what all of them end in.
 *
 * @since 0.1.0
 */
import * as Extensions from "@effect-ws/extensions/Extensions"
import * as Negotiation from "@effect-ws/extensions/Negotiation"
import * as ClientHandshake from "@effect-ws/protocol/ClientHandshake"
import type { HandshakeMisuse } from "@effect-ws/protocol/HandshakeMisuse"
import * as HandshakeKey from "@effect-ws/protocol/HandshakeKey"
import type { HeaderFields } from "@effect-ws/protocol/HeaderFields"
import type { HeadError, HeadLimits } from "@effect-ws/protocol/HeadParser"
import * as HttpHead from "@effect-ws/protocol/HttpHead"
import * as ServerHandshake from "@effect-ws/protocol/ServerHandshake"
import * as Push from "@effect-ws/transport/Push"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import { randomBytes } from "node:crypto"
import type { Connection } from "./Connection.ts"
import * as ConnectionOptions from "./ConnectionOptions.ts"
import type { Handshaking } from "./internal/Handshaking.ts"
import { hold } from "./internal/hold.ts"
import { environment, open } from "./internal/open.ts"
import { PulledSocket } from "./internal/PulledSocket.ts"
import { readHead } from "./internal/readHead.ts"
import { sha1 } from "./internal/sha1.ts"
import { Telemetry } from "./Telemetry.ts"

/**
 * What the client's side of a handshake may be told.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectOptions extends ConnectionOptions.ConnectionOptions, HeadLimits {
  /** The subprotocols to offer, best first. Default: none. */
  readonly subprotocols?: ReadonlyArray<string> | undefined
  /** The `Origin` header, as a browser would send it. Default: none. */
  readonly origin?: string | undefined
  /** Headers to add to the request. Default: none. */
  readonly headers?: HeaderFields | undefined
  /** How long the server may take to answer the handshake. Default: 10 seconds. */
  readonly handshakeTimeout?: Duration.Input | undefined
}

/**
 * The server did not answer the handshake in time.
 *
 * @category errors
 * @since 0.1.0
 */
export class HandshakeTimeout extends Schema.TaggedError<HandshakeTimeout>("@effect-ws/connection/HandshakeTimeout")(
  "HandshakeTimeout",
  { after: Schema.Duration }
) {
  override get message(): string {
    return `the server did not answer the handshake within ${Duration.format(this.after)}`
  }
}

/**
 * Why a socket did not become a connection: what we asked for cannot be asked, the answer is not HTTP, it is no
 * acceptance, it agrees to what was not offered, it did not come, or the socket failed.
 *
 * @category errors
 * @since 0.1.0
 */
export type ConnectError =
  | HandshakeMisuse
  | HeadError
  | ClientHandshake.HandshakeFailure
  | Negotiation.NegotiationError
  | HandshakeTimeout
  | Socket.SocketError

/**
 * Does the client's side of the opening handshake on a socket that leads to the host of `url`.
 *
 * **Details**
 *
 * Extensions are those of the `Extensions` in the context. The Scope holds the socket.
 *
 * @category constructors
 * @since 0.1.0
 */
export const connect = (
  socket: Socket.Socket,
  url: string | URL,
  options: ConnectOptions = {}
): Effect.Effect<Connection, ConnectError, Scope.Scope> =>
  Effect.flatMap(Telemetry, (observer) =>
    observer === undefined
      ? handshake(socket, url, options, undefined)
      : observer.handshake("client", (watched) => handshake(socket, url, options, watched))
  )

const handshake = Effect.fnUntraced(function* (
  socket: Socket.Socket,
  url: string | URL,
  options: ConnectOptions,
  watched: Handshaking | undefined
): Effect.fn.Return<Connection, ConnectError, Scope.Scope> {
  const held = yield* hold(socket)
  const { reader, writer } = held
  const extensions = yield* Extensions.current
  const offered = {
    key: HandshakeKey.fromRandom(randomBytes(16)),
    subprotocols: options.subprotocols,
    extensions: Negotiation.offer(extensions)
  }
  const target = typeof url === "string" ? new URL(url) : url
  const peer = Push.peerInfo(socket) ?? Push.peerInfo(reader)
  const headers = watched === undefined ? options.headers : watched.sending(target, options.headers ?? [], peer)
  const head = yield* Effect.fromResult(
    ClientHandshake.request({ ...offered, url: target, origin: options.origin, headers })
  )
  yield* writer.write(Result.getOrThrow(HttpHead.encodeRequest(head)))
  const timeout = Duration.fromInputUnsafe(options.handshakeTimeout ?? "10 seconds")
  const response = yield* Effect.timeoutOrElse(readHead("response", reader, options), {
    duration: timeout,
    orElse: () => Effect.fail(new HandshakeTimeout({ after: timeout }))
  })
  watched?.answered(response.head.status)
  const accepted = yield* Effect.fromResult(ClientHandshake.checkResponse({ ...offered, sha1 }, response.head))
  const agreement = yield* Effect.fromResult(Negotiation.check(extensions, accepted.extensions))
  const instances = yield* agreement.open
  const context = (yield* Effect.context<Scope.Scope>()) as Context.Context<never>
  held.connection = open(
    {
      role: "client",
      environment: environment(ConnectionOptions.settings(options), context),
      socket,
      ...ends(reader, writer, context),
      request: Result.getOrThrow(ServerHandshake.readUpgrade(head)),
      subprotocol: accepted.subprotocol,
      extensions: agreement.answers,
      watched
    },
    instances,
    response.early
  )
  return held.connection
})

const ends = (
  reader: Socket.Reader,
  writer: Socket.Writer,
  context: Context.Context<never>
): { readonly reader: Push.PushReader; readonly writer: Push.PushWriter } => {
  if (Push.isPushReader(reader) && Push.isPushWriter(writer)) return { reader, writer }
  const pulled = new PulledSocket(reader, writer, context)
  return { reader: pulled, writer: pulled }
}
