/**
 * Events of presence.
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { LimitExceeded, LogUnavailable } from "../TopicLogError.ts"

/**
 * An event that a watcher of a topic receives. `Snapshot` comes first.
 *
 * @category models
 * @since 0.1.0
 */
export type PresenceEvent =
  | { readonly _tag: "Snapshot"; readonly members: ReadonlySet<string> }
  | { readonly _tag: "Changed"; readonly joined: ReadonlyArray<string>; readonly left: ReadonlyArray<string> }

/**
 * What the service `TopicPresence` does.
 *
 * @category models
 * @since 0.1.0
 */
export interface TopicPresenceService {
  /** Makes a member present in a topic until the Scope closes. */
  readonly join: (topic: string, member: string) => Effect.Effect<void, LimitExceeded | LogUnavailable, Scope.Scope>
  /**
   * Streams the members of a topic, and then joins and leaves.
   *
   * **Details**
   *
   * A watcher that does not take its events gets a new `Snapshot` in their place.
   */
  readonly watch: (topic: string) => Stream.Stream<PresenceEvent, LimitExceeded | LogUnavailable>
}
