/** The error for a value that is no message. */
import * as Argument from "../Argument.ts"

/**
 * Throws the `TypeError` for a value that cannot be sent.
 */
export const refuse = (found: unknown): never => {
  throw Argument.mismatch("message", "a string, a Uint8Array, a Text or Binary message or a PreparedMessage", found)
}
