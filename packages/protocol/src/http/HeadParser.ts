/**
 * Reads the head of an HTTP/1.1 message from bytes that arrive in any pieces. It is strict where leniency has been used
 * to attack somebody (line ends, whitespace, lengths given twice), bounded everywhere, and looks at each byte once, so
 * a peer that sends one byte at a time costs no more than one that sends all. What follows the blank line is handed back
 * untouched: it may be the first frames of the connection. Chunks are only read, never kept.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as Argument from "../Argument.ts"
import type { HeaderField } from "./HeaderFields.ts"
import { characterClasses, isSpaceCode, TARGET, TOKEN, trim, VALUE } from "./HeaderGrammar.ts"
import type { HttpVersion } from "./HttpHead.ts"
import {
  encodeRequest,
  encodeResponse,
  isBodyLengthAmbiguous,
  maxMethodLength,
  RequestHead,
  ResponseHead
} from "./HttpHead.ts"

/**
 * Bounds on a head.
 *
 * @category models
 * @since 0.1.0
 */
export interface HeadLimits {
  /** Bytes of the request target; more is answered with 414. Default 8192. */
  readonly maxTargetBytes?: number | undefined
  /** Bytes of all header lines, line ends included; more is answered with 431. Default 16384. Bounds a status line too. */
  readonly maxHeaderBytes?: number | undefined
  /** Number of header fields; more is answered with 431. Default 128. */
  readonly maxHeaderFields?: number | undefined
}

/**
 * The default bounds.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultLimits = { maxTargetBytes: 8192, maxHeaderBytes: 16384, maxHeaderFields: 128 } as const

/**
 * The rules that a head can break.
 *
 * @category models
 * @since 0.1.0
 */
export const HeadRule = Schema.Literals([
  "InvalidMethod",
  "MethodTooLong",
  "InvalidTarget",
  "TargetTooLong",
  "InvalidVersion",
  "UnsupportedVersion",
  "InvalidStatus",
  "InvalidReason",
  "InvalidHeaderName",
  "InvalidHeaderValue",
  "SpaceBeforeColon",
  "FoldedHeader",
  "BareLineFeed",
  "BareCarriageReturn",
  "HeadersTooLarge",
  "TooManyHeaders",
  "AmbiguousBodyLength"
])

/**
 * Reports the first rule that a head breaks, and the status with which a server answers it.
 *
 * **Details**
 *
 * `offset` is that of the byte at fault, counted from the start of the head.
 *
 * @category errors
 * @since 0.1.0
 */
export class HttpHeadError extends Schema.TaggedError<HttpHeadError>("@effect-ws/protocol/HttpHeadError")(
  "HttpHeadError",
  {
    rule: HeadRule,
    status: Schema.Literals([400, 414, 431, 501, 505]),
    /** The status of the response whose head it is, where that was read before the fault. */
    responseStatus: Schema.optionalKey(Schema.Int),
    offset: Schema.Int,
    detail: Schema.String
  }
) {
  override get message(): string {
    return `invalid HTTP head at byte ${this.offset}: ${this.detail}`
  }
}

/**
 * A head that was read to its end.
 *
 * @category models
 * @since 0.1.0
 */
export interface ParsedHead<Head> {
  readonly _tag: "ParsedHead"
  readonly head: Head
  /** What followed the head in the last chunk: a view into it, empty if nothing did. */
  readonly rest: Uint8Array
}

/**
 * The head that a parser of each kind reads.
 *
 * @category models
 * @since 0.1.0
 */
export interface HeadByKind {
  readonly request: RequestHead
  readonly response: ResponseHead
}

const CR = 0x0d
const LF = 0x0a
const SPACE = 0x20
const COLON = 0x3a

const maxVersionBytes = 8

const State = {
  Method: 0,
  Target: 1,
  RequestVersion: 2,
  StatusVersion: 3,
  Status: 4,
  Reason: 5,
  LineStart: 6,
  Name: 7,
  Value: 8,
  LineEnd: 9,
  HeadEnd: 10,
  Done: 11
} as const

