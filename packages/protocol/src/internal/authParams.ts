/**
 * Parameters and failures that the authentication schemes share.
 */
import * as Result from "effect/Result"
import { AuthHeaderError } from "../auth/AuthHeaderError.ts"
import type { AuthParam } from "../auth/Authorization.ts"
import * as Utf8 from "../Utf8.ts"

/** Creates a failed result. */
export const malformed = (
  part: AuthHeaderError["part"],
  scheme: string,
  detail: string
): Result.Result<never, AuthHeaderError> => Result.fail(new AuthHeaderError({ part, scheme, detail }))

/** Creates a quoted parameter that holds text as UTF-8. */
export const quoted = (name: string, text: string): AuthParam => ({ name, value: toByteString(text), quoted: true })

/** Creates a parameter without quotes. */
export const plain = (name: string, value: string): AuthParam => ({ name, value, quoted: false })

/** Encodes text as UTF-8, with one character for each byte, as header values are stored. */
export const toByteString = (text: string): string => {
  let value = ""
  for (const byte of Utf8.encode(text)) value += String.fromCharCode(byte)
  return value
}

/** Decodes the output of {@link toByteString}. Returns `undefined` if it is not UTF-8. */
export const fromByteString = (value: string): string | undefined => {
  const bytes = new Uint8Array(value.length)
  for (let i = 0; i < value.length; i++) bytes[i] = value.charCodeAt(i)
  return Utf8.decode(bytes)
}
