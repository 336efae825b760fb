/**
 * Dialled sockets, which connect each time their reader is acquired. The first part is common to all transports, the
 * second to those of Node.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as NetAddress from "effect/net/NetAddress"
import * as Net from "node:net"
import { formatAddress, hostPort } from "../Dialer.ts"
import type { Dialer } from "../Dialer.ts"
import { duplexSettings, NodeDuplex } from "./NodeDuplex.ts"
import type { NodeDuplexSettings } from "./NodeDuplex.ts"
import type { NodeDuplexOptions } from "./NodeDuplexOptions.ts"
import { PeerTypeId, PushTypeId } from "../Push.ts"
import type { PeerInfo, PushSocket, PushWriter } from "../Push.ts"
import { openError, openTimeout } from "./errors.ts"
import { millis } from "./options.ts"

/** Default maximum time to connect. */
export const defaultConnectTimeout: Duration.Input = "10 seconds"

/** Makes a socket from an effect that connects. Closing the effect's Scope must close the connection. */
export const makeDialed = (connect: Effect.Effect<PushSocket, Socket.SocketError, Scope.Scope>): Socket.Socket =>
  new DialedSocket((forget) =>
    Effect.flatMap(connect, (socket) =>
      Effect.as(
        Effect.addFinalizer(() => Effect.sync(() => forget(socket))),
        socket
      )
    )
  )

/** Connects, and calls `forget` with the socket when the Scope closes it. */
type Connect = (forget: (socket: PushSocket) => void) => Effect.Effect<PushSocket, Socket.SocketError, Scope.Scope>

class DialedSocket implements Socket.Socket {
  private _current: PushSocket | undefined = undefined
  private readonly _open = Latch.makeUnsafe(false)
  private readonly _connect: Connect

  constructor(connect: Connect) {
    this._connect = connect
  }

  get [Socket.TypeId](): typeof Socket.TypeId {
    return Socket.TypeId
  }

  get [PeerTypeId](): PeerInfo | undefined {
    return this._current?.[PeerTypeId]
  }

  get reader(): Socket.Socket["reader"] {
    return Effect.map(
      Effect.suspend(() => this._connect((socket) => this._forget(socket))),
      (socket) => {
        this._current = socket
        this._open.openUnsafe()
        return socket.readerUnsafe
      }
    )
  }

  get writer(): Socket.Socket["writer"] {
    return Effect.acquireRelease(
      Effect.sync(() => new DetachedWriter(this)),
      (writer) => Effect.sync(() => writer.shutdown())
    )
  }

  /** Writer of the open connection. */
  get current(): PushWriter | undefined {
    return this._current?.writerUnsafe
  }

  get opened(): Effect.Effect<void> {
    return this._open.await
  }

  private _forget(socket: PushSocket): void {
    if (this._current !== socket) return
    this._current = undefined
    this._open.closeUnsafe()
  }
}

/**
 * Writes to the open connection. Without one, `write` and `writeAll` wait for it, as Effect's `Socket` demands, and
 * synchronous methods drop the bytes. `Push.boundWriter` returns the writer of one connection.
 */
class DetachedWriter implements PushWriter {
  private readonly _socket: DialedSocket

  constructor(socket: DialedSocket) {
    this._socket = socket
  }

  get [PushTypeId](): typeof PushTypeId {
    return PushTypeId
  }

  get write(): Socket.Writer["write"] {
    return (chunk) => this._whenOpen((writer) => writer.write(chunk))
  }

  get writeAll(): Socket.Writer["writeAll"] {
    return (chunks) => this._whenOpen((writer) => writer.writeAll(chunks))
  }

  private _whenOpen(
    write: (writer: Socket.Writer) => Effect.Effect<void, Socket.SocketError>
  ): Effect.Effect<void, Socket.SocketError> {
    const attempt: Effect.Effect<void, Socket.SocketError> = Effect.suspend(() => {
      const { current } = this._socket
      // The connection may be lost again before this writer ran.
      return current === undefined ? Effect.andThen(this._socket.opened, attempt) : write(current)
    })
    return attempt
  }