/**
 * Reads one head; a new message needs a new parser.
 *
 * **Details**
 *
 * Deviation: RFC 9112 2.2 lets a server skip an empty line before the request line. The reason, clients that end a
 * previous body with a stray line end, does not exist on a connection whose first request this is.
 *
 * @category models
 * @since 0.1.0
 */
export class HeadParser<Kind extends keyof HeadByKind> {
  readonly kind: Kind
  private readonly maxTargetBytes: number
  private readonly maxHeaderBytes: number
  private readonly maxHeaderFields: number

  private state: number
  private partial = ""
  // offsets from the start of the head: of the bytes scanned in earlier chunks, of the chunk in hand, and of the first
  // byte that is one too many for the header section (0 while the start line is read)
  private scanned = 0
  private base = 0
  private headersEnd = 0
  private error: HttpHeadError | undefined

  private method = ""
  private target = ""
  private version: HttpVersion = "HTTP/1.1"
  private status = 0
  private reason = ""
  private name = ""
  private readonly headers: Array<HeaderField> = []

  constructor(kind: Kind, limits?: HeadLimits) {
    this.kind = kind
    this.maxTargetBytes = Argument.limit("maxTargetBytes", limits?.maxTargetBytes ?? defaultLimits.maxTargetBytes)
    this.maxHeaderBytes = Argument.limit("maxHeaderBytes", limits?.maxHeaderBytes ?? defaultLimits.maxHeaderBytes)
    this.maxHeaderFields = Argument.limit("maxHeaderFields", limits?.maxHeaderFields ?? defaultLimits.maxHeaderFields)
    this.state = kind === "request" ? State.Method : State.StatusVersion
  }

  /**
   * Reads the next chunk; `undefined` means that the head goes on in the next one.
   *
   * **Gotchas**
   *
   * A head or an error ends the parser: after an error `push` returns the same error, after a head it throws.
   */
  push(chunk: Uint8Array): ParsedHead<HeadByKind[Kind]> | HttpHeadError | undefined {
    if (this.error !== undefined) return this.error
    if (this.state === State.Done) throw new Error("this HeadParser has returned its head; make a new one for the next")
    this.base = this.scanned
    let index = 0
    while (index < chunk.length) {
      const step = this.readElement(chunk, index)
      if (typeof step !== "number") return step
      index = step
    }
    this.scanned += chunk.length
    return undefined
  }

