/**
 * A listening Node socket as a scoped pair of services: the common server side of Tcp, Unix and Tls.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Scope from "effect/Scope"
import type { SocketServer, SocketServerError } from "effect/socket/SocketServer"
import type * as Net from "node:net"
import { formatAddress } from "../Dialer.ts"
import type { InheritedOptions, ServerOptions } from "./ServerOptions.ts"
import { inetAddress, NodeDuplex } from "./NodeDuplex.ts"
import type { NodeDuplexSettings } from "./NodeDuplex.ts"
import type { ProxyProtocolOptions } from "../ProxyProtocol.ts"
import type { Arrival, PushSocketServer } from "../PushSocketServer.ts"
import { Acceptor, makeServices } from "./Acceptor.ts"
import { listenError } from "./errors.ts"
import { Http2Sessions } from "./http2Sessions.ts"
import type { Http2Settings } from "./http2Sessions.ts"
import { integer } from "./options.ts"
import { ProxyHeaders } from "./proxyHeaders.ts"
import type { Ends } from "./proxyHeaders.ts"

export interface NodeServerOptions {
  readonly createServer: () => Net.Server
  /**
   * Makes a connection from an accepted socket where that takes time, as with a TLS handshake. Default: the socket
   * itself.
   */
  readonly makeSecure?: ((onDropped: OnDropped) => Secure) | undefined
  // Node's types do not know that it takes a descriptor.
  readonly listen: Net.ListenOptions | { readonly fd: number; readonly backlog: number }
  /** Runs when the server listens; an exception fails the server. */
  readonly onListening?: (() => void) | undefined
  /** Name of the address in messages. */
  readonly name: string
  readonly maxPending: number
  /** Whether a PROXY protocol header comes first. */
  readonly proxyProtocol: boolean | ProxyProtocolOptions | undefined
  /** Settings of HTTP/2, for connections that begin with its preface. Default: no HTTP/2. */
  readonly http2?: Http2Settings | undefined
  readonly duplex: NodeDuplexSettings
}

/** Reports why a connection was dropped before it was passed on. */
export type OnDropped = (from: NetAddress.SocketAddress | undefined, why: string) => void

/**
 * Does what comes between accepting a socket and handing it over. Calls `done` with the stream to hand over, and
 * whether it is one of HTTP/2, or destroys the socket.
 */
export type Secure = (raw: Net.Socket, done: (stream: Net.Socket, isHttp2: boolean) => void) => void

export const makeNodeServer = (
  options: NodeServerOptions
): Effect.Effect<Context.Context<SocketServer | PushSocketServer>, SocketServerError, Scope.Scope> =>
  Effect.contextWith((context: Context.Context<Scope.Scope>) =>
    Effect.suspend(() => {
      const scope = Context.get(context, Scope.Scope)
      const acceptor = new Acceptor(options.maxPending)
      const runFork = Effect.runForkWith(context)
      const onDropped: OnDropped = (from, why) => {
        const peer = from === undefined ? "" : ` from ${formatAddress(from)}`
        runFork(Effect.logDebug(`Dropped a connection${peer} to ${options.name}: ${why}`))
      }
      let headers: ProxyHeaders | undefined
      const sessions = options.http2 && new Http2Sessions(options.http2, acceptor, onDropped)
      let server: Net.Server | undefined
      let stopped = false
      const stopAccepting = Effect.sync(() => {
        stopped = true
        // The port is free when this returns. Node's callback would come only after the last connection.
        if (server?.listening === true) server.close()
        headers?.stop()
        acceptor.stop()
        sessions?.stop()
      })
      const listen = Effect.callback<NetAddress.SocketAddress, SocketServerError>((resume) => {
        const fail = (cause: unknown): void => resume(Effect.fail(listenError(options.name, cause)))
        try {
          server = options.createServer()
          let { duplex } = options
          const secure = options.makeSecure?.(onDropped)
          headers = proxyHeadersOf(options, onDropped)
          server.on("connection", (raw: Net.Socket) => {
            if (headers === undefined && secure === undefined) return acceptor.offer(new NodeDuplex(raw, duplex))
            new Accepted(raw, duplex, acceptor, sessions).start(headers, secure)
          })
          // This listener stays: a failed accept, as when descriptors run out, must not end the process.
          server.on("error", fail)
          server.listen(options.listen, () => {
            // The lookup of the host may outlive the fiber that started it.
            if (stopped) return void server!.close()
            try {
              options.onListening?.()
              const address = boundAddress(server!)
              // Node does not know the local address of such connections.
              if (NetAddress.isUnixPathAddress(address)) duplex = { ...duplex, localAddress: address }
              resume(Effect.succeed(address))
            } catch (cause) {
              fail(cause)
            }
          })
        } catch (cause) {
          fail(cause)
        }
      })
      return Effect.as(Scope.addFinalizer(scope, stopAccepting), listen).pipe(
        Effect.flatten,
        Effect.map((address) => makeServices(acceptor, address, stopAccepting))
      )
    })
  )

