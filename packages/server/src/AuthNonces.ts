/**
 * Nonces of Digest authentication: which ones this server issued, and which of their counts were used, so that captured
 * credentials cannot be replayed.
 *
 * A nonce carries its time of issue and a MAC, so issuing one stores nothing: requests without credentials cannot fill
 * the memory. Only a nonce that came back with a right password is stored, until it expires. To share nonces between
 * processes, implement this service over a common store.
 *
 * @since 0.1.0
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as Monotonic from "@effect-ws/transport/Monotonic"
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { createHmac, timingSafeEqual } from "node:crypto"

/**
 * The verdict on a nonce and its count. `fresh`: may be used. `stale`: expired, evicted, or not issued here.
 * `replayed`: used with this count before.
 *
 * @category models
 * @since 0.1.0
 */
export type NonceVerdict = "fresh" | "stale" | "replayed"

/**
 * Issues nonces and records their use.
 *
 * @category services
 * @since 0.1.0
 */
export class AuthNonces extends Context.Service<
  AuthNonces,
  {
    /** Returns a new nonce: visible ASCII without quotes. */
    readonly issue: Effect.Effect<string>
    /**
     * Returns whether a nonce may be used with a count, and records the use.
     *
     * **Gotchas**
     *
     * Call it only after all other checks of the credentials: each call may store a nonce. Check and record must be one
     * atomic step, or a concurrent replay passes.
     */
    readonly use: (nonce: string, count: number) => Effect.Effect<NonceVerdict>
  }
>()("@effect-ws/server/AuthNonces") {}

/**
 * Options of the nonces.
 *
 * @category models
 * @since 0.1.0
 */
export interface AuthNoncesOptions {
  /** Lifetime of a nonce. After it, clients get a new nonce without asking for the password. Default: 5 minutes. */
  readonly lifetime?: Duration.Input | undefined
  /**
   * Maximum stored nonces, about 200 bytes each. Above it, the oldest nonce and all nonces issued before it become
   * stale. Default: 16 384.
   */
  readonly capacity?: number | undefined
}

interface Use {
  readonly issuedAt: number
  /** The highest count so far. */
  highest: number
  /** Bit n is set if the count n below the highest was used. */
  recent: number
}

// Requests that a client sends concurrently may arrive out of order, so a count need not be higher than the last one.
const windowSize = 32

const randomSize = 16
const issuedSize = 8
const payloadSize = issuedSize + randomSize
const sealSize = 16

/**
 * Creates nonces that are stored in this process.
 *
 * **Details**
 *
 * A key that is made here authenticates the nonces, so those issued before a restart are stale.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: AuthNoncesOptions = {}
): Effect.fn.Return<AuthNonces["Service"], never, SecureRandom.SecureRandom> {
  const random = yield* SecureRandom.SecureRandom
  const key = yield* random.randomBytes(32)
  const lifetime = Duration.toMillis(Argument.duration("lifetime", options.lifetime ?? "5 minutes"))
  // A nonce shows its time to every client. The random offset keeps the machine's uptime secret.
  const zero = new DataView((yield* random.randomBytes(4)).slice().buffer).getUint32(0)
  const now = Effect.map(Monotonic.millis, (millis) => millis + zero)
  const capacity = Argument.limit("capacity", options.capacity ?? 16_384)
  const uses = new Map<string, Use>()
  let staleUntil = -Infinity

  const seal = (payload: Uint8Array): Uint8Array =>
    createHmac("sha256", key).update(payload).digest().subarray(0, sealSize)

  const issuedAt = (nonce: string): number | undefined => {
    const bytes = Result.getOrUndefined(Base64Url.decode(nonce))
    if (bytes === undefined || bytes.length !== payloadSize + sealSize) return undefined
    const payload = bytes.subarray(0, payloadSize)
    if (!timingSafeEqual(bytes.subarray(payloadSize), seal(payload))) return undefined
    return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0)
  }

  const forget = (now: number): void => {
    for (const [nonce, use] of uses) {
      const expired = now - use.issuedAt >= lifetime
      if (!expired && uses.size < capacity) return
      if (!expired) staleUntil = Math.max(staleUntil, use.issuedAt)
      uses.delete(nonce)
    }
  }

  return AuthNonces.of({
    issue: Effect.zipWith(now, random.randomBytes(randomSize), (now, bytes) => {
      const nonce = new Uint8Array(payloadSize + sealSize)
      new DataView(nonce.buffer).setFloat64(0, now)
      nonce.set(bytes, issuedSize)
      nonce.set(seal(nonce.subarray(0, payloadSize)), payloadSize)
      return Base64Url.encode(nonce)
    }),
    use: (nonce, count) =>
      Effect.map(now, (now) => {
        const issued = issuedAt(nonce)
        if (issued === undefined || now - issued >= lifetime || issued <= staleUntil) return "stale"
        const use = uses.get(nonce)
        if (use !== undefined) return note(use, count) ? "fresh" : "replayed"
        forget(now)
        uses.set(nonce, { issuedAt: issued, highest: count, recent: 1 })
        return "fresh"
      })
  })
})

const note = (use: Use, count: number): boolean => {
  const ahead = count - use.highest
  if (ahead > 0) {
    use.recent = ahead < windowSize ? (use.recent << ahead) | 1 : 1
    use.highest = count
    return true
  }
  const bit = -ahead < windowSize ? 1 << -ahead : 0
  if (bit === 0 || (use.recent & bit) !== 0) return false
  use.recent |= bit
  return true
}

/**
 * Provides nonces that are stored in this process, made of random bytes of the system.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: AuthNoncesOptions): Layer.Layer<AuthNonces> =>
  Layer.effect(AuthNonces, make(options)).pipe(Layer.provide(SecureRandom.layerWebCrypto))
