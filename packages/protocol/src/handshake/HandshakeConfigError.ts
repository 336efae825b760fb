/**
 * Errors of a program in a handshake, at either end: it answers with a subprotocol that the client did not offer, sets a
 * header that the handshake sets, or dials a URL that is no WebSocket URL.
 *
 * They are other errors than those of a peer, because the way to fix them is to change the program.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { ExtensionOffer } from "./ExtensionHeader.ts"
import type { HeaderFields } from "../http/HeaderFields.ts"
import { isFieldValue, isToken } from "../http/HeaderGrammar.ts"

/**
 * A handshake message that cannot be created from the program's values.
 *
 * @category errors
 * @since 0.1.0
 */
export class HandshakeConfigError extends Schema.TaggedError<HandshakeConfigError>(
  "@effect-ws/protocol/HandshakeConfigError"
)("HandshakeConfigError", {
  rule: Schema.Literals([
    "InvalidUrl",
    "InvalidKey",
    "InvalidOrigin",
    "InvalidSubprotocol",
    "DuplicateSubprotocol",
    "UnofferedSubprotocol",
    "InvalidExtension",
    "UnofferedExtension",
    "ReservedHeader",
    "InvalidHeader"
  ]),
  detail: Schema.String
}) {
  override get message(): string {
    return `cannot make a handshake: ${this.detail}`
  }
}

/** Creates a failed result. @internal */
export const fail = (rule: HandshakeConfigError["rule"], detail: string): Result.Result<never, HandshakeConfigError> =>
  Result.fail(new HandshakeConfigError({ rule, detail }))

/** Quotes what a program gave for an error message, cut short. @internal */
export const quote = (text: string): string => JSON.stringify(text.slice(0, 64))

/** Finds a header that a program must not set, or that cannot be written. @internal */
export const checkHeaders = (
  headers: HeaderFields,
  reserved: ReadonlySet<string>
): Result.Result<never, HandshakeConfigError> | undefined => {
  for (const { name, value } of headers) {
    if (reserved.has(name.toLowerCase())) return fail("ReservedHeader", `the header ${name} is set by the handshake`)
    if (!isToken(name)) return fail("InvalidHeader", `expected a token as the name of a header, found ${quote(name)}`)
    if (!isFieldValue(value)) {
      return fail("InvalidHeader", `${name} has a forbidden character or a space at an end: ${quote(value)}`)
    }
  }
  return undefined
}

/** Finds an extension that cannot be written. @internal */
export const checkExtensions = (
  extensions: ReadonlyArray<ExtensionOffer>
): Result.Result<never, HandshakeConfigError> | undefined => {
  for (const { name, params } of extensions) {
    if (!isToken(name)) return fail("InvalidExtension", `expected a token as an extension, found ${quote(name)}`)
    for (const param of params) {
      if (!isToken(param.name) || (param.value !== undefined && !isToken(param.value))) {
        const found = param.value === undefined ? param.name : `${param.name}=${param.value}`
        return fail("InvalidExtension", `expected tokens as a parameter of ${name}, found ${quote(found)}`)
      }
    }
  }
  return undefined
}
