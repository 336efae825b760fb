/**
 * What our own program did wrong: a call that would make this end break RFC 6455. Nothing was sent, and the connection
 * goes on. What the peer does wrong is a `ProtocolViolation`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const rules = {
  ControlPayloadTooLong: "a control frame takes at most 125 bytes of payload (RFC 6455 5.5)",
  UnsendableCloseCode: "a close frame takes the codes 1000-1003, 1007-1014 and 3000-4999 (RFC 6455 7.4)",
  InvalidCloseReason: "a close reason is UTF-8 (RFC 6455 5.5.1)",
  CloseReasonTooLong: "a close reason takes at most 123 bytes of UTF-8 (RFC 6455 5.5)",
  MessageInProgress: "a message that is sent in fragments must end before another begins (RFC 6455 5.4)",
  NoMessageInProgress: "a continuation needs a message that was begun and not ended (RFC 6455 5.4)",
  FragmentedControlFrame: "a control frame cannot be fragmented (RFC 6455 5.5)",
  ReservedOpcode: "a reserved opcode needs an extension that claims it (RFC 6455 5.2)",
  UnnegotiatedRsvBit: "an RSV bit needs an extension that claims it (RFC 6455 5.2)"
} as const

/**
 * The name of a rule that a caller can break.
 *
 * @category models
 * @since 0.1.0
 */
export type Rule = keyof typeof rules

/**
 * A call that cannot be carried out. Nothing was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class SendError extends Schema.TaggedError<SendError>("@effect-ws/protocol/SendError")("SendError", {
  rule: Schema.Literals(Object.keys(rules) as ReadonlyArray<Rule>),
  /** What was asked for. */
  asked: Schema.String
}) {
  override get message(): string {
    return `${this.asked}: ${rules[this.rule]}`
  }
}

/**
 * Creates a misuse of a rule; `asked` says what the caller wanted.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (rule: Rule, asked: string): SendError => new SendError({ rule, asked })
