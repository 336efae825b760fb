/**
 * Everything between a target and the first byte of the handshake: dialling, through a proxy or not, and TLS.
 */
import * as Dialer from "@effect-ws/transport/Dialer"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import type { ClientOptions, TlsOptions } from "../Client.ts"
import { ConnectTimeout, TlsError } from "../ConnectError.ts"
import * as Proxy from "../Proxy.ts"
import type { ProxyError } from "../ProxyError.ts"
import * as Target from "../Target.ts"
import { describe } from "./errors.ts"
import { openSocket } from "./LateSocket.ts"
import type { OpenSocket } from "./LateSocket.ts"

export const openLine = (
  target: Target.Target,
  options: Pick<ClientOptions, "connectTimeout" | "proxy" | "tls">
): Effect.Effect<
  OpenSocket,
  Socket.SocketError | ProxyError | TlsError | ConnectTimeout,
  Dialer.Dialer | Scope.Scope
> => {
  const after = Duration.fromInputUnsafe(options.connectTimeout ?? "10 seconds")
  return Effect.timeoutOrElse(open(target, options, after), {
    duration: after,
    orElse: () => Effect.fail(new ConnectTimeout({ url: Target.format(target), after }))
  })
}

const open = Effect.fnUntraced(function* (
  target: Target.Target,
  options: Pick<ClientOptions, "proxy" | "tls">,
  connectTimeout: Duration.Duration
): Effect.fn.Return<OpenSocket, Socket.SocketError | ProxyError | TlsError, Dialer.Dialer | Scope.Scope> {
  const dialer = yield* Dialer.Dialer
  const { address } = target
  const proxy = yield* proxyFor(target, options.proxy)
  const socket =
    proxy === undefined || "path" in address
      ? yield* openSocket(yield* dialer.dial(address, { connectTimeout }))
      : yield* Proxy.open(dialer, proxy, address, { connectTimeout })
  if (target.secure) yield* secure(socket, target, options.tls ?? {})
  return socket
})

const proxyFor = (
  { address, secure }: Target.Target,
  proxy: ClientOptions["proxy"]
): Effect.Effect<Proxy.Proxy | undefined> =>
  proxy === "none" || "path" in address
    ? Effect.undefined
    : proxy !== undefined
      ? Effect.succeed(proxy)
      : Effect.map(Proxy.CurrentPolicy, (policy) => policy({ ...address, secure }))

const secure = ({ reader }: OpenSocket, target: Target.Target, tls: TlsOptions): Effect.Effect<void, TlsError> => {
  const servername = tls.servername ?? ("path" in target.address ? "localhost" : target.address.host)
  return Effect.mapError(
    reader.upgrade({
      servername,
      ca: tls.ca,
      cert: tls.identity?.cert,
      key: tls.identity?.key,
      passphrase: tls.identity?.passphrase,
      // Without a word of HTTP/2, which a server may prefer where it has the choice.
      alpnProtocols: ["http/1.1"],
      rejectUnauthorized: tls.dangerouslyIgnoreCertificate !== true
    }),
    (error) => new TlsError({ url: Target.format(target), servername, detail: describe(error), cause: error })
  )
}
