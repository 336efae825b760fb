/**
 * The writing side of a connection: what the session wants written goes to the transport, and whoever sends learns when
 * to wait and when what was sent has left.
 */
import type * as Message from "@effect-ws/protocol/Message"
import type { Session } from "@effect-ws/protocol/Session"
import type { PushWriter } from "@effect-ws/transport/Push"
import type { Meter } from "./Meter.ts"
import { Unwritten } from "./Unwritten.ts"

export class Outlet {
  /** What is measured of the connection, if anything is: here, where it is needed for each write. */
  readonly meter: Meter | undefined
  private readonly session: Session
  private readonly writer: PushWriter
  /** The bytes that may wait before senders do. */
  private readonly limit: number
  private blocked = false
  private waiters: Array<() => void> | undefined = undefined
  private unwritten: Unwritten | undefined = undefined

  constructor(session: Session, writer: PushWriter, limit: number, meter: Meter | undefined) {
    this.meter = meter
    this.session = session
    this.writer = writer
    this.limit = limit
  }

  /** Writes everything that has gathered. */
  write(): void {
    const { session, writer } = this
    const { output } = session
    if (output.pendingBytes === 0) return
    if (this.unwritten !== undefined) this.unwritten.written += output.pendingBytes
    const chunks = output.take()
    if (this.meter !== undefined) this.meter.written(chunks)
    let accepted = true
    if (chunks.length === 1) {
      accepted = writer.writeUnsafe(chunks[0]!)
    } else {
      writer.cork()
      // Each answer tells of all that is pending: the last one counts.
      for (let at = 0; at < chunks.length; at++) accepted = writer.writeUnsafe(chunks[at]!)
      writer.uncork()
    }
    output.release(writer.copies && writer.pendingBytes === 0)
    if (!accepted && !this.blocked) {
      this.blocked = true
      session.setBackedUp(true)
    }
  }

  /** Drops what has gathered and was not written. */
  discard(): void {
    this.session.output.take()
    this.session.output.release(false)
  }

  /** The transport has handed on what was pending. */
  onDrain(): void {
    this.blocked = false
    this.session.setBackedUp(false)
    this.wake()
  }

  /** Everything that was sent and that the system does not have, the work of extensions included. */
  get waitingBytes(): number {
    return this.writer.pendingBytes + this.session.output.pendingBytes + this.session.queuedBytes
  }

  /** Whether senders should wait. */
  get isAboveLimit(): boolean {
    if (this.session.output.pendingBytes > this.limit) this.write()
    return (this.blocked || this.session.queuedBytes > 0) && this.waitingBytes > this.limit
  }

  /** Whether the system has everything. */
  get isFlushed(): boolean {
    return this.waitingBytes === 0 && this.session.pendingEncode === undefined
  }

  /** Whether anybody waits for that. */
  get isAwaited(): boolean {
    return this.waiters !== undefined
  }

  /** Calls back when senders may go on, or flushing has come further; the result takes that back. */
  wait(resume: () => void): () => void {
    this.waiters ??= []
    this.waiters.push(resume)
    return () => {
      const at = this.waiters?.indexOf(resume) ?? -1
      if (at >= 0) this.waiters!.splice(at, 1)
    }
  }

  /** Lets those go on that wait, unless they would have to wait again. */
  wake(): void {
    if (this.waiters !== undefined && !this.isAboveLimit) this.wakeAll()
  }

  wakeAll(): void {
    const waiters = this.waiters
    this.waiters = undefined
    if (waiters !== undefined) for (const resume of waiters) resume()
  }

  /** From now on {@link takeSent} tells of messages that were written. */
  observe(): void {
    this.unwritten ??= new Unwritten()
  }

  /** A message was handed to the session. */
  onSend(data: string | Uint8Array): void {
    this.unwritten?.add(data, this.session)
  }

  /** An extension is done with what it left to be done. */
  onEncoded(): void {
    this.unwritten?.encoded(this.session)
  }

  /** The messages that were written since the last call. */
  takeSent(): ReadonlyArray<Message.Message> | undefined {
    return this.unwritten?.take(this.writer.pendingBytes)
  }
}
