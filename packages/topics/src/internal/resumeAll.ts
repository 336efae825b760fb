import { callEach } from "@effect-ws/transport/internal"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"

/**
 * Resumes fibers of programs that wait for a topic or its engine. What one of them throws is logged, and the others are
 * resumed too.
 */
export const resumeAll = (waiting: Iterable<() => void>): void => {
  try {
    callEach(waiting, (resume) => resume())
  } catch (defect) {
    Effect.runFork(Effect.logError("A fiber that waited for a topic threw when it was resumed", Cause.die(defect)))
  }
}
