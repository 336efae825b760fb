/**
 * What a connection has below messages: frames, pings and pongs, and the extensions that were agreed on. A browser
 * shows its programs none of it.
 *
 * @since 0.1.0
 */
import type * as CloseError from "@effect-ws/protocol/CloseError"
import type { ExtensionOffer } from "@effect-ws/protocol/ExtensionHeader"
import type * as Frame from "@effect-ws/protocol/Frame"
import type { SendError } from "@effect-ws/protocol/SendError"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"

/**
 * A connection as frames.
 *
 * @category models
 * @since 0.1.0
 */
export interface FrameConnection {
  /** The extensions that were agreed on, with their parameters. */
  readonly extensions: ReadonlyArray<ExtensionOffer>
  /** Sends a ping and waits for its pong: the round-trip time. A payload has at most 125 bytes. */
  readonly ping: (payload?: Uint8Array) => Effect.Effect<Duration.Duration, CloseError.CloseError | SendError>
  /** Sends an unsolicited pong: a heartbeat in one direction. */
  readonly pong: (payload?: Uint8Array) => Effect.Effect<void, CloseError.CloseError | SendError>
  /** The round-trip time of the last ping that was answered, be it one of keepalive. */
  readonly latency: Duration.Duration | undefined
  /**
   * The data frames of the peer in place of `messages`, for the direct style: beside handlers reading them dies. They
   * come as they came, before the extensions that work on messages (such as permessage-deflate) and after those that
   * work on frames.
   */
  readonly frames: Stream.Stream<Frame.Frame, CloseError.CloseError>
  /**
   * Sends a frame with every field set by hand, past the extensions. A client's frame without a masking key gets one.
   * A frame that would break RFC 6455 is refused, unless `unchecked`.
   */
  readonly sendFrame: (
    frame: Frame.Frame,
    options?: { readonly unchecked?: boolean | undefined }
  ) => Effect.Effect<void, CloseError.CloseError | SendError>
}
