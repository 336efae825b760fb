/**
 * The members of a topic across all nodes: a snapshot, then joins and leaves. A member with two connections, on one
 * node or on two, leaves when the last of them leaves.
 *
 * Nodes tell each other over the topic's log, on a topic of their own beside it: changes, coalesced, and a sign of life
 * that renews the node's lease. The log is the clock too. Every node reads the same entries in the same order, so all
 * conclude at the same entry that a node is gone; and while the engine cannot be reached no time passes, so that no
 * member leaves because of that.
 *
 * @since 0.1.0
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { PresenceNode } from "./internal/PresenceNode.ts"
import { TopicLog } from "./TopicLog.ts"
import type { TopicPresenceService } from "./internal/PresenceTypes.ts"

export type { PresenceEvent, TopicPresenceService } from "./internal/PresenceTypes.ts"

/**
 * The members of each topic.
 *
 * @category services
 * @since 0.1.0
 */
export class TopicPresence extends Context.Service<TopicPresence, TopicPresenceService>()(
  "@effect-ws/topics/TopicPresence"
) {}

/**
 * Options of presence.
 *
 * @category models
 * @since 0.1.0
 */
export interface PresenceOptions {
  /** How long changes are collected before watchers receive them. Default: 100 ms. */
  readonly coalesce?: Duration.Input | undefined
  /**
   * How long a node may be silent before its members have left. It gives a sign of life after a third of that. The same
   * on all nodes. Default: 15 seconds.
   */
  readonly lease?: Duration.Input | undefined
  /** How long a new node waits for the members of the other nodes before its first `Snapshot`. Default: 500 ms. */
  readonly settleTime?: Duration.Input | undefined
  /** Maximum bytes of a member's name. Default: 128. */
  readonly maxMemberBytes?: number | undefined
}

/**
 * Provides presence over the `TopicLog`. Its topics in the log begin with `~presence:`, which counts for
 * `maxTopicBytes`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: PresenceOptions = {}): Layer.Layer<TopicPresence, never, TopicLog> =>
  Layer.effect(
    TopicPresence,
    Effect.map(
      TopicLog,
      (log) =>
        new PresenceNode(log, {
          coalesce: Argument.duration("coalesce", options.coalesce ?? "100 millis"),
          lease: Duration.toMillis(Argument.duration("lease", options.lease ?? "15 seconds")),
          settleTime: Argument.duration("settleTime", options.settleTime ?? "500 millis"),
          maxMemberBytes: Argument.limit("maxMemberBytes", options.maxMemberBytes ?? 128, 1)
        })
    )
  )
