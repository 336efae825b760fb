/**
 * What a reconnecting client says of a message that it did not take.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Reports that a message was not taken: there is no connection and messages do not wait, too many wait already, or the
 * client is over.
 *
 * @category errors
 * @since 0.1.0
 */
export class SendRejected extends Schema.TaggedError<SendRejected>("@effect-ws/client/SendRejected")("SendRejected", {
  reason: Schema.Literals(["Disconnected", "QueueFull", "Closed"])
}) {
  override get message(): string {
    return reasons[this.reason]
  }
}

const reasons = {
  Disconnected: "the message was not sent: there is no connection, and messages are not to wait",
  QueueFull: "the message was not sent: as many as may wait for a connection wait already",
  Closed: "the message was not sent: the client gave up or was closed"
} as const
