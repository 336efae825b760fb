/**
 * Every close code as a type: what a handler fails with to close its connection with that code, and what the other end
 * sees when the peer closes with it.
 *
 * A handler writes `yield* new CloseError.PolicyViolation({ reason: "no bots" })`, and the peer's close arrives as the
 * same class, to be caught by its tag. The codes that may never stand in a close frame (1005, 1006, 1015) have types
 * too, so that a broken connection can be told apart, but {@link SendableCloseError} leaves them out.
 *
 * A reason that is too long for a close frame, such as one that quotes what a client sent, is truncated when the error is
 * made: where the handler fails is no place to count bytes.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as CloseCode from "./CloseCode.ts"
import * as Utf8 from "./Utf8.ts"

/**
 * The most bytes of UTF-8 that a close reason may have: a control frame holds 125 bytes and the code takes two.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxReasonBytes = 123

/**
 * Text that fits into a close frame: at most {@link maxReasonBytes} bytes of UTF-8.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Reason = Schema.String.check(
  Schema.makeFilter((reason: string) =>
    reason.length <= maxReasonBytes && Utf8.encode(reason).length <= maxReasonBytes
      ? undefined
      : `a close reason of at most ${maxReasonBytes} bytes of UTF-8`
  )
)

// What `new`, `make` and decoding have in common is the constructor, and some of them have checked the fields before it.
// oxlint-disable typescript/no-explicit-any -- TypeScript asks it of a class that extends one it does not know.
const truncating = <Class extends new (...parts: Array<any>) => { reason: string }>(Base: Class): Class =>
  class extends Base {
    constructor(...parts: Array<any>) {
      super(...parts)
      // A UTF-16 code unit takes at most three bytes of UTF-8.
      if (this.reason.length * 3 > maxReasonBytes) this.reason = Utf8.truncate(this.reason, maxReasonBytes)
    }
  }
// oxlint-enable typescript/no-explicit-any

const fields = { reason: Schema.String.pipe(Schema.withConstructorDefault(Effect.succeed(""))) }

const describe = (self: { readonly _tag: string; readonly code: number; readonly reason: string }): string =>
  self.reason === "" ? `${self.code} ${self._tag}` : `${self.code} ${self._tag}: ${self.reason}`

/**
 * The purpose of the connection is fulfilled. Close code 1000.
 *
 * @category errors
 * @since 0.1.0
 */
export class NormalClosure extends truncating(
  Schema.TaggedError<NormalClosure>("@effect-ws/protocol/NormalClosure")("NormalClosure", fields)
) {
  readonly code = 1000
  override get message(): string {
    return describe(this)
  }
}

/**
 * The server shuts down, or the browser leaves the page. Close code 1001.
 *
 * @category errors
 * @since 0.1.0
 */
export class GoingAway extends truncating(
  Schema.TaggedError<GoingAway>("@effect-ws/protocol/GoingAway")("GoingAway", fields)
) {
  readonly code = 1001
  override get message(): string {
    return describe(this)
  }
}

/**
 * The peer broke a rule of RFC 6455. Close code 1002.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProtocolError extends truncating(
  Schema.TaggedError<ProtocolError>("@effect-ws/protocol/ProtocolError")("ProtocolError", fields)
) {
  readonly code = 1002
  override get message(): string {
    return describe(this)
  }
}

/**
 * The endpoint cannot accept this kind of data, such as binary where it understands text only. Close code 1003.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnsupportedData extends truncating(
  Schema.TaggedError<UnsupportedData>("@effect-ws/protocol/UnsupportedData")("UnsupportedData", fields)
) {
  readonly code = 1003
  override get message(): string {
    return describe(this)
  }
}

/**
 * The peer's close frame carried no code. Local only: it never stands in a frame. Close code 1005.
 *
 * @category errors
 * @since 0.1.0
 */
export class NoStatusReceived extends truncating(
  Schema.TaggedError<NoStatusReceived>("@effect-ws/protocol/NoStatusReceived")("NoStatusReceived", fields)
) {
  readonly code = 1005
  override get message(): string {
    return describe(this)
  }
}

/**
 * The stream broke off without a close frame. Local only: it never stands in a frame. Close code 1006.
 *
 * @category errors
 * @since 0.1.0
 */
export class AbnormalClosure extends truncating(
  Schema.TaggedError<AbnormalClosure>("@effect-ws/protocol/AbnormalClosure")("AbnormalClosure", fields)
) {
  readonly code = 1006
  override get message(): string {
    return describe(this)
  }
}

