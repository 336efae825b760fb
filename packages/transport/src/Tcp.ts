/**
 * The TCP transport: listens on a port, and dials hosts and ports. Its Layers provide Effect's `SocketServer`, a
 * `PushSocketServer` on the same port, and the `Dialer`. `Memory` has the same names, for tests.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { SocketServer, SocketServerError } from "effect/socket/SocketServer"
import * as Net from "node:net"
import { Dialer } from "./Dialer.ts"
import { defaultMaxPending } from "./internal/Acceptor.ts"
import { makePlainDialer } from "./internal/dial.ts"
import type { Http2Options } from "./Http2.ts"
import { http2Settings } from "./internal/http2Sessions.ts"
import { listening, makeNodeServer } from "./internal/nodeServer.ts"
import type { NodeServerOptions } from "./internal/nodeServer.ts"
import { duplexSettings } from "./internal/NodeDuplex.ts"
import { detectPreface } from "./internal/preface.ts"
import type { NodeDuplexOptions } from "./NodeDuplex.ts"
import type { PushSocketServer } from "./PushSocketServer.ts"
import type { InheritedOptions, ServerOptions } from "./internal/ServerOptions.ts"

export type { InheritedOptions, ListenOptions, PriorKnowledge, ServerOptions } from "./internal/ServerOptions.ts"

/**
 * Options of a TCP dialer.
 *
 * @category models
 * @since 0.1.0
 */
export interface DialerOptions extends NodeDuplexOptions {
  /** Maximum time to connect, name lookup included. Default: 10 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /** Whether small writes are sent at once (TCP_NODELAY). Default: true. */
  readonly noDelay?: boolean | undefined
}

/**
 * Listens on a TCP port or on an inherited descriptor.
 *
 * **Details**
 *
 * The server listens as soon as the Layer is built; connections that arrive before `run` or `accept` wait. A port that
 * is in use or not permitted fails with a `SocketServerError` that names host and port. Closing the Layer's Scope frees
 * the port; open connections belong to the code that accepted them.
 *
 * All processes with the same descriptor share one queue of pending connections. It exists until the last of them
 * closes the descriptor, so a successor takes the remaining connections, and no client is refused during a restart.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerServer = (
  options: ServerOptions | InheritedOptions
): Layer.Layer<SocketServer | PushSocketServer, SocketServerError> =>
  Layer.effectContext(
    makeNodeServer({
      createServer: () =>
        Net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: options.noDelay ?? true }),
      ...withHttp2(options.http2),
      ...listening(options),
      maxPending: options.maxPending ?? defaultMaxPending,
      proxyProtocol: options.proxyProtocol,
      duplex: duplexSettings(options, true)
    })
  )

/**
 * Listens as {@link layerServer} does, with options from `Config`: each option is a `Config`, or one `Config` gives all
 * of them.
 *
 * **Details**
 *
 * The Layer reads the configuration when it is built, before it listens. A value that is missing or invalid fails with
 * a `ConfigError` that names its key.
 *
 * **Example** (A port and a host from the environment)
 *
 * ```ts skip-type-checking
 * Tcp.layerServerConfig({
 *   port: Config.Port("PORT"),
 *   host: Config.String("HOST").pipe(Config.withDefault("127.0.0.1"))
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerServerConfig = (
  options: Config.Wrap<ServerOptions> | Config.Wrap<InheritedOptions>
): Layer.Layer<SocketServer | PushSocketServer, SocketServerError | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap<ServerOptions | InheritedOptions>(options), layerServer))

const withHttp2 = (
  http2: boolean | Http2Options | undefined
): Pick<NodeServerOptions, "http2" | "makeSecure"> | undefined => {
  if (http2 === undefined || http2 === false) return undefined
  const settings = http2Settings(http2 === true ? {} : http2)
  return { http2: settings, makeSecure: (onDropped) => detectPreface(settings.prefaceTimeout, onDropped) }
}

/**
 * Dials by TCP. A path is dialled as a Unix socket.
 *
 * **Details**
 *
 * The addresses of a name are tried one after the other, IPv6 and IPv4 in turn (RFC 8305). The reader's `upgrade`
 * starts TLS on the open connection, for `wss:` or after a proxy's response.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDialer = (options?: DialerOptions): Layer.Layer<Dialer> =>
  Layer.succeed(Dialer, makePlainDialer(options ?? {}))

/**
 * Provides a TCP server and a dialer: the real network for a program that runs on `Memory.layer` in tests.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: ServerOptions & DialerOptions
): Layer.Layer<SocketServer | PushSocketServer | Dialer, SocketServerError> =>
  Layer.merge(layerServer(options), layerDialer(options))
