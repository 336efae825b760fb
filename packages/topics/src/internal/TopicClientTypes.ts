/**
 * Errors and options of a topic's client.
 */
import type { PresenceEvent } from "./PresenceTypes.ts"
import type * as Reconnect from "@effect-ws/client/Reconnect"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { ClientClosed, RequestFailed, SubscriptionEnded } from "../TopicClientError.ts"
import type { After, Appended, Page, TopicItem } from "../TopicLog.ts"
import type { LogUnavailable, OutcomeUnknown } from "../TopicLogError.ts"
import type { Denied } from "../TopicProtocol.ts"

/**
 * Why a subscription ended.
 *
 * @category errors
 * @since 0.1.0
 */
export type SubscribeError = Denied | RequestFailed | SubscriptionEnded | ClientClosed

/**
 * Why a publish failed.
 *
 * **Details**
 *
 * `LogUnavailable`: it was never sent, or the server said that nothing was written. `OutcomeUnknown`: it was sent and
 * not answered; publish again with the same id within the server's idempotence window to know.
 *
 * @category errors
 * @since 0.1.0
 */
export type PublishError = Denied | RequestFailed | LogUnavailable | OutcomeUnknown | ClientClosed

/**
 * Options of a topic client that concern topics.
 *
 * @category models
 * @since 0.1.0
 */
export interface TopicOptions {
  /** How many items of a subscription may wait here for the program. Default: 256. */
  readonly window?: number | undefined
  /**
   * How long a publish waits for its answer, over all connections, before it fails. Values near or above the server's
   * `idWindow` have no effect: a publish is not sent again after three quarters of that. Default: 30 seconds.
   */
  readonly publishTimeout?: Duration.Input | undefined
  /** How long to wait before a request is sent again that the server could not serve. Default: 500 ms. */
  readonly retryDelay?: Duration.Input | undefined
  /** Maximum publishes without an answer; more wait. Default: 1024. */
  readonly maxPendingPublishes?: number | undefined
  /** Events that wait for the program; the oldest are dropped beyond it. Default: 256. */
  readonly eventBuffer?: number | undefined
}

/**
 * A client of topics. `Event` is what happens to its connections.
 *
 * @category models
 * @since 0.1.0
 */
export interface TopicClient<E = never, Event = Reconnect.Event<E>> {
  /**
   * Subscribes to a topic: to what comes from now on, or after a position. Ends when the Stream does.
   *
   * **Gotchas**
   *
   * A client has one subscription to a topic at a time: a second one fails with `AlreadySubscribed`.
   */
  readonly subscribe: (
    topic: string,
    options?: { readonly after?: After | undefined }
  ) => Stream.Stream<TopicItem, SubscribeError>
  /**
   * Publishes an entry and waits until it is in the log. After a lost connection it is sent again under the same id,
   * and appended once.
   */
  readonly publish: (
    topic: string,
    data: string | Uint8Array,
    options?: { readonly id?: string | undefined }
  ) => Effect.Effect<Appended, PublishError>
  /** Reads a page of a topic's log. */
  readonly history: (
    topic: string,
    after: After,
    options?: { readonly maxEntries?: number | undefined }
  ) => Effect.Effect<Omit<Page, "head">, PublishError>
  /**
   * Streams the members of a topic on all nodes, and then joins and leaves. After a lost connection it begins anew,
   * with a `Snapshot`. Fails with `Unsupported` where the server does not tell.
   */
  readonly presence: (topic: string) => Stream.Stream<PresenceEvent, SubscribeError>
  /** What happens to the connection, for one reader. */
  readonly events: Stream.Stream<Event>
  /** Closes the connection and connects no more. */
  readonly close: Effect.Effect<void>
}