const proxyHeadersOf = (
  { maxPending, proxyProtocol }: NodeServerOptions,
  onDropped: OnDropped
): ProxyHeaders | undefined =>
  proxyProtocol === undefined || proxyProtocol === false
    ? undefined
    : new ProxyHeaders({ ...(proxyProtocol === true ? undefined : proxyProtocol), maxPending, onDropped })

const endsOf = (raw: Net.Socket, { localAddress, remoteAddress }: NodeDuplexSettings): Ends => ({
  remoteAddress: remoteAddress ?? inetAddress(raw.remoteAddress, raw.remotePort),
  localAddress: localAddress ?? inetAddress(raw.localAddress, raw.localPort)
})

/** A connection between accept and hand-over: first its PROXY header, then its TLS handshake. */
class Accepted implements Arrival {
  private readonly raw: Net.Socket
  private readonly acceptor: Acceptor
  private readonly sessions: Http2Sessions | undefined
  private settings: NodeDuplexSettings
  // Length of the PROXY header, once it was read.
  private headerLength: number | undefined = undefined

  constructor(raw: Net.Socket, settings: NodeDuplexSettings, acceptor: Acceptor, sessions: Http2Sessions | undefined) {
    this.raw = raw
    this.sessions = sessions
    this.settings = settings
    this.acceptor = acceptor
  }

  get remoteAddress(): NetAddress.SocketAddress | undefined {
    return this.headerLength === undefined ? undefined : endsOf(this.raw, this.settings).remoteAddress
  }

  get hasSent(): boolean {
    return this.headerLength !== undefined && this.raw.bytesRead > this.headerLength
  }

  start(headers: ProxyHeaders | undefined, secure: Secure | undefined): void {
    const { acceptor, raw } = this
    if (headers === undefined) this.headerLength = 0
    raw.once("close", this.onClose)
    acceptor.arrive(this)
    if (raw.destroyed) return
    if (headers === undefined) return this.secure(secure)
    headers.read(raw, endsOf(raw, this.settings), ({ endpoints, length }) => {
      this.headerLength = length
      if (endpoints !== undefined) {
        this.settings = { ...this.settings, remoteAddress: endpoints.source, localAddress: endpoints.destination }
      }
      acceptor.identify(this)
      if (!raw.destroyed) this.secure(secure)
    })
  }

  drop(): void {
    this.raw.off("close", this.onClose)
    this.acceptor.forget(this)
    this.raw.destroy()
  }

  private secure(secure: Secure | undefined): void {
    if (secure === undefined) this.handOver(this.raw, false)
    else secure(this.raw, (stream, isHttp2) => this.handOver(stream, isHttp2))
  }

  private handOver(stream: Net.Socket, isHttp2: boolean): void {
    this.raw.off("close", this.onClose)
    if (isHttp2 && this.sessions !== undefined) {
      return this.sessions.start(stream, endsOf(this.raw, this.settings), this.settings, this)
    }
    this.acceptor.offer(new NodeDuplex(stream, this.settings), this)
  }

  private readonly onClose = (): void => this.acceptor.depart(this)
}

/** Returns the address or descriptor to listen on. */
export const listening = (options: ServerOptions | InheritedOptions): Pick<NodeServerOptions, "listen" | "name"> => {
  const backlog = integer("backlog", options.backlog ?? 511)
  if ("fd" in options) return { listen: { fd: options.fd, backlog }, name: `descriptor ${options.fd}` }
  const { host = "127.0.0.1", port } = options
  return {
    listen: { port, host, backlog, reusePort: options.reusePort ?? false },
    name: formatAddress({ host, port })
  }
}

/** Returns the address of a listening server. */
export const boundAddress = (server: Net.Server): NetAddress.SocketAddress => {
  const address = server.address()
  if (address === null || typeof address === "string") return NetAddress.unixPathAddress(address ?? "")
  return NetAddress.inetAddressFromNativeUnsafe(address.address, address.port)
}
