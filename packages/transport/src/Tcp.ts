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
import type { ProxyProtocolOptions } from "./ProxyProtocol.ts"
import type { PushSocketServer } from "./PushSocketServer.ts"

/**
 * What a server may be told, wherever it listens.
 *
 * @category models
 * @since 0.1.0
 */
export interface ListenOptions extends NodeDuplexOptions {
  /** How many connections the system holds until the process accepts them. Default: 511. */
  readonly backlog?: number | undefined
  /** Whether small writes leave at once (TCP_NODELAY). Default: true. */
  readonly noDelay?: boolean | undefined
  /**
   * How many accepted connections wait for `run` or `accept`; what comes above that is reset. With TLS, handshakes under
   * way that nobody counts are bounded by the same number. Default: 1024.
   */
  readonly maxPending?: number | undefined
  /**
   * Whether each connection begins with a header of the PROXY protocol, version 1 or 2, which says whose it is. A
   * connection without a valid one is dropped. The options say which peers may send it. Default: false.
   *
   * On a port that others can reach than the proxy, name the proxy in `trustedProxies`: whoever sends the header chooses
   * the address that the connection seems to come from.
   */
  readonly proxyProtocol?: boolean | ProxyProtocolOptions | undefined
}

/**
 * Whether a server without TLS speaks HTTP/2.
 *
 * @category models
 * @since 0.1.0
 */
export interface PriorKnowledge {
  /**
   * Whether the port takes HTTP/2 beside HTTP/1.1, and how. Without TLS a client has to know it beforehand, as a proxy
   * does that is told so; what it sends first tells the two apart, and a client that sends nothing for 10 seconds is
   * dropped. Default: false.
   */
  readonly http2?: boolean | Http2Options | undefined
}

/**
 * Options of a TCP server.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerOptions extends ListenOptions, PriorKnowledge {
  /** The port to listen on; 0 takes a free one, see `SocketServer.address`. */
  readonly port: number
  /** The address, or name of one of our addresses, to listen on. Default: "127.0.0.1", which only this machine reaches. */
  readonly host?: string | undefined
  /**
   * Whether several processes may listen on the port, each with a queue of its own. Default: false.
   *
   * Linux deals connections out to the queues before anybody accepts them, and resets what waits in the queue of a
   * process that stops listening: for a restart that loses nobody, share one descriptor in place of it.
   */
  readonly reusePort?: boolean | undefined
}

/**
 * Options of a server on a listening socket that somebody else opened, and gave to this process by its descriptor.
 *
 * @category models
 * @since 0.1.0
 */
export interface InheritedOptions extends ListenOptions, PriorKnowledge {
  /** The number of the descriptor, see `ListenDescriptors` for those of systemd. */
  readonly fd: number
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
 * Listens on a TCP port, or on an inherited descriptor.
 *
 * **Details**
 *
 * It listens from the moment the Layer is built: connections that arrive before `run` or `accept` wait. A port in use,
 * or not ours to take, fails with a `SocketServerError` that names host and port. Closing the Layer's Scope frees the
 * port; open connections belong to those who took them.
 *
 * All processes that have one descriptor share one queue of connections that wait. It lives until the last of them has
 * closed it, so a successor takes what its predecessor has not, and nobody who connects meanwhile is refused.
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

const withHttp2 = (http2: boolean | Http2Options | undefined): Pick<NodeServerOptions, "http2" | "makeSecure"> =>
  http2 === undefined || http2 === false
    ? {}
    : {
        http2: http2Settings(http2 === true ? {} : http2),
        makeSecure: (onDropped) => detectPreface(10_000, onDropped)
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
