/**
 * The contract of push-based sockets. Reading Effect's `Socket` means pulling, which costs a fiber wake-up for each
 * chunk. Every transport of this package also has a flowing mode, as Node's streams have: a reader passes each chunk to
 * a {@link ByteSink} inside the callback that read it, and a writer takes bytes synchronously. The connection tests a
 * reader with {@link isPushReader} and otherwise pulls.
 *
 * Ownership: a chunk passed to a sink or returned by `pull` belongs to the receiver, which may modify it in place and
 * keep views of it. Bytes passed to a writer stay the caller's where `copies` is true, see there.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import type * as NetAddress from "effect/net/NetAddress"
import * as Predicate from "effect/Predicate"
import type * as Socket from "effect/socket/Socket"
import type { PeerCertificate } from "node:tls"

/**
 * Marks readers, writers and sockets that implement this contract.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const PushTypeId = "~@effect-ws/transport/Push"

/**
 * Marks objects that know the peer, see {@link peerInfo}.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const PeerTypeId = "~@effect-ws/transport/Push/Peer"

/**
 * Marks sockets whose request was already read, see {@link parsedUpgrade}.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const ParsedUpgradeTypeId = "~@effect-ws/transport/Push/ParsedUpgrade"

/**
 * Receives the events of a subscribed reader, synchronously and in order.
 *
 * **Details**
 *
 * The order is: any number of `onChunk`, at most one `onEnd`, exactly one `onClose`, and nothing after it. `onDrain`
 * may come at any time before `onClose`. A paused reader calls neither `onChunk` nor `onEnd`, but may call `onClose`.
 * Apart from the replay inside `subscribe`, a reader or writer never calls its sink from within a call by the sink's
 * owner.
 *
 * **Gotchas**
 *
 * A callback must not throw. A chunk may be a Node `Buffer`, whose `slice` is a view: use `subarray` for views and
 * `Uint8Array.prototype.slice.call` for copies.
 *
 * @category models
 * @since 0.1.0
 */
export interface ByteSink {
  /** Takes ownership of a chunk, which is never empty. */
  onChunk(bytes: Uint8Array): void
  /**
   * Reports that all written bytes were passed to the operating system. Comes whenever `pendingBytes` was above 0 when
   * `writeUnsafe` or the outermost `uncork` returned, and therefore always after `writeUnsafe` returned `false`. Does
   * not come after `shutdown`.
   */
  onDrain(): void
  /** Reports the peer's FIN: no more bytes will come; writing may still work. */
  onEnd(): void
  /**
   * Reports that the socket is closed. The error is `undefined` after an orderly end of both directions and after a
   * local `close`, however it went; a `SocketReadError` or `SocketWriteError` after a network failure; a
   * `SocketCloseError` with code 1006 after a local `destroy`.
   */
  onClose(error: Socket.SocketError | undefined): void
}

/**
 * Reads a socket by pulling, or, once subscribed, in flowing mode.
 *
 * @category models
 * @since 0.1.0
 */
export interface PushReader extends Socket.Reader {
  readonly [PushTypeId]: typeof PushTypeId
  /**
   * Whether a chunk that fills its ArrayBuffer is its only user, so that the receiver may {@link free} it. A chunk
   * never owns the rest of a larger ArrayBuffer. Default: `false`.
   */
  readonly ownsMemory?: boolean | undefined
  /**
   * Passes the rest of the stream to `sink`.
   *
   * **Details**
   *
   * `pull` dies after this. Before `subscribe` returns, the reader replays the chunks that it read ahead, then an end
   * and a close that already happened, unless the sink pauses. A subscribed reader starts in flowing mode. A later call
   * passes the rest to another sink, for example after the handshake; the previous sink gets nothing more.
   */
  subscribe(sink: ByteSink): void
  /**
   * Stops the flow of chunks at once; may be called repeatedly. The peer stops once the buffers below are full. A
   * paused reader may not notice a reset until it resumes or something is written, because the system reports a reset
   * to reads.
   */
  pause(): void
  /** Resumes the flow of chunks, from the next turn on. */
  resume(): void
}

/**
 * Writes to a socket as an Effect, or synchronously with {@link PushWriter.writeUnsafe}.
 *
 * @category models
 * @since 0.1.0
 */
