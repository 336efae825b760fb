/**
 * Every close code as a typed error. A handler fails with one to close its connection with that code, and the peer's
 * close arrives as the same class.
 *
 * A handler writes `yield* new CloseError.PolicyViolation({ reason: "no bots" })`, and the other end catches
 * `"PolicyViolation"` by its tag. The codes that must not appear in a close frame (1005, 1006 and 1015) have classes
 * too, so that a program can tell a broken connection from a closed one, but they are not {@link SendableCloseError}s.
 *
 * The constructor truncates a reason that is too long for a close frame, such as one that quotes a client, so a handler
 * need not count bytes. `SessionSchema` has a Schema of each class, for errors that cross a wire.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Argument from "./Argument.ts"
import * as CloseCode from "./CloseCode.ts"
import { withoutStack } from "./internal/withoutStack.ts"
import * as Utf8 from "./Utf8.ts"

/**
 * Maximum bytes of UTF-8 in a close reason: a control frame holds 125 bytes, and the code takes two.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxReasonBytes = 123

const TypeId = "~effect-ws/protocol/CloseError"

/**
 * The fields of every close error.
 *
 * @category models
 * @since 0.1.0
 */
export interface CloseErrorFields {
  /** Text for the peer. Truncated to {@link maxReasonBytes} bytes of UTF-8. Default: empty. */
  readonly reason?: string | undefined
}

type Codes = typeof CloseCode.registered

type CloseErrorOf<Tag extends string, Code extends number> = Cause.YieldableError & {
  readonly [TypeId]: typeof TypeId
  readonly _tag: Tag
  readonly code: Code
  readonly reason: string
}

const makeClass = (tag: string): new (code: number, reason: string | undefined) => CloseErrorOf<string, number> =>
  class extends Data.TaggedError(tag)<{ readonly code: number; readonly reason: string }> {
    constructor(code: number, reason = "") {
      Argument.text("close reason", reason)
      // A UTF-16 code unit takes at most three bytes of UTF-8.
      super({ code, reason: reason.length * 3 > maxReasonBytes ? Utf8.truncate(reason, maxReasonBytes) : reason })
    }
    get [TypeId](): typeof TypeId {
      return TypeId
    }
    override get message(): string {
      return this.reason === "" ? `${this.code} ${this._tag}` : `${this.code} ${this._tag}: ${this.reason}`
    }
  }

const registered = <Tag extends keyof Codes>(
  tag: Tag
): new (fields?: CloseErrorFields) => CloseErrorOf<Tag, Codes[Tag]> => {
  const Base = makeClass(tag) as unknown as new (
    code: number,
    reason: string | undefined
  ) => CloseErrorOf<Tag, Codes[Tag]>
  return class extends Base {
    constructor(fields?: CloseErrorFields) {
      super(CloseCode.registered[tag], fields?.reason)
    }
  }
}

/**
 * The purpose of the connection is fulfilled. Close code 1000.
 *
 * @category errors
 * @since 0.1.0
 */
export class NormalClosure extends registered("NormalClosure") {}

/**
 * The server shuts down, or the browser leaves the page. Close code 1001.
 *
 * @category errors
 * @since 0.1.0
 */
export class GoingAway extends registered("GoingAway") {}

/**
 * The peer broke a rule of RFC 6455. Close code 1002.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProtocolError extends registered("ProtocolError") {}

/**
 * The endpoint cannot accept this type of data, such as binary when it accepts only text. Close code 1003.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnsupportedData extends registered("UnsupportedData") {}

/**
 * The peer's close frame has no code. Local only: the code never appears in a frame. Close code 1005.
 *
 * @category errors
 * @since 0.1.0
 */
export class NoStatusReceived extends registered("NoStatusReceived") {}

/**
 * The stream ended without a close frame. Local only: the code never appears in a frame. Close code 1006.
 *
 * @category errors
 * @since 0.1.0
 */
export class AbnormalClosure extends registered("AbnormalClosure") {}

/**
 * A payload is invalid for its type, such as text that is not UTF-8. Close code 1007.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidPayload extends registered("InvalidPayload") {}

/**
 * A message violates a policy. Use it if no other code fits, or to hide the details. Close code 1008.
 *
 * @category errors
 * @since 0.1.0
 */
export class PolicyViolation extends registered("PolicyViolation") {}

/**
 * A message is larger than the endpoint accepts. Close code 1009.
 *
 * @category errors
 * @since 0.1.0
 */
export class MessageTooBig extends registered("MessageTooBig") {}

/**
 * A client requires an extension that the server did not accept. Close code 1010.
 *
 * @category errors
 * @since 0.1.0
 */
export class MandatoryExtension extends registered("MandatoryExtension") {}

