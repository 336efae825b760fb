/**
 * The writing side of a connection: what the session wants written goes to the transport, and senders learn when to
 * wait and when what they sent has left.
 *
 * The transport is given no more than its high-water mark, or one frame where that is larger. What it does not take
 * waits here, whole frames in order, so that a ping or a pong can go first: nothing else overtakes data.
 */
import type * as Frame from "@effect-ws/protocol/Frame"
import type * as Message from "@effect-ws/protocol/Message"
import * as Opcode from "@effect-ws/protocol/Opcode"
import type { Session } from "@effect-ws/protocol/Session"
import { callEach } from "@effect-ws/transport/internal"
import type { PushWriter } from "@effect-ws/transport/Push"
import type { ConnectionMetrics } from "../telemetry/ConnectionMetrics.ts"
import { FlushTracker } from "./FlushTracker.ts"

/** The bytes that a transport may hold beyond what the system takes at once: Node's own mark for sockets. */
const HIGH_WATER_MARK = 64 * 1024

export class WriteQueue {
  /** What is measured of the connection, if anything is: here, where it is needed for each write. */
  readonly meter: ConnectionMetrics | undefined
  /** Where the bytes go. Only this writes to it; others destroy it or shut it down. */
  readonly writer: PushWriter
  private readonly session: Session
  /** The bytes that may wait before senders do. */
  private readonly limit: number
  // Whether the transport has promised to tell when it takes more.
  private blocked = false
  // Whether the transport may hold bytes, at first those of the handshake. Asking it costs more than this flag.
  private pending = true
  private waiting: WaitingChunks | undefined = undefined
  // How many bytes the transport was given, except for pings and pongs that overtook data.
  private handedBytes = 0
  private waiters: Array<() => void> | undefined = undefined
  private flushTracker: FlushTracker | undefined = undefined

  constructor(session: Session, writer: PushWriter, limit: number, meter: ConnectionMetrics | undefined) {
    this.meter = meter
    this.session = session
    this.writer = writer
    this.limit = limit
  }

  /** Writes everything that has gathered, as far as the transport takes it. */
  write(): void {
    const { writer } = this
    const { output } = this.session
    const bytes = output.pendingBytes
    if (bytes === 0 || this.blocked) return
    if (this.pending && writer.pendingBytes > 0 && writer.pendingBytes + bytes > HIGH_WATER_MARK) return this.block()
    const chunks = this.take()
    if (chunks.length === 1) {
      this.handedBytes += bytes
      if (!writer.writeUnsafe(chunks[0]!) && writer.pendingBytes > 0) this.block()
    } else {
      this.waiting = new WaitingChunks()
      this.waiting.add(chunks, output.continued)
      this.handOver()
    }
    this.pending = writer.pendingBytes > 0
    output.release(this.waiting === undefined && !writer.retainsBuffers)
  }

  private take(): ReadonlyArray<Uint8Array> {
    const chunks = this.session.output.take()
    if (this.meter !== undefined) this.meter.written(chunks)
    return chunks
  }

  // Gives the transport what waits, whole frames at a time, until it is full.
  private handOver(): void {
    const { waiting, writer } = this
    if (waiting === undefined) return
    while (!this.blocked) {
      let room = HIGH_WATER_MARK - writer.pendingBytes
      let accepted = true
      writer.cork()
      do {
        const chunk = waiting.shift()
        room -= chunk.length
        this.handedBytes += chunk.length
        accepted = writer.writeUnsafe(chunk)
      } while (waiting.fits(room))
      writer.uncork()
      const isEmpty = waiting.bytes === 0
      if (isEmpty) this.waiting = undefined
      // What the system did not take now fills the transport, and it tells of a drain.
      if (writer.pendingBytes > 0 && (!isEmpty || !accepted)) this.block()
      if (isEmpty) return
    }
  }

  private block(): void {
    this.blocked = true
    this.session.setWritable(false)
  }

  /** The transport has handed on what was pending. */
  onDrain(): void {
    if (this.blocked) this.unblock()
    this.pending = this.writer.pendingBytes > 0
    this.wake()
  }

  private unblock(): void {
    const { session, writer } = this
    const { output } = session
    if (output.pendingBytes > 0) {
      this.waiting ??= new WaitingChunks()
      this.waiting.add(this.take(), output.continued)
      output.release(false)
    }
    this.blocked = false
    session.setWritable(true)
    // All that the session has written since are the ping and the pong that it owed.
    if (output.pendingBytes > 0) {
      for (const chunk of this.take()) writer.writeUnsafe(chunk)
      output.release(!writer.retainsBuffers)
    }
    this.handOver()
  }

  /** Writes what the session has, however full the transport is: for the last frame of a connection that failed. */
  writeLast(): void {
    const { output } = this.session
    if (output.pendingBytes === 0) return
    for (const chunk of this.take()) this.writer.writeUnsafe(chunk)
    output.release(false)
  }

  /** Drops what the transport was not given, to make way for that frame. */
  discard(): void {
    this.waiting = undefined
    this.flushTracker = undefined
    this.session.output.discard()
  }

