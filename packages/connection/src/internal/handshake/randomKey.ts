import { randomFillSync } from "node:crypto"

const pool = Buffer.allocUnsafeSlow(4096)
let next = pool.length

/**
 * Makes the 16 random bytes of a handshake's key. Asking the system for each would cost more than all the rest of it.
 */
export const randomKey = (): Uint8Array => {
  if (next === pool.length) {
    randomFillSync(pool)
    next = 0
  }
  next += 16
  return pool.subarray(next - 16, next)
}
