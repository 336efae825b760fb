import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"

/** Logs a message at debug level. Builds it only when that level is enabled. */
export const debug = (message: () => string): Effect.Effect<void> =>
  Effect.flatMap(References.MinimumLogLevel, (minimum) =>
    LogLevel.isGreaterThanOrEqualTo("Debug", minimum) ? Effect.logDebug(message()) : Effect.void
  )
