/**
 * The options of a session and of what it sends.
 */
import type * as CloseError from "../CloseError.ts"
import type * as Extension from "../Extension.ts"
import type { FrameCounter } from "../FrameWriter.ts"
import type * as Limits from "../Limits.ts"
import type * as SendError from "../SendError.ts"
import type * as SessionState from "../SessionState.ts"
import type { SlabPool } from "../Slab.ts"

/**
 * Options of a session.
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionOptions {
  /** The role of this end. */
  readonly role: SessionState.Role
  /** Limits on what the peer sends. Default: see `Limits`. */
  readonly limits?: { readonly [K in keyof Limits.Limits]?: Limits.Limits[K] | undefined } | undefined
  /** Negotiated extensions, in the order of the handshake. Default: none. */
  readonly extensions?: ReadonlyArray<Extension.ExtensionInstance> | undefined
  /**
   * Function that returns the masking key of a client's next frame, packed as module `Mask` does. RFC 6455 5.3 wants
   * keys from a strong source of entropy. Required for clients, unused by servers.
   */
  readonly maskingKey?: (() => number) | undefined
  /** Pool for the output, and allocator for messages that span chunks. Default: a pool of its own. */
  readonly slabs?: SlabPool | undefined
  /** Counter of the frames that are sent. Default: none. */
  readonly frameCounter?: FrameCounter | undefined
}

/**
 * How received data is delivered: as whole messages, as fragments of one message, or as frames.
 *
 * Frames are delivered as they are on the wire, before message-level extensions.
 *
 * @category models
 * @since 0.1.0
 */
export type ReadMode = "message" | "fragment" | "frame"

/**
 * Options for sending a message.
 *
 * @category models
 * @since 0.1.0
 */
export interface SendOptions {
  /** Maximum bytes of payload in a frame, at least 1. Default: the whole message is one frame. */
  readonly fragmentSize?: number | undefined
  /** Whether to compress the message, if an extension can. Default: the extension decides. */
  readonly compress?: boolean | undefined
}

/**
 * The reason that nothing was sent: the call would break RFC 6455, or the connection is closed.
 *
 * @category models
 * @since 0.1.0
 */
export type SendFailure = SendError.SendError | CloseError.CloseError
