/**
 * The error of a client whose server answers the opening handshake with a response that opens no WebSocket. It carries
 * the status, the headers and the start of the body.
 *
 * @since 0.1.0
 */
import * as ClientHandshake from "@effect-ws/protocol/ClientHandshake"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import * as Schema from "effect/Schema"

/**
 * The rules that a response can break: those of the handshake, `UnacceptableParameters` and `ConflictingExtensions` of
 * a negotiated extension, and those of redirects.
 *
 * @category models
 * @since 0.1.0
 */
export const Rule = Schema.Literals([
  ...ClientHandshake.Rule.literals,
  "UnacceptableParameters",
  "ConflictingExtensions",
  "TooManyRedirects",
  "InsecureRedirect",
  "InvalidRedirect"
])

/**
 * Reports that a response opened no WebSocket.
 *
 * **Details**
 *
 * `url` is the URL that answered, which differs from the first one after a redirect. It contains neither user
 * information nor query. `body` is the start of the body, at most `maxBodyBytes`. `truncated` means that the body was
 * longer, was late, or ended early.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnexpectedResponse extends Schema.TaggedError<UnexpectedResponse>("@effect-ws/client/UnexpectedResponse")(
  "UnexpectedResponse",
  {
    rule: Rule,
    url: Schema.String,
    status: Schema.Int,
    headers: HeaderFields.HeaderFields,
    body: Schema.Uint8Array,
    truncated: Schema.Boolean,
    detail: Schema.String
  }
) {
  override get message(): string {
    return `${this.url} opened no WebSocket: ${this.detail}`
  }

  /** The body as text; invalid UTF-8 becomes U+FFFD. */
  get text(): string {
    return new TextDecoder().decode(this.body)
  }
}
