/**
 * Frames for Effect: Schemas between bytes and frames, and Channels that convert a stream of chunks into a stream of
 * frames and back.
 *
 * `FrameParser` and `FrameWriter` do the work. The session uses those directly, since it needs no object for each
 * frame. This module accepts every frame that can be decoded, whether or not a session would accept it.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import type * as Frame from "./Frame.ts"
import { FrameParser } from "./FrameParser.ts"
import type { FrameParserOptions } from "./FrameParser.ts"
import * as FrameWriter from "./FrameWriter.ts"
import type * as ProtocolViolation from "./ProtocolViolation.ts"

/**
 * The bytes end within a frame.
 *
 * @category errors
 * @since 0.1.0
 */
export class IncompleteFrame extends Schema.TaggedError<IncompleteFrame>("@effect-ws/protocol/IncompleteFrame")(
  "IncompleteFrame",
  {
    /** Missing bytes of payload; `undefined` if the header is incomplete. */
    missing: Schema.UndefinedOr(Schema.Number)
  }
) {
  override get message(): string {
    return this.missing === undefined
      ? "the bytes end in the middle of a frame's header"
      : `the bytes end in the middle of a frame: ${this.missing} bytes of its payload are missing`
  }
}

/**
 * The Schema of a frame as data. A `maskingKey` says that the payload is masked on the wire.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FrameSchema = Schema.Struct({
  fin: Schema.Boolean,
  rsv1: Schema.Boolean,
  rsv2: Schema.Boolean,
  rsv3: Schema.Boolean,
  opcode: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 15 })),
  maskingKey: Schema.optionalKey(
    Schema.Uint8Array.check(Schema.makeFilter((key: Uint8Array) => (key.length === 4 ? undefined : "four bytes")))
  ),
  payload: Schema.Uint8Array
})

const nothing = new Uint8Array(0)

// Returns the violation that ended the pushed bytes. The parser returns the frames before it first.
const violationOf = (parser: FrameParser): ProtocolViolation.ProtocolViolation | undefined => {
  const pushed = parser.push(nothing)
  return Result.isFailure(pushed) ? pushed.failure : undefined
}

const incomplete = (parser: FrameParser): IncompleteFrame =>
  new IncompleteFrame({ missing: parser.isInPayload ? parser.remaining : undefined })

/**
 * Decodes bytes that contain whole frames and nothing else. Does not change the bytes.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeAll = (
  bytes: Uint8Array
): Result.Result<ReadonlyArray<Frame.Frame>, ProtocolViolation.ProtocolViolation | IncompleteFrame> => {
  const parser = new FrameParser({ maxFrameSize: Infinity })
  // The parser unmasks in place.
  const frames = parser.push(new Uint8Array(bytes))
  if (Result.isFailure(frames)) return frames
  const violation = violationOf(parser)
  if (violation !== undefined) return Result.fail(violation)
  return parser.isIdle ? frames : Result.fail(incomplete(parser))
}

/**
 * The codec between the bytes of exactly one frame and the frame.
 *
 * **Details**
 *
 * A frame with a `maskingKey` is masked in the bytes. Decoding fails if the bytes end early, if bytes follow the frame,
 * or if a length is not in its shortest form. Encoding always writes the shortest form.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FrameFromBytes = Schema.Uint8Array.pipe(
  Schema.decodeTo(
    FrameSchema,
    SchemaTransformation.transformEffect<typeof FrameSchema.Encoded, Uint8Array>({
      decode: (bytes, options) => {
        const frames = decodeAll(bytes)
        if (Result.isFailure(frames))
          return Effect.fail(new SchemaIssue.InvalidValue({ message: frames.failure.message }, bytes, options))
        const [frame] = frames.success
        return frame !== undefined && frames.success.length === 1
          ? Effect.succeed(frame)
          : Effect.fail(
              new SchemaIssue.InvalidValue(
                { message: `exactly one frame was expected, there are ${frames.success.length}` },
                bytes,
                options
              )
            )
      },
      encode: (frame) => Effect.succeed(FrameWriter.encode(frame))
    })
  )
)

/**
 * The codec between bytes and the frames in them. There may be any number of frames, and the last one is complete.
 *
 * @category schemas
 * @since 0.1.0
 */