  // Reads on in one element up to its delimiter, and returns the index after that, or the length of the chunk where the
  // element goes on in the next one.
  private readElement(chunk: Uint8Array, start: number): number | ParsedHead<HeadByKind[Kind]> | HttpHeadError {
    const byte = chunk[start]!
    switch (this.state) {
      case State.Method: {
        const end = skipWhile(chunk, start, TOKEN)
        const room = maxMethodLength - this.partial.length
        if (end - start > room) {
          return this.fail(start + room, "MethodTooLong", 501, `expected a method of at most ${maxMethodLength} bytes`)
        }
        if (end === chunk.length) return this.keep(chunk, start)
        this.method = this.take(chunk, start, end)
        if (chunk[end] !== SPACE || this.method === "") {
          return this.fail(end, "InvalidMethod", 400, `expected a method and one space, found ${render(chunk, end)}`)
        }
        this.state = State.Target
        return end + 1
      }
      case State.Target: {
        const end = skipWhile(chunk, start, TARGET)
        const room = this.maxTargetBytes - this.partial.length
        if (end - start > room) {
          const detail = `expected a request target of at most ${this.maxTargetBytes} bytes`
          return this.fail(start + room, "TargetTooLong", 414, detail)
        }
        if (end === chunk.length) return this.keep(chunk, start)
        this.target = this.take(chunk, start, end)
        if (chunk[end] !== SPACE || this.target === "") {
          const detail = `expected a request target and one space, found ${render(chunk, end)}`
          return this.fail(end, "InvalidTarget", 400, detail)
        }
        this.state = State.RequestVersion
        return end + 1
      }
      case State.RequestVersion:
      case State.StatusVersion: {
        const end = skipWhile(chunk, start, TARGET)
        const room = maxVersionBytes - this.partial.length
        if (end - start > room) return this.invalidVersion(chunk, start + room)
        if (end === chunk.length) return this.keep(chunk, start)
        if (chunk[end] === LF) return this.bareLineFeed(end)
        if (chunk[end] !== (this.state === State.RequestVersion ? CR : SPACE)) return this.invalidVersion(chunk, end)
        const text = this.take(chunk, start, end)
        const match = /^HTTP\/([0-9])\.([0-9])$/.exec(text)
        if (match === null) {
          return this.fail(end, "InvalidVersion", 400, `expected HTTP/1.1, found ${JSON.stringify(text)}`)
        }
        // RFC 9110 15.6.6: 505 is for a major version; what a lower minor version lacks, the handshake says
        if (match[1] !== "1") return this.fail(end, "UnsupportedVersion", 505, `expected HTTP/1.1, found ${text}`)
        this.version = match[2] === "0" ? "HTTP/1.0" : "HTTP/1.1"
        this.state = this.state === State.RequestVersion ? State.LineEnd : State.Status
        return end + 1
      }
      case State.Status: {
        const length = this.partial.length
        if (length < 3 && byte >= 0x30 && byte <= 0x39 && !(length === 0 && byte === 0x30)) {
          this.partial += String.fromCharCode(byte)
          return start + 1
        }
        if (length !== 3 || (byte !== SPACE && byte !== CR)) {
          const detail = `expected a status of three digits, found ${render(chunk, start)}`
          return this.fail(start, "InvalidStatus", 400, detail)
        }
        this.status = Number(this.take(chunk, start, start))
        // RFC 9112 4 wants a space even before an empty reason; many servers leave it out
        this.state = byte === CR ? State.LineEnd : State.Reason
        return start + 1
      }
      case State.Reason: {
        const end = skipWhile(chunk, start, VALUE)
        const room = this.maxHeaderBytes - this.partial.length
        if (end - start > room) return this.headersTooLarge(start + room)
        if (end === chunk.length) return this.keep(chunk, start)
        if (chunk[end] === LF) return this.bareLineFeed(end)
        if (chunk[end] !== CR) {
          return this.fail(end, "InvalidReason", 400, `found ${render(chunk, end)} in the reason phrase`)
        }
        this.reason = this.take(chunk, start, end)
        this.state = State.LineEnd
        return end + 1
      }
      case State.LineEnd: {
        if (byte !== LF) return this.bareCarriageReturn(start)
        if (this.headersEnd === 0) this.headersEnd = this.base + start + 1 + this.maxHeaderBytes
        this.state = State.LineStart
        return start + 1
      }
      case State.LineStart: {
        if (this.headersEnd <= this.base + start) return this.headersTooLarge(start)
        if (byte === CR) {
          this.state = State.HeadEnd
          return start + 1
        }
        if (byte === LF) return this.bareLineFeed(start)
        if (isSpaceCode(byte)) {
          return this.fail(start, "FoldedHeader", 400, "a header line starts with a space: folded headers are obsolete")
        }
        if (this.headers.length >= this.maxHeaderFields) {
          return this.fail(start, "TooManyHeaders", 431, `expected at most ${this.maxHeaderFields} header fields`)
        }
        this.state = State.Name
        return start
      }
      case State.Name: {
        const end = skipWhile(chunk, start, TOKEN)
        const room = this.headersEnd - this.base
        if (end >= room) return this.headersTooLarge(room)
        if (end === chunk.length) return this.keep(chunk, start)
        // RFC 9112 5.1: "A server MUST reject [...] any received request message that contains whitespace between a
        // header field name and colon"
        if (isSpaceCode(chunk[end]!)) {
          return this.fail(end, "SpaceBeforeColon", 400, "found a space between the name of a header and its colon")
        }
        this.name = wellKnown(this.take(chunk, start, end))
        if (chunk[end] !== COLON || this.name === "") {
          const detail = `expected the name of a header and a colon, found ${render(chunk, end)}`
          return this.fail(end, "InvalidHeaderName", 400, detail)
        }
        this.state = State.Value
        return end + 1
      }
      case State.Value: {
        const end = skipWhile(chunk, start, VALUE)
        const room = this.headersEnd - this.base
        if (end >= room) return this.headersTooLarge(room)
        if (end === chunk.length) return this.keep(chunk, start)
        if (chunk[end] === LF) return this.bareLineFeed(end)
        if (chunk[end] !== CR) {
          const detail = `found ${render(chunk, end)} in the value of ${this.name}`
          return this.fail(end, "InvalidHeaderValue", 400, detail)
        }
        this.headers.push({ name: this.name, value: this.takeValue(chunk, start, end) })
        this.state = State.LineEnd
        return end + 1
      }
      default:
        return byte === LF ? this.complete(chunk, start + 1) : this.bareCarriageReturn(start)
    }
  }

