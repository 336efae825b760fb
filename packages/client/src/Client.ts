/**
 * A WebSocket client: from a URL to an open connection, with everything on the way that a browser or a command line does
 * without being asked. It dials, through a proxy or not, speaks TLS, follows redirects, answers a server that asks who
 * is there, and says exactly what went wrong where something does.
 *
 * What dials is the `Dialer` in the context, which must be a plain one: TLS is begun by the client itself. `layer` is the
 * usual network; `Memory` serves tests.
 *
 * @since 0.1.0
 */
import type * as Connect from "@effect-ws/connection/Connect"
import type { Connection } from "@effect-ws/connection/Connection"
import type * as ClientAuth from "@effect-ws/protocol/ClientAuth"
import * as CloseError from "@effect-ws/protocol/CloseError"
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as StoppedClock from "@effect-ws/transport/StoppedClock"
import * as Tcp from "@effect-ws/transport/Tcp"
import type * as Tls from "@effect-ws/transport/Tls"
import * as Cause from "effect/Cause"
import type { ConfigError } from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type { ConnectError } from "./ConnectError.ts"
import * as HappyEyeballs from "./HappyEyeballs.ts"
import * as Http2Sessions from "./Http2Sessions.ts"
import { connectOnce } from "./internal/connectOnce.ts"
import { debug } from "./internal/debug.ts"
import { ConnectState } from "./internal/ConnectState.ts"
import * as HttpProxy from "./HttpProxy.ts"
import * as Target from "./Target.ts"

/**
 * How to speak TLS.
 *
 * @category models
 * @since 0.1.0
 */
export interface TlsOptions {
  /** The authorities trusted to vouch for servers. Default: those that Node trusts. */
  readonly ca?: Tls.Pem | ReadonlyArray<Tls.Pem> | undefined
  /**
   * What to show to a server that demands a certificate. Not shown to another origin after a redirect. Default: nothing.
   */
  readonly identity?: Tls.Identity | undefined
  /**
   * The name to ask for, and to find in the server's certificate. Not used for another origin after a redirect. Default:
   * the URL's host, `localhost` for a Unix socket.
   */
  readonly servername?: string | undefined
  /** Verifies the server's certificate. `false` is insecure, and for tests only. Default: true. */
  readonly rejectUnauthorized?: boolean | undefined
}

/**
 * What a client may be told, beside what holds for its handshake and connection.
 *
 * **Details**
 *
 * `headers`, `credentials` and `tls.identity` are for the origin of the URL: after a redirect to another origin they are
 * not sent, and neither are they after a redirect back.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientOptions extends Connect.ConnectOptions {
  /** The path of a Unix socket to dial in place of the URL's host. Default: none. */
  readonly socketPath?: string | undefined
  /** How to speak TLS. Default: as Node does. */
  readonly tls?: TlsOptions | undefined
  /**
   * Which HTTP the handshake is done in. `"2"` makes the connection a stream of a session of HTTP/2 (RFC 8441), shared with
   * others to the same origin, see `Http2Sessions`; without TLS the server must be known to speak it. `"auto"` does so
   * where TLS is used and the server takes it, and falls back to HTTP/1.1, at the cost of a second dial where a server
   * speaks HTTP/2 and takes no WebSockets on it. Default: `"1.1"`, since few servers take it, and one connection more is
   * what most programs want.
   */
  readonly http?: "1.1" | "2" | "auto" | undefined
  /** How long dialling, a proxy's tunnel and TLS may take together, for each attempt. Default: 10 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /** The most redirects to follow; 0 follows none, and a redirect is an unexpected response. Default: 10. */
  readonly maxRedirects?: number | undefined
  /**
   * Who to say we are: `ClientAuth.password` for Basic and Digest, `ClientAuth.token` for Bearer. Default: the user
   * information of the URL, if any.
   */
  readonly credentials?: ClientAuth.ClientCredentials | undefined
  /**
   * Whether credentials go with the first request, a password as Basic, or only when the server asks for them with 401.
   * Default: a password when asked, a token at once.
   */
  readonly sendCredentials?: "preemptive" | "on-challenge" | undefined
  /** The schemes that a server may ask for. Default: all three. */
  readonly authSchemes?: ReadonlyArray<"Basic" | "Digest" | "Bearer"> | undefined
  /** The proxy to go through, or `"none"`. Default: as `Proxy.CurrentPolicy` says, which is none. */
  readonly proxy?: HttpProxy.Proxy | "none" | undefined
  /** The most bytes of an unexpected response's body that its error shows. Default: 64 KiB. */
  readonly maxBodyBytes?: number | undefined
  /** How long to wait for that body. Default: 2 seconds. */
  readonly bodyTimeout?: Duration.Input | undefined
}

