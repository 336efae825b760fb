/**
 * The rules of RFC 6455 for frames, in one table: their sections, and what they expect.
 *
 * They bind both ends. A peer that breaks a rule gets its close code (`ProtocolViolation`); a call of our own program
 * that would break one sends nothing (`SendError`). `FrameRules` decides which rule a header breaks.
 */

/** A rule: the close code that answers a peer that breaks it, the section that states it, and what it expects. */
export interface RuleDefinition {
  readonly code: 1002 | 1007 | 1008 | 1009
  readonly section: string
  readonly expected: string
}

/** The rules that either end can break. */
export const frameRules = {
  // RFC 6455 5.2
  UnnegotiatedRsvBit: { code: 1002, section: "5.2", expected: "an RSV bit is 0 unless an extension defines it" },
  ReservedOpcode: { code: 1002, section: "5.2", expected: "the opcode is 0, 1, 2, 8, 9, 10 or an extension's" },
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
  InvalidCloseReason: { code: 1007, section: "5.5.1", expected: "a close reason is UTF-8" }
} as const satisfies { readonly [rule: string]: RuleDefinition }

/** The rules that only a peer can break, because this end writes no such bytes, or because they are our limits. */
export const peerRules = {
  // RFC 6455 5.1: "a client MUST mask all frames that it sends"; "A server MUST NOT mask any frames"
  UnmaskedClientFrame: { code: 1002, section: "5.1", expected: "every frame from a client is masked" },
  MaskedServerFrame: { code: 1002, section: "5.1", expected: "no frame from a server is masked" },
  // RFC 6455 5.2
  NonMinimalLength: { code: 1002, section: "5.2", expected: "a payload length stands in its shortest form" },
  LengthTopBitSet: { code: 1002, section: "5.2", expected: "the top bit of a 64-bit payload length is 0" },
  // RFC 6455 8.1
  InvalidUtf8: { code: 1007, section: "8.1", expected: "text is UTF-8" },
  // RFC 6455 10.4: limits are the endpoint's own
  FrameTooBig: { code: 1009, section: "10.4", expected: "a frame within the size limit" },
  MessageTooBig: { code: 1009, section: "10.4", expected: "a message within the size limit" },
  TooManyFragments: { code: 1008, section: "10.4", expected: "a message within the limit on fragments" }
} as const satisfies { readonly [rule: string]: RuleDefinition }

/** The rules that only a caller can break: the peer sees them as another rule, or not at all. */
export const callerRules = {
  CloseReasonTooLong: { code: 1002, section: "5.5", expected: "a close reason has at most 123 bytes of UTF-8" }
} as const satisfies { readonly [rule: string]: RuleDefinition }

/** Writes a broken rule as one line. */
export const describe = (subject: string, rule: RuleDefinition): string =>
  `${subject}: ${rule.expected} (RFC 6455 ${rule.section})`
