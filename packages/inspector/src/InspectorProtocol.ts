/**
 * What the inspector and its viewers send to each other: the page is one viewer, and a program can be another, since
 * this module has the Schemas of both directions.
 *
 * A viewer gets what has changed since the last update, in messages of bounded size: first all connections, then those
 * that opened, had traffic, or closed. It selects a connection to get its frames.
 *
 * @since 0.1.0
 */
import * as TypedConnection from "@effect-ws/connection/TypedConnection"
import * as Schema from "effect/Schema"

const Traffic = Schema.Struct({ bytes: Schema.Finite, frames: Schema.Finite, messages: Schema.Finite })

const connection = {
  id: Schema.Int,
  path: Schema.String,
  peer: Schema.optionalKey(Schema.String),
  secure: Schema.Boolean,
  subprotocol: Schema.optionalKey(Schema.String),
  extensions: Schema.Array(Schema.String),
  openedAt: Schema.Finite
}

const Opened = Schema.Struct(connection)

const Closed = Schema.Struct({
  ...connection,
  closedAt: Schema.Finite,
  code: Schema.Int,
  reason: Schema.String,
  initiator: Schema.Literals(["local", "remote", "transport"]),
  clean: Schema.Boolean,
  violation: Schema.optionalKey(Schema.String),
  received: Traffic,
  sent: Traffic,
  latency: Schema.optionalKey(Schema.Finite)
})

const Refused = Schema.Struct({
  number: Schema.Int,
  at: Schema.Finite,
  status: Schema.optionalKey(Schema.Int),
  rule: Schema.String,
  reason: Schema.String,
  path: Schema.optionalKey(Schema.String),
  peer: Schema.optionalKey(Schema.String)
})

const Frame = Schema.Struct({
  number: Schema.Int,
  /** Milliseconds since the connection opened. */
  at: Schema.Finite,
  from: Schema.Literals(["peer", "server"]),
  /** The first byte of the header: FIN, RSV bits and opcode. */
  first: Schema.Int,
  masked: Schema.Boolean,
  length: Schema.Finite,
  preview: Schema.optionalKey(Schema.String),
  violation: Schema.optionalKey(Schema.String)
})

/**
 * What a viewer is sent.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FromInspector = Schema.TaggedUnion({
  /** The first message: what this viewer may do. */
  Hello: {
    version: Schema.Literal(1),
    updateMillis: Schema.Finite,
    payloads: Schema.Literals(["none", "preview", "full"]),
    allowClose: Schema.Boolean,
    allowDrain: Schema.Boolean
  },
  /** Comes last in each update. */
  Totals: {
    now: Schema.Finite,
    servers: Schema.Array(Schema.String),
    open: Schema.Int,
    opened: Schema.Int,
    closed: Schema.Int,
    refused: Schema.Int,
    unlisted: Schema.Int,
    received: Traffic,
    sent: Traffic
  },
  Opened: { connections: Schema.Array(Opened) },
  /**
   * The counts of connections, flat, {@link trafficFields} numbers for each. So many numbers would cost more as
   * objects.
   */
  Traffic: { values: Schema.Array(Schema.Finite) },
  Closed: { connections: Schema.Array(Closed) },
  /** The ids of connections that have closed and are not in the record any more, so that no `Closed` lists them. */
  Forgotten: { ids: Schema.Array(Schema.Int) },
  Refused: { refusals: Schema.Array(Refused) },
  /** The answer to `Select`. `watched` is false where no frames can be kept of it. */
  Selected: {
    id: Schema.Int,
    watched: Schema.Boolean,
    headers: Schema.Array(Schema.Tuple([Schema.String, Schema.String]))
  },
  /** Frames of the selected connection; `dropped` gave way before they were sent. */
  Frames: { id: Schema.Int, dropped: Schema.Int, frames: Schema.Array(Frame) },
  /** The answer to `Save`: JSON lines. */
  Saved: { id: Schema.Int, lines: Schema.String },
  /** A command was not carried out. */
  Denied: { command: Schema.String, reason: Schema.String }
})

/**
 * What a viewer is sent.
 *
 * @category models
 * @since 0.1.0
 */
export type FromInspector = typeof FromInspector.Type

/**
 * What a viewer sends.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FromViewer = Schema.TaggedUnion({
  /** Selects the connection whose frames to send; `null` selects none. */
  Select: { id: Schema.NullOr(Schema.Int) },
  /** Closes a connection, where that is allowed. */
  Close: { id: Schema.Int, code: Schema.Int, reason: Schema.String.check(Schema.isMaxLength(123)) },
  /** Drains the servers, where that is allowed. */
  Drain: {},
  /** Asks for the recording of a connection. */
  Save: { id: Schema.Int }
})

/**
 * What a viewer sends.
 *
 * @category models
 * @since 0.1.0
 */
export type FromViewer = typeof FromViewer.Type

/**
 * The numbers of one connection in `Traffic`: its id; bytes and messages received; bytes and messages sent; bytes that
 * wait for the program, and for the peer; the last round trip in milliseconds, or -1.
 *
 * @category constants
 * @since 0.1.0
 */
export const trafficFields = 8

/**
 * The protocol, for `TypedConnection`.
 *
 * @category constants
 * @since 0.1.0
 */
export const InspectorProtocol: ReturnType<typeof TypedConnection.protocol<typeof FromViewer, typeof FromInspector>> =
  TypedConnection.protocol({ fromClient: FromViewer, fromServer: FromInspector })
