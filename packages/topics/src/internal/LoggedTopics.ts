/**
 * Topics over a log: a subscription is a reader of the log and a fiber that sends what it reads. A subscriber that is
 * behind holds nothing here but the part of the log that was read for it last.
 */
import type { FanoutTarget } from "@effect-ws/connection/Recipient"
import * as Fanout from "@effect-ws/connection/Fanout"
import * as PreparedMessage from "@effect-ws/protocol/PreparedMessage"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import type { TopicLog } from "../TopicLog.ts"
import type { After, AppendError, Entry, Gap, TopicItem, TopicReader } from "./LogTypes.ts"
import type { LimitExceeded, LogUnavailable } from "../TopicLogError.ts"
import type { PublishOptions, PublishResult, Subscription } from "./TopicsTypes.ts"
import * as metrics from "./metrics.ts"
import { sendPrepared } from "./sendPrepared.ts"

/** The options with their defaults. */
export interface LoggedTopicsSettings {
  readonly maxSubscriptions: number
  readonly encode: (entry: Entry) => string | Uint8Array
  readonly encodeGap: (topic: string, gap: Gap) => string | Uint8Array | undefined
}

// Ids of own messages that a subscription skips; more than these wait for the log only where it lost some.
const maxSkipped = 1024

class LoggedSubscription implements Subscription {
  readonly topic: string
  readonly scope: Scope.Closeable
  isActive = true
  dropped = 0
  queued = 0
  /** The ids of messages that are not for this connection. */
  readonly skipped = new Set<string>()

  constructor(topic: string, scope: Scope.Closeable) {
    this.topic = topic
    this.scope = scope
  }

  skip(id: string): void {
    this.skipped.add(id)
    if (this.skipped.size > maxSkipped) for (const oldest of this.skipped) return void this.skipped.delete(oldest)
  }
}

interface LoggedSubscriber {
  readonly recipient: Fanout.Recipient
  readonly byTopic: Map<string, LoggedSubscription>
  /** Removes the listener for the end of the connection. */
  readonly forget: () => void
}

export class LoggedTopics {
  private readonly log: TopicLog["Service"]
  private readonly scope: Scope.Scope
  private readonly counters: Fanout.FanoutCounters | undefined
  private readonly settings: LoggedTopicsSettings
  private readonly subscribers = new Map<FanoutTarget, LoggedSubscriber>()
  private readonly counts = new Map<string, number>()
  /** An entry is encoded once for all subscribers that get it. */
  private readonly prepared = new WeakMap<Entry, PreparedMessage.PreparedMessage>()
  private droppedByThoseWhoLeft = 0

  constructor(
    log: TopicLog["Service"],
    scope: Scope.Scope,
    counters: Fanout.FanoutCounters | undefined,
    settings: LoggedTopicsSettings
  ) {
    this.log = log
    this.scope = scope
    this.counters = counters
    this.settings = settings
  }

  get maxSubscriptions(): number {
    return this.settings.maxSubscriptions
  }

