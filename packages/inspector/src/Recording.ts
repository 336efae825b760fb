/**
 * A recording of one connection as JSON lines: the request, each frame with its time, and the close. It is made by the
 * inspector, saved as a file, and replayed by `Replay` in a test.
 *
 * Queries, credentials and cookies are redacted before anything is recorded. Payloads are in it only where the
 * inspector keeps them whole (`payloads: "full"`); without them it still tells the order, sizes and times of the
 * frames.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/**
 * The first line: the request, and what was agreed on.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Opening = Schema.Struct({
  /** The version of the format. */
  recording: Schema.Literal(1),
  openedAt: Schema.String,
  path: Schema.String,
  headers: Schema.Array(Schema.Tuple([Schema.String, Schema.String])),
  subprotocol: Schema.optionalKey(Schema.String),
  extensions: Schema.Array(Schema.String),
  /** Whether the first frames are missing, because the recording began later or reached its bounds. */
  missing: Schema.Union([Schema.Literal("none"), Schema.Literal("first")])
})

/**
 * The first line: the request, and what was agreed on.
 *
 * @category models
 * @since 0.1.0
 */
export type Opening = typeof Opening.Type

/**
 * A frame.
 *
 * **Details**
 *
 * `at` is in milliseconds since the connection opened. The payload is `text` where it is UTF-8, else `base64`; neither
 * is there where payloads are not kept, or where not all of it was. `decoded` marks the content of a compressed
 * message, which stands at its last frame.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Frame = Schema.Struct({
  at: Schema.Finite,
  from: Schema.Literals(["peer", "server"]),
  opcode: Schema.Int,
  fin: Schema.Boolean,
  rsv: Schema.Int,
  length: Schema.Int,
  text: Schema.optionalKey(Schema.String),
  base64: Schema.optionalKey(Schema.String),
  decoded: Schema.optionalKey(Schema.Literal(true)),
  violation: Schema.optionalKey(Schema.String)
})

/**
 * A frame.
 *
 * @category models
 * @since 0.1.0
 */
export type Frame = typeof Frame.Type

/**
 * The last line, where the connection has closed.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Closing = Schema.Struct({
  at: Schema.Finite,
  closed: Schema.Struct({
    code: Schema.Int,
    reason: Schema.String,
    initiator: Schema.Literals(["local", "remote", "transport"]),
    clean: Schema.Boolean,
    violation: Schema.optionalKey(Schema.String)
  })
})

/**
 * The last line, where the connection has closed.
 *
 * @category models
 * @since 0.1.0
 */
export type Closing = typeof Closing.Type

/**
 * A recording of one connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Recording {
  readonly opening: Opening
  readonly frames: ReadonlyArray<Frame>
  readonly closing: Closing | undefined
}

/**
 * A text that is no recording.
 *
 * @category errors
 * @since 0.1.0
 */
export class RecordingError extends Schema.TaggedError<RecordingError>("@effect-ws/inspector/RecordingError")(
  "RecordingError",
  {
    /** The line, from 1. */
    line: Schema.Int,
    reason: Schema.String
  }
) {
  override get message(): string {
    return `not a recording: line ${this.line}: ${this.reason}`
  }
}

/**
 * Writes a recording as JSON lines.
 *
 * @category encoding
 * @since 0.1.0
 */
export const stringify = ({ closing, frames, opening }: Recording): string =>
  [opening, ...frames, ...(closing === undefined ? [] : [closing])].map((line) => `${JSON.stringify(line)}\n`).join("")

const decodeOpening = Schema.decodeUnknownResult(Opening)
const decodeRest = Schema.decodeUnknownResult(Schema.Union([Frame, Closing]))

/**
 * Reads a recording from JSON lines.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (text: string): Effect.Effect<Recording, RecordingError> => Effect.fromResult(parseResult(text))

const parseResult = (text: string): Result.Result<Recording, RecordingError> => {
  const lines = text.split(/\r?\n/)
  while (lines.at(-1) === "") lines.pop()
  const fail = (at: number, reason: string) => Result.fail(new RecordingError({ line: at + 1, reason }))
  const values: Array<unknown> = []
  for (const [at, line] of lines.entries()) {
    try {
      values.push(JSON.parse(line))
    } catch {
      return fail(at, "expected JSON")
    }
  }
  const opening = decodeOpening(values[0])
  if (Result.isFailure(opening)) return fail(0, opening.failure.message)
  const frames: Array<Frame> = []
  let closing: Closing | undefined
  for (let at = 1; at < values.length; at++) {
    const line = decodeRest(values[at])
    if (Result.isFailure(line)) return fail(at, line.failure.message)
    if (closing !== undefined) return fail(at, "expected nothing after the close")
    if ("closed" in line.success) closing = line.success
    else frames.push(line.success)
  }
  return Result.succeed({ opening: opening.success, frames, closing })
}
