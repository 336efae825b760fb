/**
 * Remembers what a handshake read of a socket, so that an answer that opened no WebSocket can be shown: its head was
 * parsed and let go of by then. It is the reader itself to the handshake, and to the connection that comes of it.
 */
import type { HeadLimits } from "@effect-ws/protocol/HeadParser"
import { HeadParser } from "@effect-ws/protocol/HeadParser"
import type { ResponseHead } from "@effect-ws/protocol/HttpHead"
import type { ByteSink, PeerInfo, PushReader } from "@effect-ws/transport/Push"
import * as Push from "@effect-ws/transport/Push"
import * as Effect from "effect/Effect"
import type * as Socket from "effect/socket/Socket"

/** An answer as it was received. */
export interface Response {
  readonly head: ResponseHead
  /** What came behind the head. */
  readonly early: ReadonlyArray<Uint8Array>
}

export class ResponseTap implements Socket.Reader {
  readonly pull: Socket.Reader["pull"]
  readonly upgrade: Socket.Reader["upgrade"]
  private readonly tapped: Socket.Reader
  // What one handshake reads is bounded by the limits of its head.
  private chunks: Array<Uint8Array> | undefined = []

  constructor(tapped: Socket.Reader) {
    this.tapped = tapped
    this.upgrade = tapped.upgrade
    this.pull = Effect.map(tapped.pull, (chunks) => {
      if (this.chunks !== undefined) for (const chunk of chunks) this.chunks.push(toBytes(chunk))
      return chunks
    })
  }

  get [Push.PeerTypeId](): PeerInfo | undefined {
    return Push.peerInfo(this.tapped)
  }

  /** The answer, if a whole head of one was read. */
  response(limits: HeadLimits): Response | undefined {
    const parser = new HeadParser("response", limits)
    const chunks = this.chunks ?? []
    for (const [index, chunk] of chunks.entries()) {
      const parsed = parser.push(chunk)
      if (parsed === undefined) continue
      return parsed._tag === "ParsedHead"
        ? { head: parsed.head, early: [parsed.rest, ...chunks.slice(index + 1)] }
        : undefined
    }
    return undefined
  }

  /** Lets go of what was read, and remembers nothing more. */
  forget(): void {
    this.chunks = undefined
  }
}

class PushResponseTap extends ResponseTap implements PushReader {
  readonly [Push.PushTypeId] = Push.PushTypeId
  private readonly pushing: PushReader

  constructor(tapped: PushReader) {
    super(tapped)
    this.pushing = tapped
  }

  subscribe(sink: ByteSink): void {
    this.pushing.subscribe(sink)
  }

  pause(): void {
    this.pushing.pause()
  }

  resume(): void {
    this.pushing.resume()
  }
}

export const tap = (reader: Socket.Reader): ResponseTap =>
  Push.isPushReader(reader) ? new PushResponseTap(reader) : new ResponseTap(reader)

export const toBytes = (chunk: Uint8Array | string): Uint8Array =>
  typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk
