/**
 * The subprotocol `topics.effect-ws.v1`: subscribe, resume, publish and read history over one WebSocket. Its messages
 * are JSON texts, and these are their Schemas; nothing here does I/O, so a client in any language can be written after
 * it.
 *
 * The client begins with `Hello`, which the server answers with `Welcome`. A client's request has a `ref`, a number of
 * its choice, which the answer repeats. A refused request is answered, not punished: the connection stays. A browser
 * sees no pings, so the client sends `Ping` when it has heard nothing for a while, and takes a server that does not
 * answer for gone. A server that restarts closes with 1012, and its reason says when to come back (see `RestartReason`
 * of `@effect-ws/protocol`).
 *
 * @since 0.1.0
 */
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as Base64 from "effect/encoding/Base64"
import type { Entry, Gap } from "./internal/LogTypes.ts"
import * as Position from "./Position.ts"

/**
 * The name of the subprotocol in the opening handshake.
 *
 * @category constants
 * @since 0.1.0
 */
export const subprotocol = "topics.effect-ws.v1"

const Base64Payload = Schema.Struct({ base64: Schema.Uint8ArrayFromBase64 })

/**
 * The data of an entry: a string as it is, bytes as `{ "base64": "..." }`.
 *
 * @category codecs
 * @since 0.1.0
 */
export const Payload = Schema.Union([Schema.String, Base64Payload]).pipe(
  Schema.decodeTo(
    Schema.Union([Schema.String, Schema.Uint8Array]),
    SchemaTransformation.transform<string | Uint8Array, string | { readonly base64: Uint8Array }>({
      decode: (payload) => (typeof payload === "string" ? payload : payload.base64),
      encode: (data) => (typeof data === "string" ? data : { base64: data })
    })
  )
)

/**
 * Where to begin: a position in its string form, or `"oldest"`.
 *
 * @category codecs
 * @since 0.1.0
 */
export const After = Schema.Union([Schema.Literal("oldest"), Position.PositionFromString])

/**
 * Why entries are missing.
 *
 * **Details**
 *
 * - `Trimmed`: the log keeps `maxEntries`, and more came since.
 * - `Expired`: they were older than `maxAge`.
 * - `RolledBack`: the engine came back with older data, so that some of what the reader has is not in the log any more.
 *   What was appended since is complete.
 * - `Recreated`: the log was lost and began anew.
 *
 * @category models
 * @since 0.1.0
 */
export const GapReason = Schema.Literals(["Trimmed", "Expired", "RolledBack", "Recreated"])

const EntryFields = {
  topic: Schema.String,
  position: Position.PositionFromString,
  data: Payload,
  id: Schema.String,
  at: Schema.Number
}

const GapFields = {
  topic: Schema.String,
  after: Position.PositionFromString,
  resumesAt: Position.PositionFromString,
  reason: GapReason,
  lost: Schema.Union([Schema.Natural, Schema.Literal("unknown")])
}

const Item = Schema.TaggedUnion({ Entry: EntryFields, Gap: GapFields })

/**
 * What a client sends.
 *
 * **Details**
 *
 * - `Hello`: the first message.
 * - `Subscribe`: from now on, or after a position. `window` is how many items the server may send before the client
 *   asks for more with `Continue`; without it the server sends what the connection takes.
 * - `Continue`: the client has taken `count` items of a topic.
 * - `Publish`: the same `id` again is the same entry.
 * - `History`: one page of entries after a position.
 * - `Watch`: asks for the members of a topic and for later changes. `Unwatch` ends that.
 * - `Ping`: answered with `Pong`.
 *
 * @category models
 * @since 0.1.0
 */
export const ClientMessage = Schema.TaggedUnion({
  Hello: { ref: Schema.Natural },
  Subscribe: {
    ref: Schema.Natural,
    topic: Schema.String,
    after: Schema.optionalKey(After),
    window: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_536 })))
  },
  Continue: { topic: Schema.String, count: Schema.Natural },
  Unsubscribe: { ref: Schema.Natural, topic: Schema.String },
  Publish: { ref: Schema.Natural, topic: Schema.String, id: Schema.String, data: Payload },
  History: {
    ref: Schema.Natural,
    topic: Schema.String,
    after: After,
    limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 })))
  },
  Watch: { ref: Schema.Natural, topic: Schema.String },
  Unwatch: { ref: Schema.Natural, topic: Schema.String },
  Ping: {}
})

/**
 * What a client sends.
 *
 * @category models
 * @since 0.1.0
 */
export type ClientMessage = typeof ClientMessage.Type

