/**
 * The presence that a topic client watches. A watch outlives its connection: it is made again on the next one, where it
 * begins with a new snapshot.
 */
import { callEach } from "@effect-ws/transport/internal"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { SubscribeError } from "./TopicClientTypes.ts"
import type { ClientClosed } from "../TopicClientError.ts"
import { RequestFailed } from "../TopicClientError.ts"
import type { PresenceEvent } from "./PresenceTypes.ts"
import type { ClientOutbox } from "./ClientOutbox.ts"

interface Watch {
  readonly topic: string
  ref: number
  readonly events: Queue.Queue<PresenceEvent, SubscribeError>
  members: Set<string>
  /** The parts of a snapshot so far. */
  parts: Array<string>
}

// Events that wait for the program; more are replaced by a snapshot.
const maxWaiting = 256

export class ClientWatches {
  private readonly outbox: ClientOutbox
  private readonly byTopic = new Map<string, Watch>()

  constructor(outbox: ClientOutbox) {
    this.outbox = outbox
  }

  /** Watches for as long as the Stream runs. */
  stream(topic: string): Stream.Stream<PresenceEvent, SubscribeError> {
    const open = Effect.acquireRelease(
      Effect.flatMap(Queue.unbounded<PresenceEvent, SubscribeError>(), (events) =>
        Effect.suspend((): Effect.Effect<Watch, SubscribeError> => {
          if (this.outbox.closed !== undefined) return Effect.fail(this.outbox.closed)
          if (this.byTopic.has(topic)) {
            return Effect.fail(
              new RequestFailed({ code: "AlreadySubscribed", reason: "the client watches the topic already" })
            )
          }
          const watch: Watch = { topic, ref: 0, events, members: new Set(), parts: [] }
          this.byTopic.set(topic, watch)
          this.send(watch)
          return Effect.succeed(watch)
        })
      ),
      (watch) =>
        Effect.sync(() => {
          if (this.byTopic.get(topic) !== watch) return
          this.byTopic.delete(topic)
          this.outbox.post({ _tag: "Unwatch", ref: this.outbox.nextRef(), topic })
        })
    )
    return Stream.unwrap(Effect.map(open, ({ events }) => Stream.fromQueue(events)))
  }

  /** Makes all of them again, on a new connection. */
  sendAll(): void {
    for (const watch of this.byTopic.values()) this.send(watch)
  }

  /** Makes one again that the server could not serve. */
  resend(ref: number): void {
    const watch = this.of(ref)
    if (watch !== undefined) this.send(watch)
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

  /** Ends the watch that a request made. */
  refused(ref: number, error: SubscribeError): void {
    const watch = this.of(ref)
    if (watch !== undefined) this.end(watch.topic, error)
  }

  end(topic: string, error: SubscribeError): void {
    const watch = this.byTopic.get(topic)
    if (watch === undefined) return
    this.byTopic.delete(topic)
    Queue.failCauseUnsafe(watch.events, Cause.fail(error))
  }

  /** Ends all of them. */
  close(closed: ClientClosed): void {
    callEach([...this.byTopic.keys()], (topic) => this.end(topic, closed))
  }

  private tell({ events, members }: Watch, event: PresenceEvent): void {
    if (Queue.sizeUnsafe(events) < maxWaiting) return void Queue.offerUnsafe(events, event)
    while (Queue.takeUnsafe(events) !== undefined);
    Queue.offerUnsafe(events, { _tag: "Snapshot", members: new Set(members) })
  }

  private of(ref: number): Watch | undefined {
    for (const watch of this.byTopic.values()) if (watch.ref === ref) return watch
    return undefined
  }

  private send(watch: Watch): void {
    watch.ref = this.outbox.nextRef()
    watch.parts = []
    this.outbox.post({ _tag: "Watch", ref: watch.ref, topic: watch.topic })
  }
}
