/**
 * Opens the transport for a handshake: dials, directly or through a proxy, and starts TLS.
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as SharedTimeouts from "@effect-ws/transport/SharedTimeouts"
import * as Dialer from "@effect-ws/transport/Dialer"
import * as Http2Session from "@effect-ws/transport/Http2Session"
import * as Push from "@effect-ws/transport/Push"
import * as SocketFailure from "@effect-ws/transport/SocketFailure"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import type { ClientOptions } from "./ClientOptions.ts"
import type { TlsOptions } from "./TlsOptions.ts"
import { ConnectTimeout, TlsError } from "../ConnectError.ts"
import * as HttpProxy from "../HttpProxy.ts"
import type { ProxyError } from "../ProxyError.ts"
import * as Target from "../Target.ts"
import { openSocket } from "./LazySocket.ts"
import type { OpenSocket } from "./LazySocket.ts"
import type { Dialed } from "./SessionPool.ts"
import { startTls } from "./startTls.ts"

/** Why no transport could be opened. */
export type OpenTransportError = Socket.SocketError | HttpProxy.InvalidProxy | ProxyError | TlsError | ConnectTimeout

/** Options for reaching a server. */
export type OpenTransportOptions = Pick<ClientOptions, "connectTimeout" | "proxy" | "tls">

export const openTransport = (
  target: Target.Target,
  options: OpenTransportOptions
): Effect.Effect<OpenSocket, OpenTransportError, Dialer.Dialer | Scope.Scope> =>
  inTime(target, options, open(target, options))

/**
 * Opens a transport and starts an HTTP/2 session on it. If ALPN chooses HTTP/1.1, or the socket is not Node's, returns
 * the transport for HTTP/1.1.
 */
export const openSession = (
  target: Target.Target,
  options: OpenTransportOptions,
  session: Http2Session.SessionOptions
): Effect.Effect<Dialed, OpenTransportError, Dialer.Dialer | Scope.Scope> =>
  inTime(
    target,
    options,
    Effect.gen(function* () {
      const socket = yield* open(target, options, ["h2", "http/1.1"])
      const { reader } = socket
      if (!Http2Session.canConnect(reader)) return { _tag: "Http1", socket, chosenBy: "network" } as const
      const isChosen = !target.secure || Push.peerInfo(reader)?.alpnProtocol === "h2"
      if (!isChosen) return { _tag: "Http1", socket, chosenBy: "server" } as const
      const opened = yield* Http2Session.connect(reader, Target.format(target), session)
      return opened.acceptsConnect ? ({ _tag: "Session", session: opened } as const) : ({ _tag: "NoConnect" } as const)
    })
  )

const defaultTimeout = Duration.seconds(10)

const inTime = <A, E, R>(
  target: Target.Target,
  options: OpenTransportOptions,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | ConnectTimeout, R> => {
  const after = Argument.duration("connectTimeout", options.connectTimeout ?? defaultTimeout)
  return SharedTimeouts.timeoutOrElse(effect, {
    duration: after,
    orElse: () => Effect.fail(new ConnectTimeout({ url: Target.format(target), after }))
  })
}

// `inTime` bounds the whole, so the parts have no timeout of their own.
const unbounded: Dialer.DialOptions = { connectTimeout: Duration.infinity }

const open = Effect.fnUntraced(function* (
  target: Target.Target,
  options: Pick<ClientOptions, "proxy" | "tls">,
  alpnProtocols?: ReadonlyArray<string>
): Effect.fn.Return<
  OpenSocket,
  Socket.SocketError | HttpProxy.InvalidProxy | ProxyError | TlsError,
  Dialer.Dialer | Scope.Scope
> {
  const dialer = yield* Dialer.Dialer
  const { address } = target
  const proxy = yield* proxyFor(target, options.proxy)
  const socket =
    proxy === undefined || "path" in address
      ? yield* openSocket(yield* dialer.dial(address, unbounded))
      : yield* HttpProxy.open(dialer, proxy, address, unbounded)
  if (target.secure) yield* secure(socket, target, options.tls ?? {}, alpnProtocols)
  return socket
})

/** Returns the proxy for a target, or `undefined` if the connection is direct. */
export const proxyFor = (
  { address, secure }: Target.Target,
  proxy: ClientOptions["proxy"]
): Effect.Effect<HttpProxy.Proxy | undefined, HttpProxy.InvalidProxy> =>
  proxy === "none" || "path" in address
    ? Effect.undefined
    : proxy !== undefined
      ? Effect.succeed(proxy)
      : Effect.flatMap(HttpProxy.CurrentPolicy, (policy) => {
          const chosen = policy({ ...address, secure })
          return chosen instanceof HttpProxy.InvalidProxy ? Effect.fail(chosen) : Effect.succeed(chosen)
        })

const secure = (
  socket: OpenSocket,
  target: Target.Target,
  tls: TlsOptions,
  alpnProtocols: ReadonlyArray<string> | undefined
): Effect.Effect<void, TlsError> => {
  const servername = serverName(target, tls)
  return Effect.mapError(startTls(socket, servername, tls, alpnProtocols), (error) => tlsError(target, tls, error))
}

/** Makes the error for a TLS failure, during the TLS handshake or after it. */
export const tlsError = (target: Target.Target, tls: TlsOptions | undefined, cause: Socket.SocketError): TlsError =>
  new TlsError({ url: Target.format(target), servername: serverName(target, tls), detail: detailOf(cause), cause })

const detailOf = (cause: Socket.SocketError): string => {
  const detail = SocketFailure.describe(cause)
  if (SocketFailure.isNotTls(cause)) return `${detail}; if the server does not use TLS, use ws:// or http://`
  return SocketFailure.isEndOfHandshake(cause)
    ? `${detail}; if the server does not use TLS, use ws:// or http://`
    : detail
}

const serverName = ({ address }: Target.Target, tls: TlsOptions | undefined): string =>
  Dialer.serverName(tls?.servername ?? ("path" in address ? "localhost" : address.host))
