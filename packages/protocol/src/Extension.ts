/**
 * What an extension does on an open connection: the hook through which the session lets it change frames or messages.
 *
 * How an extension is offered and accepted is the business of package `extensions`. When the handshake is done, what is
 * left of each accepted extension is an {@link ExtensionInstance}: the RSV bits and opcodes it claims, and functions
 * that transform parts in place. An extension that works on messages sees the parts of a message before they are cut
 * into frames; one that works on frames sees each data frame as it goes over the wire.
 *
 * @since 0.1.0
 */
import * as CloseError from "./CloseError.ts"
import type * as Opcode from "./Opcode.ts"

/**
 * A piece of a message, or a frame, on its way through the extensions. They change `payload` and `rsv` in place.
 *
 * @category models
 * @since 0.1.0
 */
export interface MessagePart {
  /** The opcode of the message (or, at frame level, of the frame). */
  readonly opcode: Opcode.Opcode
  /** The bytes. An extension may replace them; it must not write to them. */
  payload: Uint8Array
  /** The RSV bits of the message's first frame as they stand in its first byte: 0x40, 0x20, 0x10. */
  rsv: number
  /** Whether this part begins its message. Always true at frame level. */
  readonly first: boolean
  /** Whether this part ends its message. Always true at frame level. */
  readonly last: boolean
  /** Incoming: the most bytes that `payload` may have after the transform. Outgoing: not used. */
  readonly limit: number
  /** Outgoing: what the sender said about compressing this message; `undefined` leaves it to the extension. */
  readonly compress: boolean | undefined
}

/**
 * Work that a transform cannot finish in this turn, such as compressing a long payload on another thread.
 *
 * The owner of the session starts it, and to start it again does nothing; it calls `done` once, later, with nothing or
 * with the close to fail with; by then it has changed the part. Until then nothing that comes behind this part in the
 * same direction is transformed, so order is kept. An owner that loses interest never hears from `done` again and need
 * not wait.
 *
 * @category models
 * @since 0.1.0
 */
export interface AsyncTransform {
  readonly _tag: "Pending"
  readonly start: (done: (failure?: CloseError.SendableCloseError) => void) => void
}

/**
 * A transform of parts. It changes the part in place and returns nothing, returns the close to fail with, or returns
 * work that is still to be done.
 *
 * @category models
 * @since 0.1.0
 */
export type Transform = (part: MessagePart) => void | CloseError.SendableCloseError | AsyncTransform

/**
 * How an extension encodes messages that are sent on many connections, where what it makes of one depends neither on the
 * connection nor on earlier messages.
 *
 * @category models
 * @since 0.1.0
 */
export interface SharedEncoder {
  /** Instances with the same key make the same of the same message. Unique among all extensions of the process. */
  readonly key: string
  /**
   * Changes a whole message that is not fragmented, as `encode` does. It belongs to no connection: it goes on when the
   * one that asked for it is gone, and several messages may be under way at once.
   */
  readonly encode: Transform
}

/**
 * One extension on one connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExtensionInstance {
  /** The name that was negotiated. */
  readonly name: string
  /** The RSV bits that it claims: any of 0x40, 0x20 and 0x10. */
  readonly rsv: number
  /** The reserved opcodes that it claims; frames with them are handed to its frame transform. */
  readonly opcodes: ReadonlyArray<Opcode.Opcode>
  /** Whether it works on whole messages, before fragmentation, or on each data frame. */
  readonly level: "message" | "frame"
  /** Changes what arrived. */
  readonly decode: Transform
  /** Changes what is sent. */
  readonly encode: Transform
  /** What other connections may share of the encoding. Default: nothing, each encodes for itself. */
  readonly shared?: SharedEncoder | undefined
  /** Lets go of what the instance holds. Called once, when the session is over; pending work may still be under way. */
  readonly close?: (() => void) | undefined
}

/**
 * Runs a part through transforms in order; suspends where one leaves work to be done.
 *
 * @internal
 */
export function* transform(
  part: MessagePart,
  transforms: ReadonlyArray<Transform>
): Generator<AsyncTransform, CloseError.SendableCloseError | undefined, CloseError.SendableCloseError | undefined> {
  for (const apply of transforms) {
    const outcome = attempt(apply, part)
    if (outcome === undefined) continue
    const failure = outcome._tag === "Pending" ? yield once(outcome) : outcome
    if (failure !== undefined) return failure
  }
  return undefined
}

// What throws is a program's extension: its connection fails, and nothing that others share, such as the loop that
// writes for all connections, sees the exception.
const attempt = (apply: Transform, part: MessagePart): ReturnType<Transform> => {
  try {
    return apply(part)
  } catch (defect) {
    return broken(defect)
  }
}

// The peer is told nothing of it; whoever owns the session finds the cause in the error that the session ended with.
const broken = (defect: unknown): CloseError.SendableCloseError => {
  const error = new CloseError.InternalError()
  Object.defineProperty(error, "cause", { value: defect })
  return error
}

/**
 * Makes work that may be started again, to no effect: whoever sends while an earlier message is worked on finds it again.
 *
 * @internal
 */
export const once = (pending: AsyncTransform): AsyncTransform => {
  let isStarted = false
  return {
    _tag: "Pending",
    start: (done) => {
      if (isStarted) return
      isStarted = true
      try {
        pending.start(done)
      } catch (defect) {
        done(broken(defect))
      }
    }
  }
}
