/**
 * A port that speaks WebSocket is often asked for a page too. That such a request was answered is no failure of
 * anybody, and no connection either: this says so to the caller that waited for one.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A plain HTTP request was answered by `respond`, and no connection came of it.
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
