/**
 * What a connection that `Accept` or `Connect` made can do beyond `Connection`, for the other modules of this package.
 * Programs may pass connections of their own, which implement `Connection` alone: {@link isOwn} tells them apart.
 */
import type * as CloseError from "@effect-ws/protocol/CloseError"
import type { SendError } from "@effect-ws/protocol/SendError"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import type { Connection, ConnectionEvent } from "../Connection.ts"
import type { End } from "./ConnectionParts.ts"
import type { Poll } from "./receive/Poll.ts"
import type { Poller } from "./receive/Poller.ts"
import type { EventKinds } from "./receive/Receiver.ts"
import type { ConnectionMetrics } from "./telemetry/ConnectionMetrics.ts"

export const OwnTypeId = "~@effect-ws/connection/OwnConnection"

/** A connection that `Accept` or `Connect` made. */
export interface OwnConnection extends Connection {
  readonly [OwnTypeId]: typeof OwnTypeId
  /** The metrics and the span of the connection, if it is observed. */
  readonly meter: ConnectionMetrics | undefined
  /** Polls the connection. See `Polling.poll`. */
  poll(kinds: EventKinds, poller: Poller): Poll
  /** Waits for events and takes all that are there. See `Polling.pull`. */
  pull(kinds: EventKinds): Effect.Effect<NonEmptyReadonlyArray<ConnectionEvent>, End>
  /**
   * Sends messages one after the other, nothing in between, without waiting. Returns whether the caller should wait for
   * `drained`.
   */
  queueAll(chunks: ReadonlyArray<string | Uint8Array>): Effect.Effect<boolean, CloseError.CloseError | SendError>
  /** Waits until fewer than `writeHighWaterMark` bytes wait for the peer, or for `writeTimeout` at most. */
  readonly drained: Effect.Effect<void, CloseError.CloseError>
  /** Records that the program has ended: unless another fiber waits for messages, no message is kept for it. */
  programEnded(): void
  /** Closes for a program that has ended, and calls back when the connection is over. Never throws. */
  closeSync(code: number, reason: string | undefined, done: (closeInfo: CloseInfo) => void): void
  /** Begins to close, and ends at once every wait for data or for the peer. What was sent is still written first. */
  detach(code: number): void
  /** Ends the connection without waiting for its peer. See `ConnectionHandler.abandon`. */
  leave(why: string): void
  /** Releases everything when the Scope of the connection closes. The peer sees the stream end. */
  release(): void
}

/** Returns whether `Accept` or `Connect` made a connection. */
export const isOwn = (connection: Connection): connection is OwnConnection => hasProperty(connection, OwnTypeId)
