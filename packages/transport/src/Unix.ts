/**
 * Unix domain sockets: a server at a file system path, and a dialer for such paths. The server removes a stale socket
 * file of a process that died. It never removes the file of a live server, or a file that is not a socket.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { SocketServer, SocketServerError } from "effect/socket/SocketServer"
import * as Fs from "node:fs"
import * as Net from "node:net"
import { formatAddress } from "./Dialer.ts"
import type { Dialer } from "./Dialer.ts"
import { defaultMaxPending } from "./internal/Acceptor.ts"
import { listenError, systemError } from "./internal/errors.ts"
import { makeNodeServer } from "./internal/nodeServer.ts"
import { duplexSettings } from "./internal/NodeDuplex.ts"
import type { NodeDuplexOptions } from "./NodeDuplex.ts"
import type { ProxyProtocolOptions } from "./ProxyProtocol.ts"
import type { PushSocketServer } from "./PushSocketServer.ts"
import * as Tcp from "./Tcp.ts"
import type { DialerOptions } from "./Tcp.ts"
import { integer } from "./internal/options.ts"

/**
 * Options of a server at a path.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerOptions extends NodeDuplexOptions {
  /**
   * Path of the socket file, about 100 bytes at most, depending on the system. On Linux `"\0name"` is an abstract
   * socket: it has no file, and every local process may connect.
   */
  readonly path: string
  /**
   * Permissions of the file, such as `0o660`; connecting requires write permission. They are set right after the file
   * is created: a directory with strict permissions protects that moment too. An abstract socket has no permissions, so
   * this option fails its Layer. Default: those of the process's umask.
   */
  readonly mode?: number | undefined
  /** Maximum connections that the system queues until the process accepts them. Default: 511. */
  readonly backlog?: number | undefined
  /** Maximum accepted connections that wait for `run` or `accept`; more are dropped. Default: 1024. */
  readonly maxPending?: number | undefined
  /**
   * Whether each connection starts with a PROXY protocol header, version 1 or 2, which carries the client's address. A
   * connection without a valid header is dropped. The options name the trusted peers. Default: false.
   */
  readonly proxyProtocol?: boolean | ProxyProtocolOptions | undefined
}

/**
 * Listens at a path or on an inherited descriptor.
 *
 * **Details**
 *
 * A socket file at the path is dialled first. When the connection is refused, the file is removed. When a server
 * accepts it, or the file is not a socket, the Layer fails with a `SocketServerError` that names the path. Closing the
 * Layer's Scope removes the file, except for that of an inherited descriptor.
 *
 * **Gotchas**
 *
 * When two processes find the same stale file at the same moment, both may remove it; the later one keeps the path.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerServer = (
  options: ServerOptions | Tcp.InheritedOptions
): Layer.Layer<SocketServer | PushSocketServer, SocketServerError> => {
  if ("fd" in options) return Tcp.layerServer(options)
  const name = formatAddress({ path: options.path })
  const cannotRestrict = options.mode !== undefined && options.path.startsWith("\0")
  return Layer.effectContext(
    Effect.andThen(
      cannotRestrict ? Effect.fail(listenError(name, noPermissions)) : clearStale(options.path),
      makeNodeServer({
        createServer: () => Net.createServer({ allowHalfOpen: true, pauseOnConnect: true }),
        listen: { path: options.path, backlog: integer("backlog", options.backlog ?? 511) },
        onListening: () => {
          if (options.mode !== undefined) Fs.chmodSync(options.path, options.mode)
        },
        name,
        maxPending: options.maxPending ?? defaultMaxPending,
        proxyProtocol: options.proxyProtocol,
        duplex: duplexSettings(options, true)
      })
    )
  )
}

/**
 * Listens as {@link layerServer} does, with options from `Config`, see `Tcp.layerServerConfig`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerServerConfig = (
  options: Config.Wrap<ServerOptions> | Config.Wrap<Tcp.InheritedOptions>
): Layer.Layer<SocketServer | PushSocketServer, SocketServerError | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap<ServerOptions | Tcp.InheritedOptions>(options), layerServer))

/**
 * Dials paths as Unix sockets, and host and port by TCP: the same as `Tcp.layerDialer`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDialer: (options?: DialerOptions) => Layer.Layer<Dialer> = Tcp.layerDialer

/**
 * Provides a server at a path and a dialer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: ServerOptions & DialerOptions
): Layer.Layer<SocketServer | PushSocketServer | Dialer, SocketServerError> =>
  Layer.merge(layerServer(options), layerDialer(options))

const noPermissions = new Error(
  "an abstract socket has no permissions, and every local process may connect: omit mode, or listen at a path of the " +
    "file system"
)

/** Removes a stale socket file; fails when the path is in use. */
const clearStale = (path: string): Effect.Effect<void, SocketServerError> =>
  Effect.suspend(() => {
    // Abstract sockets of Linux and pipes of Windows have no file, and end with their process.
    if (path.startsWith("\0") || process.platform === "win32") return Effect.void
    let found: Fs.Stats | undefined
    try {
      found = Fs.lstatSync(path, { throwIfNoEntry: false })
    } catch (cause) {
      return Effect.fail(listenError(path, cause))
    }
    if (found === undefined) return Effect.void
    if (!found.isSocket()) {
      return Effect.fail(listenError(path, systemError("EEXIST", "listen", "the file exists and is not a socket")))
    }
    return probe(path)
  })

const probe = (path: string): Effect.Effect<void, SocketServerError> =>
  Effect.callback((resume) => {
    const socket = Net.connect({ path })
    const fail = (cause: unknown): void => resume(Effect.fail(listenError(path, cause)))
    socket.once("connect", () => {
      socket.destroy()
      fail(systemError("EADDRINUSE", "listen", "another process already listens at this path"))
    })
    socket.once("error", (cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return resume(Effect.void)
      // Any other failure, such as a full backlog or missing permission, does not prove that the server is dead.
      if (cause.code !== "ECONNREFUSED") return fail(cause)
      try {
        Fs.rmSync(path, { force: true })
        resume(Effect.void)
      } catch (error) {
        fail(error)
      }
    })
    return Effect.sync(() => socket.destroy())
  })
