/**
 * The rules of an HTTP/1.1 head, and the error for a head that breaks one.
 */
import * as Schema from "effect/Schema"

/**
 * The rules that a head can break.
 *
 * @category models
 * @since 0.1.0
 */
export const HeadRule = Schema.Literals([
  "InvalidMethod",
  "MethodTooLong",
  "InvalidTarget",
  "TargetTooLong",
  "InvalidVersion",
  "UnsupportedVersion",
  "InvalidStatus",
  "InvalidReason",
  "InvalidHeaderName",
  "InvalidHeaderValue",
  "SpaceBeforeColon",
  "FoldedHeader",
  "BareLineFeed",
  "BareCarriageReturn",
  "HeadersTooLarge",
  "TooManyHeaders",
  "AmbiguousBodyLength"
])

/**
 * The error for a head that breaks a rule: the first rule broken, and the status with which a server answers.
 *
 * **Details**
 *
 * `offset` is the position of the byte that breaks the rule, counted from the start of the head.
 *
 * @category errors
 * @since 0.1.0
 */
export class HttpHeadError extends Schema.TaggedError<HttpHeadError>("@effect-ws/protocol/HttpHeadError")(
  "HttpHeadError",
  {
    rule: HeadRule,
    status: Schema.Literals([400, 414, 431, 501, 505]),
    /** The status of the response, if the parser read it before the error. */
    responseStatus: Schema.optionalKey(Schema.Int),
    offset: Schema.Int,
    detail: Schema.String
  }
) {
  override get message(): string {
    return `invalid HTTP head at byte ${this.offset}: ${this.detail}`
  }
}
