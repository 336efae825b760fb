/**
 * The subscriptions of a topic client. A subscription outlives its connection: it is made again on the next one, after
 * the position of the last item that arrived.
 */
import { callEach } from "@effect-ws/transport/internal"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type * as Position from "../Position.ts"
import type { SubscribeError } from "./TopicClientTypes.ts"
import type { ClientClosed } from "../TopicClientError.ts"
import { RequestFailed } from "../TopicClientError.ts"
import type { After, TopicItem } from "./LogTypes.ts"
import type { ClientOutbox } from "./ClientOutbox.ts"

interface Subscription {
  readonly topic: string
  ref: number
  /** Where to begin on the next connection; `undefined` is from then on. */
  after: After | undefined
  /** Whether the current connection's items are those of `ref`. */
  isConfirmed: boolean
  readonly items: Queue.Queue<TopicItem, SubscribeError>
  /** Items that wait in the queue. */
  waiting: number
  /** Items that the program took and the server was not told about. */
  taken: number
}

export class ClientSubscriptions {
  private readonly outbox: ClientOutbox
  private readonly window: number
  private readonly byTopic = new Map<string, Subscription>()

  constructor(outbox: ClientOutbox, window: number) {
    this.outbox = outbox
    this.window = window
  }

  /** Subscribes for as long as the Stream runs. */
  stream(topic: string, after: After | undefined): Stream.Stream<TopicItem, SubscribeError> {
    const open = Effect.acquireRelease(
      Effect.flatMap(Queue.unbounded<TopicItem, SubscribeError>(), (items) =>
        Effect.suspend((): Effect.Effect<Subscription, SubscribeError> => {
          if (this.outbox.closed !== undefined) return Effect.fail(this.outbox.closed)
          if (this.byTopic.has(topic)) {
            return Effect.fail(
              new RequestFailed({ code: "AlreadySubscribed", reason: "the client is subscribed to the topic" })
            )
          }
          const subscription = { topic, ref: 0, after, isConfirmed: false, items, waiting: 0, taken: 0 }
          this.byTopic.set(topic, subscription)
          this.send(subscription)
          return Effect.succeed(subscription)
        })
      ),
      (subscription) =>
        Effect.sync(() => {
          if (this.byTopic.get(topic) !== subscription) return
          this.byTopic.delete(topic)
          this.outbox.post({ _tag: "Unsubscribe", ref: this.outbox.nextRef(), topic })
        })
    )
    return Stream.unwrap(
      Effect.map(open, (subscription) =>
        Stream.fromPull(
          Effect.succeed(
            Effect.tap(Queue.takeAll(subscription.items), (items) => this.took(subscription, items.length))
          )
        )
      )
    )
  }

  /** Makes all of them again, on a new connection. */
  sendAll(): void {
    for (const subscription of this.byTopic.values()) this.send(subscription)
  }

  /** Makes one again that the server could not serve. */
  resend(ref: number): void {
    const subscription = this.of(ref)
    if (subscription !== undefined && !subscription.isConfirmed) this.send(subscription)
  }

  confirmed(topic: string, ref: number, position: Position.Position): void {
    const subscription = this.byTopic.get(topic)
    if (subscription === undefined || subscription.ref !== ref) return
    subscription.isConfirmed = true
    subscription.after ??= position
  }

  received(topic: string, position: Position.Position, item: TopicItem): void {
    const subscription = this.byTopic.get(topic)
    // Before it is confirmed, what comes is the rest of an earlier subscription.
    if (subscription === undefined || !subscription.isConfirmed) return
    subscription.after = position
    subscription.waiting++
    Queue.offerUnsafe(subscription.items, item)
  }

  /** Ends the subscription that a request made. */
  refused(ref: number, error: SubscribeError): void {
    const subscription = this.of(ref)
    if (subscription !== undefined) this.end(subscription.topic, error)
  }

  end(topic: string, error: SubscribeError): void {
    const subscription = this.byTopic.get(topic)
    if (subscription === undefined) return
    this.byTopic.delete(topic)
    Queue.failCauseUnsafe(subscription.items, Cause.fail(error))
  }

  /** Ends all of them. */
  close(closed: ClientClosed): void {
    const subscriptions = [...this.byTopic.values()]
    this.byTopic.clear()
    callEach(subscriptions, ({ items }) => Queue.failCauseUnsafe(items, Cause.fail(closed)))
  }

  private of(ref: number): Subscription | undefined {
    for (const subscription of this.byTopic.values()) if (subscription.ref === ref) return subscription
    return undefined
  }

  private send(subscription: Subscription): void {
    const { after, topic, waiting } = subscription
    subscription.ref = this.outbox.nextRef()
    subscription.isConfirmed = false
    subscription.taken = 0
    const window = Math.max(1, this.window - waiting)
    const start = after === undefined ? {} : { after }
    this.outbox.post({ _tag: "Subscribe", ref: subscription.ref, topic, ...start, window })
  }

  private took(subscription: Subscription, count: number): Effect.Effect<void> {
    return Effect.sync(() => {
      subscription.waiting -= count
      subscription.taken += count
      if (!subscription.isConfirmed || subscription.taken * 2 < this.window) return
      this.outbox.post({ _tag: "Continue", topic: subscription.topic, count: subscription.taken })
      subscription.taken = 0
    })
  }
}
