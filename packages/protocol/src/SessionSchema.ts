/**
 * Schemas of what a session exchanges: close codes, close frames, messages and errors.
 *
 * The session and its errors do without `effect/Schema`, which is larger than the whole session, so a browser that only
 * speaks the protocol does not load it. A program that sends an error over a wire of its own, such as the error of a
 * procedure of `effect/rpc`, takes the Schema of the error's class from here:
 * `Rpc.make("Buy", { error: SessionSchema.PolicyViolation })`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as CloseCode from "./CloseCode.ts"
import * as CloseErrors from "./CloseError.ts"
import * as CloseFrames from "./CloseFrame.ts"
import * as ProtocolViolations from "./ProtocolViolation.ts"
import * as SendErrors from "./SendError.ts"
import * as Utf8 from "./Utf8.ts"

/**
 * A close code that may appear in a close frame.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SendableCode = Schema.Int.check(
  Schema.makeFilter((code: number) =>
    CloseCode.isSendable(code) ? undefined : "a close code that may be sent: 1000-1003, 1007-1014 or 3000-4999"
  )
)

/**
 * A close code that an application defines: 3000 to 4999.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ApplicationCode = Schema.Int.check(Schema.isBetween({ minimum: 3000, maximum: 4999 }))

/**
 * Text that fits into a close frame: at most `CloseError.maxReasonBytes` bytes of UTF-8.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CloseReason = Schema.String.check(
  Schema.makeFilter((reason: string) =>
    reason.length <= CloseErrors.maxReasonBytes && Utf8.encode(reason).length <= CloseErrors.maxReasonBytes
      ? undefined
      : `a close reason of at most ${CloseErrors.maxReasonBytes} bytes of UTF-8`
  )
)

/**
 * The content of a close frame.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CloseFrame = Schema.Union([
  Schema.Struct({ code: SendableCode, reason: CloseReason }),
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
            CloseFrames.decode(bytes) as Result.Result<typeof CloseFrame.Encoded, ProtocolViolations.ProtocolViolation>,
            (violation) => new SchemaIssue.InvalidValue({ message: violation.message }, bytes, options)
          )
        ),
      encode: (frame) =>
        Effect.succeed("code" in frame ? CloseFrames.encode(frame.code, frame.reason) : CloseFrames.encode())
    })
  )
)

/**
 * A message as data: `Text` with a string, or `Binary` with bytes.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Message = Schema.TaggedUnion({
  Text: { data: Schema.String },
  Binary: { data: Schema.Uint8Array }
})

/**
 * The Schema of an error: its class in the program, its tag and fields on the wire.
 *
 * @category models
 * @since 0.1.0
 */
export interface ErrorSchema<E extends { readonly _tag: string }, Field extends keyof E> extends Schema.Codec<
  E,
  { readonly [K in Field | "_tag"]: E[K] }
> {}

const errorSchema = <Args, E extends Error & { readonly _tag: string }, Field extends keyof E>(
  tag: E["_tag"],
  type: new (args: Args) => E,
  fields: { readonly [K in Field]: Schema.Codec<E[K]> }
): ErrorSchema<E, Field> => {
  const wire = Schema.TaggedStruct(tag, fields) as unknown as Schema.Codec<{ readonly [K in Field | "_tag"]: E[K] }>
  const transformation = SchemaTransformation.transform<E, { readonly [K in Field | "_tag"]: E[K] }>({
    decode: (args) => new type(args as Args),
    encode: (error) => error
  })
  const instance = Schema.declare((u: unknown): u is E => u instanceof type, {
    identifier: tag,
    toCodec: () => Schema.link<E>()(wire, transformation)
  })
  return wire.pipe(Schema.decodeTo(instance, transformation))
}

const reason = { reason: Schema.String }

/**
 * The Schema of `CloseError.NormalClosure`.
 *
 * @category errors
 * @since 0.1.0
 */
export const NormalClosure: ErrorSchema<CloseErrors.NormalClosure, "reason"> = errorSchema(
  "NormalClosure",
  CloseErrors.NormalClosure,
  reason
)

/**
 * The Schema of `CloseError.GoingAway`.
 *
 * @category errors
 * @since 0.1.0
 */
export const GoingAway: ErrorSchema<CloseErrors.GoingAway, "reason"> = errorSchema(
  "GoingAway",
  CloseErrors.GoingAway,
  reason
)

/**
 * The Schema of `CloseError.ProtocolError`.
 *
 * @category errors
 * @since 0.1.0
 */
export const ProtocolError: ErrorSchema<CloseErrors.ProtocolError, "reason"> = errorSchema(
  "ProtocolError",
  CloseErrors.ProtocolError,
  reason
)

/**
 * The Schema of `CloseError.UnsupportedData`.
 *
 * @category errors
 * @since 0.1.0
 */
export const UnsupportedData: ErrorSchema<CloseErrors.UnsupportedData, "reason"> = errorSchema(
  "UnsupportedData",
  CloseErrors.UnsupportedData,
  reason
)

/**
 * The Schema of `CloseError.NoStatusReceived`.
 *
 * @category errors
 * @since 0.1.0
 */
export const NoStatusReceived: ErrorSchema<CloseErrors.NoStatusReceived, "reason"> = errorSchema(
  "NoStatusReceived",
  CloseErrors.NoStatusReceived,
  reason
)

/**
 * The Schema of `CloseError.AbnormalClosure`.
 *
 * @category errors
 * @since 0.1.0
 */
export const AbnormalClosure: ErrorSchema<CloseErrors.AbnormalClosure, "reason"> = errorSchema(
  "AbnormalClosure",
  CloseErrors.AbnormalClosure,
  reason
)

/**
 * The Schema of `CloseError.InvalidPayload`.
 *
 * @category errors
 * @since 0.1.0
 */
