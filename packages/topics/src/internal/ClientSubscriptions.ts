/**
 * The subscriptions of a topic client. A subscription outlives its connection: it is made again on the next one, after
 * the position of the last item that arrived.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type * as Position from "../Position.ts"
import type { SubscribeError } from "./TopicClientTypes.ts"
import type { After, TopicItem } from "./LogTypes.ts"
import type { ClientOutbox } from "./ClientOutbox.ts"
import { StandingRequests } from "./StandingRequests.ts"
import type { StandingRequest } from "./StandingRequests.ts"

interface Subscription extends StandingRequest<TopicItem> {
  /** Where to begin on the next connection; `undefined` is from then on. */
  after: After | undefined
  /** Whether the current connection's items are those of `ref`. */
  isConfirmed: boolean
  /** Items that wait in the queue. */
  waiting: number
  /** Items that the program took and the server was not told about. */
  taken: number
}

export class ClientSubscriptions extends StandingRequests<TopicItem, Subscription> {
  private readonly window: number

  constructor(outbox: ClientOutbox, window: number) {
    super(outbox)
    this.window = window
  }

  /** Subscribes for as long as the Stream runs. */
  stream(topic: string, after: After | undefined): Stream.Stream<TopicItem, SubscribeError> {
    const open = this.open({
      topic,
      make: (items) => ({ topic, ref: 0, after, isConfirmed: false, items, waiting: 0, taken: 0 }),
      takeBack: "Unsubscribe",
      already: "the client is subscribed to the topic"
    })
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

  override resend(ref: number): void {
    if (this.of(ref)?.isConfirmed === false) super.resend(ref)
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

  protected send(subscription: Subscription): void {
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
