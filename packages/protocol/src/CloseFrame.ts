/**
 * The payload of a close frame: nothing at all, or a close code and a reason (RFC 6455 5.5.1).
 *
 * `SessionSchema.CloseFrameFromBytes` is the same codec as a Schema.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Argument from "./Argument.ts"
import * as CloseCode from "./CloseCode.ts"
import * as CloseError from "./CloseError.ts"
import * as ProtocolViolation from "./ProtocolViolation.ts"
import * as SendError from "./SendError.ts"
import * as Utf8 from "./Utf8.ts"

/**
 * The content of a close frame. Without a code there is no reason either.
 *
 * @category models
 * @since 0.1.0
 */
export interface CloseFrame {
  readonly code?: number
  readonly reason: string
}

const empty = new Uint8Array(0)

// Most closes have no reason, and a call of the encoder or the decoder costs more than the rest of a close frame.
const reasonBytes = (reason: string): Uint8Array => (reason === "" ? empty : Utf8.encode(reason))

/**
 * Encodes the payload of a close frame; without a code it is empty.
 *
 * **Gotchas**
 *
 * Checks nothing: {@link check} tells whether a code and a reason may be sent.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (code?: number, reason = ""): Uint8Array => {
  if (code === undefined) return empty
  const text = reasonBytes(reason)
  const payload = new Uint8Array(2 + text.length)
  payload[0] = code >>> 8
  payload[1] = code
  payload.set(text, 2)
  return payload
}

/**
 * Decodes the payload of a close frame.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (
  payload: Uint8Array
): Result.Result<
  CloseFrame,
  ProtocolViolation.Of<"TruncatedCloseCode" | "InvalidCloseCode" | "InvalidCloseReason">
> => {
  if (payload.length === 0) return Result.succeed({ reason: "" })
  // RFC 6455 5.5.1: "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer"
  if (payload.length === 1)
    return Result.fail(ProtocolViolation.make("TruncatedCloseCode", "a close payload of one byte"))
  const code = (payload[0]! << 8) | payload[1]!
  if (!CloseCode.isSendable(code)) return Result.fail(ProtocolViolation.make("InvalidCloseCode", `close code ${code}`))
  const reason = payload.length === 2 ? "" : Utf8.decode(payload.subarray(2))
  return reason === undefined
    ? Result.fail(ProtocolViolation.make("InvalidCloseReason", "a close reason that is not UTF-8"))
    : Result.succeed({ code, reason })
}

/**
 * Returns the rule that a close frame with this code and reason would break, or `undefined`. Throws a `TypeError` if
 * `code` is not a number or `reason` is not a string.
 *
 * @category guards
 * @since 0.1.0
 */
export const check = (code: number, reason: string): SendError.SendError | undefined => {
  if (typeof code !== "number") throw Argument.mismatch("close code", "a number", code)
  Argument.text("close reason", reason)
  if (!CloseCode.isSendable(code)) return SendError.make("InvalidCloseCode", `close code ${code}`)
  const bytes = reasonBytes(reason).length
  return bytes > CloseError.maxReasonBytes
    ? SendError.make("CloseReasonTooLong", `a close reason of ${bytes} bytes`)
    : undefined
}
