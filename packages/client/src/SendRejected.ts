/**
 * The error of a reconnecting client that does not accept a message.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Reports that the client did not accept a message: there is no connection and `whenDisconnected` is "fail", the queue
 * is full, or the client is closed.
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
  Disconnected: "message not sent: there is no connection, and whenDisconnected is fail",
  QueueFull: "message not sent: the queue is full (maxPendingMessages or maxPendingBytes)",
  Closed: "message not sent: the client is closed or its retries are exhausted"
} as const