export interface PushWriter extends Socket.Writer {
  readonly [PushTypeId]: typeof PushTypeId
  /**
   * Writes bytes. Returns `false` in two cases: the writer is above its high-water mark, and `onDrain` follows; or the
   * writer is shut down or closed, the bytes were dropped, and `onClose` follows or came before.
   */
  writeUnsafe(bytes: Uint8Array): boolean
  /** Buffers writes until the matching `uncork`, so that they are sent together. Calls nest. */
  cork(): void
  uncork(): void
  /** Bytes accepted and not yet passed to the kernel (or to the in-memory pipe). */
  readonly pendingBytes: number
  /**
   * Bytes that the system has refused so far: they wait for the peer to read. 0 once the system has taken everything,
   * even before it reported so. During a large write it shrinks with each part that the system takes, while
   * `pendingBytes` stays the same. Default: `pendingBytes`.
   */
  readonly refusedBytes?: number | undefined
  /**
   * Counter of the bytes that the system has taken, those of TLS included. If it grows after `refusedBytes` was above
   * 0, the peer has made room and is therefore alive. Bytes that the system takes at once prove nothing.
   */
  readonly takenBytes?: number | undefined
  /** Whether the transport may still read buffers that were written to it: until it does not, leave them unchanged. */
  readonly retainsBuffers: boolean
  /** Half-closes: sends FIN after pending bytes. Reading continues. */
  shutdown(): void
  /**
   * Aborts: drops pending bytes in both directions. The peer sees a reset, or an end where the system sends no reset.
   */
  destroy(): void
}

/**
 * Describes the peer of a socket.
 *
 * **Details**
 *
 * Addresses are `undefined` where the system does not know them: on the client side of a Unix socket, or when the
 * socket was closed before the first request for them. The TLS fields describe the innermost TLS layer, after an
 * `upgrade` too.
 *
 * @category models
 * @since 0.1.0
 */
export interface PeerInfo {
  readonly remoteAddress: NetAddress.SocketAddress | undefined
  readonly localAddress: NetAddress.SocketAddress | undefined
  /** Whether the connection uses TLS. */
  readonly secure: boolean
  /** Protocol that ALPN selected, if any. */
  readonly alpnProtocol: string | undefined
  /** Host name that the client sent by SNI, if any. */
  readonly serverName: string | undefined
  /** Whether the peer presented a certificate that verified. */
  readonly authorized: boolean
  /** Certificate that the peer presented, verified or not; see `authorized`. */
  readonly peerCertificate: PeerCertificate | undefined
}

/**
 * An open socket that needs no Scope and no fiber, as a push server returns it.
 *
 * **Details**
 *
 * It is an Effect `Socket`: `reader` and `writer` are acquired in a Scope. Code without a Scope uses `readerUnsafe` and
 * `writerUnsafe`, and ends with `close` or `writerUnsafe.destroy`.
 *
 * @category models
 * @since 0.1.0
 */
export interface PushSocket extends Socket.Socket {
  readonly [PushTypeId]: typeof PushTypeId
  readonly [PeerTypeId]: PeerInfo
  readonly readerUnsafe: PushReader
  readonly writerUnsafe: PushWriter
  /** Whether the socket is closed or closing. */
  readonly isClosed: boolean
  /**
   * Closes in order: flushes, sends FIN, discards bytes that still arrive, and releases the socket after the peer's FIN
   * or the transport's linger timeout. Closing the Scope of `reader` does the same. Idempotent.
   */
  close(): void
}

/**
 * The head of an HTTP request as an HTTP server parsed it: fields in order, with repetitions, one character per byte.
 *
 * @category models
 * @since 0.1.0
 */
export interface RequestHead {
  readonly method: string
  readonly target: string
  /** HTTP version, such as `HTTP/1.1`; an HTTP server may accept others. */
  readonly version: `HTTP/${string}`
  /** Header fields; with `HTTP/2` the pseudo-headers are among them. */
  readonly headers: HeaderList
}

/**
 * Header fields in order.
 *
 * @category models
 * @since 0.1.0
 */
export type HeaderList = ReadonlyArray<{ readonly name: string; readonly value: string }>

