/**
 * The bounds and waits of one connection, the same for clients and servers: one home for every number that a user may
 * want to change once the handshake is done.
 *
 * @since 0.1.0
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as Limits from "@effect-ws/protocol/Limits"
import type * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import { Heartbeat } from "./internal/Heartbeat.ts"
import { Stalls } from "./internal/Stalls.ts"

/**
 * What a connection may be told.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectionOptions extends Partial<{
  readonly [K in keyof Limits.Limits]: Limits.Limits[K] | undefined
}> {
  /**
   * The most bytes of received messages that wait for the program, beside the message in progress. Above it the socket
   * is not read. Default: 64 KiB.
   */
  readonly inboundBuffer?: number | undefined
  /**
   * The bytes that may wait for the peer to read them before `send` waits. A transport's own high-water mark is the
   * least that works. Default: 64 KiB.
   */
  readonly outboundBuffer?: number | undefined
  /**
   * Whether the bytes of a binary message are valid only until the program asks for the next one. Their memory is then
   * freed at once, where it otherwise waits for the garbage collector, which with large messages is most of a relay's
   * work. What was kept shows as empty afterwards: copy it. Text is not concerned. Default: false.
   */
  readonly recycle?: boolean | undefined
  /**
   * Where `send` does not wait (on a connection that is polled, see `Polling`): the bytes that may wait for the peer
   * before the connection fails with 1013. Default: twice `maxMessageSize`, and
   * 32 MiB at least.
   */
  readonly outboundLimit?: number | undefined
  /**
   * How long more than `outboundBuffer` may wait for the peer before the connection is given up with 1006, whether `send`
   * waits for it or not. Default: for ever.
   */
  readonly writeTimeout?: Duration.Input | undefined
  /**
   * How long the peer may let an incomplete message wait for its next byte, before the connection fails with 1008. It is
   * kept to within an eighth. Control frames do not count, nor does time in which it is us who does not read. A peer that
   * streams a message with longer pauses needs more. Default: 30 seconds; `false` switches it off.
   */
  readonly messageTimeout?: Duration.Input | false | undefined
  /**
   * How long the peer may take to answer our close frame, and to end its stream, before the socket is dropped.
   * Default: 10 seconds.
   */
  readonly closeTimeout?: Duration.Input | undefined
  /**
   * How long a server's answer to the peer's close frame waits for a program that is still busy with a message that came
   * before it, so that its replies can go first. A client answers when its program has taken all messages. Default:
   * 1 second.
   */
  readonly replyGrace?: Duration.Input | undefined
  /**
   * When to ask a silent peer whether it lives: after `idle` without a byte from it a ping is sent, and when `timeout`
   * more passes without a byte the connection fails with 1011. Both are kept to within a quarter of the shorter. Any byte
   * counts as life. Default: 20 seconds each; `false` switches it off.
   */
  readonly keepalive?:
    | { readonly idle?: Duration.Input | undefined; readonly timeout?: Duration.Input | undefined }
    | false
    | undefined
}

/**
 * The options with their defaults filled in. One value serves all connections of a server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settings {
  readonly limits: Limits.Limits
  readonly inboundBuffer: number
  readonly outboundBuffer: number
  readonly recycle: boolean
  readonly outboundLimit: number
  readonly writeTimeout: Duration.Duration | undefined
  readonly closeTimeout: Duration.Duration
  readonly replyGrace: Duration.Duration
  readonly heartbeat: Heartbeat | undefined
  readonly stalls: Stalls | undefined
}

/**
 * Fills in the defaults, and throws where an option is out of range, see `Argument`.
 *
 * **Details**
 *
 * Connections of one value share what keeps them alive. With a clock, so do all that were made with it and want the same
 * of `keepalive` and `messageTimeout`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const settings = (options: ConnectionOptions = {}, clock?: Clock.Clock): Settings => ({
  limits: Limits.make(options),
  inboundBuffer: Argument.limit("inboundBuffer", options.inboundBuffer ?? 64 * 1024),
  outboundBuffer: Argument.limit("outboundBuffer", options.outboundBuffer ?? 64 * 1024),
  recycle: options.recycle ?? false,
  outboundLimit: Argument.limit(
    "outboundLimit",
    options.outboundLimit ?? 2 * Math.max(Limits.make().maxMessageSize, Limits.make(options).maxMessageSize)
  ),
  writeTimeout:
    options.writeTimeout === undefined ? undefined : Argument.duration("writeTimeout", options.writeTimeout),
  closeTimeout: Argument.duration("closeTimeout", options.closeTimeout ?? "10 seconds"),
  replyGrace: Argument.duration("replyGrace", options.replyGrace ?? "1 second"),
  heartbeat:
    options.keepalive === false
      ? undefined
      : Heartbeat.of(
          Argument.duration("keepalive.idle", options.keepalive?.idle ?? "20 seconds"),
          Argument.duration("keepalive.timeout", options.keepalive?.timeout ?? "20 seconds"),
          clock
        ),
  stalls:
    options.messageTimeout === false
      ? undefined
      : Stalls.of(Argument.duration("messageTimeout", options.messageTimeout ?? "30 seconds"), clock)
})
