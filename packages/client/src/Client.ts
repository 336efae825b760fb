/**
 * The WebSocket client: turns a URL into an open connection. It does what a browser or a command-line client does: it
 * dials, through a proxy or directly, starts TLS, follows redirects, answers authentication challenges, and reports
 * exactly what failed.
 *
 * The `Dialer` in the context opens the transport. It must dial without TLS, because the client starts TLS itself.
 * `layerDialer` provides TCP and Unix sockets; `Memory` provides an in-memory network for tests.
 *
 * @since 0.1.0
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as CloseError from "@effect-ws/protocol/CloseError"
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as StoppedClock from "@effect-ws/transport/StoppedClock"
import * as Tcp from "@effect-ws/transport/Tcp"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
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
import type { ClientOptions } from "./internal/ClientOptions.ts"

export type { ClientOptions } from "./internal/ClientOptions.ts"

export type { TlsOptions } from "./internal/TlsOptions.ts"

/**
 * Connects to a WebSocket server.
 *
 * **Details**
 *
 * The schemes are ws, wss, http, https, and `ws+unix:PATH:/TARGET`. User information in the URL serves as credentials
 * and is never part of the request target. The client offers the `Extensions` of the context. Each redirect and each
 * answer to a 401 opens a new TCP connection.
 *
 * The connection lives in the Scope. When the Scope closes, the client sends a close frame and waits at most
 * `closeTimeout` for the answer. The code is 1000 after success, the code of the error after a failure with a typed
 * close, and 1001 otherwise.
 *
 * **Gotchas**
 *
 * Interrupting the effect closes everything that it opened.
 *
 * **Example** (Sending a message and waiting for one)
 *
 * ```ts skip-type-checking
 * Effect.gen(function* () {
 *   const connection = yield* Client.connect("wss://echo.example/")
 *   yield* connection.send("hello")
 *   return yield* connection.receive
 * }).pipe(Effect.scoped, Effect.provide(Client.layerDialer()))
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
  const state = new ConnectState(target, options)
  const scope = yield* Effect.scope
  while (true) {
    const arrived = yield* inOwnScope(scope, connectOnce(state, options))
    if (arrived === "again") continue
    yield* debug(() => `Connected to ${Target.format(state.target)}`)
    return arrived
  }
})

// An attempt without a connection closes its socket at once. A connection closes in order when the outer Scope closes.
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
 * Options of a dialer for TCP and Unix sockets that tries all addresses of a name in parallel.
 *
 * @category models
 * @since 0.1.0
 */
export interface DialerOptions extends Tcp.DialerOptions, HappyEyeballs.Options {
  /** Maximum time of the lookup and all attempts together, unless the dial sets one. Default: 10 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
}

/**
 * Provides a `Dialer` for TCP and Unix sockets that tries all addresses of a name in parallel, shared HTTP/2 sessions,
 * and the proxy policy of the environment.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDialer = (options?: DialerOptions): Layer.Layer<Dialer, Config.ConfigError> =>
  Layer.merge(layerDirect(options), HttpProxy.layerEnvironment)

/**
 * Provides what {@link layerDialer} does, with options from `Config`: each option is a `Config`, or one `Config` gives
 * all of them.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDialerConfig = (options: Config.Wrap<DialerOptions>): Layer.Layer<Dialer, Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layerDialer))

/**
 * Provides a `Dialer` for TCP and Unix sockets that tries all addresses of a name in parallel, without proxies.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDirect = (options?: DialerOptions): Layer.Layer<Dialer> =>
  Layer.merge(Layer.provide(HappyEyeballs.layer(options), Tcp.layerDialer(options)), Http2Sessions.layer())
