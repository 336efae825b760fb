/**
 * What is measured and traced of one connection. A connection that is not observed has none.
 */
import type * as SessionEvent from "@effect-ws/protocol/SessionEvent"
import type * as Protocol from "@effect-ws/protocol/Extension"
import type { FrameCounter } from "@effect-ws/protocol/FrameWriter"
import * as Opcode from "@effect-ws/protocol/Opcode"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import * as CloseError from "@effect-ws/protocol/CloseError"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import type * as Tracer from "effect/Tracer"
import type { Connection } from "../../Connection.ts"
import type { ConnectionObserver, ServerObserver } from "../../ServerObserver.ts"
import type { BufferedBytes, AggregateMetrics } from "./AggregateMetrics.ts"

export class ConnectionMetrics implements FrameCounter {
  /** The connection's span, where there is one. */
  readonly span: Tracer.Span | undefined
  /** Whether logs say more of the connection than its number. */
  readonly annotates: boolean
  /** Whether each message has a span. */
  readonly tracesMessages: boolean

  private readonly totals: AggregateMetrics | undefined
  private readonly server: ServerObserver | undefined
  private observer: ConnectionObserver | undefined = undefined
  private readonly clock: Clock.Clock
  private readonly openedAt: bigint
  // The kind of a message that is arriving, or leaving, frame by frame.
  private arriving: number = 0
  private leaving: number = 0

  constructor(
    totals: AggregateMetrics | undefined,
    span: Tracer.Span | undefined,
    settings: { readonly logAnnotations: boolean; readonly messageSpans: boolean },
    context: Context.Context<never>,
    server?: ServerObserver
  ) {
    this.totals = totals
    this.server = server
    this.span = span
    this.annotates = settings.logAnnotations
    this.tracesMessages = settings.messageSpans && span !== undefined
    this.clock = Context.get(context, Clock.Clock)
    this.openedAt = this.clock.monotonicTimeNanosUnsafe()
  }

  /** Shows the connection to the observer of its server, before anything is read. */
  observe(connection: Connection): void {
    this.observer = this.server?.opened(connection)
  }

  /** Shows bytes that have arrived, before the session unmasks them. */
  arrived(chunk: Uint8Array): void {
    if (this.observer !== undefined) this.observer.arrived(chunk)
  }

  /** Shows a message, or a piece of one, that the program sends. */
  sent(data: string | Uint8Array, last: boolean): void {
    if (this.observer !== undefined) this.observer.sent(data, last)
  }

  opened(connection: BufferedBytes): void {
    const { totals } = this
    if (totals === undefined) return
    totals.opened++
    totals.open.add(connection)
  }

  closed(connection: BufferedBytes, closeInfo: CloseInfo): void {
    const { code, reason } = closeInfo.error
    this.observer?.closed(closeInfo)
    if (this.totals?.open.delete(connection) === true) {
      this.totals.closed(code, closeInfo.initiator, toSeconds(this.clock.monotonicTimeNanosUnsafe() - this.openedAt))
    }
    const { span } = this
    if (span === undefined) return
    span.attribute("websocket.close.code", code)
    if (reason !== "") span.attribute("websocket.close.reason", reason)
    span.attribute("websocket.close.initiator", closeInfo.initiator)
    span.attribute("websocket.close.clean", closeInfo.clean)
    if (closeInfo.violation !== undefined) span.attribute("error.type", closeInfo.violation.rule)
    const isFailure = closeInfo.failed || !CloseError.isNormalClose(closeInfo.error)
    span.end(this.clock.currentTimeNanosUnsafe(), isFailure ? Exit.fail(closeInfo.error) : Exit.void)
  }

  /** A pong has answered a ping of ours. */
  answered(roundTrip: Duration.Duration): void {
    this.totals?.roundTrip(Duration.toSeconds(roundTrip))
  }

