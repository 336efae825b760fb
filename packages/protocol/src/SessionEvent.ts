/**
 * The events that a session returns for received bytes, in the order of the bytes.
 *
 * @since 0.1.0
 */
import type * as CloseError from "./CloseError.ts"
import type * as Frame from "./Frame.ts"
import type * as Message from "./Message.ts"
import type * as ProtocolViolation from "./ProtocolViolation.ts"

/**
 * A fragment of a message, delivered when it arrives. Fragments of text never split a character.
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
 * A data frame, in read mode `"frame"`.
 *
 * @category models
 * @since 0.1.0
 */
export interface DataFrame {
  readonly _tag: "Frame"
  readonly frame: Frame.Frame
}

/**
 * A ping. The session has answered it, or does so when the transport drains.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ping {
  readonly _tag: "Ping"
  readonly data: Uint8Array
}

/**
 * A pong. `ping` is the number of the newest ping that it answers, and with it of all earlier ones (RFC 6455 5.5.3). It
 * is `undefined` for an unsolicited pong.
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
 * The peer's close frame. Unless this end closed first, call `Session.answerClose`.
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
 * The connection fails: the peer broke a rule, or an extension rejected a message. Unless this end closed first, call
 * `Session.answerClose`, which sends the close frame.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failed {
  readonly _tag: "Failed"
  /** The error whose code and reason the close frame carries. */
  readonly error: CloseError.SendableCloseError
  /** The rule that the peer broke; `undefined` if an extension failed. */
  readonly violation: ProtocolViolation.ProtocolViolation | undefined
}

/**
 * Any event of a session.
 *
 * @category models
 * @since 0.1.0
 */
export type SessionEvent = Message.Message | Fragment | DataFrame | Ping | Pong | CloseReceived | Failed
