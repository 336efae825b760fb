/**
 * Unix domain sockets: a server at a path of the file system, and a dialer for such paths. The care is in the file: one
 * left behind by a process that died is cleared away, one that somebody serves, or that is no socket, is not touched.
 *
 * @since 0.1.0
 */
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
   * The path of the socket file; about 100 bytes at most, which the system decides. On Linux `"\0name"` is an abstract
   * socket: it has no file, and every local process may connect.
   */
  readonly path: string
  /**
   * The permissions of the file, such as `0o660`; to connect takes the right to write. Default: what the process's umask
   * leaves. An abstract socket has none, so the Layer fails rather than ignore what it is told. They are set right after the file appears: a directory of tight permissions protects that moment too.
   */
  readonly mode?: number | undefined
  /** How many connections the system holds until the process accepts them. Default: 511. */
  readonly backlog?: number | undefined
  /** How many accepted connections wait for `run` or `accept`; what comes above that is dropped. Default: 1024. */
  readonly maxPending?: number | undefined
  /**
   * Whether each connection begins with a header of the PROXY protocol, version 1 or 2, which says whose it is. A
   * connection without a valid one is dropped. The options say which peers may send it. Default: false.
   */
  readonly proxyProtocol?: boolean | ProxyProtocolOptions | undefined
}

/**
 * Listens at a path, or on an inherited descriptor.
 *
 * **Details**
 *
 * A file at the path that is a socket is dialled first: if nobody answers, it is removed; if somebody does, or the file
 * is something else, the Layer fails with a `SocketServerError` that names the path. The file is removed when the Layer's
 * Scope closes. One behind a descriptor is left to whoever made it.
 *
 * **Gotchas**
 *
 * Two processes that find the same stale file at the same moment may both remove it: the later one wins the path.
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
 * Dials paths as Unix sockets. An address with host and port is dialled by TCP: it is `Tcp.layerDialer` itself.
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
  "an abstract socket has no permissions, so every local process may connect: omit mode, or listen at a path of the " +
    "file system"
)

/** Removes a socket file that nobody serves any more; fails where the path is taken. */
const clearStale = (path: string): Effect.Effect<void, SocketServerError> =>
  Effect.suspend(() => {
    // Abstract sockets of Linux and pipes of Windows are not in the file system, and go with their process.
    if (path.startsWith("\0") || process.platform === "win32") return Effect.void
    let found: Fs.Stats | undefined
    try {
      found = Fs.lstatSync(path, { throwIfNoEntry: false })
    } catch (cause) {
      return Effect.fail(listenError(path, cause))
    }
    if (found === undefined) return Effect.void
    if (!found.isSocket()) {
      return Effect.fail(listenError(path, systemError("EEXIST", "listen", "the file exists and is no socket")))
    }
    return probe(path)
  })

const probe = (path: string): Effect.Effect<void, SocketServerError> =>
  Effect.callback((resume) => {
    const socket = Net.connect({ path })
    const fail = (cause: unknown): void => resume(Effect.fail(listenError(path, cause)))
    socket.once("connect", () => {
      socket.destroy()
      fail(systemError("EADDRINUSE", "listen", "a live process listens there already"))
    })
    socket.once("error", (cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return resume(Effect.void)
      // Any other refusal, such as a full backlog or a lack of rights, is no proof of death.
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
