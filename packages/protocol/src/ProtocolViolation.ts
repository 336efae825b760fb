/**
 * What a peer did wrong: one name for each MUST of RFC 6455 that a frame can break, with the close code to answer it.
 *
 * Tests, logs and metrics name a violation by its `rule`; the peer reads its message as the close reason.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const rules = {
  // RFC 6455 5.1: "a client MUST mask all frames that it sends"; "A server MUST NOT mask any frames"
  UnmaskedClientFrame: { code: 1002, section: "5.1", expected: "every frame from a client is masked" },
  MaskedServerFrame: { code: 1002, section: "5.1", expected: "no frame from a server is masked" },
  // RFC 6455 5.2
  UnnegotiatedRsvBit: { code: 1002, section: "5.2", expected: "an RSV bit is 0 unless an extension defines it" },
  ReservedOpcode: { code: 1002, section: "5.2", expected: "the opcode is 0, 1, 2, 8, 9, 10 or an extension's" },
  NonMinimalLength: { code: 1002, section: "5.2", expected: "a payload length stands in its shortest form" },
  LengthTopBitSet: { code: 1002, section: "5.2", expected: "the top bit of a 64-bit payload length is 0" },
  // RFC 6455 5.4
  UnexpectedContinuation: { code: 1002, section: "5.4", expected: "a continuation follows a data frame without FIN" },
  InterruptedMessage: { code: 1002, section: "5.4", expected: "a fragmented message ends before the next begins" },
  // RFC 6455 5.5
  FragmentedControlFrame: { code: 1002, section: "5.5", expected: "a control frame is not fragmented" },
  ControlFrameTooLong: { code: 1002, section: "5.5", expected: "a control frame has at most 125 bytes of payload" },
  // RFC 6455 5.5.1 and 7.4
  TruncatedCloseCode: {
    code: 1002,
    section: "5.5.1",
    expected: "a close frame's payload is empty or begins with a code"
  },
  InvalidCloseCode: { code: 1002, section: "7.4", expected: "a close code is 1000-1003, 1007-1014 or 3000-4999" },
  InvalidCloseReason: { code: 1007, section: "5.5.1", expected: "a close reason is UTF-8" },
  // RFC 6455 8.1
  InvalidUtf8: { code: 1007, section: "8.1", expected: "text is UTF-8" },
  // RFC 6455 10.4: limits are the endpoint's own
  FrameTooBig: { code: 1009, section: "10.4", expected: "a frame within the size limit" },
  MessageTooBig: { code: 1009, section: "10.4", expected: "a message within the size limit" },
  TooManyFragments: { code: 1008, section: "10.4", expected: "a message within the limit on fragments" }
} as const

/**
 * The name of a rule that a peer can break.
 *
 * @category models
 * @since 0.1.0
 */
export type Rule = keyof typeof rules

/**
 * A rule that the peer broke: the connection fails with {@link ProtocolViolation.closeCode}.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProtocolViolation extends Schema.TaggedError<ProtocolViolation>("@effect-ws/protocol/Violation")(
  "ProtocolViolation",
  {
    rule: Schema.Literals(Object.keys(rules) as ReadonlyArray<Rule>),
    /** What was received in place of what the rule expects. */
    found: Schema.String
  }
) {
  /** The close code that answers this violation: 1002, 1007, 1008 or 1009. */
  get closeCode(): 1002 | 1007 | 1008 | 1009 {
    return rules[this.rule].code
  }

  /** The section of RFC 6455 that states the rule. */
  get section(): string {
    return rules[this.rule].section
  }

  override get message(): string {
    return `${this.found}: ${rules[this.rule].expected} (RFC 6455 ${this.section})`
  }
}

/**
 * Creates a violation of a rule; `found` says what was received.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (rule: Rule, found: string): ProtocolViolation => new ProtocolViolation({ rule, found })
