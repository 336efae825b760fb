/**
 * Errors of a program in a handshake, at either end: it answers with a subprotocol that the client did not offer, sets
 * a header that the handshake sets, or dials a URL that is no WebSocket URL.
 *
 * They are other errors than those of a peer, because the way to fix them is to change the program.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

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
