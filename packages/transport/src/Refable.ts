/**
 * Whether an open resource keeps the process alive: Node's protocol of `process.ref` and `process.unref`, which call
 * the methods of these two symbols. Sockets, connections and the WHATWG class implement it.
 *
 * @since 0.1.0
 */

/**
 * The method that lets an object keep the process alive, which is the initial state.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const ref: unique symbol = Symbol.for("nodejs.ref")

/**
 * The method that lets the process end while the object is open.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const unref: unique symbol = Symbol.for("nodejs.unref")

/**
 * An object that implements the protocol.
 *
 * @category models
 * @since 0.1.0
 */
export interface Refable {
  [ref](): void
  [unref](): void
}

/**
 * Sets whether an object keeps the process alive. Ignores objects that do not implement the protocol.
 *
 * @category combinators
 * @since 0.1.0
 */
export const set = (thing: object, isReferenced: boolean): void => {
  const refable = thing as Partial<Refable>
  if (isReferenced) refable[ref]?.()
  else refable[unref]?.()
}
