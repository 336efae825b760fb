/**
 * One end of an open WebSocket, as a program holds it: messages in, messages out, and how it all ends.
 *
 * The same interface serves clients and servers, over any transport. Code that only exchanges messages asks for the
 * smaller `MessageConnection`, which a connection in a browser is as well; `FrameConnection` is what lies below
 * messages. How a connection closes is part of the types: `messages` ends when the peer closed normally (1000, 1001, or
 * no code) or this end closed, and fails with the peer's close as a typed error otherwise; `closed` tells the whole
 * story and never fails.
 *
 * Reading is paused by not pulling: what waits for the program is bounded, and beyond that the peer's writes stop.
 *
 * @since 0.1.0
 */
import type * as CloseError from "@effect-ws/protocol/CloseError"
import type * as SessionEvent from "@effect-ws/protocol/SessionEvent"
import type { Http2ResponseHead } from "@effect-ws/protocol/Http2Head"
import type { ResponseHead } from "@effect-ws/protocol/HttpHead"
import type * as Message from "@effect-ws/protocol/Message"
import type { SendError } from "@effect-ws/protocol/SendError"
import type { PreparedMessage } from "@effect-ws/protocol/PreparedMessage"
import type { UpgradeRequest } from "@effect-ws/protocol/ServerHandshake"
import type { CloseInfo, SendOptions } from "@effect-ws/protocol/Session"
import type * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import * as Predicate from "effect/Predicate"
import type * as Stream from "effect/Stream"
import type { FrameConnection } from "./FrameConnection.ts"
import type { MessageConnection } from "./MessageConnection.ts"
import type { Peer } from "./Peer.ts"
import type { FanoutTarget } from "./Recipient.ts"

/**
 * Marks connections.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId = "~@effect-ws/connection/Connection"

/**
 * A message in pieces: a text as strings, a binary message as bytes, each as it arrives or is made.
 *
 * @category models
 * @since 0.1.0
 */
export type MessageStream<E = CloseError.CloseError, R = never> =
  | { readonly _tag: "Text"; readonly chunks: Stream.Stream<string, E, R> }
  | { readonly _tag: "Binary"; readonly chunks: Stream.Stream<Uint8Array, E, R> }

/**
 * The operating system has accepted all bytes of a message that this end sent. The pieces of a message that was sent by
 * `sendStream` or `sendFrame` are kept until then and joined: do not ask for `Sent` when a program streams much.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sent {
  readonly _tag: "Sent"
  readonly message: Message.Message
}

/**
 * What happens on a connection, one by one and in order. The session has answered a ping already.
 *
 * @category models
 * @since 0.1.0
 */
export type ConnectionEvent = Message.Message | SessionEvent.Ping | SessionEvent.Pong | Sent

/**
 * One end of an open WebSocket.
 *
 * @category models
 * @since 0.1.0
 */
