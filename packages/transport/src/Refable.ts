/**
 * Whether something that is open keeps the process alive: Node's protocol of `process.ref` and `process.unref`, which
 * call the methods of these two symbols. Sockets, connections and the WHATWG class speak it.
 *
 * @since 0.1.0
 */

/**
 * The method that makes a thing keep the process alive, which is what it does from the beginning.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const ref: unique symbol = Symbol.for("nodejs.ref")

/**
 * The method that lets the process end although the thing is open.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const unref: unique symbol = Symbol.for("nodejs.unref")

/**
 * What speaks the protocol.
 *
 * @category models
 * @since 0.1.0
 */
export interface Refable {
  [ref](): void
  [unref](): void
}

/**
 * Lets a thing keep the process alive, or no longer. What does not speak the protocol has nothing to do that with.
 *
 * @category combinators
 * @since 0.1.0
 */
export const set = (thing: object, isReferenced: boolean): void => {
  const refable = thing as Partial<Refable>
  if (isReferenced) refable[ref]?.()
  else refable[unref]?.()
}
