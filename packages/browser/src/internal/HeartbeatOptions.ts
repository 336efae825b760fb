/**
 * Options of the heartbeat. They are a module of their own so that the code that runs it need not import the client.
 */
import type { Message } from "@effect-ws/protocol/Message"
import type * as Duration from "effect/Duration"

/**
 * A message of the program's own that shows whether the peer is there. A page sees no pings, and a browser may not
 * notice for minutes that the network is gone.
 *
 * @category models
 * @since 0.1.0
 */
export interface HeartbeatOptions {
  /** What is sent, when nothing arrived for `interval`. The peer must answer it with any message. */
  readonly message: string | Uint8Array
  /**
   * Whether a message is an answer to a heartbeat: the program does not get it. The peer answers each heartbeat once,
   * in order with its other messages. Default: none is.
   */
  readonly isAnswer?: ((message: Message) => boolean) | undefined
  /**
   * How long nothing arrives before a heartbeat is sent. Browsers round it up to a minute in the background. Default:
   * 25 seconds.
   */
  readonly interval?: Duration.Input | undefined
  /** How long nothing may arrive after that before the connection is closed with 3008. Default: 20 seconds. */
  readonly timeout?: Duration.Input | undefined
}
