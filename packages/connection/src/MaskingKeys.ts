/**
 * The source of masking keys: RFC 6455 5.3 wants each client frame masked with a key that cannot be predicted.
 *
 * The default draws from the system's secure generator. Tests replace it to get the same bytes each time.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import { randomFillSync } from "node:crypto"

const pool = new Int32Array(2048)
let next = pool.length

const secureKey = (): number => {
  if (next === pool.length) {
    randomFillSync(pool)
    next = 0
  }
  return pool[next++]!
}

/**
 * Makes masking keys, each as a 32-bit integer. Default: the system's secure generator, 8 KiB at a time.
 *
 * @category references
 * @since 0.1.0
 */
export const MaskingKeys: Context.Reference<() => number> = Context.Reference<() => number>(
  "@effect-ws/connection/MaskingKeys",
  { defaultValue: () => secureKey }
)
