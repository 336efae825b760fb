/**
 * What a session tells its owner about the bytes that arrived, in the order in which they arrived.
 *
 * @since 0.1.0
 */
import type * as CloseError from "./CloseError.ts"
import type * as Frame from "./Frame.ts"
import type * as Message from "./Message.ts"
import type * as ProtocolViolation from "./ProtocolViolation.ts"

/**
 * A piece of a message that is delivered as it arrives. The pieces of a text are text: no character is cut in half.
 *
 * @category models
 * @since 0.1.0
 */
export type Fragment = {
  readonly _tag: "Fragment"
  readonly first: boolean
  readonly last: boolean
} & ({ readonly type: "Text"; readonly data: string } | { readonly type: "Binary"; readonly data: Uint8Array })

/**
 * A data frame, delivered as one.
 *
 * @category models
 * @since 0.1.0
 */
export interface DataFrame {
  readonly _tag: "Frame"
  readonly frame: Frame.Frame
}

/**
 * A ping. The session has answered it, or will as soon as the transport takes more.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ping {
  readonly _tag: "Ping"
  readonly data: Uint8Array
}

/**
 * A pong. `ping` is the number of the newest of our pings that it answers, and with it all older ones (RFC 6455 5.5.3);
 * `undefined` where nobody asked.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pong {
  readonly _tag: "Pong"
  readonly data: Uint8Array
  readonly ping: number | undefined
}

/**
 * The peer's close frame. Unless we closed first, an answer is due: `Session.answerClose`.
 *
 * @category models
 * @since 0.1.0
 */
export interface CloseReceived {
  readonly _tag: "CloseReceived"
  readonly code: number | undefined
  readonly reason: string
}

/**
 * The connection fails: the peer broke a rule, or an extension refused what it got. Unless we closed before, a close
 * frame that says so is due: `Session.answerClose`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failed {
  readonly _tag: "Failed"
  /** What the peer is told. */
  readonly error: CloseError.SendableCloseError
  /** The rule that the peer broke; `undefined` where an extension failed. */
  readonly violation: ProtocolViolation.ProtocolViolation | undefined
}

/**
 * Anything that a session tells its owner.
 *
 * @category models
 * @since 0.1.0
 */
export type SessionEvent = Message.Message | Fragment | DataFrame | Ping | Pong | CloseReceived | Failed
