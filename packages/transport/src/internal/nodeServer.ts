/**
 * A listening socket of Node as a scoped pair of services: what Tcp, Unix and Tls have in common on the server's side.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Scope from "effect/Scope"
import type { SocketServer, SocketServerError } from "effect/socket/SocketServer"
import type * as Net from "node:net"
import { formatAddress } from "../Dialer.ts"
import type { InheritedOptions, ServerOptions } from "../Tcp.ts"
import { inetAddress, NodeDuplex } from "./NodeDuplex.ts"
import type { NodeDuplexSettings } from "./NodeDuplex.ts"
import type { Arrival, PushSocketServer } from "../PushSocketServer.ts"
import { Acceptor, makeServices } from "./Acceptor.ts"
import { listenError } from "./errors.ts"
import { integer } from "./options.ts"

export interface NodeServerOptions {
  readonly createServer: () => Net.Server
  /** What makes a connection of an accepted socket, where that takes time: the TLS handshake. Default: the socket is it. */
  readonly makeSecure?: (() => Secure) | undefined
  // Node's types do not know that it takes a descriptor.
  readonly listen: Net.ListenOptions | { readonly fd: number; readonly backlog: number }
  /** Runs when the server listens; what it throws fails the server. */
  readonly onListening?: (() => void) | undefined
  /** How messages name the address. */
  readonly name: string
  readonly maxPending: number
  readonly duplex: NodeDuplexSettings
}

/**
 * Does what comes between accepting a socket and handing it over. Calls `done` with the stream to hand over, or destroys
 * the socket.
 */
export type Secure = (raw: Net.Socket, done: (stream: Net.Socket) => void) => void

export const makeNodeServer = (
  options: NodeServerOptions
): Effect.Effect<Context.Context<SocketServer | PushSocketServer>, SocketServerError, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) =>
    Effect.suspend(() => {
      const acceptor = new Acceptor(options.maxPending)
      let server: Net.Server | undefined
      let stopped = false
      const stopAccepting = Effect.sync(() => {
        stopped = true
        // The port is free when this returns. Node's callback would come only after the last connection.
        if (server?.listening === true) server.close()
        acceptor.stop()
      })
      const listen = Effect.callback<NetAddress.SocketAddress, SocketServerError>((resume) => {
        const fail = (cause: unknown): void => resume(Effect.fail(listenError(options.name, cause)))
        try {
          server = options.createServer()
          const { duplex } = options
          const secure = options.makeSecure?.()
          server.on("connection", (raw: Net.Socket) => {
            if (secure === undefined) acceptor.offer(new NodeDuplex(raw, duplex))
            else securing(raw, secure, duplex, acceptor)
          })
          // Stays for good: a failed accept, as when descriptors run out, must not end the process.
          server.on("error", fail)
          server.listen(options.listen, () => {
            // Looking up the host may outlive the fiber that asked for it.
            if (stopped) return void server!.close()
            try {
              options.onListening?.()
              resume(Effect.succeed(boundAddress(server!)))
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

const securing = (raw: Net.Socket, secure: Secure, settings: NodeDuplexSettings, acceptor: Acceptor): void => {
  const arrival: Arrival = {
    get remoteAddress() {
      return inetAddress(raw.remoteAddress, raw.remotePort)
    },
    get hasSent() {
      return raw.bytesRead > 0
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
