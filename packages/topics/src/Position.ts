/**
 * Where a reader is in a topic's log: the offset of the last entry that it has, and the epoch in which that entry was
 * written.
 *
 * The offsets of a topic count up by one without holes, from 1. The epoch changes when the log was created anew or went
 * on from older data, so an old position is never mistaken for a new one. Clients keep positions as a compact string.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"

/**
 * A position in a topic's log. Offset 0 is before the first entry.
 *
 * @category models
 * @since 0.1.0
 */
export const Position = Schema.Struct({ epoch: Schema.Natural, offset: Schema.Natural })

/**
 * A position in a topic's log.
 *
 * @category models
 * @since 0.1.0
 */
export interface Position {
  /** When this part of the log began, in microseconds since 1970. Larger than that of every earlier part. */
  readonly epoch: number
  /** The number of the entry, counted from 1. */
  readonly offset: number
}

const pattern = /^([0-9a-z]{1,11})-([0-9a-z]{1,11})$/

/**
 * Returns the compact string form of a position: both numbers in base 36, such as `hbtdl3akw8-2s`.
 *
 * @category encoding
 * @since 0.1.0
 */
export const format = ({ epoch, offset }: Position): string => `${epoch.toString(36)}-${offset.toString(36)}`

/**
 * Parses the string form of a position. Returns `undefined` where it is not one.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (text: string): Position | undefined => {
  const match = pattern.exec(text)
  if (match === null) return undefined
  const position = { epoch: Number.parseInt(match[1]!, 36), offset: Number.parseInt(match[2]!, 36) }
  // One position has one form: no leading zeros, and nothing that a double cannot hold.
  return format(position) === text && Number.isSafeInteger(position.epoch) && Number.isSafeInteger(position.offset)
    ? position
    : undefined
}

/**
 * The codec of the string form.
 *
 * @category codecs
 * @since 0.1.0
 */
export const PositionFromString: Schema.Codec<Position, string> = Schema.String.pipe(
  Schema.decodeTo(
    Position,
    SchemaTransformation.transformEffect<Position, string>({
      decode: (text, options) => {
        const position = parse(text)
        return position === undefined
          ? Effect.fail(new SchemaIssue.InvalidValue({ message: "expected a position" }, text, options))
          : Effect.succeed(position)
      },
      encode: (position) => Effect.succeed(format(position))
    })
  )
)

/**
 * Tests whether two positions are the same.
 *
 * @category guards
 * @since 0.1.0
 */
export const equals = (a: Position, b: Position): boolean => a.epoch === b.epoch && a.offset === b.offset
