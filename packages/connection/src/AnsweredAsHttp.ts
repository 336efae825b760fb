/**
 * The error of a caller that waits for a connection when the request was a plain HTTP request. A port that speaks
 * WebSocket often gets such requests, and `respond` may answer them. Nothing failed then, but there is no connection.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * `respond` answered a plain HTTP request, so there is no connection.
 *
 * @category errors
 * @since 0.1.0
 */
export class AnsweredAsHttp extends Schema.TaggedError<AnsweredAsHttp>("@effect-ws/connection/AnsweredAsHttp")(
  "AnsweredAsHttp",
  { method: Schema.String, target: Schema.String, status: Schema.Int }
) {
  override get message(): string {
    return `${this.method} ${this.target} was answered with ${this.status}`
  }
}
