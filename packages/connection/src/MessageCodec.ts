/**
 * How the values of a program become messages: as JSON text, as Effect's binary encoding, or by any Schema that ends in
 * a string or in bytes.
 *
 * A codec is a value without state. Both ends of a connection must use the same one; `TypedConnection.protocol` keeps
 * it beside the Schemas that both ends share.
 *
 * @since 0.1.0
 */
import type { Message } from "@effect-ws/protocol/Message"
import * as Effect from "effect/Effect"
import * as SchemaBinary from "effect/encoding/SchemaBinary"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import { InvalidMessage } from "./InvalidMessage.ts"
import { knownKeys, pathsOf } from "./internal/issuePaths.ts"

/**
 * A way to write values as messages. `Encoded` is what the Schemas that it is used with must encode to.
 *
 * @category models
 * @since 0.1.0
 */
export interface MessageCodec<in Encoded = never> {
  /** What a message is made of, for close reasons: "JSON". */
  readonly name: string
  /** Prepares the codec for one Schema. The result is kept for each Schema. */
  readonly compile: (schema: Schema.Constraint) => CompiledCodec
  /** Marks what the Schemas must encode to. Absent at run time. */
  readonly encoded?: ((encoded: Encoded) => void) | undefined
}

/**
 * A codec that was prepared for one Schema. The Schema's services are provided by the caller.
 *
 * @category models
 * @since 0.1.0
 */
export interface CompiledCodec {
  /** Decodes a message. Where that succeeds without services or time, the result is an `Exit`. */
  readonly decode: (message: Message) => Effect.Effect<unknown, InvalidMessage, unknown>
  /** Encodes a value. Where that succeeds without services or time, the result is an `Exit`. */
  readonly encode: (value: unknown) => Effect.Effect<string | Uint8Array, Schema.SchemaError, unknown>
}

/**
 * JSON as text messages. Each Schema is encoded with `Schema.toCodecJson`, so dates, bytes, maps and big integers work
 * too.
 *
 * @category codecs
 * @since 0.1.0
 */
export const json: MessageCodec<unknown> = make("JSON", (schema) => ({
  kinds: textOnly,
  schema: Schema.toCodecJson(schema),
  parse: (data) => JSON.parse(data as string) as unknown,
  print: (encoded) => JSON.stringify(encoded)
}))

/**
 * Effect's binary encoding (`effect/encoding/SchemaBinary`) as binary messages: smaller than JSON, for two
 * ends that both run Effect.
 *
 * **Details**
 *
 * The default form lets Schemas evolve compatibly. With `fingerprint` it is smaller, and both ends must use the same
 * Schemas.
 *
 * @category codecs
 * @since 0.1.0
 */
export const binary = (options?: SchemaBinary.Options): MessageCodec<unknown> =>
  make("Effect's binary encoding", (schema) => ({
    kinds: binaryOnly,
    schema: SchemaBinary.toCodec(schema, options),
    parse: identity,
    print: identity as (encoded: unknown) => Uint8Array,
    // Bytes that are no frame at all fail as a whole; a frame with wrong content fails at a path.
    isMalformed: (issue) => issue._tag === "Encoding" && issue.issue._tag === "InvalidValue"
  }))

/**
 * For Schemas that themselves encode to a string or to bytes: a string becomes a text message, bytes a binary one.
 *
 * @category codecs
 * @since 0.1.0
 */
export const encoded: MessageCodec<string | Uint8Array> = make("known", (schema) => ({
  kinds: kindsOf(SchemaAST.toEncoded(schema.ast)),
  schema,
  parse: identity,
  print: identity as (encoded: unknown) => string | Uint8Array
}))

/**
 * Any other format, as two functions: `parse` may throw for data that is not of the format, which closes with 1007.
 *
 * **Details**
 *
 * `parse` gets a string where `kind` is "Text", and bytes where it is "Binary". What it returns is decoded with the
 * Schema, and what the Schema encodes to is given to `print`.
 *
 * **Example** (MessagePack)
 *
 * ```ts skip-type-checking
 * import { decode, encode } from "@msgpack/msgpack"
 *
 * const messagePack = MessageCodec.format({ name: "MessagePack", kind: "Binary", parse: decode, print: encode })
 * ```
 *
 * @category codecs
 * @since 0.1.0
 */
