/**
 * Effect's `Socket` is read by pulling, which suits programs but costs a wake-up per chunk. Every transport of this
 * package can also push: a reader hands its chunks to a {@link ByteSink} inside the very callback that read them, and a
 * writer takes bytes without an Effect in between. This module is that contract and nothing else; the connection asks
 * {@link isPushReader} and falls back to pulling where the answer is no.
 *
 * Who owns the bytes: a chunk handed to a sink, or returned by `pull`, belongs to the receiver, who may change it in
 * place and keep views of it. Bytes handed to a writer stay the caller's where `copies` is true, see there.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import type * as NetAddress from "effect/net/NetAddress"
import * as Predicate from "effect/Predicate"
import type * as Socket from "effect/socket/Socket"
import type { PeerCertificate } from "node:tls"

/**
 * Marks readers, writers and sockets that can push.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const PushTypeId = "~@effect-ws/transport/Push"

/**
 * Marks what can tell who is at the other end, see {@link peerInfo}.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const PeerTypeId = "~@effect-ws/transport/Push/Peer"

/**
 * Marks sockets on which somebody else has read a request already, see {@link parsedUpgrade}.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const ParsedUpgradeTypeId = "~@effect-ws/transport/Push/ParsedUpgrade"

/**
 * Receives what happens on a subscribed reader, synchronously and in order.
 *
 * **Details**
 *
 * The order is: any number of `onChunk`, at most one `onEnd`, exactly one `onClose`, and nothing after it. `onDrain` may
 * come at any time before `onClose`. While the reader is paused neither `onChunk` nor `onEnd` comes; `onClose` may.
 * Apart from the replay inside `subscribe`, a sink is never called from within a call that the sink's owner makes.
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
   * Tells that all that was written has been handed on. It comes whenever `pendingBytes` was above 0 as `writeUnsafe`, or
   * the outermost `uncork`, returned, so in particular after `writeUnsafe` gave `false`. Not after `shutdown`.
   */
  onDrain(): void
  /** Tells that the peer sent FIN: no more bytes will come, writing may still work. */
  onEnd(): void
  /**
   * Tells that the socket is gone. `undefined` after an orderly end of both directions, and after a local `close`
   * whatever came of it; a `SocketReadError` or `SocketWriteError` where the network failed; a `SocketCloseError` of code
   * 1006 after a local `destroy`.
   */
  onClose(error: Socket.SocketError | undefined): void
}

/**
 * Reads a socket by pull, or, once subscribed, by push.
 *
 * @category models
 * @since 0.1.0
 */
export interface PushReader extends Socket.Reader {
  readonly [PushTypeId]: typeof PushTypeId
  /**
   * Whether nobody else holds a chunk that fills its memory, so that whoever takes it may {@link free} it. What lies
   * beside a chunk in larger memory is never the chunk's. Default: `false`.
   */
  readonly ownsMemory?: boolean | undefined
  /**
   * Hands the rest of the stream to `sink`.
   *
   * **Details**
   *
   * `pull` must not be used afterwards (it dies). Chunks that were read ahead and nobody pulled are replayed first, then
   * the end and the close if they already happened, all before `subscribe` returns unless the sink pauses. A subscribed
   * reader starts out flowing. A later call hands the rest to another sink, as when a handshake is over; the one before
   * hears nothing more.
   */
  subscribe(sink: ByteSink): void
  /**
   * Stops the flow of chunks, at once and as often as wanted. The peer is held back once the buffers below are full. A
   * reset may go unnoticed until the flow is resumed, or something is written: the system reports it to readers.
   */
  pause(): void
  /** Lets chunks flow again, from the next turn on. */
  resume(): void
}

/**
 * Writes to a socket through Effect, or synchronously by {@link PushWriter.writeUnsafe}.
 *
 * @category models
 * @since 0.1.0
 */