/**
 * An unexpected condition prevents the endpoint from continuing. Close code 1011.
 *
 * @category errors
 * @since 0.1.0
 */
export class InternalError extends registered("InternalError") {}

/**
 * The service restarts. A client may reconnect after a random delay. Close code 1012.
 *
 * @category errors
 * @since 0.1.0
 */
export class ServiceRestart extends registered("ServiceRestart") {}

/**
 * The service is overloaded. A client should reconnect later, or to another address. Close code 1013.
 *
 * @category errors
 * @since 0.1.0
 */
export class TryAgainLater extends registered("TryAgainLater") {}

/**
 * A gateway received an invalid response from its upstream server. Close code 1014.
 *
 * @category errors
 * @since 0.1.0
 */
export class BadGateway extends registered("BadGateway") {}

/**
 * The TLS handshake failed. Local only: the code never appears in a frame. Close code 1015.
 *
 * @category errors
 * @since 0.1.0
 */
export class TlsHandshakeFailed extends registered("TlsHandshakeFailed") {}

/**
 * The endpoint must authenticate. Close code 3000.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unauthorized extends registered("Unauthorized") {}

/**
 * The endpoint is authenticated but not permitted to do this. Close code 3003.
 *
 * @category errors
 * @since 0.1.0
 */
export class Forbidden extends registered("Forbidden") {}

/**
 * The endpoint took too long. Close code 3008.
 *
 * @category errors
 * @since 0.1.0
 */
export class Timeout extends registered("Timeout") {}

const Application = makeClass("ApplicationClose") as unknown as new (
  code: number,
  reason: string | undefined
) => CloseErrorOf<"ApplicationClose", number>

/**
 * The application's own reason to close: any code from 3000 to 4999. The constructor throws a `RangeError` for another.
 *
 * @category errors
 * @since 0.1.0
 */
export class ApplicationClose extends Application {
  constructor(fields: CloseErrorFields & { readonly code: number }) {
    super(Argument.integer("close code", fields.code, 3000, 4999), fields.reason)
  }
}

/** The class of each registered code, by the name that `CloseCode.registered` has for it. */
const classes = {
  NormalClosure,
  GoingAway,
  ProtocolError,
  UnsupportedData,
  NoStatusReceived,
  AbnormalClosure,
  InvalidPayload,
  PolicyViolation,
  MessageTooBig,
  MandatoryExtension,
  InternalError,
  ServiceRestart,
  TryAgainLater,
  BadGateway,
  TlsHandshakeFailed,
  Unauthorized,
  Forbidden,
  Timeout
} satisfies { readonly [Tag in keyof Codes]: new (fields?: CloseErrorFields) => CloseErrorOf<Tag, Codes[Tag]> }

const byCode: ReadonlyMap<number, new (fields: CloseErrorFields) => CloseError> = new Map(
  Object.entries(classes).map(([tag, type]) => [CloseCode.registered[tag as keyof Codes], type])
)

/**
 * Any end of a connection, including those that are only observed: 1005, 1006 and 1015.
 *
 * @category models
 * @since 0.1.0
 */
export type CloseError = ApplicationClose | InstanceType<(typeof classes)[keyof typeof classes]>

/**
 * A close that may be sent to the peer.
 *
 * @category models
 * @since 0.1.0
 */
export type SendableCloseError = Exclude<CloseError, { readonly code: CloseCode.LocalCode }>

/**
 * Returns whether a value is one of the close errors.
 *
 * @category guards
 * @since 0.1.0
 */
export const isCloseError = (u: unknown): u is CloseError => u instanceof Error && TypeId in u

/**
 * Returns whether a value is a close that may be sent to the peer.
 *
 * @category guards
 * @since 0.1.0
 */
export const isSendable = (u: unknown): u is SendableCloseError => isCloseError(u) && CloseCode.isSendable(u.code)

/**
 * Returns the error for a code: its own class if the code is registered, {@link ApplicationClose} for 3000-4999, and
 * {@link ProtocolError} for a code that no peer may send. The error has no stack trace.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromCode = (code: number, reason = ""): CloseError => withoutStack(() => make(code, reason))

const make = (code: number, reason: string): CloseError => {
  const type = byCode.get(code)
  if (type !== undefined) return new type({ reason })
  return CloseCode.isSendable(code)
    ? new ApplicationClose({ code, reason })
    : new ProtocolError({ reason: `close code ${code} may not be sent` })
}

/**
 * Returns whether a close is a normal one: 1000, 1001, or a close frame without a code. The messages of a connection
 * then end instead of failing.
 *
 * @category guards
 * @since 0.1.0
 */
export const isNormalClose = (self: CloseError): boolean =>
  self._tag === "NormalClosure" || self._tag === "GoingAway" || self._tag === "NoStatusReceived"
