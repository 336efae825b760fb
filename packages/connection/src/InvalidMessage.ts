/**
 * What a typed connection says of a message that is not what its Schema and codec expect.
 *
 * @since 0.1.0
 */
import * as CloseError from "@effect-ws/protocol/CloseError"
import type { Message } from "@effect-ws/protocol/Message"
import * as Utf8 from "@effect-ws/protocol/Utf8"
import * as Data from "effect/Data"
import type * as SchemaIssue from "effect/SchemaIssue"

/**
 * Reports a message that did not decode.
 *
 * **Details**
 *
 * - `WrongKind`: it is binary where the codec reads text, or text where it reads binary. Closes with 1003.
 * - `Malformed`: it is not JSON, or whatever the codec reads. Closes with 1007.
 * - `SchemaMismatch`: it was read, but the Schema refuses what it says. Closes with 1008.
 *
 * **Gotchas**
 *
 * `raw` and `issue` hold what the peer sent; `paths`, `message` and `close` do not.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidMessage extends Data.TaggedError("InvalidMessage")<{
  readonly rule: "WrongKind" | "Malformed" | "SchemaMismatch"
  /** The message as it came. */
  readonly raw: Message
  /**
   * Where the Schema refuses it, such as `orders[2].price`. Keys that are not in the Schema, such as those of a record,
   * are written as `[*]`. Empty where the value as a whole is refused.
   */
  readonly paths: ReadonlyArray<string>
  /** What the Schema says. */
  readonly issue: SchemaIssue.Issue | undefined
  /** What was expected: the kind of message for `WrongKind`, the name of the codec otherwise. */
  readonly expected: string
}> {
  override get message(): string {
    switch (this.rule) {
      case "WrongKind":
        return this.expected === "Text" ? "expected text, received binary" : "expected binary, received text"
      case "Malformed":
        return `the message is not ${this.expected}`
      case "SchemaMismatch":
        return this.paths.length === 0 ? mismatch : `${mismatch} at ${this.paths.join(", ")}`
    }
  }

  /** The close that tells the peer: the code, and a reason of at most 123 bytes without any of the peer's values. */
  get close(): CloseError.SendableCloseError {
    switch (this.rule) {
      case "WrongKind":
        return new CloseError.UnsupportedData({ reason: this.message })
      case "Malformed":
        return new CloseError.InvalidPayload({ reason: this.message })
      case "SchemaMismatch":
        return new CloseError.PolicyViolation({ reason: shortened(this.paths) })
    }
  }
}

const mismatch = "the message does not match its schema"

// As many whole paths as fit.
const shortened = (paths: ReadonlyArray<string>): string => {
  let reason = mismatch
  for (const [at, path] of paths.entries()) {
    const next = `${reason}${at === 0 ? " at " : ", "}${path}`
    if (Utf8.encode(next).length > CloseError.maxReasonBytes) break
    reason = next
  }
  return reason
}
