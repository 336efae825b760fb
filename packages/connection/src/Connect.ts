/**
 * The client's side of the opening handshake, as one effect: any Effect `Socket` that leads to a WebSocket server
 * becomes a connection.
 *
 * Dialling, redirects, authentication and proxies are the business of a client; this is what all of them end in.
 *
 * @since 0.1.0
 */
import * as Extensions from "@effect-ws/extensions/Extensions"
import * as Negotiation from "@effect-ws/extensions/Negotiation"
import * as ClientHandshake from "@effect-ws/protocol/ClientHandshake"
import * as HandshakeKey from "@effect-ws/protocol/HandshakeKey"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import * as Http2Head from "@effect-ws/protocol/Http2Head"
import * as HttpHead from "@effect-ws/protocol/HttpHead"
import type { UpgradeRequest } from "@effect-ws/protocol/ServerHandshake"
import type { Http2Session } from "@effect-ws/transport/Http2Session"
import * as Push from "@effect-ws/transport/Push"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import type { Connection } from "./Connection.ts"
import { ClientHandshakeDriver } from "./internal/handshake/ClientHandshakeDriver.ts"
import type { ClientHandshakeConfig } from "./internal/handshake/ClientHandshakeDriver.ts"
import type { HandshakeTelemetry } from "./internal/telemetry/HandshakeTelemetry.ts"
import { acquireSocket } from "./internal/handshake/acquireSocket.ts"
import type { AcquiredSocket } from "./internal/handshake/acquireSocket.ts"
import { PulledSocket } from "./internal/handshake/PulledSocket.ts"
import { randomKey } from "./internal/handshake/randomKey.ts"
import { sha1 } from "./internal/handshake/sha1.ts"
import { Telemetry } from "./Telemetry.ts"
import type { ConnectError, ConnectOptions, Refusal } from "./internal/handshake/ConnectOptions.ts"

export type { ConnectError, ConnectOptions, Refusal } from "./internal/handshake/ConnectOptions.ts"

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
): Effect.Effect<Connection, ConnectError, Scope.Scope> => handshake(socket, url, options)

/**
 * Does the same, and shows an answer that opened no WebSocket, right before the effect fails with what is wrong with
 * it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const handshake = (
  socket: Socket.Socket,
  url: string | URL,
  options: ConnectOptions,
  onRefusal?: (refusal: Refusal) => void
): Effect.Effect<Connection, ConnectError, Scope.Scope> =>
  withTelemetry((telemetry) => runHttp1(socket, url, options, onRefusal, telemetry))

const withTelemetry = (
  run: (telemetry: HandshakeTelemetry | undefined) => Effect.Effect<Connection, ConnectError, Scope.Scope>
): Effect.Effect<Connection, ConnectError, Scope.Scope> =>
  Effect.flatMap(Telemetry, (observer) => (observer === undefined ? run(undefined) : observer.handshake("client", run)))

const runHttp1 = (
  socket: Socket.Socket,
  url: string | URL,
  options: ConnectOptions,
  onRefusal: ((refusal: Refusal) => void) | undefined,
  telemetry: HandshakeTelemetry | undefined
): Effect.Effect<Connection, ConnectError, Scope.Scope> =>
  Effect.flatMap(acquireSocket(socket), (held) =>
    Effect.flatMap(Extensions.current, (extensions) =>
      Effect.contextWith((context: Context.Context<Scope.Scope>) => {
        const target = typeof url === "string" ? new URL(url) : url
        const { origin, subprotocols = [] } = options
        const offered = {
          key: HandshakeKey.fromRandom(randomKey()),
          subprotocols,
          extensions: Negotiation.offer(extensions)
        }
        const headers = telemetry?.sending(
          "HTTP/1.1",
          target,
          HeaderFields.fromInput(options.headers),
          peerOf(socket, held)
        )
        const head = ClientHandshake.request({ ...offered, url: target, origin, headers: headers ?? options.headers })
        if (Result.isFailure(head)) return Effect.fail(head.failure)
        return drive(held, options, Result.getOrThrow(HttpHead.encodeRequest(head.success)), {
          socket,
          ...ends(held, context as Context.Context<never>),
          extensions,
          request: {
            ...asked(target, origin),
            ...offered,
            version: "HTTP/1.1",
            target: head.success.target,
            headers: head.success.headers
          },
          check: (head) => ClientHandshake.checkResponse({ ...offered, sha1 }, head as HttpHead.ResponseHead),
          secure: isSecure(target),
          context,
          onRefusal,
          telemetry
        })
      })
    )
  )

/**
 * Does the client's side of the opening handshake on a session of HTTP/2, which takes extended CONNECT (RFC 8441).
 *
 * **Details**
 *
 * The connection is one stream; the Scope holds it. As {@link handshake}, it shows an answer that opened no WebSocket.
 *
 * @category constructors
 * @since 0.1.0
 */
