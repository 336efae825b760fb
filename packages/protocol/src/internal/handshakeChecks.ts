/**
 * Checks of what a program adds to a handshake, at either end.
 */
import * as Result from "effect/Result"
import type { ExtensionOffer } from "../handshake/ExtensionHeader.ts"
import { HandshakeConfigError } from "../handshake/HandshakeConfigError.ts"
import * as Fields from "../http/HeaderFields.ts"
import { isFieldValue, isToken } from "../http/HeaderGrammar.ts"

/** Creates a failed result. */
export const fail = (rule: HandshakeConfigError["rule"], detail: string): Result.Result<never, HandshakeConfigError> =>
  Result.fail(new HandshakeConfigError({ rule, detail }))

/** Quotes a value for an error message, at most 64 characters of it. */
export const quote = (text: string): string => JSON.stringify(text.slice(0, 64))

/** Creates the fields that a program adds. Fails for one that the handshake sets itself, or that cannot be encoded. */
export const addedHeaders = (
  input: Fields.Input | undefined,
  reserved: ReadonlySet<string>
): Result.Result<Fields.HeaderFields, HandshakeConfigError> => {
  const headers = Fields.fromInput(input)
  for (const { name, value } of headers) {
    if (reserved.has(name.toLowerCase())) return fail("ReservedHeader", `the header ${name} is set by the handshake`)
    if (!isToken(name)) return fail("InvalidHeader", `expected a token as the name of a header, found ${quote(name)}`)
    if (!isFieldValue(value)) {
      return fail("InvalidHeader", `${name} has a forbidden character or a space at an end: ${quote(value)}`)
    }
  }
  return Result.succeed(headers)
}

/** Returns the error for an extension that cannot be encoded. */
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
