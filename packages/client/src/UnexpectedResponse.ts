/**
 * What a client reports when a server answers the opening handshake with something that opens no WebSocket: everything
 * that it takes to find out why, which is the status, the headers and the start of the body.
 *
 * @since 0.1.0
 */
import * as ClientHandshake from "@effect-ws/protocol/ClientHandshake"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import * as Schema from "effect/Schema"

/**
 * The rules that an answer can break: those of the handshake, `UnacceptableParameters` and `ConflictingExtensions` of an
 * extension that was agreed to, and those of redirects.
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
 * Reports that a server's answer opened no WebSocket.
 *
 * **Details**
 *
 * `url` is the one that answered, which after a redirect is not the one that was asked first; it has neither user
 * information nor query. `body` is its start, at most `maxBodyBytes`; `truncated` says that there was more, that it did
 * not come in time, or that it broke off.
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

  /** The body as text; what is not UTF-8 becomes U+FFFD. */
  get text(): string {
    return new TextDecoder().decode(this.body)
  }
}
