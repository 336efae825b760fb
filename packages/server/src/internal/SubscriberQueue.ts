/**
 * The queue of one subscription, for messages that its connection cannot take now.
 *
 * The queues of one connection share its `Subscriber`, and with it the order in which their messages are sent.
 */
import type { Recipient } from "@effect-ws/connection/Fanout"
import * as Argument from "@effect-ws/protocol/Argument"
import type { PreparedMessage } from "@effect-ws/protocol/PreparedMessage"
import type { SendOptions } from "@effect-ws/protocol/Session"
import * as Duration from "effect/Duration"
import * as MutableList from "effect/MutableList"
import type { SlowSubscriberOptions } from "../Publishing.ts"
import { OutboundQueue } from "./OutboundQueue.ts"
import type { QueueEntry } from "./OutboundQueue.ts"
import { tooSlow } from "./PublishJob.ts"
import type { PublishJob, WaitingEntry } from "./PublishJob.ts"
import type { SubscriberQueueOptions } from "./SubscriberQueueOptions.ts"

export type { SubscriberQueueOptions } from "./SubscriberQueueOptions.ts"

export const subscriberQueueOptions = (
  options: SlowSubscriberOptions = {},
  defaults: SlowSubscriberOptions = {}
): SubscriberQueueOptions => ({
  onSlowSubscriber: options.onSlowSubscriber ?? defaults.onSlowSubscriber ?? "dropOldest",
  maxMessages: Argument.limit("maxQueuedMessages", options.maxQueuedMessages ?? defaults.maxQueuedMessages ?? 256),
  maxBytes: Argument.limit("maxQueuedBytes", options.maxQueuedBytes ?? defaults.maxQueuedBytes ?? 1024 * 1024),
  waitMillis: Duration.toMillis(
    Argument.duration(
      "backpressureTimeout",
      options.backpressureTimeout ?? defaults.backpressureTimeout ?? "10 seconds"
    )
  )
})

/** A connection with subscriptions. */
export class Subscriber {
  readonly recipient: Recipient
  /** The queue of the connection, while it is behind. */
  backlog: OutboundQueue | undefined = undefined

  private readonly onCaughtUp: (() => void) | undefined

  /** `onCaughtUp` runs each time the queue has become empty. */
  constructor(recipient: Recipient, onCaughtUp?: () => void) {
    this.recipient = recipient
    this.onCaughtUp = onCaughtUp
  }

  /** Whether a message can be sent at once. */
  get isReady(): boolean {
    return this.backlog === undefined && this.recipient.isWritable
  }

  defer(entry: QueueEntry): void {
    this.backlog ??= new OutboundQueue(this.recipient, (backlog) => {
      if (this.backlog !== backlog) return
      this.backlog = undefined
      this.onCaughtUp?.()
    })
    this.backlog.add(entry)
  }
}

const none: Set<WaitingEntry> = new Set()

export class SubscriberQueue {
  readonly member: Subscriber
  options: SubscriberQueueOptions
  /** The sequence number of the last message published before the subscription. */
  readonly since: number
  /** The number of messages dropped here. */
  dropped = 0
  queuedBytes = 0
  /** The entries that publishers wait for. */
  awaited: Set<WaitingEntry> = none
  private readonly queue = MutableList.make<QueuedEntry>()

  constructor(member: Subscriber, options: SubscriberQueueOptions, since: number) {
    this.member = member
    this.options = options
    this.since = since
  }

  get recipient(): Recipient {
    return this.member.recipient
  }

  /** The number of messages in the queue. */
  get queued(): number {
    return this.queue.length
  }

  /** Queues a message, drops messages, or disconnects, according to the options. */
  put(publication: PublishJob): void {
    const { maxBytes, maxMessages, onSlowSubscriber } = this.options
    if (onSlowSubscriber === "wait") return this.putWaiting(publication)
    const size = publication.message.payload.length
    const exceeds = (messages: number, bytes: number): boolean => messages > maxMessages || bytes > maxBytes
    if (onSlowSubscriber === "disconnect" && exceeds(this.queued + 1, this.queuedBytes + size)) {
      publication.disconnected++
      this.clear()
      this.recipient.failUnsafe(tooSlow())
      return
    }
    if (exceeds(1, size)) {
      this.dropped++
      publication.dropped++
      return
    }
    const entry = new QueuedEntry(this, publication.message, publication.options)
    MutableList.append(this.queue, entry)
    this.queuedBytes += size
    publication.queued++
    this.member.defer(entry)
    while (exceeds(this.queued, this.queuedBytes)) {
      this.withdraw(this.shift())
      this.dropped++
      publication.dropped++
    }
  }

  private putWaiting(publication: PublishJob): void {
    const entry = publication.waitFor(this)
    if (entry === undefined) return
    if (this.awaited === none) this.awaited = new Set()
    this.awaited.add(entry)
    this.member.defer(entry)
  }

  /**
   * Removes the oldest entry, if there is one. Entries leave in the order in which they came, so it is the one to
   * remove.
   */
  shift(): QueuedEntry | undefined {
    const entry = MutableList.take(this.queue)
    if (entry === MutableList.Empty) return undefined
    this.queuedBytes -= entry.message.payload.length
    return entry
  }

  withdraw(entry: QueueEntry | undefined): void {
    if (entry !== undefined) this.member.backlog?.remove(entry)
  }

  /** Withdraws all entries. */
  clear(): void {
    while (this.queued > 0) this.withdraw(this.shift())
    for (const entry of this.awaited) entry.cancel()
  }
}

/** An entry that no publisher waits for. */
class QueuedEntry implements QueueEntry {
  before: QueueEntry | undefined = undefined
  after: QueueEntry | undefined = undefined
  readonly message: PreparedMessage
  readonly options: SendOptions | undefined
  private readonly queue: SubscriberQueue

  constructor(queue: SubscriberQueue, message: PreparedMessage, options: SendOptions | undefined) {
    this.queue = queue
    this.message = message
    this.options = options
  }

  left(): void {
    this.queue.shift()
  }
}
