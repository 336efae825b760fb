/**
 * The bounds and waits of one connection, the same for clients and servers: one home for every number that a user may
 * want to change once the handshake is done.
 *
 * @since 0.1.0
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as Limits from "@effect-ws/protocol/Limits"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import { KeepaliveTimer } from "./internal/keepalive/KeepaliveTimer.ts"
import { StallTimer } from "./internal/keepalive/StallTimer.ts"

/**
 * Options of a connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectionOptions extends Partial<{
  readonly [K in keyof Limits.Limits]: Limits.Limits[K] | undefined
}> {
  /**
   * Maximum bytes of received messages that wait for the program, not counting the message in progress. Above it the
   * socket is not read. Default: 64 KiB.
   */
  readonly receiveBufferSize?: number | undefined
  /**
   * Maximum bytes buffered for the peer before `send` waits. Values below the transport's high-water mark have no
   * effect. Default: 64 KiB.
   */
  readonly writeHighWaterMark?: number | undefined
  /**
   * Whether the bytes of a binary message are valid only until the program asks for the next one. Their memory is then
   * freed at once, where it otherwise waits for the garbage collector, which with large messages is most of a relay's
   * work. What was kept shows as empty afterwards: copy it. Text is not concerned. Default: false.
   */
  readonly reuseReceiveBuffers?: boolean | undefined
  /**
   * Maximum bytes buffered for the peer if `send` does not wait, as on a connection that is polled (see `Polling`).
   * Above it the connection fails with 1013. Default: twice `maxMessageSize`, at least 32 MiB.
   */
  readonly maxBufferedBytes?: number | undefined
  /**
   * How long more than `writeHighWaterMark` may wait for the peer before the connection ends with 1006, whether `send`
   * waits for it or not. Default: for ever.
   */
  readonly writeTimeout?: Duration.Input | undefined
  /**
   * Maximum time between two parts of one message. After it the connection fails with 1008, at most an eighth of the
   * time later. Control frames are no parts, and time in which this end does not read does not count. Raise it for a
   * peer that streams a message with longer pauses. Default: 30 seconds; `false` switches it off.
   */
  readonly messageTimeout?: Duration.Input | false | undefined
  /**
   * Maximum time for the peer to answer our close frame and to end its stream. After it the connection ends with 1006.
   * The time starts when the system has taken everything that was sent, the close frame included. After blocked output
   * it is longer, by the time that the peer needs for the bytes that the system still holds. If the system has taken
   * everything, this end sends a FIN, so that the peer can still read the bytes. Default: 10 seconds.
   */
  readonly closeTimeout?: Duration.Input | undefined
  /**
   * Maximum time of the whole close, for a peer that reads slowly what was sent before the close frame. After it the
   * socket is destroyed. Values below `closeTimeout` have no effect. Default: 60 seconds.
   */
  readonly maxCloseTime?: Duration.Input | undefined
  /**
   * How long a server's answer to the peer's close frame waits for a program that is still busy with a message that
   * came before it, so that its replies can go first. A client answers when its program has taken all messages. In
   * either role also how long, after our own close frame, more than `receiveBufferSize` may wait for a reader that
   * takes nothing, before the rest is dropped. Default: 1 second.
   */
  readonly closeReplyTimeout?: Duration.Input | undefined
  /**
   * Detection of a dead peer. After `interval` without a byte from the peer this end sends a ping, and after `timeout`
   * more without a byte the connection fails with 1011. Both are accurate to a quarter of the shorter. Default: 20
   * seconds each; `false` switches it off.
   *
   * Progress is life: `timeout` starts when the system has taken the ping, and starts again when output moves that the
   * system had refused; after that it allows for what the system still holds, at the rate at which the peer read, up to
   * ten times `timeout`. Output that is blocked and does not move for `interval` and `timeout` together ends the
   * connection. Silence does not count while we do not read, but a ping is still written each `interval`, so that a
   * reset is noticed.
   */
  readonly keepalive?:
    | { readonly interval?: Duration.Input | undefined; readonly timeout?: Duration.Input | undefined }
    | false
    | undefined
  /**
   * Maximum time for which a program takes none of its messages while they fill `receiveBufferSize`. After it the
   * connection closes with 1011, because the socket is not read meanwhile and nothing notices that the peer has gone.
   * Time in which output is blocked does not count. Default: 5 minutes; `Infinity` switches it off.
   */
  readonly handlerStallTimeout?: Duration.Input | undefined
}

/**
 * The options with their defaults filled in. One value serves all connections of a server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settings {
  readonly limits: Limits.Limits
  readonly receiveBufferSize: number
  readonly writeHighWaterMark: number
  readonly reuseReceiveBuffers: boolean
  readonly maxBufferedBytes: number
  readonly writeTimeout: Duration.Duration | undefined
  readonly closeTimeout: Duration.Duration
  readonly maxCloseTime: Duration.Duration
  readonly closeReplyTimeout: Duration.Duration
  readonly keepalive: KeepaliveTimer
  readonly stalls: StallTimer | undefined
}

// A client makes its settings for each connection, so these are parsed once.
const defaults = {
  closeTimeout: Duration.seconds(10),
  maxCloseTime: Duration.minutes(1),
  closeReplyTimeout: Duration.seconds(1),
  handlerStallTimeout: Duration.minutes(5),
  messageTimeout: Duration.seconds(30),
  keepalive: Duration.seconds(20)
}

/**
 * Fills in the defaults, and throws where an option is out of range, see `Argument`.
 *
 * **Details**
 *
 * Connections of one value share what keeps them alive. With a clock, so do all that were made with it and want the
 * same of `keepalive` and `messageTimeout`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const settings = (options: ConnectionOptions = {}, clock?: Clock.Clock): Settings => ({
  limits: Limits.make(options),
  receiveBufferSize: Argument.limit("receiveBufferSize", options.receiveBufferSize ?? 64 * 1024),
  writeHighWaterMark: Argument.limit("writeHighWaterMark", options.writeHighWaterMark ?? 64 * 1024),
  reuseReceiveBuffers: options.reuseReceiveBuffers ?? false,
  maxBufferedBytes: Argument.limit(
    "maxBufferedBytes",
    options.maxBufferedBytes ?? 2 * Math.max(Limits.make().maxMessageSize, Limits.make(options).maxMessageSize)
  ),
  writeTimeout:
    options.writeTimeout === undefined ? undefined : Argument.duration("writeTimeout", options.writeTimeout),
  closeTimeout: Argument.duration("closeTimeout", options.closeTimeout ?? defaults.closeTimeout),
  maxCloseTime: Argument.duration("maxCloseTime", options.maxCloseTime ?? defaults.maxCloseTime),
  closeReplyTimeout: Argument.duration("closeReplyTimeout", options.closeReplyTimeout ?? defaults.closeReplyTimeout),
  keepalive: KeepaliveTimer.of(
    {
      interval: keepaliveTime("interval", options.keepalive),
      timeout: keepaliveTime("timeout", options.keepalive),
      stall: Argument.duration("handlerStallTimeout", options.handlerStallTimeout ?? defaults.handlerStallTimeout)
    },
    clock
  ),
  stalls:
    options.messageTimeout === false
      ? undefined
      : StallTimer.of(Argument.duration("messageTimeout", options.messageTimeout ?? defaults.messageTimeout), clock)
})

const keepaliveTime = (name: "interval" | "timeout", keepalive: ConnectionOptions["keepalive"]): Duration.Duration =>
  keepalive === false
    ? Duration.infinity
    : Argument.duration(`keepalive.${name}`, keepalive?.[name] ?? defaults.keepalive)
