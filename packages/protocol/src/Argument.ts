/**
 * Checks of the values that a program passes: bytes, text, sizes, counts and durations.
 *
 * Values of type `any`, for example from `JSON.parse`, escape the compiler. So every public function that sends, and
 * every record of options, checks its values first. A value of the wrong type throws a `TypeError`, and a number out of
 * range a `RangeError`. Both name the argument, what it accepts and the value. Inside an Effect that is a defect of the
 * calling fiber. What RFC 6455 forbids, such as close code 1005, is a typed `SendError` and not checked here.
 *
 * Bytes are a `Uint8Array`, of this realm or another. `ArrayBuffer` and other views are refused, since it is unclear
 * which of their bytes are meant. The program wraps them: `new Uint8Array(buffer)`.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"

// The getter returns the type of a view from any realm, and an object that merely looks like a view cannot fool it.
const typedArrayName = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag
)!.get!

/**
 * Returns whether a value is a `Uint8Array`, of this realm or another.
 *
 * @category guards
 * @since 0.1.0
 */
export const isBytes = (u: unknown): u is Uint8Array =>
  u instanceof Uint8Array || typedArrayName.call(u) === "Uint8Array"

/**
 * Returns bytes unchanged. Throws a `TypeError` for anything else.
 *
 * @category constructors
 * @since 0.1.0
 */
export const bytes = (name: string, u: unknown): Uint8Array => {
  if (isBytes(u)) return u
  throw mismatch(name, "a Uint8Array", u)
}

/**
 * Returns a string unchanged. Throws a `TypeError` for anything else.
 *
 * @category constructors
 * @since 0.1.0
 */
export const text = (name: string, u: unknown): string => {
  if (typeof u === "string") return u
  throw mismatch(name, "a string", u)
}

/**
 * Returns an integer of at least `minimum` unchanged, or `Infinity` for no limit. Throws a `TypeError` if the value is
 * no number, and a `RangeError` for any other number.
 *
 * @category constructors
 * @since 0.1.0
 */
export const limit = (name: string, u: unknown, minimum = 0): number => {
  if (u === Infinity || (Number.isInteger(u) && Number(u) >= minimum)) return u as number
  throw outOfRange(name, `an integer of at least ${minimum}, or Infinity`, u)
}

/**
 * Returns an integer in a range unchanged. Throws a `TypeError` if the value is no number, and a `RangeError` for any
 * other number.
 *
 * @category constructors
 * @since 0.1.0
 */
export const integer = (name: string, u: unknown, minimum = 0, maximum: number = Number.MAX_SAFE_INTEGER): number => {
  if (Number.isInteger(u) && Number(u) >= minimum && Number(u) <= maximum) return u as number
  const range = maximum === Number.MAX_SAFE_INTEGER ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`
  throw outOfRange(name, `an integer ${range}`, u)
}

/**
 * Returns a duration, which may be infinite. Throws a `TypeError` if the value is no `Duration.Input`, and a
 * `RangeError` for a negative duration and for NaN, which Effect would turn into zero.
 *
 * @category constructors
 * @since 0.1.0
 */
export const duration = (name: string, u: unknown): Duration.Duration => {
  const expected = 'a duration that is not negative, such as "10 seconds"'
  if (hasNaN(u)) throw new RangeError(message(name, expected, u))
  let decoded: Duration.Duration
  try {
    decoded = Duration.fromInputUnsafe(u as Duration.Input)
  } catch {
    throw mismatch(name, expected, u)
  }
  if (Duration.isNegative(decoded)) throw new RangeError(message(name, expected, u))
  return decoded
}

const hasNaN = (u: unknown): boolean =>
  Number.isNaN(u) ||
  (typeof u === "object" && u !== null && !Duration.isDuration(u) && Object.values(u).some(Number.isNaN))

/**
 * Creates the error for a value of the wrong type.
 *
 * @category errors
 * @since 0.1.0
 */
export const mismatch = (name: string, expected: string, found: unknown): TypeError =>
  new TypeError(`${message(name, expected, found)}${isBinary(found) ? ": wrap it in `new Uint8Array(...)`" : ""}`)

const outOfRange = (name: string, expected: string, found: unknown): TypeError | RangeError =>
  typeof found === "number" ? new RangeError(message(name, expected, found)) : mismatch(name, expected, found)

const message = (name: string, expected: string, found: unknown): string =>
  `${name}: expected ${expected}, found ${describe(found)}`

const isBinary = (u: unknown): boolean =>
  (ArrayBuffer.isView(u) && !isBytes(u)) || /ArrayBuffer/.test(Object.prototype.toString.call(u))

// The longest excerpt of a string that an error shows.
const shown = 40

const describe = (u: unknown): string => {
  if (typeof u === "string") return `the string ${JSON.stringify(u.length > shown ? `${u.slice(0, shown)}...` : u)}`
  if (typeof u === "number" || typeof u === "bigint") return String(u)
  if (typeof u === "function") return "a function"
  if (typeof u !== "object" || u === null) return String(u)
  const type = Object.prototype.toString.call(u).slice(8, -1)
  const article = /^[AEIOU]/.test(type) && !type.startsWith("Uint") ? "an" : "a"
  const fields =
    "_tag" in u ? ` with _tag ${describe(u._tag)}${"data" in u ? ` and data ${describe(u.data)}` : ""}` : ""
  return type === "Object" ? `an object${fields}` : `${article} ${type}`
}
