/** The presence that one connection watches: a fiber for each topic, which sends a snapshot and then changes. */
import * as Fanout from "@effect-ws/connection/Fanout"
import type { Connection } from "@effect-ws/connection/Connection"
import * as PreparedMessage from "@effect-ws/protocol/PreparedMessage"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { LimitExceeded, LogUnavailable } from "../TopicLogError.ts"
import type { PresenceEvent, TopicPresenceService } from "./PresenceTypes.ts"
import * as TopicProtocol from "../TopicProtocol.ts"
import { sendPrepared } from "./sendPrepared.ts"
import { cutNames } from "./cutNames.ts"

// Bytes of the names in one message; a list that is longer comes in parts.
const maxPartBytes = 32 * 1024

export class SessionWatches {
  private readonly connection: Connection
  private readonly presence: TopicPresenceService
  private readonly scope: Scope.Scope
  private readonly byTopic = new Map<string, Scope.Closeable>()

  constructor(connection: Connection, presence: TopicPresenceService, scope: Scope.Scope) {
    this.connection = connection
    this.presence = presence
    this.scope = scope
  }

  get size(): number {
    return this.byTopic.size
  }

  has(topic: string): boolean {
    return this.byTopic.has(topic)
  }

  /**
   * Watches a topic until it is dropped, or until `renew` ends, which then has told the client. If the topic cannot be
   * watched now, this runs `onFailure`.
   */
  watch(
    topic: string,
    ref: number,
    renew: Effect.Effect<unknown>,
    onFailure: (error: LimitExceeded | LogUnavailable) => Effect.Effect<unknown>
  ): Effect.Effect<void> {
    return Effect.flatMap(Scope.fork(this.scope), (scope) => {
      this.byTopic.set(topic, scope)
      const send = Stream.runForEach(this.presence.watch(topic), (event) =>
        sendPrepared(Fanout.recipient(this.connection), messagesOf(topic, ref, event))
      )
      const run = Effect.raceFirst(Effect.catch(send, onFailure), renew).pipe(
        Effect.andThen(Effect.forkIn(this.drop(topic), this.scope))
      )
      return Effect.asVoid(Effect.forkIn(run, scope))
    })
  }

  drop(topic: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      const scope = this.byTopic.get(topic)
      if (scope === undefined) return Effect.void
      this.byTopic.delete(topic)
      return Scope.close(scope, Exit.void)
    })
  }
}

const messagesOf = (
  topic: string,
  ref: number,
  event: PresenceEvent
): ReadonlyArray<PreparedMessage.PreparedMessage> => {
  const messages: Array<TopicProtocol.ServerMessage> = []
  if (event._tag === "Snapshot") {
    const parts = cutNames([...event.members], maxPartBytes)
    for (const [at, members] of parts.entries()) {
      messages.push({ _tag: "Members", ref, topic, members, isLast: at === parts.length - 1 })
    }
  } else {
    for (const left of event.left.length === 0 ? [] : cutNames(event.left, maxPartBytes)) {
      messages.push({ _tag: "MembersChanged", ref, topic, joined: [], left })
    }
    for (const joined of event.joined.length === 0 ? [] : cutNames(event.joined, maxPartBytes)) {
      messages.push({ _tag: "MembersChanged", ref, topic, joined, left: [] })
    }
  }
  return messages.map((message) => PreparedMessage.make(TopicProtocol.encodeServer(message)))
}
