/**
 * For those who send one message to many connections: plain calls in place of an Effect for each.
 *
 * This is what topics and broadcasts are made of. Nothing here waits: the caller asks first whether a connection
 * takes more, and is called back when one that did not does again. A message that was prepared is encoded once,
 * whatever the number of connections.
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
