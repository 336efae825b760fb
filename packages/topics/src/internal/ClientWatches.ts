/**
 * The presence that a topic client watches. A watch outlives its connection: it is made again on the next one, where it
 * begins with a new snapshot.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { SubscribeError } from "./TopicClientTypes.ts"
import type { PresenceEvent } from "./PresenceTypes.ts"
import { StandingRequests } from "./StandingRequests.ts"
import type { StandingRequest } from "./StandingRequests.ts"

interface Watch extends StandingRequest<PresenceEvent> {
  members: Set<string>
  /** The parts of a snapshot so far. */
  parts: Array<string>
}

// Events that wait for the program; more are replaced by a snapshot.
const maxWaiting = 256

export class ClientWatches extends StandingRequests<PresenceEvent, Watch> {
  /** Watches for as long as the Stream runs. */
  stream(topic: string): Stream.Stream<PresenceEvent, SubscribeError> {
    const open = this.open({
      topic,
      make: (items) => ({ topic, ref: 0, items, members: new Set<string>(), parts: [] }),
      takeBack: "Unwatch",
      already: "the client watches the topic already"
    })
    return Stream.unwrap(Effect.map(open, ({ items }) => Stream.fromQueue(items)))
  }

  /** Takes a part of a snapshot. */
  listed(topic: string, ref: number, members: ReadonlyArray<string>, isLast: boolean): void {
    const watch = this.byTopic.get(topic)
    if (watch === undefined || watch.ref !== ref) return
    watch.parts.push(...members)
    if (!isLast) return
    watch.members = new Set(watch.parts)
    watch.parts = []
    this.tell(watch, { _tag: "Snapshot", members: new Set(watch.members) })
  }

  changed(topic: string, ref: number, joined: ReadonlyArray<string>, left: ReadonlyArray<string>): void {
    const watch = this.byTopic.get(topic)
    if (watch === undefined || watch.ref !== ref) return
    for (const member of left) watch.members.delete(member)
    for (const member of joined) watch.members.add(member)
    this.tell(watch, { _tag: "Changed", joined, left })
  }

  private tell({ items, members }: Watch, event: PresenceEvent): void {
    if (Queue.sizeUnsafe(items) < maxWaiting) return void Queue.offerUnsafe(items, event)
    while (Queue.takeUnsafe(items) !== undefined);
    Queue.offerUnsafe(items, { _tag: "Snapshot", members: new Set(members) })
  }

  protected send(watch: Watch): void {
    watch.ref = this.outbox.nextRef()
    watch.parts = []
    this.outbox.post({ _tag: "Watch", ref: watch.ref, topic: watch.topic })
  }
}
