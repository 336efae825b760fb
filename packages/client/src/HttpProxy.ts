/**
 * The way through a proxy: HTTP proxies by CONNECT (RFC 9110 9.3.6), over TLS or not, and SOCKS5 (RFC 1928, with the name and password of
 * RFC 1929). Which proxy to take is a policy; the usual one reads the usual environment variables, as curl does.
 *
 * Both kinds make a tunnel: what travels through it, TLS included, is between the client and the server. Names are
 * resolved by the proxy.
 *
 * @since 0.1.0
 */
import * as Argument from "@effect-ws/protocol/Argument"
import type { ClientCredentials } from "@effect-ws/protocol/ClientAuth"
import { password } from "@effect-ws/protocol/ClientAuth"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
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
import type { TlsOptions } from "./Client.ts"
import { AuthSession } from "./internal/AuthSession.ts"
import { namedOpenError } from "./internal/errors.ts"
import { httpTunnel } from "./internal/httpTunnel.ts"
import { makeLazy, openSocket } from "./internal/LazySocket.ts"
import type { OpenSocket } from "./internal/LazySocket.ts"
import { socksTunnel } from "./internal/socksTunnel.ts"
import { startTls } from "./internal/startTls.ts"
import * as NoProxy from "./NoProxy.ts"
import { ProxyError } from "./ProxyError.ts"

/**
 * A proxy.
 *
 * @category models
 * @since 0.1.0
 */
export interface Proxy {
  /** The protocol it speaks; `https` is HTTP over TLS. */
  readonly kind: "http" | "https" | "socks5"
  readonly host: string
  readonly port: number
  /** Who to say we are: a password or a token for HTTP, a password for SOCKS5. Never sent to a server. Default: nobody. */
  readonly credentials?: ClientCredentials | undefined
  /**
   * Whether credentials go with the first request to an HTTP proxy, a password as Basic, or only when it asks for them
   * with 407. Default: at once, as curl does.
   */
  readonly sendCredentials?: "preemptive" | "on-challenge" | undefined
  /** The schemes that an HTTP proxy may ask for; without Basic no password goes at once. Default: all three. */
  readonly authSchemes?: ReadonlyArray<"Basic" | "Digest" | "Bearer"> | undefined
  /** How to speak TLS with an `https` proxy. TLS with the server behind it is another matter. Default: as Node does. */
  readonly tls?: TlsOptions | undefined
}

/**
 * What a proxy is asked to connect to.
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
 * Chooses the proxy for a destination, or `undefined` for none. An `InvalidProxy` fails the connection that asked.
 *
 * @category models
 * @since 0.1.0
 */
export type Policy = (destination: Destination) => Proxy | InvalidProxy | undefined

/**
 * Reports that the text that should name a proxy does not.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidProxy extends Schema.TaggedError<InvalidProxy>("@effect-ws/client/InvalidProxy")("InvalidProxy", {
  /** Where the text stands, such as `https_proxy`. */
  source: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `the proxy of ${this.source} is invalid: ${this.detail}`
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
 * Parses a proxy, such as `http://user:password@proxy.example:3128` or `socks5://localhost`.
 *
 * **Details**
 *
 * Without a scheme it is an HTTP proxy without TLS. Default ports: 80, 443 and 1080. A path is ignored. `source` names the text in the
 * error, which does not repeat it: it may hold a password.
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
 * The policy that holds where the options of a client name no proxy. Default: no proxies.
 *
 * @category services
 * @since 0.1.0
 */
export const CurrentPolicy: Context.Reference<Policy> = Context.Reference<Policy>("@effect-ws/client/Proxy/Policy", {
  defaultValue: () => () => undefined
})

/**
 * Makes the policy that the environment asks for, as curl does.
 *
 * **Details**
 *
 * `ws_proxy` is for ws, and `http_proxy` where that is not set; `wss_proxy` and `https_proxy` are for wss; `all_proxy` is
 * for both where none of these is set; and `no_proxy` lists hosts that are reached directly, see `NoProxy`. The variable
 * in lower case wins over the one in capitals; an empty one counts as not set. Read through `Config`. A variable that names
 * no proxy fails the connections that would use it, and no others.
 *
 * **Gotchas**
 *
 * `HTTP_PROXY` in capitals is read only outside of CGI scripts, which are those that have a `REQUEST_METHOD`: there it is
 * the header `Proxy` of a request, which anybody may send.
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

// The proxy of the first variable that is set.
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
 * Makes the environment's policy the one that holds.
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
 * The Scope holds the socket. The time it may take is the caller's to bound; `options` are for the dial to the proxy.
 * Each answer to a 407 is a new connection to the proxy.
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
  const answers = new AuthSession({
    proof: credentials,
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
        : httpTunnel(socket, proxy, destination, answers)
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
  new ProxyError({
    rule: "BrokenOff",
    proxy: Dialer.formatAddress(proxy),
    destination: Dialer.formatAddress(destination),
    headers: HeaderFields.empty,
    // What a transport says of an end in order is a number.
    detail: `it closed the connection in place of an answer${cause.reason._tag === "SocketCloseError" ? "" : `: ${describe(cause)}`}`,
    cause
  })

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
    Effect.mapError(
      startTls(socket, servername, tls),
      (error) =>
        new ProxyError({
          rule: "TlsFailed",
          proxy: Dialer.formatAddress(proxy),
          destination: Dialer.formatAddress(destination),
          headers: HeaderFields.empty,
          detail: `no TLS with it as ${servername}: ${describe(error)}`,
          cause: error
        })
    ),
    socket
  )
})

/**
 * Makes a dialer whose connections go through a proxy. Paths are dialled directly.
 *
 * **Details**
 *
 * What a proxy refuses fails with a `SocketOpenError` whose cause is the `ProxyError`. Dialling and opening the tunnel
 * together take at most `connectTimeout`, 10 seconds by default.
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
        orElse: () => Effect.fail(namedOpenError(name, new Error(`no tunnel through the proxy in time`)))
      })
    )
    return Effect.succeed(makeLazy(opened))
  }
})

/**
 * Sends all connections of a dialer through a proxy.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (proxy: Proxy): Layer.Layer<Dialer.Dialer, never, Dialer.Dialer> =>
  Layer.effect(
    Dialer.Dialer,
    Effect.map(Dialer.Dialer, (inner) => dialer(inner, proxy))
  )