  /** Everything that was sent and that the system does not have, the work of extensions included. */
  get waitingBytes(): number {
    const { session, waiting } = this
    return (
      (this.pending ? this.writer.pendingBytes : 0) +
      (waiting === undefined ? 0 : waiting.bytes) +
      session.output.pendingBytes +
      session.queuedBytes
    )
  }

  /** Whether the transport takes no more for now. */
  get isBlocked(): boolean {
    return this.blocked
  }

  /** The bytes that the system has refused so far and that wait for the peer. */
  get refusedBytes(): number {
    return this.writer.refusedBytes ?? this.writer.pendingBytes
  }

  /** A count that grows by the bytes that the system takes. */
  get takenBytes(): number {
    return this.writer.takenBytes ?? this.handedBytes - this.writer.pendingBytes
  }

  /** Whether senders should wait. */
  get isAboveLimit(): boolean {
    if (this.session.output.pendingBytes > this.limit || (this.pending && this.waitingBytes > this.limit)) this.write()
    return (this.blocked || this.session.queuedBytes > 0) && this.waitingBytes > this.limit
  }

  /** Whether the system has everything. */
  get isFlushed(): boolean {
    return this.waitingBytes === 0 && this.session.pendingEncode === undefined
  }

  /** Whether a sender waits. */
  get isAwaited(): boolean {
    return this.waiters !== undefined
  }

  /** Calls `resume` once, when senders may continue or more was flushed. The returned function cancels that. */
  wait(resume: () => void): () => void {
    this.waiters ??= []
    this.waiters.push(resume)
    return () => {
      const at = this.waiters?.indexOf(resume) ?? -1
      if (at >= 0) this.waiters!.splice(at, 1)
    }
  }

  /** Resumes the senders that wait, unless they would have to wait again. */
  wake(): void {
    if (this.waiters !== undefined && !this.isAboveLimit) this.wakeAll()
  }

  /** Lets all of them go on. Throws what one of them threw, when all were called. */
  wakeAll(): void {
    const waiters = this.waiters
    this.waiters = undefined
    if (waiters !== undefined) callEach(waiters, (resume) => resume())
  }

  /** From now on {@link takeSent} tells of messages that were written. */
  observe(): void {
    this.flushTracker ??= new FlushTracker()
  }

  /** A message was handed to the session. */
  onSend(data: string | Uint8Array): void {
    this.meter?.sent(data, true)
    this.flushTracker?.add(data, this.endOfSent)
  }

  /** A piece of a message was handed to the session. */
  onSendPiece(type: "Text" | "Binary", data: string | Uint8Array, last: boolean): void {
    this.meter?.sent(data, last)
    this.flushTracker?.addPiece(type, data, last, this.endOfSent)
  }

  /** A frame was handed to the session. */
  onSendFrame({ fin, opcode, payload }: Frame.Frame): void {
    if (opcode > Opcode.Binary) return
    this.onSendPiece(opcode === Opcode.Text ? "Text" : "Binary", payload, fin)
  }

  /** An extension is done with what it left to be done. */
  onEncoded(): void {
    if (this.session.pendingEncode === undefined) this.flushTracker?.encoded(this.endOfOutput)
  }

  /** The messages that were written since the last call. */
  takeSent(): ReadonlyArray<Message.Message> | undefined {
    return this.flushTracker?.take(this.handedBytes - this.writer.pendingBytes)
  }

  private get endOfSent(): number {
    return this.session.pendingEncode === undefined ? this.endOfOutput : Infinity
  }

  // Where, counted as `handedBytes`, what was sent so far ends.
  private get endOfOutput(): number {
    return this.handedBytes + (this.waiting?.bytes ?? 0) + this.session.output.pendingBytes
  }
}

/** Chunks that the transport was not given yet. */
class WaitingChunks {
  bytes = 0
  private chunks: Array<Uint8Array> = []
  // How many of the first of them are gone.
  private taken = 0
  // Those that continue the frame of the chunk before.
  private continued: Set<Uint8Array> | undefined = undefined

  add(chunks: ReadonlyArray<Uint8Array>, continued: ReadonlyArray<number> | undefined): void {
    for (const chunk of chunks) {
      this.chunks.push(chunk)
      this.bytes += chunk.length
    }
    if (continued === undefined) return
    this.continued ??= new Set()
    for (const index of continued) this.continued.add(chunks[index]!)
  }

  shift(): Uint8Array {
    const chunk = this.chunks[this.taken++]!
    this.bytes -= chunk.length
    if (this.taken > 256) {
      this.chunks = this.chunks.slice(this.taken)
      this.taken = 0
    }
    return chunk
  }

  /**
   * Whether the next chunk belongs to the same write: it continues the frame that was begun, or its frames have room.
   */
  fits(room: number): boolean {
    if (this.taken === this.chunks.length) return false
    if (this.continues(this.taken)) return true
    let size = this.chunks[this.taken]!.length
    if (this.continues(this.taken + 1)) size += this.chunks[this.taken + 1]!.length
    return size <= room
  }

  private continues(at: number): boolean {
    return this.continued !== undefined && at < this.chunks.length && this.continued.has(this.chunks[at]!)
  }
}
