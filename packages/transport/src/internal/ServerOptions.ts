/**
 * Options of servers over TCP and TLS.
 */
import type { Http2Options } from "../Http2.ts"
import type { NodeDuplexOptions } from "../NodeDuplex.ts"
import type { ProxyProtocolOptions } from "../ProxyProtocol.ts"

/**
 * Options of every listening server.
 *
 * @category models
 * @since 0.1.0
 */
export interface ListenOptions extends NodeDuplexOptions {
  /** Maximum connections that the system queues until the process accepts them. Default: 511. */
  readonly backlog?: number | undefined
  /** Whether small writes are sent at once (TCP_NODELAY). Default: true. */
  readonly noDelay?: boolean | undefined
  /**
   * Maximum accepted connections that wait for `run` or `accept`; more are reset. Also bounds pending TLS handshakes,
   * unless an `ArrivalListener` counts them. Default: 1024.
   */
  readonly maxPending?: number | undefined
  /**
   * Whether each connection starts with a PROXY protocol header, version 1 or 2, which carries the client's address. A
   * connection without a valid header is dropped. The options name the trusted peers. Default: false.
   *
   * On a port that others than the proxy can reach, set `trustedProxies`: the sender of the header chooses the address
   * that the connection seems to come from.
   */
  readonly proxyProtocol?: boolean | ProxyProtocolOptions | undefined
}

/**
 * Whether a server without TLS accepts HTTP/2.
 *
 * @category models
 * @since 0.1.0
 */
export interface PriorKnowledge {
  /**
   * Whether the port accepts HTTP/2 beside HTTP/1.1, and how. Without TLS, a client such as a proxy needs prior
   * knowledge of it. The first bytes of the client tell the two apart; a client that sends none within
   * `prefaceTimeout` is dropped. Default: false.
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
  /** Port to listen on; 0 takes a free one, see `SocketServer.address`. */
  readonly port: number
  /** Local address, or a name of it, to listen on. Default: "127.0.0.1", which only this machine reaches. */
  readonly host?: string | undefined
  /**
   * Whether several processes may listen on the port, each with a queue of its own. Default: false.
   *
   * Linux assigns connections to the queues before they are accepted, and resets the queue of a process that stops
   * listening. To restart without losing connections, share one descriptor instead.
   */
  readonly reusePort?: boolean | undefined
}

/**
 * Options of a server on a listening socket that another process opened and passed on by its descriptor.
 *
 * @category models
 * @since 0.1.0
 */
export interface InheritedOptions extends ListenOptions, PriorKnowledge {
  /** Number of the descriptor; see `ListenDescriptors` for those of systemd. */
  readonly fd: number
}
