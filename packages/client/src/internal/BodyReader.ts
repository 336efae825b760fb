/**
 * Collects the start of a response's body, up to a limit. Implements enough of RFC 9112 6 and 7 to find the end of a
 * body; the caller's limits bound a body without an end.
 */
import type { Http2ResponseHead } from "@effect-ws/protocol/Http2Head"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"

/** Collects chunks until the body ends or the limit is reached. */
export class BodyReader {
  private readonly maxBytes: number
  private readonly kept: Array<Uint8Array> = []
  private keptBytes = 0
  // Remaining bytes of the body or of its current chunk. Infinity: up to the end of the stream.
  private remaining: number
  private readonly chunked: boolean
  private line = ""
  private state: "Data" | "Size" | "DataEnd" = "Data"
  private complete = false
  private full = false
  private malformed = false

  constructor(head: Http2ResponseHead, maxBytes: number) {
    this.maxBytes = maxBytes
    const { headers, status } = head
    // Deviation: RFC 9112 6.3 discards a response with an invalid length. No other response follows on this connection,
    // and the body serves diagnosis only, so this reader ignores the invalid length.
    const lengths = HeaderFields.getAll(headers, "Content-Length")
    const length = lengths.length === 1 && /^[0-9]{1,15}$/.test(lengths[0]!) ? Number(lengths[0]) : Infinity
    this.chunked = HeaderFields.hasListElement(headers, "Transfer-Encoding", "chunked")
    // RFC 9112 6.3: "Any response with a 1xx, 204, or 304 status code is always terminated by the first empty line"
    const isEmpty = status < 200 || status === 204 || status === 304
    this.remaining = isEmpty || this.chunked ? 0 : length
    if (this.chunked && !isEmpty) this.state = "Size"
    else this.complete = this.remaining === 0
  }

  /** Whether the body, or the part that is kept, is complete. */
  get isDone(): boolean {
    return this.complete || this.full || this.malformed
  }

  /** Whether the kept bytes are fewer than the server sent or announced. */
  get isTruncated(): boolean {
    return !this.complete
  }

  get bytes(): Uint8Array {
    const bytes = new Uint8Array(this.keptBytes)
    let at = 0
    for (const part of this.kept) {
      bytes.set(part, at)
      at += part.length
    }
    return bytes
  }

  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length && !this.isDone) {
      if (this.state === "Data") at += this.keep(chunk, at)
      else at += this.readLine(chunk, at)
    }
  }

  /** Reports the end of the stream, which ends a body without a length. */
  end(): void {
    if (this.remaining === Infinity && !this.full) this.complete = true
  }

  private keep(chunk: Uint8Array, at: number): number {
    const available = Math.min(this.remaining, chunk.length - at)
    const room = this.maxBytes - this.keptBytes
    const taken = Math.min(available, room)
    // A copy, because a view would retain the whole chunk.
    if (taken > 0) this.kept.push(Uint8Array.prototype.slice.call(chunk, at, at + taken))
    this.keptBytes += taken
    this.remaining -= taken
    if (taken < available) {
      this.full = true
    } else if (this.remaining === 0) {
      if (this.chunked) this.state = "DataEnd"
      else this.complete = true
    }
    return available
  }

  // RFC 9112 7.1: chunk-size [ chunk-ext ] CRLF, and CRLF after the data. Trailers are not read.
  private readLine(chunk: Uint8Array, at: number): number {
    const byte = chunk[at]!
    if (byte !== 0x0a) {
      this.line += String.fromCharCode(byte)
      if (this.line.length > maxLineLength) this.malformed = true
      return 1
    }
    const line = this.line
    this.line = ""
    if (this.state === "DataEnd") {
      this.state = "Size"
      this.malformed = line !== "\r"
      return 1
    }
    const size = /^([0-9A-Fa-f]{1,12})[ \t]*(?:;[^\r]*)?\r$/.exec(line)?.[1]
    if (size === undefined) {
      this.malformed = true
      return 1
    }
    this.remaining = Number.parseInt(size, 16)
    if (this.remaining === 0) this.complete = true
    else this.state = "Data"
    return 1
  }
}

const maxLineLength = 256