export interface PushWriter extends Socket.Writer {
  readonly [PushTypeId]: typeof PushTypeId
  /**
   * Accepts bytes. `false`: the writer is above its high-water mark and `onDrain` will come; or it is shut or gone, the
   * bytes were dropped, and `onClose` comes or came.
   */
  writeUnsafe(bytes: Uint8Array): boolean
  /** Holds writes back until the matching `uncork`, so that they leave together. Nests. */
  cork(): void
  uncork(): void
  /** The bytes accepted but not yet handed to the kernel (or to the pipe, in memory). */
  readonly pendingBytes: number
  /**
   * The bytes that the system has refused so far: they wait for the peer to read. 0 where it has taken everything, also
   * before the transport was told so; while a large write is taken piece by piece it moves, where `pendingBytes` stays.
   * Default: `pendingBytes`.
   */
  readonly refusedBytes?: number | undefined
  /**
   * A count that grows by the bytes that the system takes, those of TLS included. Where it has grown since a moment at
   * which `refusedBytes` was above 0, the peer has made room: it is alive. Bytes that are taken at once say nothing.
   */
  readonly takenBytes?: number | undefined
  /** Whether a buffer that was written may be reused as soon as `pendingBytes` is 0. */
  readonly copies: boolean
  /** Half-closes: sends FIN after what is pending. Reading goes on. */
  shutdown(): void
  /** Aborts now: drops what is pending, both ways. The peer sees a reset, or an end where the system sends no reset. */
  destroy(): void
}

/**
 * Tells who is at the other end of a socket.
 *
 * **Details**
 *
 * Addresses are `undefined` where the system does not know them (the client side of a Unix socket, a socket that was
 * gone before anyone asked). The TLS fields tell of the innermost TLS layer of the socket, after an `upgrade` too.
 *
 * @category models
 * @since 0.1.0
 */
export interface PeerInfo {
  readonly remoteAddress: NetAddress.SocketAddress | undefined
  readonly localAddress: NetAddress.SocketAddress | undefined
  /** Whether the bytes travel over TLS. */
  readonly secure: boolean
  /** The protocol that ALPN chose, if any. */
  readonly alpnProtocol: string | undefined
  /** The host name that the client asked for by SNI, if any. */
  readonly serverName: string | undefined
  /** Whether the peer showed a certificate that verified. */
  readonly authorized: boolean
  /** The certificate that the peer showed, verified or not; see `authorized`. */
  readonly peerCertificate: PeerCertificate | undefined
}

/**
 * An open socket that needs no Scope and no fiber: what a push server hands out.
 *
 * **Details**
 *
 * It is an Effect `Socket` whose `reader` and `writer` are acquired as ever. Whoever works without a Scope takes
 * `readerUnsafe` and `writerUnsafe` and ends with `close` or `writerUnsafe.destroy`.
 *
 * @category models
 * @since 0.1.0
 */
export interface PushSocket extends Socket.Socket {
  readonly [PushTypeId]: typeof PushTypeId
  readonly [PeerTypeId]: PeerInfo
  readonly readerUnsafe: PushReader
  readonly writerUnsafe: PushWriter
  /** Whether the socket is gone, or on its way by `close`. */
  readonly isClosed: boolean
  /**
   * Closes in order: flushes, sends FIN, throws away what still arrives, and lets go of the socket when the peer's FIN
   * came or the linger timeout of the transport is over. What closing the Scope of `reader` does. Idempotent.
   */
  close(): void
}

/**
 * The head of an HTTP request as the parser of an HTTP server left it: fields in their order, repeated ones repeated,
 * one character for each byte.
 *
 * @category models
 * @since 0.1.0
 */
export interface RequestHead {
  readonly method: string
  readonly target: string
  /** Such as `HTTP/1.1`; the HTTP server may have let others pass. */
  readonly version: `HTTP/${string}`
  /** With `HTTP/2` the pseudo-headers are among them. */
  readonly headers: HeaderList
}

/**
 * The fields of a head, in their order.
 *
 * @category models
 * @since 0.1.0
 */
