/**
 * What is published to one audience, in order: passes over all who are to get it, in slices.
 *
 * A pass takes the messages that have gathered and hands each subscriber all of them before it turns to the next, so
 * that each connection is written to once and what is being filled is used again at once.
 */
import type { Recipient } from "@effect-ws/connection/Fanout"
import type { AsyncTransform } from "@effect-ws/protocol/Extension"
import type { Subscriber, SubscriberQueue } from "./SubscriberQueue.ts"
import type { PublishJob } from "./PublishJob.ts"
import type { SliceScheduler, Work } from "./SliceScheduler.ts"

/** Who is to get what is published. */
export interface Audience<Item> {
  readonly recipient: (item: Item) => Recipient
  /** The one's backlog and order, where there is any. */
  readonly member: (item: Item) => Subscriber | undefined
  /** Whether a message is for this one. */
  readonly includes: (item: Item, publication: PublishJob) => boolean
  /** Where to put a message that the connection does not take now. */
  readonly place: (item: Item, publication: PublishJob) => SubscriberQueue
}

// The most messages of a pass; it bounds by how much a turn exceeds its slice.
const mostAtOnce = 64

export class Dispatcher<Item> implements Work {
  isListed = false
  private readonly audience: Audience<Item>
  // All who are there. Who comes or goes during a pass may be seen or not.
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

  /** Takes a message back whose pass has not begun. */
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
          // Publishers go on at once, and may publish again.
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

  // Hands one subscriber what is left of the pass; gives how many messages that were.
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
        audience.place(item, publication).put(publication)
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

  // Compressing a large message for all takes its time on another thread. Were each connection to wait for it by itself,
  // all would be written to in the one turn in which it is done.
  private hold(pending: AsyncTransform): void {
    this.isHeld = true
    pending.start(() => {
      this.isHeld = false
      this.turns.add(this)
    })
  }
}
