/**
 * Calls something for many that wait for the same. Most of these calls resume a fiber, which runs inside the call, and
 * whatever observes the end of that fiber may throw: that must not keep the others waiting.
 */

/** Calls `call` with each item, in order. When all were called, throws what the first of them threw that did. */
export const callEach = <Item>(items: Iterable<Item>, call: (item: Item) => unknown): void => {
  let thrown: { readonly defect: unknown } | undefined = undefined
  for (const item of items) {
    try {
      call(item)
    } catch (defect) {
      thrown ??= { defect }
    }
  }
  if (thrown !== undefined) throw thrown.defect
}
