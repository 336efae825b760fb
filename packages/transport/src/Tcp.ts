/**
 * The plain network: listens on a TCP port, and dials hosts and ports. The Layers provide Effect's `SocketServer`, our
 * `PushSocketServer` over the same port, and the `Dialer`; `Memory` has the same names, for tests.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import type { SocketServer, SocketServerError } from "effect/socket/SocketServer"
import * as Net from "node:net"
import { Dialer, formatAddress } from "./Dialer.ts"
import { defaultMaxPending } from "./internal/Acceptor.ts"
import { makePlainDialer } from "./internal/dial.ts"
import { makeNodeServer } from "./internal/nodeServer.ts"
import { duplexSettings } from "./internal/NodeDuplex.ts"
import type { NodeDuplexOptions } from "./NodeDuplex.ts"
import type { PushSocketServer } from "./PushSocketServer.ts"

/**
 * Options of a TCP server.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerOptions extends NodeDuplexOptions {
  /** The port to listen on; 0 takes a free one, see `SocketServer.address`. */
  readonly port: number
  /** The address, or name of one of our addresses, to listen on. Default: "127.0.0.1", which only this machine reaches. */
  readonly host?: string | undefined
  /** How many connections the system holds until the process accepts them. Default: 511. */
  readonly backlog?: number | undefined
  /** Whether several processes may listen on the port and share its connections. Default: false. */
  readonly reusePort?: boolean | undefined
  /** Whether small writes leave at once (TCP_NODELAY). Default: true. */
  readonly noDelay?: boolean | undefined
  /** How many accepted connections wait for `run` or `accept`; what comes above that is reset. Default: 1024. */
  readonly maxPending?: number | undefined
}

/**
 * Options of a TCP dialer.
 *
 * @category models
 * @since 0.1.0
 */
export interface DialerOptions extends NodeDuplexOptions {
  /** How long connecting may take, name lookup included. Default: 10 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /** Whether small writes leave at once (TCP_NODELAY). Default: true. */
  readonly noDelay?: boolean | undefined
}

/**
 * Listens on a TCP port.
 *
 * **Details**
 *
 * It listens from the moment the Layer is built: connections that arrive before `run` or `accept` wait. A port in use,
 * or not ours to take, fails with a `SocketServerError` that names host and port. Closing the Layer's Scope frees the
 * port; open connections belong to those who took them.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerServer = (
  options: ServerOptions
): Layer.Layer<SocketServer | PushSocketServer, SocketServerError> => {
  const host = options.host ?? "127.0.0.1"
  return Layer.effectContext(
    makeNodeServer({
      createServer: () =>
        Net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: options.noDelay ?? true }),
      event: "connection",
      listen: {
        port: options.port,
        host,
        backlog: options.backlog ?? 511,
        reusePort: options.reusePort ?? false
      },
      name: formatAddress({ host, port: options.port }),
      maxPending: options.maxPending ?? defaultMaxPending,
      duplex: duplexSettings(options, true)
    })
  )
}

/**
 * Dials by TCP. An address that is a path is dialled as a Unix socket.
 *
 * **Details**
 *
 * A name that has several addresses is tried address by address, IPv6 and IPv4 in turn (RFC 8305). The reader's
 * `upgrade` starts TLS on the open connection, for `wss:` or after a proxy's answer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDialer = (options?: DialerOptions): Layer.Layer<Dialer> =>
  Layer.succeed(Dialer, makePlainDialer(options ?? {}))

/**
 * Provides a TCP server and a dialer: what `Memory.layer` provides, for the same program over the real network.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: ServerOptions & DialerOptions
): Layer.Layer<SocketServer | PushSocketServer | Dialer, SocketServerError> =>
  Layer.merge(layerServer(options), layerDialer(options))
