/**
 * The base class of all transports: one object that is a `Socket`, its reader and its writer, that serves `pull` or a
 * subscribed sink, and keeps the order of chunks, end and close. A transport extends it, calls `received`, `ended`,
 * `drained` and `closed`, and implements the abstract methods.
 *
 * A server holds one of these for each idle connection, so it is a class with prototype methods and one word of flags:
 * closures per connection would be most of its memory.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type { PeerCertificate } from "node:tls"
import { PeerTypeId, PushTypeId } from "../Push.ts"
import type { ByteSink, PeerInfo, PushReader, PushSocket, PushWriter } from "../Push.ts"
import { toBytes } from "./bytes.ts"
import { callEach } from "./callEach.ts"
import { closeError, writeError } from "./errors.ts"

type Batch = NonEmptyReadonlyArray<Uint8Array>
type Resume<A> = (effect: Effect.Effect<A, Socket.SocketError>) => void

const PAUSED = 1 // the sink asked for a pause
const FLOWING = 2 // the source was asked to read
const ENDED = 4 // the peer's FIN came
const END_TOLD = 8 // the sink knows of it
const SHUT = 16 // our FIN was asked for
const CLOSING = 32 // close() was called: what arrives is thrown away
const ABORTED = 64 // destroy() was called
const CLOSED = 128 // the transport is gone
const REPLAYING = 256 // what was held back is being handed out, or a microtask to do so is on its way
const SUBSCRIBED = 512 // pulling is over

/** This end no longer reads: what arrived before is not delivered either. */
const LEFT = CLOSING | ABORTED
/** Nothing more can arrive. */
const DEAF = LEFT | CLOSED

export abstract class PushDuplex implements PushSocket, PushReader, PushWriter, PeerInfo {
  private _flags = 0
  private _queue: Array<Uint8Array> | undefined = undefined
  private _queuedBytes = 0
  private _sink: ByteSink | undefined = undefined
  private _waiter: Resume<Batch> | undefined = undefined
  private _drainWaiters: Array<Resume<void>> | undefined = undefined
  private _error: Socket.SocketError | undefined = undefined
  private readonly _readAhead: number

  constructor(readAhead: number) {
    this._readAhead = readAhead
  }

  // What a transport implements.

  /** Starts or restarts calls of `received`, from a later turn on. */
  protected abstract startSource(): void
  /** Stops calls of `received` and `ended` at once. */
  protected abstract stopSource(): void
  /** Writes at least one byte; called while neither shut down nor closed. */
  protected abstract put(bytes: Uint8Array): boolean
  /** Sends FIN after pending bytes; called at most once. */
  protected abstract putEnd(): void
  /** Drops everything and calls `closed` on a later turn. */
  protected abstract abort(): void
  /** Flushes, sends FIN, keeps the source flowing, and calls `closed` on a later turn within a bounded time. */
  protected abstract finish(): void
  protected abstract startTls(options: Socket.TlsUpgradeOptions): Effect.Effect<void, Socket.SocketError>

  abstract cork(): void
  abstract uncork(): void
  abstract get pendingBytes(): number
  abstract get retainsBuffers(): boolean
  /** Whether a call of `drained` is due. */
  protected abstract get needsDrain(): boolean
  abstract get remoteAddress(): NetAddress.SocketAddress | undefined
  abstract get localAddress(): NetAddress.SocketAddress | undefined
  abstract get secure(): boolean
  abstract get alpnProtocol(): string | undefined
  abstract get serverName(): string | undefined
  abstract get authorized(): boolean
  abstract get peerCertificate(): PeerCertificate | undefined

  // What a transport calls.

  protected received(bytes: Uint8Array): void {
    if (bytes.length === 0 || (this._flags & DEAF) !== 0) return
    if (this._sink !== undefined && this._queue === undefined && (this._flags & PAUSED) === 0) {
      this._sink.onChunk(bytes)
      return
    }
    const waiter = this._waiter
    if (waiter !== undefined) {
      this._waiter = undefined
      waiter(Effect.succeed([bytes]))
      return
    }
    if (this._queue === undefined) this._queue = [bytes]
    else this._queue.push(bytes)
    this._queuedBytes += bytes.length
    if (this._queuedBytes >= this._readAhead) this._stop()
  }

  protected ended(): void {
    if ((this._flags & (ENDED | DEAF)) !== 0) return
    this._flags |= ENDED
    if (this._sink !== undefined) this._replay()
    else if (this._waiter !== undefined) this._failWaiter(closeError(1000))
  }

  protected drained(): void {
    try {
      this._resumeWriters(Effect.void)
    } finally {
      if (this._sink !== undefined && (this._flags & CLOSED) === 0) this._sink.onDrain()
    }
  }

