/** What can go wrong around a run, as opposed to in it: a case that fails is a result. */
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/** The suite could not be installed or run, or the server under test not started. */
export class ConformanceError extends Schema.TaggedError<ConformanceError>()("ConformanceError", {
  message: Schema.String
}) {}

/** Some cases failed. The report that was printed says which, so the runtime need not. */
export class CasesFailed extends Schema.TaggedError<CasesFailed>()("CasesFailed", { failed: Schema.Int }) {
  override readonly [Runtime.errorReported] = false
}
