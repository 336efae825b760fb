/**
 * What a client of topics may be answered, and how a subscription may end.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { FailureCode } from "./TopicProtocol.ts"

/**
 * The server could not do what was requested. A request that it denies fails with another error.
 *
 * @category errors
 * @since 0.1.0
 */
export class RequestFailed extends Schema.TaggedError<RequestFailed>("@effect-ws/topics/RequestFailed")(
  "RequestFailed",
  { code: FailureCode, reason: Schema.String }
) {
  override get message(): string {
    return `the server answered ${this.code}: ${this.reason}`
  }
}

/**
 * The server ended a subscription, because the right to it ended.
 *
 * @category errors
 * @since 0.1.0
 */
export class SubscriptionEnded extends Schema.TaggedError<SubscriptionEnded>("@effect-ws/topics/SubscriptionEnded")(
  "SubscriptionEnded",
  { topic: Schema.String, reason: Schema.String }
) {
  override get message(): string {
    return `the server ended the subscription to ${JSON.stringify(this.topic)}: ${this.reason}`
  }
}

/**
 * The client was closed, or gave up connecting.
 *
 * @category errors
 * @since 0.1.0
 */
export class ClientClosed extends Schema.TaggedError<ClientClosed>("@effect-ws/topics/ClientClosed")("ClientClosed", {
  /** The failure that `Reconnect` gave up with; `undefined` where the program closed the client. */
  cause: Schema.Defect()
}) {
  override get message(): string {
    return this.cause === undefined ? "the topic client is closed" : `the topic client gave up: ${String(this.cause)}`
  }
}
