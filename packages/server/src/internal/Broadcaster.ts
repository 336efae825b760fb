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
  private readonly counters: FanoutCounters | undefined
  private sent = 0

  /** `connections` returns the open connections. */
  constructor(connections: () => ReadonlyArray<FanoutTarget>, slice: number, counters: FanoutCounters | undefined) {
    this.counters = counters
    this.channel = new Dispatcher<Recipient>(
      {
        recipient: (recipient) => recipient,
        member: (recipient) => (this.behind.size === 0 ? undefined : this.behind.get(recipient)?.member),
        includes: (recipient, publication) => recipient !== publication.except,
        queue: (recipient, publication) => this.queue(recipient, publication)
      },
      () => connections().map(Fanout.recipient).values(),
      new SliceScheduler(slice)
    )
  }

  private queue(recipient: Recipient, { behind }: PublishJob): SubscriberQueue {
    let queue = this.behind.get(recipient)
    if (queue === undefined) {
      const member = new Subscriber(recipient, () => this.behind.delete(recipient))
      queue = new SubscriberQueue(member, behind, 0)
      this.behind.set(recipient, queue)
    }
    queue.options = behind
    return queue
  }

  broadcast(
    message: PreparedMessage,
    options: PublishOptions & SlowSubscriberOptions = {}
  ): Effect.Effect<PublishResult> {
    return new PublishJob(message, options, subscriberQueueOptions(options), ++this.sent, this.counters).run(
      this.channel
    )
  }
}
