/**
 * Creates an error without a stack trace.
 *
 * An error that a peer caused points at no place in the program, and the trace is most of what an error costs. A peer
 * that breaks rules all the time must not cost us more than one that does not.
 */
export const withoutStack = <E extends Error>(make: () => E): E => {
  const engine = Error as { stackTraceLimit?: number | undefined }
  const limit = engine.stackTraceLimit
  engine.stackTraceLimit = 0
  try {
    return make()
  } finally {
    engine.stackTraceLimit = limit
  }
}