  /** Counts a chunk that arrived, and what it completed. */
  received(bytes: number, events: ReadonlyArray<SessionEvent.SessionEvent>): void {
    if (this.observer !== undefined) this.observer.received(events)
    if (this.totals === undefined) return
    const { received } = this.totals
    received.bytes += bytes
    for (let at = 0; at < events.length; at++) {
      const event = events[at]!
      switch (event._tag) {
        case "Text":
          received.text++
          break
        case "Binary":
          received.binary++
          break
        case "Fragment":
          if (event.last && event.type === "Text") received.text++
          else if (event.last) received.binary++
          break
        case "Frame":
          this.arriving = event.frame.opcode === Opcode.Continuation ? this.arriving : event.frame.opcode
          if (event.frame.fin && this.arriving === Opcode.Text) received.text++
          else if (event.frame.fin && this.arriving === Opcode.Binary) received.binary++
          break
        case "Ping":
          received.pings++
          break
        case "Pong":
          received.pongs++
          break
        case "CloseReceived":
          received.closes++
      }
    }
  }

  /** Counts a message or a control frame by the first byte of its frame, where the frame is written. */
  onFrame(first: number): void {
    if (this.totals === undefined) return
    const { sent } = this.totals
    const opcode = first & 0x0f
    if (opcode <= Opcode.Binary) {
      if (opcode !== Opcode.Continuation) this.leaving = opcode
      // A message ends with the frame that has FIN.
      if (first < 0x80) return
      if (this.leaving === Opcode.Text) sent.text++
      else sent.binary++
      return
    }
    switch (opcode) {
      case Opcode.Ping:
        sent.pings++
        break
      case Opcode.Pong:
        sent.pongs++
        break
      case Opcode.Close:
        sent.closes++
    }
  }

  /** Counts the bytes of whole frames that are about to be written. */
  written(chunks: ReadonlyArray<Uint8Array>): void {
    if (this.observer !== undefined) this.observer.written(chunks)
    if (this.totals === undefined) return
    const { sent } = this.totals
    for (let at = 0; at < chunks.length; at++) sent.bytes += chunks[at]!.length
  }

  /** Wraps extensions so that what they compress is counted; a part is theirs where they set or take an RSV bit. */
  countCompression(extensions: ReadonlyArray<Protocol.ExtensionInstance>): ReadonlyArray<Protocol.ExtensionInstance> {
    const { totals } = this
    if (totals === undefined) return extensions
    const { compression, decompression } = totals
    return extensions.map((extension) => {
      const weighed: Protocol.ExtensionInstance = {
        name: extension.name,
        rsv: extension.rsv,
        opcodes: extension.opcodes,
        level: extension.level,
        encode: counting(extension.encode, extension.rsv, compression),
        decode: counting(extension.decode, extension.rsv, decompression),
        close: extension.close?.bind(extension)
      }
      return COMPRESSORS.has(extension.name) ? weighed : extension
    })
  }
}

const COMPRESSORS: ReadonlySet<string> = new Set(["permessage-deflate", "deflate-frame", "x-webkit-deflate-frame"])

interface CompressionBytes {
  input: number
  output: number
}

// The RSV bit is there before decoding and after encoding, on the first part of a message.
const counting = (transform: Protocol.Transform, rsv: number, bytes: CompressionBytes): Protocol.Transform => {
  let isCompressed = false
  const add = (part: Protocol.MessagePart, before: number, wasMarked: boolean): void => {
    if (part.first) isCompressed = wasMarked || (part.rsv & rsv) !== 0
    if (!isCompressed) return
    bytes.input += before
    bytes.output += part.payload.length
  }
  return (part) => {
    const before = part.payload.length
    const wasMarked = (part.rsv & rsv) !== 0
    const outcome = transform(part)
    if (outcome === undefined) add(part, before, wasMarked)
    if (outcome === undefined || outcome._tag !== "Pending") return outcome
    return {
      _tag: "Pending",
      start: (done) =>
        outcome.start((failure) => {
          if (failure === undefined) add(part, before, wasMarked)
          done(failure)
        })
    }
  }
}

/** A time in the unit that metrics want. */
export const toSeconds = (nanos: bigint): number => Number(nanos) / 1e9