  /** Subscribes. Returns `undefined` above `maxSubscriptions`. */
  subscribe(
    connection: FanoutTarget,
    topic: string,
    after: After | undefined
  ): Effect.Effect<Subscription | undefined, LogUnavailable | LimitExceeded> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen({ self: this }, function* () {
        const existing = this.subscribers.get(connection)?.byTopic.get(topic)
        if (existing !== undefined) return existing
        if ((this.subscribers.get(connection)?.byTopic.size ?? 0) >= this.maxSubscriptions) return undefined
        const subscription = new LoggedSubscription(topic, yield* Scope.fork(this.scope))
        const recipient = Fanout.recipient(connection)
        if (recipient.isClosed) {
          subscription.isActive = false
          return subscription
        }
        this.add(connection, recipient, subscription)
        const reader = yield* Effect.onExit(
          restore(Scope.provide(this.log.follow(topic, { after }), subscription.scope)),
          (exit) => (Exit.isSuccess(exit) ? Effect.void : this.unsubscribe(connection, topic))
        )
        // The connection may have closed meanwhile.
        if (subscription.isActive) {
          const deliver = Effect.andThen(
            this.deliver(recipient, subscription, reader),
            Effect.forkIn(this.unsubscribe(connection, topic), this.scope)
          )
          yield* Effect.forkIn(deliver, subscription.scope)
        }
        return subscription
      })
    )
  }

  private add(connection: FanoutTarget, recipient: Fanout.Recipient, subscription: LoggedSubscription): void {
    let subscriber = this.subscribers.get(connection)
    if (subscriber === undefined) {
      const forget = recipient.onClosed(() => {
        const topics = [...(this.subscribers.get(connection)?.byTopic.keys() ?? [])]
        for (const topic of topics) Effect.runFork(this.unsubscribe(connection, topic))
      })
      subscriber = { recipient, byTopic: new Map(), forget }
      this.subscribers.set(connection, subscriber)
    }
    const { topic } = subscription
    subscriber.byTopic.set(topic, subscription)
    this.counts.set(topic, this.count(topic) + 1)
    this.counters?.subscribed(1)
  }

  unsubscribe(connection: FanoutTarget, topic: string): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      const subscriber = this.subscribers.get(connection)
      const subscription = subscriber?.byTopic.get(topic)
      if (subscriber === undefined || subscription === undefined) return Effect.succeed(false)
      subscriber.byTopic.delete(topic)
      if (subscriber.byTopic.size === 0) {
        subscriber.forget()
        this.subscribers.delete(connection)
      }
      subscription.isActive = false
      subscription.queued = 0
      this.droppedByThoseWhoLeft += subscription.dropped
      const left = this.count(topic) - 1
      if (left === 0) this.counts.delete(topic)
      else this.counts.set(topic, left)
      this.counters?.subscribed(-1)
      return Effect.as(Scope.close(subscription.scope, Exit.void), true)
    })
  }

  publish(
    topic: string,
    content: string | Uint8Array | PreparedMessage.PreparedMessage,
    { except, id = globalThis.crypto.randomUUID() }: PublishOptions = {}
  ): Effect.Effect<PublishResult, AppendError> {
    const data = PreparedMessage.isPreparedMessage(content) ? content.message.data : content
    const sender = except === undefined ? undefined : this.subscribers.get(except)?.byTopic.get(topic)
    sender?.skip(id)
    return this.log.append(topic, data, { id }).pipe(
      // Where the outcome is unknown the entry may still come.
      Effect.tapError((error) =>
        Effect.sync(() => (error._tag === "OutcomeUnknown" ? undefined : sender?.skipped.delete(id)))
      ),
      Effect.map(({ isDuplicate, position }) => {
        const subscribers = isDuplicate ? 0 : this.count(topic) - (sender === undefined ? 0 : 1)
        return { subscribers, delivered: 0, queued: subscribers, dropped: 0, disconnected: 0, closed: 0, position }
      })
    )
  }

  count(topic: string): number {
    return this.counts.get(topic) ?? 0
  }

  get names(): ReadonlyArray<string> {
    return [...this.counts.keys()]
  }

  subscriptions(connection: FanoutTarget): ReadonlyArray<Subscription> {
    return [...(this.subscribers.get(connection)?.byTopic.values() ?? [])]
  }

  get dropped(): number {
    let dropped = this.droppedByThoseWhoLeft
    for (const { byTopic } of this.subscribers.values()) {
      for (const subscription of byTopic.values()) dropped += subscription.dropped
    }
    return dropped
  }

  /** Sends until the connection is over. */
  private deliver(
    recipient: Fanout.Recipient,
    subscription: LoggedSubscription,
    reader: TopicReader
  ): Effect.Effect<void> {
    return Effect.flatMap(reader.pull, (items) => {
      const messages = items.flatMap((item) => this.messageOf(item, subscription) ?? [])
      const gaps = items.filter(({ _tag }) => _tag === "Gap").length
      subscription.queued = messages.length
      return sendPrepared(recipient, messages, () => void subscription.queued--).pipe(
        Effect.tap(Metric.update(metrics.delivered, items.length - gaps)),
        Effect.tap(gaps === 0 ? Effect.void : Metric.update(metrics.gaps, gaps)),
        Effect.flatMap((goesOn) => (goesOn ? this.deliver(recipient, subscription, reader) : Effect.void))
      )
    })
  }

  private messageOf(item: TopicItem, subscription: LoggedSubscription): PreparedMessage.PreparedMessage | undefined {
    if (item._tag === "Gap") {
      subscription.dropped += item.lost === "unknown" ? 0 : item.lost
      const text = this.settings.encodeGap(subscription.topic, item)
      return text === undefined ? undefined : PreparedMessage.make(text)
    }
    if (subscription.skipped.delete(item.id)) return undefined
    let message = this.prepared.get(item)
    if (message === undefined) {
      message = PreparedMessage.make(this.settings.encode(item))
      this.prepared.set(item, message)
    }
    return message
  }
}
