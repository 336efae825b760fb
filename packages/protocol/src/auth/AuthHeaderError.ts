/**
 * The one error of authentication codecs: a challenge, or credentials, that follow the general grammar but not the rules
 * of their scheme. It never holds what it complains about, because that may be a secret.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/**
 * Describes why a challenge or credentials do not follow the rules of their scheme.
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

/** Creates a failed result. @internal */
export const malformed = (
  part: AuthHeaderError["part"],
  scheme: string,
  detail: string
): Result.Result<never, AuthHeaderError> => Result.fail(new AuthHeaderError({ part, scheme, detail }))
