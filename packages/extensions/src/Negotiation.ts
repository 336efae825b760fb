/**
 * The negotiation of extensions in the opening handshake (RFC 6455 9.1), for both ends: what a client offers, which
 * offers a server accepts, and whether the answer is valid for the client.
 *
 * Two extensions that claim the same RSV bit or opcode cannot be used together. A client may offer both; a server
 * accepts the one that the client prefers and declines the other.
 *
 * @since 0.1.0
 */
import type * as Protocol from "@effect-ws/protocol/Extension"
import type * as ExtensionHeader from "@effect-ws/protocol/ExtensionHeader"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Extension from "./Extension.ts"

/**
 * The result of a negotiation.
 *
 * @category models
 * @since 0.1.0
 */
export interface NegotiatedExtensions {
  /** Negotiated extensions with their parameters, as in the server's answer. */
  readonly answers: ReadonlyArray<ExtensionHeader.ExtensionOffer>
  /** Creates the state of the extensions for one connection, in the order of `answers`. It lives in the Scope. */
  readonly open: Effect.Effect<ReadonlyArray<Protocol.ExtensionInstance>, never, Scope.Scope>
}

/**
 * The result without any extension.
 *
 * @category constructors
 * @since 0.1.0
 */
export const none: NegotiatedExtensions = { answers: [], open: Effect.succeed([]) }

/**
 * Reports that a server's answer contains extensions that the client cannot use. The handshake fails.
 *
 * @category errors
 * @since 0.1.0
 */
export class NegotiationError extends Schema.TaggedError<NegotiationError>("@effect-ws/extensions/NegotiationError")(
  "NegotiationError",
  {
    rule: Schema.Literals(["UnofferedExtension", "UnacceptableParameters", "ConflictingExtensions"]),
    /** Name in the answer. */
    extension: Schema.String,
    detail: Schema.String
  }
) {
  override get message(): string {
    return `Sec-WebSocket-Extensions in the server's answer: ${this.extension}: ${this.detail}`
  }
}

/**
 * Server: decides on a client's offers, in the client's order of preference.
 *
 * **Details**
 *
 * An offer is declined, and the handshake continues, when the name is unknown, the parameters are invalid, the
 * extension declines it, or it conflicts with an offer accepted before.
 *
 * @category operations
 * @since 0.1.0
 */
export const negotiate = (
  extensions: ReadonlyArray<Extension.Extension>,
  offers: ReadonlyArray<ExtensionHeader.ExtensionOffer>
): Effect.Effect<NegotiatedExtensions> =>
  extensions.length === 0 || offers.length === 0 ? Effect.succeed(none) : acceptSome(extensions, offers)

const acceptSome = Effect.fnUntraced(function* (
  extensions: ReadonlyArray<Extension.Extension>,
  offers: ReadonlyArray<ExtensionHeader.ExtensionOffer>
): Effect.fn.Return<NegotiatedExtensions> {
  const used: Array<Extension.Extension> = []
  const accepted: Array<Extension.Accepted> = []
  for (const offer of offers) {
    for (const extension of extensions) {
      if (!extension.names.includes(offer.name)) continue
      if (used.some((other) => conflict(extension, other) !== undefined)) continue
      const outcome = yield* extension.accept(offer)
      if (Result.isFailure(outcome)) {
        yield* Effect.logDebug(`declined the extension ${offer.name}: ${outcome.failure}`)
        continue
      }
      used.push(extension)
      accepted.push(outcome.success)
      break
    }
  }
  return agreement(
    accepted.map(({ answer }) => answer),
    accepted.map(({ open }) => open)
  )
})

/**
 * Client: returns the offers in order of preference.
 *
 * @category operations
 * @since 0.1.0
 */
export const offer = (extensions: ReadonlyArray<Extension.Extension>): ReadonlyArray<ExtensionHeader.ExtensionOffer> =>
  extensions.flatMap((extension) => extension.offers)

/**
 * Client: checks the server's answer to {@link offer}.
 *
 * @category operations
 * @since 0.1.0
 */
export const check = (
  extensions: ReadonlyArray<Extension.Extension>,
  answers: ReadonlyArray<ExtensionHeader.ExtensionOffer>
): Result.Result<NegotiatedExtensions, NegotiationError> => {
  const used: Array<Extension.Extension> = []
  const open: Array<Extension.Open> = []
  for (const answer of answers) {
    const fail = (rule: NegotiationError["rule"], detail: string): Result.Result<never, NegotiationError> =>
      Result.fail(new NegotiationError({ rule, extension: answer.name, detail }))
    const extension = extensions.find(({ names, offers }) => offers.length > 0 && names.includes(answer.name))
    if (extension === undefined) {
      // RFC 6455 4.1: "the use of an extension that was not present in the client's handshake"
      const offered = [...new Set(offer(extensions).map(({ name }) => name))].join(", ") || "none"
      return fail("UnofferedExtension", `it was not offered; offered: ${offered}`)
    }
    for (const other of used) {
      const claim = conflict(extension, other)
      if (claim !== undefined) return fail("ConflictingExtensions", `it cannot be used with ${other.name}: ${claim}`)
    }
    const opener = extension.check(answer)
    if (Result.isFailure(opener)) return fail("UnacceptableParameters", opener.failure)
    used.push(extension)
    open.push(opener.success)
  }
  return Result.succeed(agreement(answers, open))
}

const agreement = (
  answers: ReadonlyArray<ExtensionHeader.ExtensionOffer>,
  open: ReadonlyArray<Extension.Open>
): NegotiatedExtensions => (open.length === 0 ? none : { answers, open: Effect.all(open) })

const conflict = (a: Extension.Extension, b: Extension.Extension): string | undefined => {
  if (a.names.some((name) => b.names.includes(name))) return "both have the same name"
  if ((a.rsv & b.rsv) !== 0) return "both claim the same RSV bit"
  return a.opcodes.some((opcode) => b.opcodes.includes(opcode)) ? "both claim the same opcode" : undefined
}