/**
 * A payload does not fit its type, such as text that is not UTF-8. Close code 1007.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidPayload extends truncating(
  Schema.TaggedError<InvalidPayload>("@effect-ws/protocol/InvalidPayload")("InvalidPayload", fields)
) {
  readonly code = 1007
  override get message(): string {
    return describe(this)
  }
}

/**
 * A message breaks a policy, where no other code fits or details should stay hidden. Close code 1008.
 *
 * @category errors
 * @since 0.1.0
 */
export class PolicyViolation extends truncating(
  Schema.TaggedError<PolicyViolation>("@effect-ws/protocol/PolicyViolation")("PolicyViolation", fields)
) {
  readonly code = 1008
  override get message(): string {
    return describe(this)
  }
}

/**
 * A message is larger than the endpoint takes. Close code 1009.
 *
 * @category errors
 * @since 0.1.0
 */
export class MessageTooBig extends truncating(
  Schema.TaggedError<MessageTooBig>("@effect-ws/protocol/MessageTooBig")("MessageTooBig", fields)
) {
  readonly code = 1009
  override get message(): string {
    return describe(this)
  }
}

/**
 * A client needs an extension that the server did not accept. Close code 1010.
 *
 * @category errors
 * @since 0.1.0
 */
export class MandatoryExtension extends truncating(
  Schema.TaggedError<MandatoryExtension>("@effect-ws/protocol/MandatoryExtension")("MandatoryExtension", fields)
) {
  readonly code = 1010
  override get message(): string {
    return describe(this)
  }
}

/**
 * An unexpected condition keeps the endpoint from going on. Close code 1011.
 *
 * @category errors
 * @since 0.1.0
 */
export class InternalError extends truncating(
  Schema.TaggedError<InternalError>("@effect-ws/protocol/InternalError")("InternalError", fields)
) {
  readonly code = 1011
  override get message(): string {
    return describe(this)
  }
}

/**
 * The service restarts: a client may reconnect after a random delay. Close code 1012.
 *
 * @category errors
 * @since 0.1.0
 */
export class ServiceRestart extends truncating(
  Schema.TaggedError<ServiceRestart>("@effect-ws/protocol/ServiceRestart")("ServiceRestart", fields)
) {
  readonly code = 1012
  override get message(): string {
    return describe(this)
  }
}

/**
 * The service is overloaded: a client should reconnect later, or elsewhere. Close code 1013.
 *
 * @category errors
 * @since 0.1.0
 */
export class TryAgainLater extends truncating(
  Schema.TaggedError<TryAgainLater>("@effect-ws/protocol/TryAgainLater")("TryAgainLater", fields)
) {
  readonly code = 1013
  override get message(): string {
    return describe(this)
  }
}

/**
 * A gateway got an invalid answer from its upstream. Close code 1014.
 *
 * @category errors
 * @since 0.1.0
 */
export class BadGateway extends truncating(
  Schema.TaggedError<BadGateway>("@effect-ws/protocol/BadGateway")("BadGateway", fields)
) {
  readonly code = 1014
  override get message(): string {
    return describe(this)
  }
}

/**
 * The TLS handshake failed. Local only: it never stands in a frame. Close code 1015.
 *
 * @category errors
 * @since 0.1.0
 */
export class TlsHandshakeFailed extends truncating(
  Schema.TaggedError<TlsHandshakeFailed>("@effect-ws/protocol/TlsHandshakeFailed")("TlsHandshakeFailed", fields)
) {
  readonly code = 1015
  override get message(): string {
    return describe(this)
  }
}

/**
 * The endpoint needs authorization to go on. Close code 3000.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unauthorized extends truncating(
  Schema.TaggedError<Unauthorized>("@effect-ws/protocol/Unauthorized")("Unauthorized", fields)
) {
  readonly code = 3000
  override get message(): string {
    return describe(this)
  }
}

/**
 * The endpoint is authorized but may not do this. Close code 3003.
 *
 * @category errors
 * @since 0.1.0
 */
export class Forbidden extends truncating(
  Schema.TaggedError<Forbidden>("@effect-ws/protocol/Forbidden")("Forbidden", fields)
) {
  readonly code = 3003
  override get message(): string {
    return describe(this)
  }
}

/**
 * The endpoint took too long. Close code 3008.
 *
 * @category errors
 * @since 0.1.0
 */