export type HeaderList = ReadonlyArray<{ readonly name: string; readonly value: string }>

/**
 * Answers a request on a stream of HTTP/2, where the head of an answer is a status and fields, and no bytes of ours.
 *
 * **Details**
 *
 * With a `body` the answer is complete, and the stream ends. Without one, what is written to the socket follows.
 *
 * @category models
 * @since 0.1.0
 */
export type Respond = (status: number, headers: HeaderList, body: Uint8Array | undefined) => void

/**
 * What comes with a socket that an HTTP server gave away: the request that was read off it and is still to be answered.
 *
 * @category models
 * @since 0.1.0
 */
export interface ParsedUpgrade {
  readonly head: RequestHead
  /** What the decision over the request and the program that follows find in their context. */
  readonly services: Context.Context<never>
  /** Answers the request, where it came over HTTP/2. `undefined`: the answer is written as bytes of HTTP/1.1. */
  readonly respond?: Respond | undefined
}

/**
 * Returns `true` when a reader can push.
 *
 * @category guards
 * @since 0.1.0
 */
export const isPushReader = (reader: Socket.Reader): reader is PushReader =>
  Predicate.hasProperty(reader, PushTypeId) && "subscribe" in reader

/**
 * Returns `true` when a writer takes bytes synchronously.
 *
 * @category guards
 * @since 0.1.0
 */
export const isPushWriter = (writer: Socket.Writer): writer is PushWriter =>
  Predicate.hasProperty(writer, PushTypeId) && "writeUnsafe" in writer

/**
 * Returns `true` when a socket is open already and can be used without a Scope.
 *
 * @category guards
 * @since 0.1.0
 */
export const isPushSocket = (socket: Socket.Socket): socket is PushSocket =>
  Predicate.hasProperty(socket, PushTypeId) && "readerUnsafe" in socket

/**
 * Tells who is at the other end of a socket, or of a socket's reader or writer, where the transport knows.
 *
 * **Details**
 *
 * A dialled socket knows while a connection of its is open.
 *
 * @category accessors
 * @since 0.1.0
 */
export const peerInfo = (u: Socket.Socket | Socket.Reader | Socket.Writer): PeerInfo | undefined =>
  Predicate.hasProperty(u, PeerTypeId) ? (u[PeerTypeId] as PeerInfo | undefined) : undefined

/**
 * Gives the writer of the very connection that a reader reads, where the reader knows it, and `writer` elsewhere.
 *
 * **Details**
 *
 * The writer of a dialled socket belongs to no connection: it writes to whichever is open, or waits for the next one. A
 * protocol whose bytes make sense on one connection only needs this one.
 *
 * @category accessors
 * @since 0.1.0
 */
export const boundWriter = (reader: Socket.Reader, writer: Socket.Writer): Socket.Writer =>
  isPushReader(reader) && "writerUnsafe" in reader ? (reader as unknown as PushSocket).writerUnsafe : writer

/**
 * Gives the request that was read off a socket before it was accepted, until it is answered.
 *
 * **Details**
 *
 * `undefined` where nobody has read anything: the peer is about to send its request.
 *
 * @category accessors
 * @since 0.1.0
 */
export const parsedUpgrade = (socket: Socket.Socket): ParsedUpgrade | undefined =>
  Predicate.hasProperty(socket, ParsedUpgradeTypeId)
    ? (socket[ParsedUpgradeTypeId] as ParsedUpgrade | undefined)
    : undefined

/**
 * Gives the memory of a chunk that came of a reader back at once, where the reader allows it and nothing else lies in it.
 * The chunk is empty then. Gives whether it was done.
 *
 * **Details**
 *
 * The garbage collector gets to a chunk in its own time, which for memory outside its heap is late: with each new chunk in
 * new memory, reading and writing it costs twice as much, and the collector, which comes the more often, makes all
 * connections wait. Without `ArrayBuffer.prototype.transfer`, as in Node 20, this does nothing.
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