export const FramesFromBytes = Schema.Uint8Array.pipe(
  Schema.decodeTo(
    Schema.Array(FrameSchema),
    SchemaTransformation.transformEffect<ReadonlyArray<typeof FrameSchema.Encoded>, Uint8Array>({
      decode: (bytes, options) =>
        Effect.fromResult(
          Result.mapError(
            decodeAll(bytes),
            (error) => new SchemaIssue.InvalidValue({ message: error.message }, bytes, options)
          )
        ),
      encode: (frames) => Effect.succeed(encodeAll(frames))
    })
  )
)

/**
 * Encodes frames one after the other into new bytes.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeAll = (frames: ReadonlyArray<Frame.Frame>): Uint8Array => {
  const parts = frames.map(FrameWriter.encode)
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/**
 * Creates a channel that splits chunks of bytes into frames, wherever the chunks begin and end.
 *
 * **Details**
 *
 * The channel emits the frames before a violation, and then fails with it. An input that ends within a frame fails with
 * {@link IncompleteFrame}. `maxFrameSize` limits the buffered bytes. Default: 16 MiB.
 *
 * **Gotchas**
 *
 * The channel owns the chunks: it unmasks payloads in place, and the emitted payloads are views into the chunks.
 *
 * @category constructors
 * @since 0.1.0
 */
export const decode = <IE = never, Done = unknown>(
  options?: FrameParserOptions
): Channel.Channel<
  Arr.NonEmptyReadonlyArray<Frame.Frame>,
  IE | ProtocolViolation.ProtocolViolation | IncompleteFrame,
  Done,
  Arr.NonEmptyReadonlyArray<Uint8Array>,
  IE,
  Done
> =>
  Channel.fromTransform((upstream, _scope) =>
    Effect.sync(() => {
      const parser = new FrameParser(options)
      let violation: ProtocolViolation.ProtocolViolation | undefined = undefined

      const read = (chunks: ReadonlyArray<Uint8Array>): Array<Frame.Frame> => {
        const frames: Array<Frame.Frame> = []
        for (const chunk of chunks) {
          const pushed = parser.push(chunk)
          if (Result.isFailure(pushed)) break
          for (const frame of pushed.success) frames.push(frame)
        }
        violation = violationOf(parser)
        return frames
      }

      return Effect.suspend(function loop(): Step<IE, Done> {
        if (violation !== undefined) return Effect.fail(violation)
        return Pull.matchEffect(upstream, {
          onSuccess: (chunks): Step<IE, Done> => {
            const frames = read(chunks)
            return Arr.isArrayNonEmpty(frames) ? Effect.succeed(frames) : loop()
          },
          onFailure: (cause): Step<IE, Done> => Effect.failCause(cause),
          onDone: (done): Step<IE, Done> => (parser.isIdle ? Cause.done(done) : Effect.fail(incomplete(parser)))
        })
      })
    })
  )

type Step<IE, Done> = Pull.Pull<
  Arr.NonEmptyReadonlyArray<Frame.Frame>,
  IE | ProtocolViolation.ProtocolViolation | IncompleteFrame,
  Done
>

/**
 * Creates a channel that encodes frames. Each batch of frames becomes one chunk.
 *
 * @category constructors
 * @since 0.1.0
 */
export const encode = <IE = never, Done = unknown>(): Channel.Channel<
  Arr.NonEmptyReadonlyArray<Uint8Array>,
  IE,
  Done,
  Arr.NonEmptyReadonlyArray<Frame.Frame>,
  IE,
  Done
> =>
  Channel.fromTransform((upstream, _scope) =>
    Effect.succeed(Effect.map(upstream, (frames) => Arr.of(encodeAll(frames))))
  )