/**
 * Connects to a WebSocket server.
 *
 * **Details**
 *
 * The schemes are ws, wss, http, https, and `ws+unix:PATH:/TARGET`; user information in the URL is used as credentials and
 * goes nowhere else. Extensions are those of the `Extensions` in the context. Each redirect and each answer to a 401 is a
 * new TCP connection.
 *
 * The Scope holds the connection. When it closes, so does the connection, with a close frame and a wait of at most
 * `closeTimeout`: with 1000 after success, with the code of a typed close after a failure with one, else with 1001.
 *
 * **Gotchas**
 *
 * Interruption of the connect leaves nothing behind.
 *
 * **Example** (Sending a message and waiting for one)
 *
 * ```ts skip-type-checking
 * Effect.gen(function* () {
 *   const connection = yield* Client.connect("wss://echo.example/")
 *   yield* connection.send("hello")
 *   return yield* connection.receive
 * }).pipe(Effect.scoped, Effect.provide(Client.layer()))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const connect = Effect.fnUntraced(function* (
  url: string | URL,
  options: ClientOptions = {}
): Effect.fn.Return<Connection, ConnectError, Dialer | Scope.Scope> {
  const target = yield* Effect.fromResult(Target.make(url, options.socketPath))
  const journey = new ConnectState(target, options)
  const scope = yield* Effect.scope
  while (true) {
    const arrived = yield* inOwnScope(scope, connectOnce(journey, options))
    if (arrived === "again") continue
    yield* debug(() => `Connected to ${Target.format(journey.target)}`)
    return arrived
  }
})

// An attempt's socket is closed at once unless a connection came of it; then it is left in order when the outer Scope is.
const inOwnScope = <R>(
  outer: Scope.Scope,
  effect: Effect.Effect<Connection | "again", ConnectError, R | Scope.Scope>
): Effect.Effect<Connection | "again", ConnectError, Exclude<R, Scope.Scope>> =>
  Effect.uninterruptibleMask((restore) => {
    const scope = Scope.forkUnsafe(outer)
    return Effect.flatMap(Effect.exit(restore(Scope.provide(effect, scope))), (exit) => {
      if (Exit.isFailure(exit) || exit.value === "again") return Effect.andThen(Scope.close(scope, exit), exit)
      const { value } = exit
      return Effect.andThen(
        Scope.addFinalizerExit(scope, (exit) => leave(value, exit)),
        exit
      )
    })
  })

const leave = (connection: Connection, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> => {
  const close = (code: number, reason?: string): Effect.Effect<void> =>
    StoppedClock.orElse(
      Effect.ignore(connection.close(code, reason)),
      connection.abort("the virtual clock stopped before the server answered the close frame")
    )
  if (Exit.isSuccess(exit)) return close(1000)
  const error = Cause.findError(exit.cause)
  return Result.isSuccess(error) && CloseError.isCloseError(error.success) && CloseError.isSendable(error.success)
    ? close(error.success.code, error.success.reason)
    : close(1001)
}

/**
 * Provides the usual network: TCP and Unix sockets, all addresses of a name in parallel, shared sessions of HTTP/2, and
 * proxies as the environment asks for.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDialer = (options?: Tcp.DialerOptions & HappyEyeballs.Options): Layer.Layer<Dialer, ConfigError> =>
  Layer.merge(layerDirect(options), HttpProxy.layerEnvironment)

/**
 * Provides the network without proxies: TCP and Unix sockets, all addresses of a name in parallel.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDirect = (options?: Tcp.DialerOptions & HappyEyeballs.Options): Layer.Layer<Dialer> =>
  Layer.merge(Layer.provide(HappyEyeballs.layer(options), Tcp.layerDialer(options)), Http2Sessions.layer())
