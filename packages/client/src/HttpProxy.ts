/**
 * Proxies of a client: HTTP proxies by CONNECT (RFC 9110 9.3.6), with or without TLS, and SOCKS5 (RFC 1928, with the
 * username and password of RFC 1929). A policy chooses the proxy; the usual policy reads the same environment variables
 * as curl.
 *
 * Both kinds open a tunnel to the server. The client speaks to the server through it, TLS included. The proxy resolves
 * the server's name.
 *
 * @since 0.1.0
 */
import * as Argument from "@effect-ws/protocol/Argument"
import { password } from "@effect-ws/protocol/ClientAuth"
import * as Dialer from "@effect-ws/transport/Dialer"
import { describe } from "@effect-ws/transport/SocketFailure"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import { AuthSession } from "./internal/AuthSession.ts"
import { namedOpenError } from "./internal/errors.ts"
import { httpTunnel } from "./internal/httpTunnel.ts"
import { makeLazy, openSocket } from "./internal/LazySocket.ts"
import { proxyError } from "./internal/proxyError.ts"
import type { OpenSocket } from "./internal/LazySocket.ts"
import { socksTunnel } from "./internal/socksTunnel.ts"
import { startTls } from "./internal/startTls.ts"
import * as NoProxy from "./NoProxy.ts"
import type { ProxyError } from "./ProxyError.ts"
import type { Proxy } from "./internal/ProxyOptions.ts"

export type { Proxy } from "./internal/ProxyOptions.ts"

/**
 * The destination of a tunnel.
 *
 * @category models
 * @since 0.1.0
 */
export interface Destination {
  readonly secure: boolean
  readonly host: string
  readonly port: number
}

/**
 * Chooses the proxy for a destination; `undefined` means none. An `InvalidProxy` fails that connection.
 *
 * @category models
 * @since 0.1.0
 */
export type Policy = (destination: Destination) => Proxy | InvalidProxy | undefined

/**
 * Reports that a proxy URL is invalid.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidProxy extends Schema.TaggedError<InvalidProxy>("@effect-ws/client/InvalidProxy")("InvalidProxy", {
  /** Where the text comes from, such as `https_proxy`. */
  source: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `invalid proxy in ${this.source}: ${this.detail}`
  }
}

const kinds: ReadonlyMap<string, { readonly kind: Proxy["kind"]; readonly port: number }> = new Map([
  ["http:", { kind: "http", port: 80 }],
  ["https:", { kind: "https", port: 443 }],
  ["socks5:", { kind: "socks5", port: 1080 }],
  ["socks5h:", { kind: "socks5", port: 1080 }],
  ["socks:", { kind: "socks5", port: 1080 }]
])

/**
 * Parses the URL of a proxy, such as `http://user:password@proxy.example:3128` or `socks5://localhost`.
 *
 * **Details**
 *
 * Without a scheme the proxy is an HTTP proxy without TLS. Default ports: 80, 443 and 1080. A path is ignored. The
 * error names `source` and does not repeat the text, which may contain a password.
 *
 * @category constructors
 * @since 0.1.0
 */
export const parse = (
  text: string | Redacted.Redacted<string>,
  source: string = "the options"
): Result.Result<Proxy, InvalidProxy> => {
  const invalid = (detail: string): Result.Result<never, InvalidProxy> =>
    Result.fail(new InvalidProxy({ source, detail }))
  const value = (typeof text === "string" ? text : Redacted.value(text)).trim()
  let url: URL
  let username: string
  let secret: string
  try {
    url = new URL(/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(value) ? value : `http://${value}`)
    username = decodeURIComponent(url.username)
    secret = decodeURIComponent(url.password)
  } catch {
    return invalid("expected a URL such as http://host:3128 or socks5://user:password@host:1080")
  }
  const found = kinds.get(url.protocol)
  if (found === undefined)
    return invalid(`expected the scheme http, https or socks5, found ${url.protocol.slice(0, -1)}`)
  const host = url.hostname.startsWith("[") ? url.hostname.slice(1, -1) : url.hostname
  if (host === "") return invalid("expected a host")
  return Result.succeed({
    kind: found.kind,
    host,
    port: url.port === "" ? found.port : Number(url.port),
    credentials: username === "" && secret === "" ? undefined : password(username, secret)
  })
}

/**
 * The policy of clients whose options name no proxy. Default: no proxies.
 *
 * @category services
 * @since 0.1.0
 */
export const CurrentPolicy: Context.Reference<Policy> = Context.Reference<Policy>("@effect-ws/client/Proxy/Policy", {
  defaultValue: () => () => undefined
})

