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

  defer(letter: QueueEntry): void {
    this.backlog ??= new OutboundQueue(this.recipient, (backlog) => {
      if (this.backlog !== backlog) return
      this.backlog = undefined
      this.onCaughtUp?.()
    })
    this.backlog.add(letter)
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
    const letter = new QueuedEntry(this, publication.message, publication.options)
    MutableList.append(this.queue, letter)
    this.queuedBytes += size
    publication.queued++
    this.member.defer(letter)
    while (exceeds(this.queued, this.queuedBytes)) {
      this.takeBack(this.shift())
      this.dropped++
      publication.dropped++
    }
  }

  private putWaiting(publication: PublishJob): void {
    const letter = publication.waitFor(this)
    if (letter === undefined) return
    if (this.awaited === none) this.awaited = new Set()
    this.awaited.add(letter)
    this.member.defer(letter)
  }

  /**
   * Removes the oldest entry, if there is one. Entries leave in the order in which they came, so it is the one to
   * remove.
   */
  shift(): QueuedEntry | undefined {
    const letter = MutableList.take(this.queue)
    if (letter === MutableList.Empty) return undefined
    this.queuedBytes -= letter.message.payload.length
    return letter
  }

  takeBack(letter: QueueEntry | undefined): void {
    if (letter !== undefined) this.member.backlog?.remove(letter)
  }

  /** Withdraws all entries. */
  clear(): void {
    while (this.queued > 0) this.takeBack(this.shift())
    for (const letter of this.awaited) letter.cancel()
  }
}

/** An entry that no publisher waits for. */
class QueuedEntry implements QueueEntry {
  before: QueueEntry | undefined = undefined
  after: QueueEntry | undefined = undefined
  readonly message: PreparedMessage
  readonly options: SendOptions | undefined
  private readonly place: SubscriberQueue

  constructor(place: SubscriberQueue, message: PreparedMessage, options: SendOptions | undefined) {
    this.place = place
    this.message = message
    this.options = options
  }

  left(): void {
    this.place.shift()
  }
}