  private keep(chunk: Uint8Array, start: number): number {
    this.partial += latin1(chunk, start, chunk.length)
    return chunk.length
  }

  private take(chunk: Uint8Array, start: number, end: number): string {
    const text = this.partial + latin1(chunk, start, end)
    this.partial = ""
    return text
  }

  // Trims bytes rather than text where it can: what is cut out of a text holds on to the whole.
  private takeValue(chunk: Uint8Array, start: number, end: number): string {
    if (this.partial !== "") return trim(this.take(chunk, start, end))
    let first = start
    let last = end
    while (first < last && isSpaceCode(chunk[first]!)) first++
    while (last > first && isSpaceCode(chunk[last - 1]!)) last--
    return wellKnown(latin1(chunk, first, last))
  }

  private complete(chunk: Uint8Array, end: number): ParsedHead<HeadByKind[Kind]> | HttpHeadError {
    const { method, reason, status, target, version } = this
    // A server may keep the request for as long as the connection is open: without the room that the array grew into.
    const headers = this.headers.slice()
    // RFC 9112 6.1: a server "MAY reject a request that contains both Content-Length and Transfer-Encoding". A response
    // is the last on its connection, whatever its length is: its status is worth more than its framing.
    if (this.kind === "request" && isBodyLengthAmbiguous(headers)) {
      const detail = "expected at most one Content-Length, a number, and no Transfer-Encoding beside it"
      return this.fail(end, "AmbiguousBodyLength", 400, detail)
    }
    this.state = State.Done
    const head: RequestHead | ResponseHead =
      this.kind === "request" ? { method, target, version, headers } : { version, status, reason, headers }
    return { _tag: "ParsedHead", head: head as HeadByKind[Kind], rest: chunk.subarray(end) }
  }

  private bareLineFeed(index: number): HttpHeadError {
    return this.fail(index, "BareLineFeed", 400, "expected a line to end with CR LF, found LF alone")
  }

  private bareCarriageReturn(index: number): HttpHeadError {
    return this.fail(index, "BareCarriageReturn", 400, "expected LF after CR")
  }

  private invalidVersion(chunk: Uint8Array, index: number): HttpHeadError {
    const isTls = this.kind === "response" && this.base + index === 0 && isTlsRecord(chunk[index]!)
    const found = isTls ? "a TLS record: the server speaks TLS, so use wss:// or https://" : render(chunk, index)
    return this.fail(index, "InvalidVersion", 400, `expected HTTP/1.1, found ${found}`)
  }

  private headersTooLarge(index: number): HttpHeadError {
    return this.fail(index, "HeadersTooLarge", 431, `expected at most ${this.maxHeaderBytes} bytes of headers`)
  }

  private fail(
    index: number,
    rule: typeof HeadRule.Type,
    status: HttpHeadError["status"],
    detail: string
  ): HttpHeadError {
    const answered = this.status === 0 ? undefined : { responseStatus: this.status }
    this.error = new HttpHeadError({ rule, status, offset: this.base + index, detail, ...answered })
    this.partial = ""
    return this.error
  }
}

const skipWhile = (bytes: Uint8Array, start: number, mask: number): number => {
  let index = start
  while (index < bytes.length && (characterClasses[bytes[index]!]! & mask) !== 0) index++
  return index
}

// Node's Buffer decodes Latin-1 natively.
interface NodeBytes extends Uint8Array {
  readonly latin1Slice: (start: number, end: number) => string
}

// Below this length a call into native code costs more than the loop.
const NATIVE_PAYS_FROM = 17

