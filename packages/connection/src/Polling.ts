/**
 * Receives by callback: in place of a fiber that waits, the connection calls a function when there are events to take.
 * For programs that schedule connections themselves.
 *
 * This is how both servers run handler records, and how the standard's `WebSocket` class receives. A connection that is
 * polled calls back once, when it has events or has ended, and not again until the events are taken. By default `send`
 * does not wait for the peer: `maxBufferedBytes` bounds the pending output, and while the peer does not read, its
 * messages cause no call.
 *
 * @since 0.1.0
 */
import type { CloseError } from "@effect-ws/protocol/CloseError"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import type { Connection, ConnectionEvent } from "./Connection.ts"
import { isOwn } from "./internal/OwnConnection.ts"
import type { OwnConnection } from "./internal/OwnConnection.ts"
import type { Poller } from "./internal/receive/Poller.ts"
import type { Poll } from "./internal/receive/Poll.ts"

export type { Poll } from "./internal/receive/Poll.ts"

export type { Poller } from "./internal/receive/Poller.ts"

/**
 * Polls a connection in place of running a fiber on it.
 *
 * **Details**
 *
 * Begins as if `onReady` had been called: the caller has its turn first, and ends it with `done`.
 *
 * **Gotchas**
 *
 * Do not use `messages`, `receive` and their like on the same connection.
 *
 * @category constructors
 * @since 0.1.0
 */
export const poll = (connection: Connection, kinds: ReadonlyArray<"Ping" | "Pong" | "Sent">, poller: Poller): Poll =>
  pollable(connection).poll(kinds, poller)

/**
 * Waits for events and takes all that are there.
 *
 * **Details**
 *
 * This is `connection.events(kinds)` for loops that take every event: it costs less than a stream, which takes one
 * event at a time. Events of these kinds are kept from the call on. Fails with `Cause.Done` after an ordinary end, and
 * with the typed close otherwise.
 *
 * **Gotchas**
 *
 * All of what it gives has left the connection: a program that is interrupted half way through it cannot read the rest
 * again.
 *
 * @category constructors
 * @since 0.1.0
 */
export const pull = (
  connection: Connection,
  kinds: ReadonlyArray<"Ping" | "Pong" | "Sent">
): Effect.Effect<NonEmptyReadonlyArray<ConnectionEvent>, CloseError | Cause.Done> => pollable(connection).pull(kinds)

const pollable = (connection: Connection): OwnConnection => {
  if (isOwn(connection)) return connection
  throw new Error("only a connection that Accept or Connect made can be polled")
}
