/**
 * Sends messages to all connections of a server. It works like a topic without subscriptions: a connection has a queue
 * only while it is behind.
 */
import type { FanoutTarget } from "@effect-ws/connection/Recipient"
import * as Fanout from "@effect-ws/connection/Fanout"
import type { Recipient, FanoutCounters } from "@effect-ws/connection/Fanout"
import type { PreparedMessage } from "@effect-ws/protocol/PreparedMessage"
import type * as Effect from "effect/Effect"
import type { SlowSubscriberOptions, PublishResult, PublishOptions } from "../Publishing.ts"
import { Dispatcher } from "./Dispatcher.ts"
import { Subscriber, SubscriberQueue, subscriberQueueOptions } from "./SubscriberQueue.ts"
import { PublishJob } from "./PublishJob.ts"
import { SliceScheduler } from "./SliceScheduler.ts"

export class Broadcaster {
  private readonly channel: Dispatcher<Recipient>
  private readonly behind = new Map<Recipient, SubscriberQueue>()
  private readonly tally: FanoutCounters | undefined
  private sent = 0

  /** `connections` returns the open connections. */
  constructor(connections: () => ReadonlyArray<FanoutTarget>, slice: number, tally: FanoutCounters | undefined) {
    this.tally = tally
    this.channel = new Dispatcher<Recipient>(
      {
        recipient: (recipient) => recipient,
        member: (recipient) => (this.behind.size === 0 ? undefined : this.behind.get(recipient)?.member),
        includes: (recipient, publication) => recipient !== publication.except,
        place: (recipient, publication) => this.place(recipient, publication)
      },
      () => connections().map(Fanout.recipient).values(),
      new SliceScheduler(slice)
    )
  }

  private place(recipient: Recipient, { behind }: PublishJob): SubscriberQueue {
    let place = this.behind.get(recipient)
    if (place === undefined) {
      const member = new Subscriber(recipient, () => this.behind.delete(recipient))
      place = new SubscriberQueue(member, behind, 0)
      this.behind.set(recipient, place)
    }
    place.options = behind
    return place
  }

  broadcast(
    message: PreparedMessage,
    options: PublishOptions & SlowSubscriberOptions = {}
  ): Effect.Effect<PublishResult> {
    return new PublishJob(message, options, subscriberQueueOptions(options), ++this.sent, this.tally).run(this.channel)
  }
}