/**
 * Responds to a request on an HTTP/2 stream, where a response head is a status and fields instead of bytes.
 *
 * **Details**
 *
 * With a `body` the response is complete and the stream ends. Without one, bytes written to the socket follow the head.
 *
 * @category models
 * @since 0.1.0
 */
export type Respond = (status: number, headers: HeaderList, body: Uint8Array | undefined) => void

/**
 * The request of a socket that comes from an HTTP server: already read, and not yet answered.
 *
 * @category models
 * @since 0.1.0
 */
export interface ParsedUpgrade {
  readonly head: RequestHead
  /** Services added to the context of the handshake's decision and of the handler. */
  readonly services: Context.Context<never>
  /** Responds to the request, when it came over HTTP/2. `undefined`: the response is written as bytes of HTTP/1.1. */
  readonly respond?: Respond | undefined
}

/**
 * Tests whether a reader implements this contract.
 *
 * @category guards
 * @since 0.1.0
 */
export const isPushReader = (reader: Socket.Reader): reader is PushReader =>
  Predicate.hasProperty(reader, PushTypeId) && "subscribe" in reader

/**
 * Tests whether a writer takes bytes synchronously.
 *
 * @category guards
 * @since 0.1.0
 */
export const isPushWriter = (writer: Socket.Writer): writer is PushWriter =>
  Predicate.hasProperty(writer, PushTypeId) && "writeUnsafe" in writer

/**
 * Tests whether a socket is already open and usable without a Scope.
 *
 * @category guards
 * @since 0.1.0
 */
export const isPushSocket = (socket: Socket.Socket): socket is PushSocket =>
  Predicate.hasProperty(socket, PushTypeId) && "readerUnsafe" in socket

/**
 * Returns the peer of a socket, or of a socket's reader or writer, where the transport knows it.
 *
 * **Details**
 *
 * A dialled socket knows its peer while a connection is open.
 *
 * @category accessors
 * @since 0.1.0
 */
export const peerInfo = (u: Socket.Socket | Socket.Reader | Socket.Writer): PeerInfo | undefined =>
  Predicate.hasProperty(u, PeerTypeId) ? (u[PeerTypeId] as PeerInfo | undefined) : undefined

/**
 * Returns the writer of the connection that a reader reads, where the reader knows it; otherwise returns `writer`.
 *
 * **Details**
 *
 * The writer of a dialled socket belongs to no connection: it writes to the open one, or waits for the next. A protocol
 * whose bytes belong to one connection needs this writer instead.
 *
 * @category accessors
 * @since 0.1.0
 */
export const boundWriter = (reader: Socket.Reader, writer: Socket.Writer): Socket.Writer =>
  isPushReader(reader) && "writerUnsafe" in reader ? (reader as unknown as PushSocket).writerUnsafe : writer

/**
 * Returns the request that was read from a socket before it was accepted, until it is answered.
 *
 * **Details**
 *
 * Returns `undefined` where no request was read: the peer is about to send it.
 *
 * @category accessors
 * @since 0.1.0
 */
export const parsedUpgrade = (socket: Socket.Socket): ParsedUpgrade | undefined =>
  Predicate.hasProperty(socket, ParsedUpgradeTypeId)
    ? (socket[ParsedUpgradeTypeId] as ParsedUpgrade | undefined)
    : undefined

/**
 * Frees the memory of a chunk from a reader at once, where the reader allows it and the chunk fills its ArrayBuffer.
 * The chunk is empty afterwards. Returns whether it was freed.
 *
 * **Details**
 *
 * The garbage collector frees memory outside of its heap late. With new memory for each chunk, reading and writing cost
 * twice as much, and more frequent collections delay all connections. Without `ArrayBuffer.prototype.transfer`, as in
 * Node 20, this does nothing.
 *
 * @category combinators
 * @since 0.1.0
 */
export const free = (reader: PushReader, chunk: Uint8Array): boolean => {
  const buffer = chunk.buffer as ArrayBuffer
  if (reader.ownsMemory !== true || chunk.byteLength !== buffer.byteLength || !("transfer" in buffer)) return false
  buffer.transfer(0)
  return true
}
