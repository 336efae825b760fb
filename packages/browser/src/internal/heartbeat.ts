/**
 * The heartbeat of a connection in a page: a message when nothing arrives, and a close when nothing arrives after that.
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as Monotonic from "@effect-ws/transport/Monotonic"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { HeartbeatOptions } from "./HeartbeatOptions.ts"
import type { OpenWebSocket } from "./OpenWebSocket.ts"

/** Runs until the connection is over or the fiber is interrupted. */
export const beat = Effect.fnUntraced(function* (
  connection: OpenWebSocket,
  options: HeartbeatOptions
): Effect.fn.Return<void> {
  const interval = Argument.duration("interval", options.interval ?? "25 seconds")
  const timeout = Argument.duration("timeout", options.timeout ?? "20 seconds")
  const loop = Effect.gen(function* () {
    while (true) {
      const before = connection.arrived
      yield* Effect.sleep(interval)
      // A peer that the page does not read from may say what it likes.
      if (connection.arrived !== before || connection.isPaused) continue
      yield* Effect.forkChild(Effect.ignore(connection.ask))
      yield* awake(timeout)
      if (connection.arrived === before && !connection.isPaused)
        return yield* connection.close(3008, "no answer to the heartbeat")
    }
  })
  yield* Effect.raceFirst(Effect.asVoid(loop), Effect.asVoid(connection.closed))
})

// Sleeps, and once more where the page itself was asleep: what arrived meanwhile may come after the timer.
const awake = Effect.fnUntraced(function* (duration: Duration.Duration) {
  const before = yield* Monotonic.millis
  yield* Effect.sleep(duration)
  const late = (yield* Monotonic.millis) - before - Duration.toMillis(duration)
  if (late > 1000) yield* Effect.sleep(duration)
})
