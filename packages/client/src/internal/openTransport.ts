/**
 * Everything between a target and the first byte of the handshake: dialling, through a proxy or not, and TLS.
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as SharedTimeouts from "@effect-ws/transport/SharedTimeouts"
import * as Dialer from "@effect-ws/transport/Dialer"
import * as SocketFailure from "@effect-ws/transport/SocketFailure"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import type { ClientOptions, TlsOptions } from "../Client.ts"
import { ConnectTimeout, TlsError } from "../ConnectError.ts"
import * as HttpProxy from "../HttpProxy.ts"
import type { ProxyError } from "../ProxyError.ts"
import * as Target from "../Target.ts"
import { openSocket } from "./LazySocket.ts"
import type { OpenSocket } from "./LazySocket.ts"
import { startTls } from "./startTls.ts"

export const openTransport = (
  target: Target.Target,
  options: Pick<ClientOptions, "connectTimeout" | "proxy" | "tls">
): Effect.Effect<
  OpenSocket,
  Socket.SocketError | HttpProxy.InvalidProxy | ProxyError | TlsError | ConnectTimeout,
  Dialer.Dialer | Scope.Scope
> => {
  const after = Argument.duration("connectTimeout", options.connectTimeout ?? "10 seconds")
  return SharedTimeouts.timeoutOrElse(open(target, options), {
    duration: after,
    orElse: () => Effect.fail(new ConnectTimeout({ url: Target.format(target), after }))
  })
}

// It is the whole that is bounded, and not each part of it.
const unbounded: Dialer.DialOptions = { connectTimeout: Duration.infinity }

const open = Effect.fnUntraced(function* (
  target: Target.Target,
  options: Pick<ClientOptions, "proxy" | "tls">
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
  if (target.secure) yield* secure(socket, target, options.tls ?? {})
  return socket
})

const proxyFor = (
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

const secure = (socket: OpenSocket, target: Target.Target, tls: TlsOptions): Effect.Effect<void, TlsError> => {
  const servername = serverName(target, tls)
  return Effect.mapError(startTls(socket, servername, tls), (error) => tlsError(target, tls, error))
}

/** Reports a failure of TLS, during its handshake or after it. */
export const tlsError = (target: Target.Target, tls: TlsOptions | undefined, cause: Socket.SocketError): TlsError =>
  new TlsError({ url: Target.format(target), servername: serverName(target, tls), detail: detailOf(cause), cause })

const detailOf = (cause: Socket.SocketError): string => {
  const detail = SocketFailure.describe(cause)
  if (SocketFailure.isNotTls(cause)) return `${detail}; if the server is meant to be plain, use ws:// or http://`
  return SocketFailure.isEndOfHandshake(cause) ? `${detail}; if the server speaks no TLS, use ws:// or http://` : detail
}

const serverName = ({ address }: Target.Target, tls: TlsOptions | undefined): string =>
  Dialer.serverName(tls?.servername ?? ("path" in address ? "localhost" : address.host))
