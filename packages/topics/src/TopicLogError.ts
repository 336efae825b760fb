/**
 * What can go wrong between a program and a topic's log.
 *
 * A timeout is not a failure: where the outcome of a publish cannot be known, `OutcomeUnknown` says so, and publishing
 * again with the same id is safe.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The engine behind the log cannot be reached. Nothing was written.
 *
 * @category errors
 * @since 0.1.0
 */
export class LogUnavailable extends Schema.TaggedError<LogUnavailable>("@effect-ws/topics/LogUnavailable")(
  "LogUnavailable",
  {
    /** What failed, for an operator. */
    detail: Schema.String
  }
) {
  override get message(): string {
    return `the topic log is unavailable: ${this.detail}`
  }
}

/**
 * It is not known whether the entry was written. Publishing again with the same id within the idempotence window writes
 * it at most once.
 *
 * @category errors
 * @since 0.1.0
 */
export class OutcomeUnknown extends Schema.TaggedError<OutcomeUnknown>("@effect-ws/topics/OutcomeUnknown")(
  "OutcomeUnknown",
  {
    topic: Schema.String,
    /** The id to publish again with. */
    id: Schema.String,
    /** What happened, for an operator. */
    detail: Schema.String
  }
) {
  override get message(): string {
    return `it is unknown whether the entry ${JSON.stringify(this.id)} was appended to ${JSON.stringify(this.topic)}: ${this.detail}`
  }
}

/**
 * A value is larger than its limit.
 *
 * @category errors
 * @since 0.1.0
 */
export class LimitExceeded extends Schema.TaggedError<LimitExceeded>("@effect-ws/topics/LimitExceeded")(
  "LimitExceeded",
  {
    /** The option that sets the limit. */
    limit: Schema.Literals(["maxTopicBytes", "maxEntryBytes", "maxIdBytes", "maxFollowedTopics", "maxMemberBytes"]),
    actual: Schema.Number,
    maximum: Schema.Number
  }
) {
  override get message(): string {
    return `${this.actual} exceeds ${this.limit} (${this.maximum})`
  }
}

/**
 * The log does not support this engine.
 *
 * @category errors
 * @since 0.1.0
 */
export class EngineUnsupported extends Schema.TaggedError<EngineUnsupported>("@effect-ws/topics/EngineUnsupported")(
  "EngineUnsupported",
  {
    /** Why, and the way out. */
    detail: Schema.String
  }
) {
  override get message(): string {
    return `the engine is not supported: ${this.detail}`
  }
}
