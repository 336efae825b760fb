/**
 * The error of authentication codecs: a challenge or credentials that follow the general grammar, but not the rules of
 * their scheme. The error never quotes them, because they may be a secret.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A challenge or credentials that do not follow the rules of their scheme.
 *
 * @category errors
 * @since 0.1.0
 */
export class AuthHeaderError extends Schema.TaggedError<AuthHeaderError>("@effect-ws/protocol/AuthHeaderError")(
  "AuthHeaderError",
  { part: Schema.Literals(["challenge", "credentials"]), scheme: Schema.String, detail: Schema.String }
) {
  override get message(): string {
    return `malformed ${this.scheme} ${this.part}: ${this.detail}`
  }
}