// Header elements are short: joining eight characters at a time costs a third of spreading a subarray into one call,
// and the TextDecoder of the platform knows no charset that maps every byte to the character of that code.
const latin1 = (bytes: Uint8Array, start: number, end: number): string => {
  if (end - start >= NATIVE_PAYS_FROM && "latin1Slice" in bytes) return (bytes as NodeBytes).latin1Slice(start, end)
  let text = ""
  let i = start
  for (; i + 8 <= end; i += 8) {
    text += String.fromCharCode(
      bytes[i]!,
      bytes[i + 1]!,
      bytes[i + 2]!,
      bytes[i + 3]!,
      bytes[i + 4]!,
      bytes[i + 5]!,
      bytes[i + 6]!,
      bytes[i + 7]!
    )
  }
  for (; i < end; i++) text += String.fromCharCode(bytes[i]!)
  return text
}

// What stands in every handshake need not be kept once for each connection.
const wellKnownTexts = new Map(
  [
    "Host",
    "Connection",
    "Upgrade",
    "Origin",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
    "User-Agent",
    "Cookie",
    "Pragma",
    "Cache-Control",
    "Accept-Encoding",
    "Accept-Language",
    "websocket",
    "keep-alive, Upgrade",
    "13",
    "no-cache",
    "permessage-deflate; client_max_window_bits"
  ].map((text) => [text, text])
)

const longestWellKnown = Math.max(...[...wellKnownTexts.keys()].map((text) => text.length))

const wellKnown = (text: string): string => (text.length > longestWellKnown ? text : (wellKnownTexts.get(text) ?? text))

// RFC 8446 5.1: a record begins with its content type; alert is 21, handshake 22. Neither begins a line of HTTP.
const isTlsRecord = (byte: number): boolean => byte === 21 || byte === 22

const render = (bytes: Uint8Array, index: number): string => {
  const byte = bytes[index]!
  return byte > 0x20 && byte < 0x7f ? `"${String.fromCharCode(byte)}"` : `0x${byte.toString(16).padStart(2, "0")}`
}

const parseWhole = <Kind extends keyof HeadByKind>(
  kind: Kind,
  bytes: Uint8Array
): Result.Result<HeadByKind[Kind], string> => {
  const result = new HeadParser(kind).push(bytes)
  if (result === undefined) return Result.fail("expected a blank line at the end of the HTTP head")
  if (result._tag === "HttpHeadError") return Result.fail(result.message)
  return result.rest.length === 0
    ? Result.succeed(result.head)
    : Result.fail(`expected nothing after the HTTP head, found ${result.rest.length} bytes`)
}

const toIssue = (message: string, input: unknown): SchemaIssue.Issue => new SchemaIssue.InvalidValue({ message }, input)

/**
 * Codec between the bytes of a request's head, nothing before or after it, and the head.
 *
 * **Details**
 *
 * Decodes within the default limits.
 *
 * @category schemas
 * @since 0.1.0
 */
export const RequestHeadFromBytes: Schema.Codec<RequestHead, Uint8Array> = Schema.Uint8Array.pipe(
  Schema.decodeTo(
    RequestHead,
    SchemaTransformation.transformEffect<RequestHead, Uint8Array>({
      decode: (bytes) =>
        Effect.fromResult(Result.mapError(parseWhole("request", bytes), (message) => toIssue(message, bytes))),
      encode: (head) => Effect.fromResult(Result.mapError(encodeRequest(head), (error) => toIssue(error.message, head)))
    })
  )
)

/**
 * Codec between the bytes of a response's head, nothing before or after it, and the head.
 *
 * **Details**
 *
 * Decodes within the default limits.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ResponseHeadFromBytes: Schema.Codec<ResponseHead, Uint8Array> = Schema.Uint8Array.pipe(
  Schema.decodeTo(
    ResponseHead,
    SchemaTransformation.transformEffect<ResponseHead, Uint8Array>({
      decode: (bytes) =>
        Effect.fromResult(Result.mapError(parseWhole("response", bytes), (message) => toIssue(message, bytes))),
      encode: (head) =>
        Effect.fromResult(Result.mapError(encodeResponse(head), (error) => toIssue(error.message, head)))
    })
  )
)
