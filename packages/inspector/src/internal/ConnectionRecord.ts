/**
 * What is known of one connection: counts as long as it is open, frames while they are wanted.
 *
 * There is one for each open connection, so it has few fields and prototype methods. It reads nothing but the headers
 * of frames unless it has a log.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import type { ConnectionObserver } from "@effect-ws/connection/ServerObserver"
import * as Opcode from "@effect-ws/protocol/Opcode"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import type { Fragment, SessionEvent } from "@effect-ws/protocol/SessionEvent"
import * as Dialer from "@effect-ws/transport/Dialer"
import * as Duration from "effect/Duration"
import { FrameLog } from "./FrameLog.ts"
import type { LogBounds } from "./FrameLog.ts"
import { FrameScanner } from "./FrameScanner.ts"

/** The owner of the records. */
export interface RecordKeeper {
  readonly bounds: LogBounds
  /** Milliseconds since the epoch, with a fraction. */
  readonly now: () => number
  readonly closed: (record: ConnectionRecord, closeInfo: CloseInfo) => void
}

export class ConnectionRecord implements ConnectionObserver {
  readonly connection: Connection
  readonly openedAt: number
  /** The address of the peer, which the socket forgets when it is closed. */
  readonly peer: string | undefined
  readonly incoming = new FrameScanner()
  readonly outgoing = new FrameScanner()
  log: FrameLog | undefined = undefined
  /** How many want the log. */
  watchers = 0
  closedAt: number | undefined = undefined
  private readonly keeper: RecordKeeper
  // The messages that the program was given, and that it sent: frames come earlier and later than these.
  private delivered = 0
  private handedOver = 0
  private partIn: string | Uint8Array | undefined = undefined
  private partOut: string | Uint8Array | undefined = undefined

  constructor(connection: Connection, keeper: RecordKeeper) {
    this.connection = connection
    this.keeper = keeper
    this.openedAt = keeper.now()
    const { remoteAddress } = connection
    this.peer = remoteAddress === undefined ? undefined : Dialer.formatAddress(remoteAddress)
  }

  /** The last round trip, in milliseconds. */
  get latency(): number | undefined {
    const { latency } = this.connection
    return latency === undefined ? undefined : Duration.toMillis(latency)
  }

  /** Begins to keep frames. */
  startLog(): FrameLog {
    if (this.log !== undefined) return this.log
    const { incoming, keeper, openedAt, outgoing } = this
    const log = new FrameLog(keeper.bounds, incoming.bytes === 0 && outgoing.bytes === 0, () => keeper.now() - openedAt)
    log.incoming.message = incoming.messages
    log.outgoing.message = outgoing.messages
    this.log = log
    incoming.visitor = log.incoming
    outgoing.visitor = log.outgoing
    return log
  }

  dropLog(): void {
    this.log = undefined
    this.incoming.visitor = undefined
    this.outgoing.visitor = undefined
    this.partIn = undefined
    this.partOut = undefined
  }

  arrived(chunk: Uint8Array): void {
    this.incoming.scan(chunk)
  }

  written(chunks: ReadonlyArray<Uint8Array>): void {
    for (let at = 0; at < chunks.length; at++) this.outgoing.scan(chunks[at]!)
  }

  received(events: ReadonlyArray<SessionEvent>): void {
    for (let at = 0; at < events.length; at++) {
      const event = events[at]!
      switch (event._tag) {
        case "Text":
        case "Binary":
          this.deliver(event.data)
          break
        case "Fragment":
          this.deliverPart(event)
          break
        case "Frame":
          if (event.frame.fin && event.frame.opcode <= Opcode.Binary) this.delivered++
          break
        case "Failed":
          this.incoming.stop()
          if (event.violation !== undefined) this.log?.incoming.violated(event.violation.rule)
      }
    }
  }

  private deliver(data: string | Uint8Array): void {
    const number = this.delivered++
    if (this.log !== undefined) this.log.incoming.told(number, data)
  }

  private deliverPart({ data, last }: Fragment): void {
    if (this.log !== undefined) this.partIn = this.join(this.partIn, data)
    if (!last) return
    this.deliver(this.partIn ?? data)
    this.partIn = undefined
  }

  sent(data: string | Uint8Array, last: boolean): void {
    if (!last) {
      if (this.log !== undefined) this.partOut = this.join(this.partOut, data)
      return
    }
    const number = this.handedOver++
    const { log } = this
    if (log === undefined) return
    log.outgoing.told(number, this.partOut === undefined ? data : this.join(this.partOut, data))
    this.partOut = undefined
  }

  // The pieces of one message, as far as they are kept.
  private join(part: string | Uint8Array | undefined, data: string | Uint8Array): string | Uint8Array {
    const { payloadBytes } = this.keeper.bounds
    if (typeof data === "string") return ((typeof part === "string" ? part : "") + data).slice(0, payloadBytes)
    const before = part instanceof Uint8Array ? part : new Uint8Array(0)
    const joined = new Uint8Array(Math.min(payloadBytes, before.length + data.length))
    joined.set(before.subarray(0, joined.length))
    joined.set(data.subarray(0, joined.length - before.length), before.length)
    return joined
  }

  closed(closeInfo: CloseInfo): void {
    this.closedAt = this.keeper.now()
    this.keeper.closed(this, closeInfo)
  }
}
