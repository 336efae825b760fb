/**
 * One published message on its way to all subscribers, and the counts of its outcomes.
 */
import * as Fanout from "@effect-ws/connection/Fanout"
import type { Recipient, FanoutCounters } from "@effect-ws/connection/Fanout"
import * as CloseError from "@effect-ws/protocol/CloseError"
import type { PreparedMessage } from "@effect-ws/protocol/PreparedMessage"
import type { SendOptions } from "@effect-ws/protocol/Session"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { PublishResult, PublishOptions } from "../Publishing.ts"
import type { QueueEntry } from "./OutboundQueue.ts"
import type { SubscriberQueueOptions } from "./SubscriberQueueOptions.ts"

/** The dispatcher of a message. */
export interface PublishTarget {
  readonly add: (publication: PublishJob) => void
  /** Withdraws a message whose pass has not begun. */
  readonly remove: (publication: PublishJob) => void
}

/** The queue of a subscriber that the publisher waits for. */
export interface WaitingQueue {
  readonly awaited: Set<WaitingEntry>
  readonly options: SubscriberQueueOptions
  readonly recipient: Recipient
  /** Removes an entry that is not sent yet. */
  readonly withdraw: (entry: WaitingEntry) => void
}

export class PublishJob {
  readonly message: PreparedMessage
  readonly options: SendOptions | undefined
  /** The receiver to skip. */
  readonly except: Recipient | undefined
  /** Options of a broadcast, for its queues. A subscription has options of its own. */
  readonly behind: SubscriberQueueOptions
  /** Its sequence number: subscriptions that began later do not get it. */
  readonly number: number

  subscribers = 0
  delivered = 0
  queued = 0
  dropped = 0
  disconnected = 0
  closed = 0

  private waiting: Set<WaitingEntry> | undefined = undefined
  private isServed = false
  private isAbandoned = false
  private onStep: (() => void) | undefined = undefined
  private readonly counters: FanoutCounters | undefined

  constructor(
    message: PreparedMessage,
    options: PublishOptions,
    behind: SubscriberQueueOptions,
    number: number,
    counters: FanoutCounters | undefined
  ) {
    const { compress, except } = options
    this.message = message
    this.options = compress === undefined ? undefined : { compress }
    this.except = except === undefined ? undefined : Fanout.recipient(except)
    this.behind = behind
    this.number = number
    this.counters = counters
  }

  get account(): PublishResult {
    const { closed, delivered, disconnected, dropped, queued, subscribers } = this
    return { subscribers, delivered, queued, dropped, disconnected, closed }
  }

  /** Makes the publisher wait for a subscriber that is behind. Returns nothing if the publisher was interrupted. */
  waitFor(queue: WaitingQueue): WaitingEntry | undefined {
    if (this.isAbandoned) return undefined
    const entry = new WaitingEntry(this, queue)
    this.waiting ??= new Set()
    this.waiting.add(entry)
    return entry
  }

  settle(entry: WaitingEntry, outcome: "delivered" | "closed" | "disconnected"): void {
    if (this.waiting?.delete(entry) !== true) return
    this[outcome]++
    if (!this.isDone) return
    this.counters?.add(this)
    this.step()
  }

  /** Records that the pass has reached all subscribers. */
  served(): void {
    this.isServed = true
    if (this.isDone) this.counters?.add(this)
    this.step()
  }

  // Whether the pass has reached all subscribers, and the publisher waits for none of them.
  private get isDone(): boolean {
    return this.isServed && (this.waiting === undefined || this.waiting.size === 0)
  }

  private step(): void {
    const onStep = this.onStep
    this.onStep = undefined
    onStep?.()
  }

  /** Publishes the message, and waits for the end of its pass and then for subscribers that are behind. */
  run(channel: PublishTarget): Effect.Effect<PublishResult> {
    const next = (begin: () => void): Effect.Effect<void> =>
      Effect.callback((resume) => {
        const publisher = Fiber.getCurrent()!
        this.onStep = () => {
          // The publisher resumes in here, in the middle of a pass for others.
          try {
            resume(Effect.void)
          } catch (defect) {
            const log = Effect.logError("A fiber that published threw when it was resumed", Cause.die(defect))
            Effect.runForkWith(publisher.context)(log)
          }
        }
        begin()
      })
    return Effect.flatMap(
      next(() => channel.add(this)),
      () =>
        this.isDone
          ? Effect.void
          : Effect.raceFirst(
              next(() => {}),
              this.expiring
            )
    ).pipe(
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          channel.remove(this)
          this.abandon()
        })
      ),
      Effect.map(() => this.account)
    )
  }

  // Disconnects subscribers that are still behind at the end of their `backpressureTimeout`.
  private get expiring(): Effect.Effect<never> {
    const times = new Set(Array.from(this.waiting ?? [], ({ queue }) => queue.options.waitMillis))
    const expire = (millis: number): Effect.Effect<void> =>
      Effect.andThen(
        Effect.sleep(millis),
        Effect.sync(() => {
          for (const entry of this.waiting ?? []) if (entry.queue.options.waitMillis <= millis) entry.expire()
        })
      )
    return Effect.andThen(Effect.forEach(times, expire, { concurrency: "unbounded", discard: true }), Effect.never)
  }

  // Without a waiting publisher nothing bounds the entries that wait for subscribers, so they are withdrawn.
  private abandon(): void {
    this.isAbandoned = true
    if (this.isServed && !this.isDone) this.counters?.add(this)
    for (const entry of this.waiting ?? []) entry.withdraw()
    this.waiting = undefined
  }
}

/** An entry that the publisher waits for. */
export class WaitingEntry implements QueueEntry {
  before: QueueEntry | undefined = undefined
  after: QueueEntry | undefined = undefined
  readonly queue: WaitingQueue
  private readonly publication: PublishJob

  constructor(publication: PublishJob, queue: WaitingQueue) {
    this.publication = publication
    this.queue = queue
  }

  get message(): PreparedMessage {
    return this.publication.message
  }

  get options(): SendOptions | undefined {
    return this.publication.options
  }

  left(wasSent: boolean): void {
    this.queue.awaited.delete(this)
    this.publication.settle(this, wasSent ? "delivered" : "closed")
  }

  /** Ends the wait, since the subscription has ended. */
  cancel(): void {
    this.withdraw()
    this.publication.settle(this, "closed")
  }

  withdraw(): void {
    this.queue.awaited.delete(this)
    this.queue.withdraw(this)
  }

  expire(): void {
    this.withdraw()
    this.publication.settle(this, "disconnected")
    this.queue.recipient.failUnsafe(tooSlow())
  }
}

/** Creates the close error of a subscriber that does not read. */
export const tooSlow = (): CloseError.SendableCloseError =>
  new CloseError.TryAgainLater({ reason: "the peer does not read what it is sent" })