export const format: {
  (options: {
    readonly name: string
    readonly kind: "Text"
    readonly parse: (data: string) => unknown
    readonly print: (encoded: unknown) => string
  }): MessageCodec<unknown>
  (options: {
    readonly name: string
    readonly kind: "Binary"
    readonly parse: (data: Uint8Array) => unknown
    readonly print: (encoded: unknown) => Uint8Array
  }): MessageCodec<unknown>
} = ({ kind, name, parse, print }: FormatOptions): MessageCodec<unknown> =>
  make(name, (schema) => ({ kinds: [kind], schema, parse, print }))

interface FormatOptions {
  readonly name: string
  readonly kind: Message["_tag"]
  readonly parse: (data: never) => unknown
  readonly print: (encoded: unknown) => string | Uint8Array
}

interface Steps {
  readonly kinds: ReadonlyArray<Message["_tag"]>
  readonly schema: Schema.Constraint
  readonly parse: (data: never) => unknown
  readonly print: (encoded: unknown) => string | Uint8Array
  readonly isMalformed?: (issue: SchemaIssue.Issue) => boolean
}

const textOnly = ["Text"] as const
const binaryOnly = ["Binary"] as const

// Of what such a Schema may encode to, only bytes are a declaration.
const kindsOf = (encoded: SchemaAST.AST): ReadonlyArray<Message["_tag"]> =>
  encoded._tag === "Declaration"
    ? binaryOnly
    : encoded._tag === "Union"
      ? [...new Set(encoded.types.flatMap(kindsOf))]
      : textOnly

const identity = (value: unknown): unknown => value

function make<Encoded>(name: string, stepsOf: (schema: Schema.Constraint) => Steps): MessageCodec<Encoded> {
  const compiled = new WeakMap<SchemaAST.AST, CompiledCodec>()
  return {
    name,
    compile: (schema) => {
      const existing = compiled.get(schema.ast)
      if (existing !== undefined) return existing
      const codec = compile(name, stepsOf(schema))
      compiled.set(schema.ast, codec)
      return codec
    }
  }
}

const compile = (name: string, { isMalformed = () => false, kinds, parse, print, schema }: Steps): CompiledCodec => {
  const decodeUnknown = SchemaParser.decodeUnknownEffect(schema)
  const encodeUnknown = SchemaParser.encodeUnknownEffect(schema)
  const keys = knownKeys(schema.ast)
  const [expected] = kinds
  const malformed = (message: Message, issue?: SchemaIssue.Issue): InvalidMessage =>
    new InvalidMessage({ rule: "Malformed", raw: message, paths: [], issue, expected: name })
  const toInvalid = (message: Message, issue: SchemaIssue.Issue): InvalidMessage =>
    isMalformed(issue)
      ? malformed(message, issue)
      : new InvalidMessage({ rule: "SchemaMismatch", raw: message, paths: pathsOf(issue, keys), issue, expected: name })
  return {
    decode: (message) => {
      if (!kinds.includes(message._tag)) {
        return Exit.fail(
          new InvalidMessage({ rule: "WrongKind", raw: message, paths: [], issue: undefined, expected: expected! })
        )
      }
      let parsed: unknown
      try {
        parsed = parse(message.data as never)
      } catch {
        return Exit.fail(malformed(message))
      }
      return mapError(
        attempt(() => decodeUnknown(parsed)),
        (issue) => toInvalid(message, issue)
      )
    },
    encode: (value) => {
      const encoding = mapError(
        attempt(() => encodeUnknown(value)),
        (issue) => new Schema.SchemaError(issue)
      )
      return Exit.isExit(encoding) && Exit.isSuccess(encoding)
        ? Exit.succeed(print(encoding.value))
        : Effect.map(encoding, print)
    }
  }
}

// A value that is nested too deeply for the stack is one that a recursive Schema cannot take.
const tooDeep = (defect: unknown): Effect.Effect<never, SchemaIssue.Issue> =>
  defect instanceof RangeError ? Effect.fail(new SchemaIssue.InvalidValue()) : Effect.die(defect)

const attempt = <A, R>(run: () => Effect.Effect<A, SchemaIssue.Issue, R>): Effect.Effect<A, SchemaIssue.Issue, R> => {
  try {
    const effect = run()
    return Exit.isExit(effect) && Exit.isSuccess(effect) ? effect : Effect.catchDefect(effect, tooDeep)
  } catch (error) {
    return tooDeep(error)
  }
}

// Keeps an `Exit` an `Exit`: most Schemas decode without a step of the fiber.
const mapError = <A, E, E2, R>(effect: Effect.Effect<A, E, R>, f: (error: E) => E2): Effect.Effect<A, E2, R> =>
  Exit.isExit(effect) ? Exit.mapError(effect as Exit.Exit<A, E>, f) : Effect.mapError(effect, f)