  writeUnsafe(bytes: Uint8Array): boolean {
    return this._socket.current?.writeUnsafe(bytes) ?? false
  }

  cork(): void {
    this._socket.current?.cork()
  }

  uncork(): void {
    this._socket.current?.uncork()
  }

  get pendingBytes(): number {
    return this._socket.current?.pendingBytes ?? 0
  }

  get retainsBuffers(): boolean {
    return this._socket.current?.retainsBuffers ?? false
  }

  shutdown(): void {
    this._socket.current?.shutdown()
  }

  destroy(): void {
    this._socket.current?.destroy()
  }
}

export interface NodeDialOptions {
  readonly open: () => Net.Socket
  readonly event: "connect" | "secureConnect"
  /** Name of the address in messages. */
  readonly name: string
  readonly timeout: Duration.Input
  readonly duplex: NodeDuplexSettings
}

/** Makes a socket that connects with Node. */
export const makeNodeDialed = (options: NodeDialOptions): Socket.Socket => new DialedSocket(connectNode(options))

// One finalizer ties the socket to the Scope from its first moment on.
const connectNode =
  (options: NodeDialOptions): Connect =>
  (forget) =>
    Effect.flatMap(Effect.scope, (scope) => {
      let duplex: NodeDuplex | undefined
      const connected = Effect.callback<PushSocket, Socket.SocketError>((resume) => {
        const fail = (cause: unknown): void => resume(Effect.fail(openError(options.name, cause)))
        try {
          const stream = options.open()
          const socket = (duplex = new NodeDuplex(stream, options.duplex))
          const onOpen = (): void => {
            stream.off("error", fail)
            resume(Effect.succeed(socket))
          }
          stream.once(options.event, onOpen)
          stream.once("error", fail)
          return Effect.sync(() => {
            stream.off(options.event, onOpen)
            stream.off("error", fail)
            stream.destroy()
          })
        } catch (cause) {
          return fail(cause)
        }
      })
      return Effect.andThen(
        Scope.addFinalizer(
          scope,
          Effect.sync(() => {
            if (duplex === undefined) return
            duplex.close()
            forget(duplex)
          })
        ),
        withConnectTimeout(connected, options.name, options.timeout)
      )
    })

/** Dials hosts and ports by TCP, and paths as Unix sockets. */
export const makePlainDialer = (
  options: {
    readonly connectTimeout?: Duration.Input | undefined
    readonly noDelay?: boolean | undefined
  } & NodeDuplexOptions
): Dialer["Service"] => ({
  dial: (address, dialOptions) =>
    Effect.succeed(
      makeNodeDialed({
        open: () =>
          Net.connect({
            ...("path" in address ? { path: address.path } : hostPort(address)),
            allowHalfOpen: true,
            noDelay: options.noDelay ?? true
          }),
        event: "connect",
        name: formatAddress(address),
        timeout: dialOptions?.connectTimeout ?? options.connectTimeout ?? defaultConnectTimeout,
        duplex: {
          ...duplexSettings(options, false),
          remoteAddress: "path" in address ? NetAddress.unixPathAddress(address.path) : undefined
        }
      })
    )
})

/** Fails with a `SocketOpenError` of kind `Timeout` when connecting takes too long. */
export const withConnectTimeout = <A>(
  connect: Effect.Effect<A, Socket.SocketError>,
  name: string,
  timeout: Duration.Input
): Effect.Effect<A, Socket.SocketError> => {
  const duration = millis("connectTimeout", timeout)
  // The caller bounds a larger operation instead.
  if (duration === Infinity) return connect
  return Effect.timeoutOrElse(connect, { duration, orElse: () => Effect.fail(openTimeout(name, duration)) })
}
