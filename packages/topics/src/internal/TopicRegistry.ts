/**
 * The subscriptions of all connections. A connection is listed here while it has a subscription, a topic while it has a
 * subscriber.
 */
import type { Recipient, FanoutCounters } from "@effect-ws/connection/Fanout"
import * as Argument from "@effect-ws/protocol/Argument"
import type { PreparedMessage } from "@effect-ws/protocol/PreparedMessage"
import * as Effect from "effect/Effect"
import type { PublishOptions, PublishResult, SlowSubscriberOptions } from "@effect-ws/server/Publishing"
import {
  Dispatcher,
  mostInOneTurn,
  PublishJob,
  SliceScheduler,
  Subscriber,
  SubscriberQueue,
  subscriberQueueOptions
} from "@effect-ws/server/internal/publishing"
import type { Audience, SubscriberQueueOptions } from "@effect-ws/server/internal/publishing"
import type { Subscription, TopicsOptions } from "./TopicsTypes.ts"

const noDelivery: PublishResult = { subscribers: 0, delivered: 0, queued: 0, dropped: 0, disconnected: 0, closed: 0 }

const subscribed: Audience<TopicSubscription> = {
  recipient: (subscription) => subscription.recipient,
  member: (subscription) => subscription.member,
  includes: (subscription, publication) =>
    subscription.isActive && subscription.since < publication.number && subscription.recipient !== publication.except,
  queue: (subscription) => subscription
}

interface Topic {
  readonly name: string
  readonly subscriptions: Set<TopicSubscription>
  readonly channel: Dispatcher<TopicSubscription>
}

export class TopicRegistry {
  readonly maxSubscriptions: number
  private readonly defaults: SlowSubscriberOptions
  private readonly behind: SubscriberQueueOptions
  private readonly turns: SliceScheduler
  private readonly counters: FanoutCounters | undefined
  private readonly topics = new Map<string, Topic>()
  private readonly subscribers = new Map<Recipient, TopicSubscriber>()
  private published = 0
  private droppedByThoseWhoLeft = 0

  constructor(options: TopicsOptions, counters: FanoutCounters | undefined) {
    this.counters = counters
    this.defaults = options
    this.behind = subscriberQueueOptions(options)
    this.maxSubscriptions = Argument.limit("maxSubscriptions", options.maxSubscriptions ?? 1024)
    this.turns = new SliceScheduler(Argument.limit("batchSize", options.batchSize ?? mostInOneTurn, 1))
  }

  /** Subscribes, or replaces the options. Returns `undefined` above `maxSubscriptions`. */
  subscribe(recipient: Recipient, name: string, options: SlowSubscriberOptions | undefined): Subscription | undefined {
    const settings = subscriberQueueOptions(options, this.defaults)
    let subscriber = this.subscribers.get(recipient)
    const existing = subscriber?.subscriptions.get(name)
    if (existing !== undefined) {
      existing.options = settings
      return existing
    }
    if ((subscriber?.subscriptions.size ?? 0) >= this.maxSubscriptions) return undefined
    if (recipient.isClosed) return TopicSubscription.ended(name, recipient, settings)
    if (subscriber === undefined) {
      subscriber = new TopicSubscriber(recipient, () => this.leave(recipient))
      this.subscribers.set(recipient, subscriber)
    }
    const topic = this.topic(name)
    const subscription = new TopicSubscription(topic.name, subscriber, settings, this.published)
    topic.subscriptions.add(subscription)
    this.counters?.subscribed(1)
    subscriber.subscriptions.set(topic.name, subscription)
    return subscription
  }

  private topic(name: string): Topic {
    let topic = this.topics.get(name)
    if (topic === undefined) {
      const subscriptions = new Set<TopicSubscription>()
      const channel = new Dispatcher(subscribed, () => subscriptions.values(), this.turns)
      topic = { name, subscriptions, channel }
      this.topics.set(name, topic)
    }
    return topic
  }

  unsubscribe(recipient: Recipient, name: string): boolean {
    const subscriber = this.subscribers.get(recipient)
    const subscription = subscriber?.subscriptions.get(name)
    if (subscriber === undefined || subscription === undefined) return false
    subscriber.subscriptions.delete(name)
    this.end(subscription)
    if (subscriber.subscriptions.size === 0) {
      subscriber.forget()
      this.subscribers.delete(recipient)
    }
    return true
  }

  private leave(recipient: Recipient): void {
    const subscriber = this.subscribers.get(recipient)
    if (subscriber === undefined) return
    this.subscribers.delete(recipient)
    for (const subscription of subscriber.subscriptions.values()) this.end(subscription)
  }

  private end(subscription: TopicSubscription): void {
    subscription.isActive = false
    subscription.clear()
    this.counters?.subscribed(-1)
    this.droppedByThoseWhoLeft += subscription.dropped
    const topic = this.topics.get(subscription.topic)
    topic?.subscriptions.delete(subscription)
    if (topic?.subscriptions.size === 0) this.topics.delete(subscription.topic)
  }

  publish(name: string, message: PreparedMessage, options: PublishOptions = {}): Effect.Effect<PublishResult> {
    const topic = this.topics.get(name)
    if (topic === undefined) {
      this.counters?.add(noDelivery)
      return Effect.succeed(noDelivery)
    }
    return new PublishJob(message, options, this.behind, ++this.published, this.counters).run(topic.channel)
  }

  count(name: string): number {
    return this.topics.get(name)?.subscriptions.size ?? 0
  }

  get names(): ReadonlyArray<string> {
    return Array.from(this.topics.keys())
  }

  subscriptions(recipient: Recipient): ReadonlyArray<Subscription> {
    return Array.from(this.subscribers.get(recipient)?.subscriptions.values() ?? [])
  }

  get dropped(): number {
    let dropped = this.droppedByThoseWhoLeft
    for (const { subscriptions } of this.subscribers.values())
      for (const subscription of subscriptions.values()) dropped += subscription.dropped
    return dropped
  }

  /** Ends all subscriptions. */
  close(): void {
    for (const [recipient, subscriber] of this.subscribers) {
      subscriber.forget()
      this.leave(recipient)
    }
  }
}

/** A connection with subscriptions. */
class TopicSubscriber extends Subscriber {
  readonly subscriptions = new Map<string, TopicSubscription>()
  /** Removes the listener for the end of the connection. */
  readonly forget: () => void

  constructor(recipient: Recipient, onOver: () => void) {
    super(recipient)
    this.forget = recipient.onClosed(onOver)
  }
}

class TopicSubscription extends SubscriberQueue implements Subscription {
  isActive = true
  readonly topic: string

  constructor(topic: string, member: Subscriber, options: SubscriberQueueOptions, since: number) {
    super(member, options, since)
    this.topic = topic
  }

  /** Creates the subscription of a connection that is already closed. */
  static ended(topic: string, recipient: Recipient, options: SubscriberQueueOptions): TopicSubscription {
    const subscription = new TopicSubscription(topic, new Subscriber(recipient), options, 0)
    subscription.isActive = false
    return subscription
  }
}
