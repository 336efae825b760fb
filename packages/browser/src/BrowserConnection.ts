/**
 * An open WebSocket in a page, as a program holds it. It is the part of `Connection` that a browser can do: messages,
 * backpressure and typed closes. Frames, pings, the response's status and headers are not in its type, since the
 * browser does not show them.
 *
 * @since 0.1.0
 */
import type { MessageConnection } from "@effect-ws/connection/MessageConnection"
import type * as CloseError from "@effect-ws/protocol/CloseError"
import type * as Message from "@effect-ws/protocol/Message"
import type * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Stream from "effect/Stream"
import type { BrowserCloseCode } from "./BrowserCloseCode.ts"

/**
 * Marks connections in a browser.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId = "~@effect-ws/browser/BrowserConnection"

/**
 * How a connection ended, as far as a browser tells.
 *
 * @category models
 * @since 0.1.0
 */
export interface BrowserCloseInfo {
  /** Which end began: this one, the peer, or the network by breaking off. */
  readonly initiator: "local" | "remote" | "transport"
  /** Whether both ends sent a close frame. */
  readonly clean: boolean
  /** The end as an error: what the close frame said, 1005 where it had no code, 1006 where there was none. */
  readonly error: CloseError.CloseError
}

/**
 * An open WebSocket in a page.
 *
 * @category models
 * @since 0.1.0
 */
export interface BrowserConnection extends MessageConnection<CloseError.CloseError, void, CloseError.CloseError> {
  readonly [TypeId]: typeof TypeId
  /** The URL that it was opened with. */
  readonly url: string
  /** The subprotocol that was agreed on, if any. */
  readonly subprotocol: string | undefined
  /**
   * The bytes that wait: received and not taken by the program; sent and not taken by the system, as the browser's
   * `bufferedAmount` says.
   */
  readonly buffered: { readonly inbound: number; readonly outbound: number }
  /**
   * The messages of the peer, in order. Ends after an ordinary close (1000, 1001 or no code) and fails with the typed
   * close otherwise. A read that ends early leaves the other messages to the next one.
   *
   * **Gotchas**
   *
   * A `WebSocket` cannot be told to read no further: more than `receiveBufferSize` bytes that wait close the connection
   * with 4008. With `WebSocketStream` the server waits instead, and its close is seen when the program has read so far.
   */
  readonly messages: Stream.Stream<Message.Message, CloseError.CloseError>
  /** Waits for the next message. Fails with the typed close when there is none, also after an ordinary one. */
  readonly receive: Effect.Effect<Message.Message, CloseError.CloseError>
  /**
   * Sends a message: a string as text, bytes as binary, which are copied. Completes when no more than
   * `writeHighWaterMark` bytes wait for the network.
   */
  readonly send: (data: string | Uint8Array | Message.Message) => Effect.Effect<void, CloseError.CloseError>
  /** Waits until the browser has handed everything that was sent to the system. */
  readonly flushed: Effect.Effect<void, CloseError.CloseError>
  /**
   * Closes the connection and waits for the end, at most `closeTimeout`. After it this returns 1006, and the browser
   * closes in the background. A reason has at most 123 bytes; more is cut off. On a connection that is closing it only
   * waits.
   *
   * **Details**
   *
   * Code that the compiler has not checked may pass other codes: those that may stand in a close frame are sent as
   * `BrowserCloseCode.toBrowser` says, others are a defect.
   */
  readonly close: (code?: BrowserCloseCode, reason?: string) => Effect.Effect<BrowserCloseInfo>
  /** Waits for the end. */
  readonly closed: Effect.Effect<BrowserCloseInfo>
}

/**
 * Returns whether a value is a connection in a browser.
 *
 * @category guards
 * @since 0.1.0
 */
export const isBrowserConnection = (u: unknown): u is BrowserConnection => Predicate.hasProperty(u, TypeId)