  protected closed(error: Socket.SocketError | undefined): void {
    if ((this._flags & CLOSED) !== 0) return
    // The sink gets what came before the close. A paused sink does not.
    if (this._sink !== undefined) this._replay()
    this._flags |= CLOSED
    this._error = error
    this._stop()
    try {
      this._failWaiters()
    } finally {
      const sink = this._sink
      if (sink !== undefined) {
        this._sink = undefined
        this._queue = undefined
        sink.onClose(error)
      }
    }
  }

  protected get wasAborted(): boolean {
    return (this._flags & ABORTED) !== 0
  }

  protected get isClosing(): boolean {
    return (this._flags & CLOSING) !== 0
  }

  protected get isRead(): boolean {
    return this._waiter !== undefined || (this._flags & SUBSCRIBED) !== 0
  }

  /** Stops the source and returns what was read ahead, for a TLS layer that reads it instead. */
  protected takeUnread(): Array<Uint8Array> {
    this._stop()
    const queue = this._queue ?? []
    this._queue = undefined
    this._queuedBytes = 0
    return queue
  }

  // PushSocket

  get [Socket.TypeId](): typeof Socket.TypeId {
    return Socket.TypeId
  }

  get [PushTypeId](): typeof PushTypeId {
    return PushTypeId
  }

  get [PeerTypeId](): PeerInfo {
    return this
  }

  get ownsMemory(): boolean {
    return false
  }

  get readerUnsafe(): PushReader {
    return this
  }

  get writerUnsafe(): PushWriter {
    return this
  }

  get isClosed(): boolean {
    return (this._flags & (CLOSING | CLOSED)) !== 0
  }

  get reader(): Effect.Effect<PushReader, Socket.SocketError, Scope.Scope> {
    return Effect.flatMap(Effect.scope, (scope) =>
      (this._flags & CLOSING) === 0
        ? Effect.as(
            Scope.addFinalizer(
              scope,
              Effect.sync(() => this.close())
            ),
            this
          )
        : Effect.fail(this._readFailure())
    )
  }

  get writer(): Effect.Effect<PushWriter, never, Scope.Scope> {
    return Effect.flatMap(Effect.scope, (scope) =>
      Effect.as(
        Scope.addFinalizer(
          scope,
          Effect.sync(() => this.shutdown())
        ),
        this
      )
    )
  }

  close(): void {
    if ((this._flags & CLOSING) !== 0) return
    this._flags |= CLOSING | SHUT
    this._queue = undefined
    this._queuedBytes = 0
    try {
      this._failWaiters()
    } finally {
      if ((this._flags & CLOSED) === 0) this.finish()
    }
  }

  // PushReader

  get pull(): Effect.Effect<Batch, Socket.SocketError> {
    return Effect.callback((resume) => {
      if ((this._flags & SUBSCRIBED) !== 0)
        return resume(Effect.die(new Error("pull after subscribe on the same socket")))
      const queue = this._queue
      if (queue !== undefined) {
        this._queue = undefined
        this._queuedBytes = 0
        return resume(Effect.succeed(queue as unknown as Batch))
      }
      if ((this._flags & (ENDED | DEAF)) !== 0) return resume(Effect.fail(this._readFailure()))
      if (this._waiter !== undefined) return resume(Effect.die(new Error("two pulls at once on one socket")))
      this._waiter = resume
      this._start()
      return Effect.sync(() => {
        if (this._waiter === resume) this._waiter = undefined
      })
    })
  }

  get upgrade(): Socket.Reader["upgrade"] {
    return (options = {}) => Effect.suspend(() => this.startTls(options))
  }

  subscribe(sink: ByteSink): void {
    if (this._waiter !== undefined) throw new Error("subscribe on a socket that is being pulled")
    this._flags = (this._flags | SUBSCRIBED) & ~PAUSED
    this._sink = sink
    this._replay()
    if ((this._flags & CLOSED) !== 0) {
      this._sink = undefined
      this._queue = undefined
      sink.onClose(this._error)
    } else if ((this._flags & (PAUSED | ENDED)) === 0) {
      this._start()
    }
  }

  pause(): void {
    this._flags |= PAUSED
    this._stop()
  }

  resume(): void {
    if ((this._flags & PAUSED) === 0) return
    this._flags &= ~PAUSED
    if ((this._flags & CLOSED) !== 0) return
    if (this._queue === undefined && (this._flags & (ENDED | END_TOLD)) !== ENDED) {
      this._start()
    } else if ((this._flags & REPLAYING) === 0) {
      this._flags |= REPLAYING
      queueMicrotask(() => {
        this._flags &= ~REPLAYING
        this._replay()
        if (this._sink !== undefined && (this._flags & (PAUSED | ENDED)) === 0) this._start()
      })
    }
  }

  // PushWriter