export const handshakeHttp2 = (
  session: Http2Session,
  url: string | URL,
  options: ConnectOptions,
  onRefusal?: (refusal: Refusal) => void
): Effect.Effect<Connection, ConnectError, Scope.Scope> =>
  withTelemetry((telemetry) => runHttp2(session, url, options, onRefusal, telemetry))

const runHttp2 = (
  session: Http2Session,
  url: string | URL,
  options: ConnectOptions,
  onRefusal: ((refusal: Refusal) => void) | undefined,
  telemetry: HandshakeTelemetry | undefined
): Effect.Effect<Connection, ConnectError, Scope.Scope> =>
  Effect.flatMap(Extensions.current, (extensions) =>
    Effect.contextWith((context: Context.Context<Scope.Scope>) => {
      const target = typeof url === "string" ? new URL(url) : url
      const { origin, subprotocols = [] } = options
      const offered = { subprotocols, extensions: Negotiation.offer(extensions) }
      const headers = telemetry?.sending("HTTP/2", target, HeaderFields.fromInput(options.headers), session.peer)
      const head = ClientHandshake.connectRequest({
        ...offered,
        url: target,
        origin,
        headers: headers ?? options.headers
      })
      if (Result.isFailure(head)) return Effect.fail(head.failure)
      let driver: ClientHandshakeDriver | undefined
      const opened = session.request(Http2Head.toFields(head.success), (response) => driver?.onHead(response))
      return Effect.flatMap(opened, (socket) =>
        Effect.flatMap(acquireSocket(socket), (held) =>
          drive(held, options, undefined, {
            socket,
            ...ends(held, context as Context.Context<never>),
            extensions,
            request: {
              ...asked(target, origin),
              ...offered,
              version: "HTTP/2",
              target: head.success.path ?? "/",
              key: undefined,
              headers: head.success.headers
            },
            check: (head) => ClientHandshake.checkConnect(offered, head),
            secure: isSecure(target),
            context,
            onRefusal,
            telemetry,
            onStart: (started) => (driver = started)
          })
        )
      )
    })
  )

const isSecure = ({ protocol }: URL): boolean => protocol === "wss:" || protocol === "https:"

const asked = (
  target: URL,
  origin: string | undefined
): Pick<UpgradeRequest, "host" | "origin" | "path" | "query" | "secure"> => ({
  path: target.pathname,
  query: target.search.slice(1),
  host: target.host,
  origin,
  secure: undefined
})

const drive = (
  held: AcquiredSocket,
  options: ConnectOptions,
  head: Uint8Array | undefined,
  parts: Omit<ClientHandshakeConfig, "done" | "options"> & {
    readonly onStart?: (driver: ClientHandshakeDriver) => void
  }
): Effect.Effect<Connection, ConnectError> =>
  Effect.callback<Connection, ConnectError>((resume) => {
    const driver = new ClientHandshakeDriver({
      ...parts,
      options,
      done: (exit) => {
        if (exit._tag === "Success") held.connection = exit.value
        resume(exit)
      }
    })
    parts.onStart?.(driver)
    driver.start(head)
    return Effect.sync(() => driver.interrupt())
  })

const peerOf = (socket: Socket.Socket, { reader }: AcquiredSocket): Push.PeerInfo | undefined =>
  Push.peerInfo(socket) ?? Push.peerInfo(reader)

const ends = (
  { reader, writer }: AcquiredSocket,
  context: Context.Context<never>
): { readonly reader: Push.PushReader; readonly writer: Push.PushWriter } => {
  if (Push.isPushReader(reader) && Push.isPushWriter(writer)) return { reader, writer }
  const pulled = new PulledSocket(reader, writer, context)
  return { reader: pulled, writer: pulled }
}
