/**
 * The queue of one connection that is behind: messages of all its topics in the order in which they were published.
 *
 * It exists only while the connection is behind. Each entry belongs to a `SubscriberQueue`, which bounds their number
 * and may remove entries.
 */
import type { Recipient } from "@effect-ws/connection/Fanout"
import type { PreparedMessage } from "@effect-ws/protocol/PreparedMessage"
import type { SendOptions } from "@effect-ws/protocol/Session"

/** A queued message. Entries are doubly linked, so that removing one costs the same anywhere in the queue. */
export interface QueueEntry {
  readonly message: PreparedMessage
  readonly options: SendOptions | undefined
  /** Runs when the entry has left: it was sent, or the connection is closed. Does not run after `remove`. */
  readonly left: (wasSent: boolean) => void
  before: QueueEntry | undefined
  after: QueueEntry | undefined
}

export class OutboundQueue {
  private readonly recipient: Recipient
  private readonly onEmpty: (self: OutboundQueue) => void
  private oldest: QueueEntry | undefined = undefined
  private newest: QueueEntry | undefined = undefined
  private forget: (() => void) | undefined = undefined

  constructor(recipient: Recipient, onEmpty: (self: OutboundQueue) => void) {
    this.recipient = recipient
    this.onEmpty = onEmpty
  }

  add(entry: QueueEntry): void {
    entry.before = this.newest
    if (this.newest === undefined) this.oldest = entry
    else this.newest.after = entry
    this.newest = entry
    this.forget ??= this.recipient.onWritable(() => this.onReady())
  }

  /** Removes an entry without sending it. */
  remove(entry: QueueEntry): void {
    this.unlink(entry)
    if (this.oldest === undefined) this.end()
  }

  private unlink(entry: QueueEntry): void {
    const { after, before } = entry
    if (before === undefined) this.oldest = after
    else before.after = after
    if (after === undefined) this.newest = before
    else after.before = before
    entry.before = entry.after = undefined
  }

  private onReady(): void {
    this.forget = undefined
    const { recipient } = this
    let wrote = false
    while (this.oldest !== undefined && (recipient.isWritable || !recipient.canSend)) {
      const entry = this.oldest
      this.unlink(entry)
      const wasSent = recipient.sendUnsafe(entry.message, entry.options) === undefined
      wrote = wrote || wasSent
      entry.left(wasSent)
    }
    if (wrote) recipient.flushUnsafe()
    // Sending may have queued further messages, or closed the connection.
    if (this.oldest === undefined) this.end()
    else this.forget ??= recipient.onWritable(() => this.onReady())
  }

  private end(): void {
    this.forget?.()
    this.forget = undefined
    this.onEmpty(this)
  }
}
