/**
 * Checks numbers and durations in options. `Argument` of the protocol does the same for the packages above; the
 * transport package does not import the protocol.
 *
 * A value out of range throws when a Layer is built or a socket is made, with a message that names the option.
 */
import * as Duration from "effect/Duration"

/** Checks an integer of at least `minimum`, or Infinity for no limit. */
export const limit = (name: string, value: number, minimum = 0): number =>
  value === Infinity ? value : integer(name, value, minimum)

/** Checks an integer of at least `minimum`. */
export const integer = (name: string, value: number, minimum = 0): number => {
  if (Number.isInteger(value) && value >= minimum) return value
  throw new RangeError(`${name}: expected an integer of at least ${minimum}, found ${String(value)}`)
}

/** Checks a duration that is not negative, and returns it in milliseconds. */
export const millis = (name: string, value: Duration.Input): number => {
  const decoded = Duration.toMillis(value)
  // Effect converts NaN to zero.
  if (decoded >= 0 && !Number.isNaN(value)) return decoded
  throw new RangeError(`${name}: expected a duration that is not negative, found ${String(value)}`)
}
