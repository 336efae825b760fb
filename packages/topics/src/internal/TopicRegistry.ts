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

const nobody: PublishResult = { subscribers: 0, delivered: 0, queued: 0, dropped: 0, disconnected: 0, closed: 0 }

const subscribed: Audience<TopicSubscription> = {
  recipient: (place) => place.recipient,
  member: (place) => place.member,
  includes: (place, publication) =>
    place.isActive && place.since < publication.number && place.recipient !== publication.except,
  place: (place) => place
}

interface Topic {
  readonly name: string
  readonly places: Set<TopicSubscription>
  readonly channel: Dispatcher<TopicSubscription>
}

export class TopicRegistry {
  readonly maxSubscriptions: number
  private readonly defaults: SlowSubscriberOptions
  private readonly behind: SubscriberQueueOptions
  private readonly turns: SliceScheduler
  private readonly tally: FanoutCounters | undefined
  private readonly topics = new Map<string, Topic>()
  private readonly subscribers = new Map<Recipient, TopicSubscriber>()
  private published = 0
  private droppedByThoseWhoLeft = 0

  constructor(options: TopicsOptions, tally: FanoutCounters | undefined) {
    this.tally = tally
    this.defaults = options
    this.behind = subscriberQueueOptions(options)
    this.maxSubscriptions = Argument.limit("maxSubscriptions", options.maxSubscriptions ?? 1024)
    this.turns = new SliceScheduler(Argument.limit("batchSize", options.batchSize ?? mostInOneTurn, 1))
  }

  /** Subscribes, or replaces the options. Returns `undefined` above `maxSubscriptions`. */
  subscribe(recipient: Recipient, name: string, options: SlowSubscriberOptions | undefined): Subscription | undefined {
    const settings = subscriberQueueOptions(options, this.defaults)
    let subscriber = this.subscribers.get(recipient)
    const existing = subscriber?.places.get(name)
    if (existing !== undefined) {
      existing.options = settings
      return existing
    }
    if ((subscriber?.places.size ?? 0) >= this.maxSubscriptions) return undefined
    if (recipient.isClosed) return TopicSubscription.ended(name, recipient, settings)
    if (subscriber === undefined) {
      subscriber = new TopicSubscriber(recipient, () => this.leave(recipient))
      this.subscribers.set(recipient, subscriber)
    }
    const topic = this.topic(name)
    const place = new TopicSubscription(topic.name, subscriber, settings, this.published)
    topic.places.add(place)
    this.tally?.subscribed(1)
    subscriber.places.set(topic.name, place)
    return place
  }

  private topic(name: string): Topic {
    let topic = this.topics.get(name)
    if (topic === undefined) {
      const places = new Set<TopicSubscription>()
      const channel = new Dispatcher(subscribed, () => places.values(), this.turns)
      topic = { name, places, channel }
      this.topics.set(name, topic)
    }
    return topic
  }

  unsubscribe(recipient: Recipient, name: string): boolean {
    const subscriber = this.subscribers.get(recipient)
    const place = subscriber?.places.get(name)
    if (subscriber === undefined || place === undefined) return false
    subscriber.places.delete(name)
    this.end(place)
    if (subscriber.places.size === 0) {
      subscriber.forget()
      this.subscribers.delete(recipient)
    }
    return true
  }

  private leave(recipient: Recipient): void {
    const subscriber = this.subscribers.get(recipient)
    if (subscriber === undefined) return
    this.subscribers.delete(recipient)
    for (const place of subscriber.places.values()) this.end(place)
  }

  private end(place: TopicSubscription): void {
    place.isActive = false
    place.clear()
    this.tally?.subscribed(-1)
    this.droppedByThoseWhoLeft += place.dropped
    const topic = this.topics.get(place.topic)
    topic?.places.delete(place)
    if (topic?.places.size === 0) this.topics.delete(place.topic)
  }

  publish(name: string, message: PreparedMessage, options: PublishOptions = {}): Effect.Effect<PublishResult> {
    const topic = this.topics.get(name)
    if (topic === undefined) {
      this.tally?.add(nobody)
      return Effect.succeed(nobody)
    }
    return new PublishJob(message, options, this.behind, ++this.published, this.tally).run(topic.channel)
  }

  count(name: string): number {
    return this.topics.get(name)?.places.size ?? 0
  }

  get names(): ReadonlyArray<string> {
    return Array.from(this.topics.keys())
  }

  subscriptions(recipient: Recipient): ReadonlyArray<Subscription> {
    return Array.from(this.subscribers.get(recipient)?.places.values() ?? [])
  }

  get dropped(): number {
    let dropped = this.droppedByThoseWhoLeft
    for (const { places } of this.subscribers.values()) for (const place of places.values()) dropped += place.dropped
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
  readonly places = new Map<string, TopicSubscription>()
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
    const place = new TopicSubscription(topic, new Subscriber(recipient), options, 0)
    place.isActive = false
    return place
  }
}