export interface Connection
  extends
    MessageConnection<CloseError.CloseError, void, CloseError.CloseError | SendError>,
    FrameConnection,
    FanoutTarget {
  readonly [TypeId]: typeof TypeId
  /** A number that tells the connections of a process apart in logs. */
  readonly id: number
  /** The opening handshake's request: path, query, host, origin and headers. */
  readonly request: UpgradeRequest
  /**
   * At a client the opening handshake's response: status and headers, `Set-Cookie` among them. `undefined` at a server.
   */
  readonly response: ResponseHead | Http2ResponseHead | undefined
  /** The subprotocol that was agreed on, if any. */
  readonly subprotocol: string | undefined
  /**
   * The peer: its address and TLS identity, as far as the transport knows them. On a server behind trusted proxies it
   * is the client that they forward. Read a field while the socket is open: later a first read may find it `undefined`.
   */
  readonly peer: Peer
  /** The address of `peer`. */
  readonly remoteAddress: NetAddress.SocketAddress | undefined
  /**
   * The bytes that this connection holds: received and not taken by the program, messages that are not complete
   * included; sent and not taken by the system, what an extension works on included. See `Budget` for all connections
   * together.
   */
  readonly buffered: { readonly inbound: number; readonly outbound: number }
  /** What a server's decision over the handshake attached, such as who the user is; empty at a client. */
  readonly context: Context.Context<never>

  /**
   * The messages of the peer, in order. Ends after an ordinary close and fails with the typed close otherwise.
   *
   * **Details**
   *
   * Takes one message at a time. A read that ends early (`Stream.take`, a failure, an interruption) leaves the other
   * messages to the next read.
   *
   * **Gotchas**
   *
   * Operators that read ahead, such as `Stream.buffer`, lose what they hold when they end.
   *
   * The bytes of a binary message are a view of the chunk it arrived in: copy what you keep.
   */
  readonly messages: Stream.Stream<Message.Message, CloseError.CloseError>
  /**
   * The messages of the peer like {@link messages}, and among them the other events that are asked for, in order.
   * `Sent` comes for messages sent from then on.
   */
  readonly events: (
    kinds: ReadonlyArray<"Ping" | "Pong" | "Sent">
  ) => Stream.Stream<ConnectionEvent, CloseError.CloseError>
  /** Waits for the next message. Fails with the typed close when there is none, also after an ordinary one. */
  readonly receive: Effect.Effect<Message.Message, CloseError.CloseError>
  /**
   * Waits for the next message and gives it piece by piece, as it arrives: memory stays at one piece.
   *
   * **Details**
   *
   * What of it was not read when the next message is asked for is skipped. `maxMessageSize` holds here too.
   */
  readonly receiveStream: Effect.Effect<MessageStream, CloseError.CloseError>

  /**
   * Sends a message: a string as text, bytes as binary, or a message that was prepared for many connections.
   *
   * **Details**
   *
   * Completes when fewer than `writeHighWaterMark` bytes wait for the peer; as long as the peer reads, that is at
   * once. `flushed` waits for all bytes.
   *
   * Anything else than a string, a `Uint8Array` (of any realm) or a message is a defect of the calling fiber, and
   * closes the connection with 1011. So is a `fragmentSize` below 1.
   *
   * **Gotchas**
   *
   * Bytes above 16 KiB are not copied: they must not change before `flushed`.
   */
  readonly send: (
    data: string | Uint8Array | Message.Message | PreparedMessage,
    options?: SendOptions
  ) => Effect.Effect<void, CloseError.CloseError | SendError>
  /**
   * Sends one message piece by piece. Other messages wait until it is complete; control frames do not.
   *
   * **Gotchas**
   *
   * A message cannot be taken back: where the stream fails, or is interrupted, the connection closes with 1011.
   */
  readonly sendStream: <E, R>(
    message: MessageStream<E, R>,
    options?: SendOptions
  ) => Effect.Effect<void, E | CloseError.CloseError | SendError, R>
  /** Waits until everything that was sent is handed to the system. */
  readonly flushed: Effect.Effect<void, CloseError.CloseError>

  /**
   * Closes the connection and waits for the end, at most `closeTimeout`. Gives the record of it, as `closed` does.
   *
   * **Details**
   *
   * The default is code 1000 without a reason. On a connection that is closing already it only waits.
   *
   * A program that still reads gets what the peer has sent before its own close frame; then `messages` ends. Unread
   * messages beyond `receiveBufferSize` hold the peer's close frame back. They are dropped where the fiber that reads
   * is the one that closes, where no fiber has read yet, and where nothing is taken for `closeReplyTimeout`. Handlers
   * (`onMessage`) are not called any more.
   */
  readonly close: (code?: number, reason?: string) => Effect.Effect<CloseInfo, SendError>
  /**
   * Closes like {@link close}, but lets the program finish first: what was received is still delivered, nothing more is
   * read, and the close frame goes out when the program has taken everything and comes back for more.
   */
  readonly drain: (code?: number, reason?: string) => Effect.Effect<CloseInfo, SendError>
  /** Destroys the socket at once, without a close frame: the peer sees 1006. `why` is for `closeInfo`, and not sent. */
  readonly abort: (why?: string) => Effect.Effect<void>
  /** Waits for the end, and returns its record: which end began, what each end sent, whether it was clean. */
  readonly closed: Effect.Effect<CloseInfo>
  /** The record of the end, which `closed` waits for; `undefined` while it is not over. */
  readonly closeInfo: CloseInfo | undefined
}

/**
 * Returns whether a value is a connection.
 *
 * @category guards
 * @since 0.1.0
 */
export const isConnection = (u: unknown): u is Connection => Predicate.hasProperty(u, TypeId)
