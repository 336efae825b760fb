/**
 * Delivers the messages of one topic, or of broadcast, in order: it passes over all subscribers, in slices.
 *
 * A pass takes the messages that are waiting and gives each subscriber all of them before it goes to the next, so that
 * each connection gets one write, and the write buffer is free for the next connection at once.
 */
import type { Recipient } from "@effect-ws/connection/Fanout"
import type { AsyncTransform } from "@effect-ws/protocol/Extension"
import type { Subscriber, SubscriberQueue } from "./SubscriberQueue.ts"
import type { PublishJob } from "./PublishJob.ts"
import type { SliceScheduler, Work } from "./SliceScheduler.ts"

/** How a dispatcher sees the receivers of its messages. */
export interface Audience<Item> {
  readonly recipient: (item: Item) => Recipient
  /** Returns the state of a receiver that may have a queue, if there is any. */
  readonly member: (item: Item) => Subscriber | undefined
  /** Whether a message is for this receiver. */
  readonly includes: (item: Item, publication: PublishJob) => boolean
  /** Returns the queue for a message that the connection cannot take now. */
  readonly queue: (item: Item, publication: PublishJob) => SubscriberQueue
}

// Maximum messages of a pass; it bounds by how much a turn can exceed its slice.
const mostAtOnce = 64

export class Dispatcher<Item> implements Work {
  isListed = false
  private readonly audience: Audience<Item>
  // Returns all receivers. A pass may or may not see receivers that join or leave during it.
  private readonly all: () => Iterator<Item>
  private readonly turns: SliceScheduler
  private waiting: Array<PublishJob> = []
  private pass: Array<PublishJob> = []
  private items: Iterator<Item> | undefined = undefined
  private current: { readonly item: Item } | undefined = undefined
  private at = 0
  private isHeld = false

  constructor(audience: Audience<Item>, all: () => Iterator<Item>, turns: SliceScheduler) {
    this.audience = audience
    this.all = all
    this.turns = turns
  }

  get hasWork(): boolean {
    return !this.isHeld && !this.isIdle
  }

  get isIdle(): boolean {
    return this.items === undefined && this.waiting.length === 0
  }

  add(publication: PublishJob): void {
    this.waiting.push(publication)
    if (!this.isHeld) this.turns.add(this)
  }

  /** Withdraws a message whose pass has not begun. */
  remove(publication: PublishJob): void {
    const at = this.waiting.indexOf(publication)
    if (at >= 0) this.waiting.splice(at, 1)
  }

  serve(budget: number): number {
    let used = 0
    while (used < budget && this.hasWork) {
      if (this.items === undefined) {
        this.pass = this.waiting.splice(0, mostAtOnce)
        this.items = this.all()
        used++
      }
      if (this.current === undefined) {
        const next = this.items.next()
        if (next.done === true) {
          this.items = undefined
          // Publishers resume at once, and may publish again.
          for (const publication of this.pass.splice(0)) publication.served()
          continue
        }
        this.current = { item: next.value }
        this.at = 0
      }
      used += this.hand(this.current.item)
    }
    return used
  }

  // Gives one receiver the rest of the pass. Returns the number of messages.
  private hand(item: Item): number {
    const { audience } = this
    const recipient = audience.recipient(item)
    let handed = 0
    let wrote = false
    for (; this.at < this.pass.length; this.at++) {
      const publication = this.pass[this.at]!
      if (!audience.includes(item, publication)) continue
      const pending = recipient.pendingPrepare(publication.message, publication.options)
      if (pending !== undefined) {
        if (wrote) recipient.flushUnsafe()
        this.hold(pending)
        return handed
      }
      handed++
      publication.subscribers++
      const member = audience.member(item)
      if (!recipient.canSend) publication.closed++
      else if (member === undefined ? !recipient.isWritable : !member.isReady) {
        audience.queue(item, publication).put(publication)
      } else if (recipient.sendUnsafe(publication.message, publication.options) === undefined) {
        publication.delivered++
        wrote = true
      } else {
        publication.closed++
        wrote = true
      }
    }
    if (wrote) recipient.flushUnsafe()
    this.current = undefined
    return handed
  }

  // A large message is compressed for all on another thread. If each connection waited for that by itself, all of them
  // would be written to in the one turn in which it completes, so the whole pass waits.
  private hold(pending: AsyncTransform): void {
    this.isHeld = true
    pending.start(() => {
      this.isHeld = false
      this.turns.add(this)
    })
  }
}
