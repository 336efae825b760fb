/**
 * The payload of a close frame: nothing at all, or a close code and a reason (RFC 6455 5.5.1).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as CloseCode from "./CloseCode.ts"
import * as CloseError from "./CloseError.ts"
import * as Utf8 from "./Utf8.ts"
import * as ProtocolViolation from "./ProtocolViolation.ts"

/**
 * What a close frame says. Without a code there is no reason either.
 *
 * @category models
 * @since 0.1.0
 */
export interface CloseFrame {
  readonly code?: number
  readonly reason: string
}

const empty = new Uint8Array(0)

/**
 * Encodes the payload of a close frame; without a code it is empty.
 *
 * **Gotchas**
 *
 * Nothing is checked here: `CloseCode.SendableCode` and `CloseError.Reason` say what may be sent.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (code?: number, reason = ""): Uint8Array => {
  if (code === undefined) return empty
  const text = Utf8.encode(reason)
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
export const decode = (payload: Uint8Array): Result.Result<CloseFrame, ProtocolViolation.ProtocolViolation> => {
  if (payload.length === 0) return Result.succeed({ reason: "" })
  // RFC 6455 5.5.1: "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer"
  if (payload.length === 1)
    return Result.fail(ProtocolViolation.make("TruncatedCloseCode", "a close payload of one byte"))
  const code = (payload[0]! << 8) | payload[1]!
  if (!CloseCode.isSendable(code)) return Result.fail(ProtocolViolation.make("InvalidCloseCode", `close code ${code}`))
  const reason = Utf8.decode(payload.subarray(2))
  return reason === undefined
    ? Result.fail(ProtocolViolation.make("InvalidCloseReason", "a close reason that is not UTF-8"))
    : Result.succeed({ code, reason })
}

/**
 * A close frame's content as a Schema.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CloseFrame = Schema.Union([
  Schema.Struct({ code: CloseCode.SendableCode, reason: CloseError.Reason }),
  // `code` is forbidden and not ignored: a code that may not be sent must not turn into no code.
  Schema.Struct({ code: Schema.optionalKey(Schema.Never), reason: Schema.Literal("") })
])

/**
 * The codec between the payload of a close frame and its content.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CloseFrameFromBytes = Schema.Uint8Array.pipe(
  Schema.decodeTo(
    CloseFrame,
    SchemaTransformation.transformEffect<typeof CloseFrame.Encoded, Uint8Array>({
      decode: (bytes, options) =>
        Effect.fromResult(
          Result.mapError(
            decode(bytes) as Result.Result<typeof CloseFrame.Encoded, ProtocolViolation.ProtocolViolation>,
            (violation) => new SchemaIssue.InvalidValue({ message: violation.message }, bytes, options)
          )
        ),
      encode: (frame) => Effect.succeed("code" in frame ? encode(frame.code, frame.reason) : empty)
    })
  )
)