export const InvalidPayload: ErrorSchema<CloseErrors.InvalidPayload, "reason"> = errorSchema(
  "InvalidPayload",
  CloseErrors.InvalidPayload,
  reason
)

/**
 * The Schema of `CloseError.PolicyViolation`.
 *
 * @category errors
 * @since 0.1.0
 */
export const PolicyViolation: ErrorSchema<CloseErrors.PolicyViolation, "reason"> = errorSchema(
  "PolicyViolation",
  CloseErrors.PolicyViolation,
  reason
)

/**
 * The Schema of `CloseError.MessageTooBig`.
 *
 * @category errors
 * @since 0.1.0
 */
export const MessageTooBig: ErrorSchema<CloseErrors.MessageTooBig, "reason"> = errorSchema(
  "MessageTooBig",
  CloseErrors.MessageTooBig,
  reason
)

/**
 * The Schema of `CloseError.MandatoryExtension`.
 *
 * @category errors
 * @since 0.1.0
 */
export const MandatoryExtension: ErrorSchema<CloseErrors.MandatoryExtension, "reason"> = errorSchema(
  "MandatoryExtension",
  CloseErrors.MandatoryExtension,
  reason
)

/**
 * The Schema of `CloseError.InternalError`.
 *
 * @category errors
 * @since 0.1.0
 */
export const InternalError: ErrorSchema<CloseErrors.InternalError, "reason"> = errorSchema(
  "InternalError",
  CloseErrors.InternalError,
  reason
)

/**
 * The Schema of `CloseError.ServiceRestart`.
 *
 * @category errors
 * @since 0.1.0
 */
export const ServiceRestart: ErrorSchema<CloseErrors.ServiceRestart, "reason"> = errorSchema(
  "ServiceRestart",
  CloseErrors.ServiceRestart,
  reason
)

/**
 * The Schema of `CloseError.TryAgainLater`.
 *
 * @category errors
 * @since 0.1.0
 */
export const TryAgainLater: ErrorSchema<CloseErrors.TryAgainLater, "reason"> = errorSchema(
  "TryAgainLater",
  CloseErrors.TryAgainLater,
  reason
)

/**
 * The Schema of `CloseError.BadGateway`.
 *
 * @category errors
 * @since 0.1.0
 */
export const BadGateway: ErrorSchema<CloseErrors.BadGateway, "reason"> = errorSchema(
  "BadGateway",
  CloseErrors.BadGateway,
  reason
)

/**
 * The Schema of `CloseError.TlsHandshakeFailed`.
 *
 * @category errors
 * @since 0.1.0
 */
export const TlsHandshakeFailed: ErrorSchema<CloseErrors.TlsHandshakeFailed, "reason"> = errorSchema(
  "TlsHandshakeFailed",
  CloseErrors.TlsHandshakeFailed,
  reason
)

/**
 * The Schema of `CloseError.Unauthorized`.
 *
 * @category errors
 * @since 0.1.0
 */
export const Unauthorized: ErrorSchema<CloseErrors.Unauthorized, "reason"> = errorSchema(
  "Unauthorized",
  CloseErrors.Unauthorized,
  reason
)

/**
 * The Schema of `CloseError.Forbidden`.
 *
 * @category errors
 * @since 0.1.0
 */
export const Forbidden: ErrorSchema<CloseErrors.Forbidden, "reason"> = errorSchema(
  "Forbidden",
  CloseErrors.Forbidden,
  reason
)

/**
 * The Schema of `CloseError.Timeout`.
 *
 * @category errors
 * @since 0.1.0
 */
export const Timeout: ErrorSchema<CloseErrors.Timeout, "reason"> = errorSchema("Timeout", CloseErrors.Timeout, reason)

/**
 * The Schema of `CloseError.ApplicationClose`.
 *
 * @category errors
 * @since 0.1.0
 */
export const ApplicationClose: ErrorSchema<CloseErrors.ApplicationClose, "code" | "reason"> = errorSchema(
  "ApplicationClose",
  CloseErrors.ApplicationClose,
  { code: ApplicationCode, ...reason }
)

const sendable = [
  NormalClosure,
  GoingAway,
  ProtocolError,
  UnsupportedData,
  InvalidPayload,
  PolicyViolation,
  MessageTooBig,
  MandatoryExtension,
  InternalError,
  ServiceRestart,
  TryAgainLater,
  BadGateway,
  Unauthorized,
  Forbidden,
  Timeout,
  ApplicationClose
] as const

/**
 * The Schema of a close that may be sent to the peer.
 *
 * @category errors
 * @since 0.1.0
 */
export const SendableCloseError = Schema.Union(sendable)

/**
 * The Schema of any end of a connection, including those that are only observed: 1005, 1006 and 1015.
 *
 * @category errors
 * @since 0.1.0
 */
export const CloseError = Schema.Union([...sendable, NoStatusReceived, AbnormalClosure, TlsHandshakeFailed])

/**
 * The Schema of `SendError`.
 *
 * @category errors
 * @since 0.1.0
 */
export const SendError: ErrorSchema<SendErrors.SendError, "rule" | "attempted"> = errorSchema(
  "SendError",
  SendErrors.SendError,
  { rule: Schema.Literals(SendErrors.rules), attempted: Schema.String }
)

/**
 * The Schema of `ProtocolViolation`.
 *
 * @category errors
 * @since 0.1.0
 */
export const ProtocolViolation: ErrorSchema<ProtocolViolations.ProtocolViolation, "rule" | "received"> = errorSchema(
  "ProtocolViolation",
  ProtocolViolations.ProtocolViolation,
  { rule: Schema.Literals(ProtocolViolations.rules), received: Schema.String }
)