/**
 * Reads the proxy policy from the environment, with the variables of curl.
 *
 * **Details**
 *
 * For ws URLs, `ws_proxy` applies, then `http_proxy`. For wss URLs, `wss_proxy` applies, then `https_proxy`.
 * `all_proxy` applies where none of these is set. `no_proxy` lists hosts that the client connects to directly, see
 * `NoProxy`. A lower-case variable wins over the upper-case one; an empty variable counts as not set. `Config` reads
 * the variables. An invalid proxy fails only the connections that would use it.
 *
 * **Gotchas**
 *
 * `HTTP_PROXY` in upper case is ignored in a CGI script (a process with `REQUEST_METHOD`): there any client sets it
 * with the request header `Proxy`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromEnvironment: Effect.Effect<Policy, Config.ConfigError> = Effect.gen(function* () {
  const isCgi = Option.isSome(yield* Config.option(Config.String("REQUEST_METHOD")))
  const all = ["all_proxy", "ALL_PROXY"]
  const plain = yield* variable("ws_proxy", "WS_PROXY", "http_proxy", ...(isCgi ? [] : ["HTTP_PROXY"]), ...all)
  const secure = yield* variable("wss_proxy", "WSS_PROXY", "https_proxy", "HTTPS_PROXY", ...all)
  const excluded = NoProxy.parse(
    Option.getOrElse(
      yield* Config.option(Config.String("no_proxy").pipe(Config.orElse(() => Config.String("NO_PROXY")))),
      () => ""
    )
  )
  return (destination) => {
    const proxy = destination.secure ? secure : plain
    return proxy === undefined || NoProxy.matches(excluded, destination) ? undefined : proxy
  }
})

// Reads the proxy of the first variable that is set.
const variable = Effect.fnUntraced(function* (
  ...names: ReadonlyArray<string>
): Effect.fn.Return<Proxy | InvalidProxy | undefined, Config.ConfigError> {
  for (const name of names) {
    const value = yield* Config.option(Config.Redacted(name))
    if (Option.isNone(value) || Redacted.value(value.value).trim() === "") continue
    return Result.merge(parse(value.value, name))
  }
  return undefined
})

/**
 * Provides the policy of the environment.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerEnvironment: Layer.Layer<never, Config.ConfigError> = Layer.effect(CurrentPolicy, fromEnvironment)

/**
 * Opens a tunnel through a proxy.
 *
 * **Details**
 *
 * The socket lives in the Scope. The caller sets the timeout; `options` apply to the dial to the proxy. Each answer to
 * a 407 opens a new connection to the proxy.
 *
 * @category constructors
 * @since 0.1.0
 */
export const open = Effect.fnUntraced(function* (
  dialer: Dialer.Dialer["Service"],
  proxy: Proxy,
  destination: { readonly host: string; readonly port: number },
  options?: Dialer.DialOptions
): Effect.fn.Return<OpenSocket, Socket.SocketError | ProxyError, Scope.Scope> {
  const { credentials, sendCredentials } = proxy
  const auth = new AuthSession({
    credentials,
    schemes: proxy.authSchemes,
    preemptive: sendCredentials !== "on-challenge"
  })
  const outer = yield* Effect.scope
  while (true) {
    const scope = yield* Scope.fork(outer)
    const socket = yield* Scope.provide(reach(dialer, proxy, destination, options), scope)
    const tunnel =
      proxy.kind === "socks5"
        ? Effect.as(socksTunnel(socket, proxy, destination), "open" as const)
        : httpTunnel(socket, proxy, destination, auth)
    const outcome = yield* Effect.catchTag(tunnel, "SocketError", (error) =>
      Effect.fail(brokenOff(proxy, destination, error))
    )
    if (outcome === "open") return socket
    yield* Scope.close(scope, Exit.void)
  }
})

const brokenOff = (
  proxy: Proxy,
  destination: { readonly host: string; readonly port: number },
  cause: Socket.SocketError
): ProxyError =>
  proxyError(
    proxy,
    destination,
    "BrokenOff",
    // An orderly end carries a number where other failures carry text.
    `the proxy closed the connection without an answer${cause.reason._tag === "SocketCloseError" ? "" : `: ${describe(cause)}`}`,
    { cause }
  )

const reach = Effect.fnUntraced(function* (
  dialer: Dialer.Dialer["Service"],
  proxy: Proxy,
  destination: { readonly host: string; readonly port: number },
  options: Dialer.DialOptions | undefined
): Effect.fn.Return<OpenSocket, Socket.SocketError | ProxyError, Scope.Scope> {
  const socket = yield* openSocket(yield* dialer.dial({ host: proxy.host, port: proxy.port }, options))
  if (proxy.kind !== "https") return socket
  const { tls = {} } = proxy
  const servername = Dialer.serverName(tls.servername ?? proxy.host)
  return yield* Effect.as(
    Effect.mapError(startTls(socket, servername, tls), (error) =>
      proxyError(
        proxy,
        destination,
        "TlsFailed",
        `TLS with the proxy failed (server name ${servername}): ${describe(error)}`,
        { cause: error }
      )
    ),
    socket
  )
})

/**
 * Makes a dialer that connects through a proxy. Paths are dialled directly.
 *
 * **Details**
 *
 * When the proxy refuses, the dial fails with a `SocketOpenError` whose cause is the `ProxyError`. Dialling and opening
 * the tunnel together take at most `connectTimeout` (default: 10 seconds).
 *
 * @category constructors
 * @since 0.1.0
 */
export const dialer = (inner: Dialer.Dialer["Service"], proxy: Proxy): Dialer.Dialer["Service"] => ({
  dial: (address, options) => {
    if ("path" in address) return inner.dial(address, options)
    const name = Dialer.formatAddress(address)
    const opened = open(inner, proxy, Dialer.hostPort(address), options).pipe(
      Effect.catchTag("ProxyError", (error) => Effect.fail(namedOpenError(name, error))),
      Effect.timeoutOrElse({
        duration: Argument.duration("connectTimeout", options?.connectTimeout ?? "10 seconds"),
        orElse: () => Effect.fail(namedOpenError(name, new Error("timed out while opening a tunnel through the proxy")))
      })
    )
    return Effect.succeed(makeLazy(opened))
  }
})

/**
 * Provides a dialer that connects through a proxy.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (proxy: Proxy): Layer.Layer<Dialer.Dialer, never, Dialer.Dialer> =>
  Layer.effect(
    Dialer.Dialer,
    Effect.map(Dialer.Dialer, (inner) => dialer(inner, proxy))
  )
