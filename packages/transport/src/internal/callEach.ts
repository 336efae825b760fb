/**
 * Calls callbacks that wait for the same thing. Most resume a fiber, which runs inside the call, and whatever observes
 * the end of that fiber may throw: that must not keep the others waiting.
 */

/** Calls each with the argument, in order. When all were called, throws what the first of them threw that did. */
export const callEach = <A>(callbacks: Iterable<(argument: A) => void>, argument: A): void => {
  let thrown: { readonly defect: unknown } | undefined = undefined
  for (const callback of callbacks) {
    try {
      callback(argument)
    } catch (defect) {
      thrown ??= { defect }
    }
  }
  if (thrown !== undefined) throw thrown.defect
}