  get write(): Socket.Writer["write"] {
    return (chunk) =>
      Effect.suspend(() => {
        if (Socket.isCloseEvent(chunk)) {
          // A plain stream has no close code. A code above 1000 closes both directions, as in Effect's own sockets.
          if (chunk.code > 1000) this.close()
          else this.shutdown()
          return Effect.void
        }
        return this._writable ? this._settle(this.writeUnsafe(toBytes(chunk))) : Effect.fail(this._writeFailure())
      })
  }

  get writeAll(): Socket.Writer["writeAll"] {
    return (chunks) =>
      Effect.suspend(() => {
        if (!this._writable) return Effect.fail(this._writeFailure())
        // Checks all chunks before it writes any.
        const parts = chunks.map(toBytes)
        let room = true
        this.cork()
        for (const part of parts) room = this.writeUnsafe(part) && room
        this.uncork()
        return this._settle(room)
      })
  }

  writeUnsafe(bytes: Uint8Array): boolean {
    if (!this._writable) return false
    return bytes.length === 0 || this.put(bytes)
  }

  shutdown(): void {
    if (!this._writable) return
    this._flags |= SHUT
    this.putEnd()
    // What was written is accepted, so writers need not wait any more.
    this._resumeWriters(Effect.void)
  }

  destroy(): void {
    if ((this._flags & (ABORTED | CLOSED)) !== 0) return
    this._flags |= ABORTED | SHUT
    this._queue = undefined
    this._queuedBytes = 0
    this.abort()
  }

  private get _writable(): boolean {
    return (this._flags & (SHUT | CLOSING | ABORTED | CLOSED)) === 0
  }

  private _settle(room: boolean): Effect.Effect<void, Socket.SocketError> {
    if (room) return Effect.void
    return Effect.callback<void, Socket.SocketError>((resume) => {
      // The fiber may have yielded since it wrote, and the drain may already be over.
      if ((this._flags & (CLOSING | CLOSED)) !== 0) return resume(Effect.fail(this._writeFailure()))
      if (!this.needsDrain) return resume(Effect.void)
      if (this._drainWaiters === undefined) this._drainWaiters = [resume]
      else this._drainWaiters.push(resume)
      return Effect.sync(() => {
        const index = this._drainWaiters?.indexOf(resume) ?? -1
        if (index !== -1) this._drainWaiters!.splice(index, 1)
      })
    })
  }

  /** Replays what was held back to the sink: first chunks, then the end. Stops when the sink pauses. */
  private _replay(): void {
    const queue = this._queue
    if (queue !== undefined) {
      this._queue = undefined
      this._queuedBytes = 0
      let i = 0
      while (i < queue.length && (this._flags & (PAUSED | LEFT)) === 0) this._sink!.onChunk(queue[i++]!)
      if (i < queue.length && (this._flags & LEFT) === 0) {
        this._queue = queue.slice(i)
        for (let j = i; j < queue.length; j++) this._queuedBytes += queue[j]!.length
      }
    }
    if ((this._flags & (ENDED | END_TOLD | PAUSED | LEFT)) === ENDED) {
      this._flags |= END_TOLD
      this._sink?.onEnd()
    }
  }

  private _start(): void {
    if ((this._flags & (FLOWING | CLOSED)) !== 0) return
    this._flags |= FLOWING
    this.startSource()
  }

  private _stop(): void {
    if ((this._flags & FLOWING) === 0) return
    this._flags &= ~FLOWING
    // close() discards what arrives, so that the peer's FIN is seen.
    if ((this._flags & (CLOSING | CLOSED)) === 0) this.stopSource()
  }

  private _resumeWriters(outcome: Effect.Effect<void, Socket.SocketError>): void {
    const waiters = this._drainWaiters
    if (waiters === undefined) return
    this._drainWaiters = undefined
    callEach(waiters, (resume) => resume(outcome))
  }

  // Errors are expensive, and usually nothing waits. Resuming a fiber may throw, see `callEach`.
  private _failWaiters(): void {
    try {
      if (this._waiter !== undefined) this._failWaiter(this._readFailure())
    } finally {
      if (this._drainWaiters !== undefined) this._resumeWriters(Effect.fail(this._writeFailure()))
    }
  }

  private _failWaiter(error: Socket.SocketError): void {
    const waiter = this._waiter
    if (waiter === undefined) return
    this._waiter = undefined
    waiter(Effect.fail(error))
  }

  private _readFailure(): Socket.SocketError {
    if ((this._flags & (CLOSING | ABORTED)) !== 0) return closeError(1006)
    return this._error ?? closeError((this._flags & ENDED) !== 0 ? 1000 : 1006)
  }

  private _writeFailure(): Socket.SocketError {
    return writeError(this._error ?? new Error("the write side was shut down or the socket is closed"))
  }
}
