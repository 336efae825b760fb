/**
 * Sends one message to many connections, with plain calls in place of an Effect for each connection.
 *
 * Topics and broadcasts use it. Nothing here waits: the caller first asks whether a connection accepts more, and is
 * called back when a connection that did not accepts more again. A prepared message is encoded once for all
 * connections.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { RecipientTypeId } from "./Recipient.ts"
import type { FanoutTarget, Recipient } from "./Recipient.ts"
import { Telemetry } from "./Telemetry.ts"
import type { FanoutCounters, FanoutKind } from "./internal/telemetry/FanoutCounters.ts"

export type { FanoutTarget, Recipient } from "./Recipient.ts"

export type { DeliveryCounts, FanoutCounters, FanoutKind } from "./internal/telemetry/FanoutCounters.ts"

/**
 * Returns the sending end of a connection.
 *
 * **Gotchas**
 *
 * Do not use it within a callback of the connection's transport, which writes by itself. Callbacks must not throw.
 *
 * @category conversions
 * @since 0.1.0
 */
export const recipient = (connection: FanoutTarget): Recipient => connection[RecipientTypeId]

/**
 * Gives what keeps the metrics of the context's `Telemetry`, or `undefined` where there are none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const counters = (source: FanoutKind): Effect.Effect<FanoutCounters | undefined> =>
  Effect.map(Telemetry, (observer) => observer?.published(source))