/**
 * The reasons why a request fails, except `Denied`.
 *
 * **Details**
 *
 * - `Malformed`: it is not a message of this protocol.
 * - `LimitExceeded`: the topic's name, the entry or the id is too large, or the connection has too many subscriptions.
 * - `AlreadySubscribed`: the connection is subscribed to the topic, or watches it.
 * - `Unsupported`: the server does not publish the members of topics.
 * - `Unavailable`: nothing was done; try again later.
 * - `OutcomeUnknown`: the entry may have been appended. Publish again with the same id.
 *
 * @category models
 * @since 0.1.0
 */
export const FailureCode = Schema.Literals([
  "Malformed",
  "LimitExceeded",
  "AlreadySubscribed",
  "Unsupported",
  "Unavailable",
  "OutcomeUnknown"
])

/**
 * What a server sends.
 *
 * **Details**
 *
 * - `Welcome`: the answer to `Hello`. `heartbeat` is after how many milliseconds of silence a client should send
 *   `Ping`, `idWindow` for how many milliseconds the id of a publish keeps it from being doubled.
 * - `Subscribed`: items come from `position` on.
 * - `Entry`, `Gap`: an item of a subscription.
 * - `Ended`: the server ended a subscription, because the right to it ended. `WatchEnded` is the same for a watch.
 * - `Members`: who is subscribed to a watched topic, in parts; `ref` is that of `Watch`. The last part has `isLast`. It
 *   may come again, in place of changes that a slow client did not take.
 * - `MembersChanged`: the members that joined and left since then.
 * - `Denied`: the client may not do that. `action` is what it asked for.
 * - `Failed`: see `FailureCode`. Without `ref` where none could be read.
 *
 * @category models
 * @since 0.1.0
 */
export const ServerMessage = Schema.TaggedUnion({
  Welcome: { ref: Schema.Natural, heartbeat: Schema.Natural, idWindow: Schema.Natural },
  Subscribed: { ref: Schema.Natural, topic: Schema.String, position: Position.PositionFromString },
  Unsubscribed: { ref: Schema.Natural, topic: Schema.String },
  Published: { ref: Schema.Natural, position: Position.PositionFromString, isDuplicate: Schema.Boolean },
  Page: {
    ref: Schema.Natural,
    topic: Schema.String,
    items: Schema.Array(Item),
    next: Position.PositionFromString,
    isLast: Schema.Boolean
  },
  Entry: EntryFields,
  Gap: GapFields,
  Ended: { topic: Schema.String, reason: Schema.String },
  Members: {
    ref: Schema.Natural,
    topic: Schema.String,
    members: Schema.Array(Schema.String),
    isLast: Schema.Boolean
  },
  MembersChanged: {
    ref: Schema.Natural,
    topic: Schema.String,
    joined: Schema.Array(Schema.String),
    left: Schema.Array(Schema.String)
  },
  Unwatched: { ref: Schema.Natural, topic: Schema.String },
  WatchEnded: { topic: Schema.String, reason: Schema.String },
  Denied: {
    ref: Schema.Natural,
    action: Schema.Literals(["Subscribe", "Publish", "History", "Watch"]),
    reason: Schema.String
  },
  Failed: { ref: Schema.optionalKey(Schema.Natural), code: FailureCode, reason: Schema.String },
  Pong: {}
})

/**
 * What a server sends.
 *
 * @category models
 * @since 0.1.0
 */
export type ServerMessage = typeof ServerMessage.Type

const ClientJson = Schema.fromJsonString(ClientMessage)
const ServerJson = Schema.fromJsonString(ServerMessage)

/**
 * Decodes what a client sent.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeClient: (text: string) => Result.Result<ClientMessage, Schema.SchemaError> =
  Schema.decodeUnknownResult(ClientJson)

/**
 * Decodes what a server sent.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeServer: (text: string) => Result.Result<ServerMessage, Schema.SchemaError> =
  Schema.decodeUnknownResult(ServerJson)

/**
 * Encodes a client's message.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeClient: (message: ClientMessage) => string = Schema.encodeSync(ClientJson)

/**
 * Encodes a server's message.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeServer: (message: ServerMessage) => string = Schema.encodeSync(ServerJson)

/**
 * Encodes an entry without the Schema, which is for the path of every message. The same text as `encodeServer`.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeEntry = ({ at, data, id, position, topic }: Entry): string =>
  JSON.stringify({
    _tag: "Entry",
    topic,
    position: Position.format(position),
    data: typeof data === "string" ? data : { base64: Base64.encode(data) },
    id,
    at
  })

/**
 * Returns a gap as the message that tells of it.
 *
 * @category conversions
 * @since 0.1.0
 */
export const gapMessage = (topic: string, gap: Gap): ServerMessage => ({ ...gap, topic })

/**
 * An action that the client may not do.
 *
 * @category errors
 * @since 0.1.0
 */
export class Denied extends Schema.TaggedError<Denied>("@effect-ws/topics/Denied")("Denied", {
  /** The reason, as the client receives it. */
  reason: Schema.String
}) {
  override get message(): string {
    return `denied: ${this.reason}`
  }
}
