/**
 * What a client reports when a server keeps it waiting in the opening handshake.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

/**
 * The server did not answer the handshake in time.
 *
 * @category errors
 * @since 0.1.0
 */
export class HandshakeTimeout extends Schema.TaggedError<HandshakeTimeout>("@effect-ws/connection/HandshakeTimeout")(
  "HandshakeTimeout",
  { after: Schema.Duration }
) {
  override get message(): string {
    return `the server did not answer the handshake within ${Duration.format(this.after)}`
  }
}
