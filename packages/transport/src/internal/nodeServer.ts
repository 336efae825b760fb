/**
 * A listening socket of Node as a scoped pair of services: what Tcp, Unix and Tls have in common on the server's side.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Scope from "effect/Scope"
import type { SocketServer, SocketServerError } from "effect/socket/SocketServer"
import type * as Net from "node:net"
import { formatAddress } from "../Dialer.ts"
import type { InheritedOptions, ServerOptions } from "../Tcp.ts"
import { inetAddress, NodeDuplex } from "./NodeDuplex.ts"
import type { NodeDuplexSettings } from "./NodeDuplex.ts"
import type { ProxyProtocolOptions } from "../ProxyProtocol.ts"
import type { Arrival, PushSocketServer } from "../PushSocketServer.ts"
import { Acceptor, makeServices } from "./Acceptor.ts"
import { listenError } from "./errors.ts"
import { integer } from "./options.ts"
import { ProxyHeaders } from "./proxyHeaders.ts"
import type { Ends } from "./proxyHeaders.ts"

export interface NodeServerOptions {
  readonly createServer: () => Net.Server
  /** What makes a connection of an accepted socket, where that takes time: the TLS handshake. Default: the socket is it. */
  readonly makeSecure?: ((onDropped: OnDropped) => Secure) | undefined
  // Node's types do not know that it takes a descriptor.
  readonly listen: Net.ListenOptions | { readonly fd: number; readonly backlog: number }
  /** Runs when the server listens; what it throws fails the server. */
  readonly onListening?: (() => void) | undefined
  /** How messages name the address. */
  readonly name: string
  readonly maxPending: number
  /** Whether the header of the PROXY protocol comes first. */
  readonly proxyProtocol: boolean | ProxyProtocolOptions | undefined
  readonly duplex: NodeDuplexSettings
}

/** Hears why a connection was dropped before it was handed over. */
export type OnDropped = (from: NetAddress.SocketAddress | undefined, why: string) => void

/**
 * Does what comes between accepting a socket and handing it over. Calls `done` with the stream to hand over, or destroys
 * the socket.
 */
export type Secure = (raw: Net.Socket, done: (stream: Net.Socket) => void) => void

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
      let server: Net.Server | undefined
      let stopped = false
      const stopAccepting = Effect.sync(() => {
        stopped = true
        // The port is free when this returns. Node's callback would come only after the last connection.
        if (server?.listening === true) server.close()
        headers?.stop()
        acceptor.stop()
      })
      const listen = Effect.callback<NetAddress.SocketAddress, SocketServerError>((resume) => {
        const fail = (cause: unknown): void => resume(Effect.fail(listenError(options.name, cause)))
        try {
          server = options.createServer()
          let { duplex } = options
          const secure = options.makeSecure?.(onDropped)
          headers = proxyHeadersOf(options, onDropped)
          const accepted = (raw: Net.Socket, settings: NodeDuplexSettings, headerLength: number): void => {
            if (secure === undefined) acceptor.offer(new NodeDuplex(raw, settings))
            else securing(raw, secure, settings, headerLength, acceptor)
          }
          server.on("connection", (raw: Net.Socket) => {
            if (headers === undefined) return accepted(raw, duplex, 0)
            headers.read(raw, endsOf(raw, duplex), ({ endpoints, length }) => {
              const settings =
                endpoints === undefined
                  ? duplex
                  : { ...duplex, remoteAddress: endpoints.source, localAddress: endpoints.destination }
              accepted(raw, settings, length)
            })
          })
          // Stays for good: a failed accept, as when descriptors run out, must not end the process.
          server.on("error", fail)
          server.listen(options.listen, () => {
            // Looking up the host may outlive the fiber that asked for it.
            if (stopped) return void server!.close()
            try {
              options.onListening?.()
              const address = boundAddress(server!)
              // Node does not know it of the connections.
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

const securing = (
  raw: Net.Socket,
  secure: Secure,
  settings: NodeDuplexSettings,
  headerLength: number,
  acceptor: Acceptor
): void => {
  const arrival: Arrival = {
    get remoteAddress() {
      return endsOf(raw, settings).remoteAddress
    },
    get hasSent() {
      return raw.bytesRead > headerLength
    },
    drop: () => {
      raw.off("close", onClose)
      acceptor.forget(arrival)
      raw.destroy()
    }
  }
  const onClose = (): void => acceptor.depart(arrival)
  raw.once("close", onClose)
  acceptor.arrive(arrival)
  if (raw.destroyed) return
  secure(raw, (stream) => {
    raw.off("close", onClose)
    acceptor.offer(new NodeDuplex(stream, settings), arrival)
  })
}

/** What a server on a port, or on a descriptor, is to listen on. */
export const listening = (options: ServerOptions | InheritedOptions): Pick<NodeServerOptions, "listen" | "name"> => {
  const backlog = integer("backlog", options.backlog ?? 511)
  if ("fd" in options) return { listen: { fd: options.fd, backlog }, name: `descriptor ${options.fd}` }
  const { host = "127.0.0.1", port } = options
  return {
    listen: { port, host, backlog, reusePort: options.reusePort ?? false },
    name: formatAddress({ host, port })
  }
}

/** Where a server listens. */
export const boundAddress = (server: Net.Server): NetAddress.SocketAddress => {
  const address = server.address()
  if (address === null || typeof address === "string") return NetAddress.unixPathAddress(address ?? "")
  return NetAddress.inetAddressFromNativeUnsafe(address.address, address.port)
}