export class Timeout extends truncating(Schema.TaggedError<Timeout>("@effect-ws/protocol/Timeout")("Timeout", fields)) {
  readonly code = 3008
  override get message(): string {
    return describe(this)
  }
}

/**
 * The application's own reason to close: any code from 3000 to 4999.
 *
 * @category errors
 * @since 0.1.0
 */
export class ApplicationClose extends truncating(
  Schema.TaggedError<ApplicationClose>("@effect-ws/protocol/ApplicationClose")("ApplicationClose", {
    code: CloseCode.ApplicationCode,
    ...fields
  })
) {
  override get message(): string {
    return describe(this)
  }
}

// The registered codes and their errors: the Schemas, the guards and `fromCode` are derived from these two tables.
const sendableByCode = {
  1000: NormalClosure,
  1001: GoingAway,
  1002: ProtocolError,
  1003: UnsupportedData,
  1007: InvalidPayload,
  1008: PolicyViolation,
  1009: MessageTooBig,
  1010: MandatoryExtension,
  1011: InternalError,
  1012: ServiceRestart,
  1013: TryAgainLater,
  1014: BadGateway,
  3000: Unauthorized,
  3003: Forbidden,
  3008: Timeout
} as const

const localByCode = {
  1005: NoStatusReceived,
  1006: AbnormalClosure,
  1015: TlsHandshakeFailed
} as const

const sendable = [...Object.values(sendableByCode), ApplicationClose]
const all = [...sendable, ...Object.values(localByCode)]

/**
 * A close that may be sent to the peer.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SendableCloseError = Schema.Union(sendable)

/**
 * A close that may be sent to the peer.
 *
 * @category models
 * @since 0.1.0
 */
export type SendableCloseError = typeof SendableCloseError.Type

/**
 * Any end of a connection, including those that are only observed: 1005, 1006 and 1015.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CloseError = Schema.Union(all)

/**
 * Any end of a connection, including those that are only observed: 1005, 1006 and 1015.
 *
 * @category models
 * @since 0.1.0
 */
export type CloseError = typeof CloseError.Type

/**
 * Returns whether a value is one of the close errors.
 *
 * @category guards
 * @since 0.1.0
 */
export const isCloseError = (u: unknown): u is CloseError =>
  u instanceof Error && (allClasses.has(u.constructor) || inCloseError(u))

/**
 * Returns whether a value is a close that may be sent to the peer.
 *
 * @category guards
 * @since 0.1.0
 */
export const isSendable = (u: unknown): u is SendableCloseError =>
  u instanceof Error && (allClasses.has(u.constructor) ? sendableClasses.has(u.constructor) : inSendable(u))

// Servers ask at the end of each connection, so the Schemas, which try one class after the other, are only for subclasses
// and for classes of another copy of this module.
const allClasses: ReadonlySet<unknown> = new Set<unknown>(all)
const sendableClasses: ReadonlySet<unknown> = new Set<unknown>(sendable)
const inCloseError = Schema.is(CloseError)
const inSendable = Schema.is(SendableCloseError)

const byCode: { readonly [code: number]: new (fields: { readonly reason: string }) => CloseError } = {
  ...sendableByCode,
  ...localByCode
}

/**
 * Returns the error for a code: its own class where the code is registered, {@link ApplicationClose} for 3000-4999,
 * and {@link ProtocolError} for a code that no peer may send.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromCode = (code: number, reason = ""): CloseError => {
  // What a peer did has no place in the program, so no stack either: recording one is most of what an error costs.
  const engine = Error as { stackTraceLimit?: number | undefined }
  const limit = engine.stackTraceLimit
  engine.stackTraceLimit = 0
  try {
    return make(code, reason)
  } finally {
    engine.stackTraceLimit = limit
  }
}

const make = (code: number, reason: string): CloseError => {
  const registered = byCode[code]
  if (registered !== undefined) return new registered({ reason })
  return CloseCode.isSendable(code)
    ? new ApplicationClose({ code, reason })
    : new ProtocolError({ reason: `close code ${code} may not be sent` })
}

/**
 * Returns whether an end is an ordinary one: 1000, 1001, or a close frame without a code. A connection's messages
 * simply end then, in place of failing.
 *
 * @category guards
 * @since 0.1.0
 */
export const isNormalClose = (self: CloseError): boolean =>
  self._tag === "NormalClosure" || self._tag === "GoingAway" || self._tag === "NoStatusReceived"
