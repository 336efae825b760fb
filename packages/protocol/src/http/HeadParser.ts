/**
 * The parser of HTTP/1.1 heads: reads the head of one message from bytes that arrive in chunks of any size.
 *
 * It is strict where leniency has led to attacks (line ends, whitespace, two lengths of one body), and every part of a
 * head has a limit. It looks at each byte once, so a peer that sends one byte at a time costs no more than one that
 * sends everything at once. It returns the bytes after the blank line untouched, since they may be the first frames of
 * the connection. It only reads chunks, and keeps none. `HeadCodec` has the same as Schemas.
 *
 * @since 0.1.0
 */
import * as Argument from "../Argument.ts"
import { latin1, shared } from "../internal/headText.ts"
import type { HeaderField } from "./HeaderFields.ts"
import { trim } from "./HeaderGrammar.ts"
import { characterClasses, isSpaceCode, TARGET, TOKEN, VALUE } from "../internal/headerCharacters.ts"
import { HttpHeadError } from "../internal/HttpHeadError.ts"
import type { HeadRule } from "../internal/HttpHeadError.ts"
import { isBodyLengthAmbiguous, maxMethodLength } from "./HttpHead.ts"
import type { HttpVersion, RequestHead, ResponseHead } from "./HttpHead.ts"

export { HeadRule, HttpHeadError } from "../internal/HttpHeadError.ts"

/**
 * Limits on a head.
 *
 * @category models
 * @since 0.1.0
 */
export interface HeadLimits {
  /** Maximum bytes of the request target. A server answers a longer one with 414. Default: 8192. */
  readonly maxTargetBytes?: number | undefined
  /**
   * Maximum bytes of all header lines, line ends included. A server answers more with 431. Also limits the reason of a
   * status line. Default: 16384.
   */
  readonly maxHeaderBytes?: number | undefined
  /** Maximum number of header fields. A server answers more with 431. Default: 128. */
  readonly maxHeaderFields?: number | undefined
}

/**
 * The default limits.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultLimits = { maxTargetBytes: 8192, maxHeaderBytes: 16384, maxHeaderFields: 128 } as const

/**
 * A complete head.
 *
 * @category models
 * @since 0.1.0
 */
export interface ParsedHead<Head> {
  readonly _tag: "ParsedHead"
  readonly head: Head
  /** The bytes after the head in the last chunk: a view into it, possibly empty. */
  readonly rest: Uint8Array
}

/**
 * The type of head that a parser of each kind returns.
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
 * Parses one head. A new message needs a new parser.
 *
 * **Details**
 *
 * Deviation: RFC 9112 2.2 lets a server skip an empty line before the request line, for clients that end the body of an
 * earlier request with an extra line end. A handshake is the first request on its connection, so this parser refuses
 * the line.
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
  // Offsets from the start of the head: the bytes scanned in earlier chunks, the current chunk, and the first byte
  // beyond the limit of the header section (0 during the start line).
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
   * Parses the next chunk. Returns `undefined` if the head is not complete yet.
   *
   * **Gotchas**
   *
   * After an error `push` returns the same error again. After a head it throws.
   */
  push(chunk: Uint8Array): ParsedHead<HeadByKind[Kind]> | HttpHeadError | undefined {
    if (this.error !== undefined) return this.error
    if (this.state === State.Done)
      throw new Error("this HeadParser has returned its head: create another for the next message")
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

  // Parses one element up to its delimiter and returns the index after it, or the length of the chunk if the element
  // continues in the next chunk.
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
        // RFC 9110 15.6.6: 505 is for another major version. The handshake refuses a minor version that is too low.
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
        // RFC 9112 4 requires a space even before an empty reason, but many servers omit it.
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
        this.name = shared(this.take(chunk, start, end))
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

  // Trims bytes and not text where possible: a substring keeps the whole string in memory.
  private takeValue(chunk: Uint8Array, start: number, end: number): string {
    if (this.partial !== "") return trim(this.take(chunk, start, end))
    let first = start
    let last = end
    while (first < last && isSpaceCode(chunk[first]!)) first++
    while (last > first && isSpaceCode(chunk[last - 1]!)) last--
    return shared(latin1(chunk, first, last))
  }

  private complete(chunk: Uint8Array, end: number): ParsedHead<HeadByKind[Kind]> | HttpHeadError {
    const { method, reason, status, target, version } = this
    // A server may keep the request as long as the connection is open. The copy has no spare capacity.
    const headers = this.headers.slice()
    // RFC 9112 6.1: a server "MAY reject a request that contains both Content-Length and Transfer-Encoding". A response
    // is the last one on its connection, so its length cannot confuse anything, and its status is worth reporting.
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

// RFC 8446 5.1: a record begins with its content type; alert is 21, handshake 22. Neither begins a line of HTTP.
const isTlsRecord = (byte: number): boolean => byte === 21 || byte === 22

const render = (bytes: Uint8Array, index: number): string => {
  const byte = bytes[index]!
  return byte > 0x20 && byte < 0x7f ? `"${String.fromCharCode(byte)}"` : `0x${byte.toString(16).padStart(2, "0")}`
}
