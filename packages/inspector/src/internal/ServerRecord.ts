/**
 * The record behind the inspector: the observer of the servers, and what it keeps of them within its bounds.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import type { ObservedServer, RefusedHandshake, ServerObserver } from "@effect-ws/connection/ServerObserver"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import * as Dialer from "@effect-ws/transport/Dialer"
import type * as Clock from "effect/Clock"
import type { Settings } from "./Settings.ts"
import type { ClosedConnection, OpenConnection, Refusal, Totals, Traffic } from "./ServerState.ts"
import type { Recording } from "../Recording.ts"
import { ConnectionRecord } from "./ConnectionRecord.ts"
import type { RecordKeeper } from "./ConnectionRecord.ts"
import type { FrameScanner } from "./FrameScanner.ts"
import { makeRecording } from "./makeRecording.ts"
import * as redact from "./redact.ts"

/** A closed connection, and the frames that were kept of it. */
interface ClosedRecord {
  readonly summary: ClosedConnection
  readonly record: ConnectionRecord
}

export class ServerRecord implements ServerObserver, RecordKeeper {
  readonly settings: Settings
  readonly open = new Map<number, ConnectionRecord>()
  readonly servers = new Set<ObservedServer>()
  /** Oldest first. */
  readonly refusals: Array<Refusal> = []
  private readonly clock: Clock.Clock
  // The wall clock when the record began, so that times have fractions and never run backwards.
  private readonly begin: { readonly millis: number; readonly nanos: bigint }
  private readonly ended: Array<ClosedRecord> = []
  // Connections that have a log, in the order in which they got it.
  private readonly logs = new Set<ConnectionRecord>()
  private opens = 0
  private closes = 0
  private refused_ = 0
  private unlisted = 0
  private readonly past = { received: noTraffic(), sent: noTraffic() }

  constructor(settings: Settings, clock: Clock.Clock) {
    this.settings = settings
    this.clock = clock
    this.begin = { millis: clock.currentTimeMillisUnsafe(), nanos: clock.monotonicTimeNanosUnsafe() }
  }

  get bounds(): Settings["bounds"] {
    return this.settings.bounds
  }

  readonly now = (): number =>
    this.begin.millis + Number((this.clock.monotonicTimeNanosUnsafe() - this.begin.nanos) / 1000n) / 1000

  // -- what the servers tell ------------------------------------------------------------------------------------------

  started(server: ObservedServer): () => void {
    this.servers.add(server)
    return () => void this.servers.delete(server)
  }

  opened(connection: Connection): ConnectionRecord | undefined {
    this.opens++
    if (this.open.size >= this.settings.maxConnections) {
      this.unlisted++
      return undefined
    }
    const record = new ConnectionRecord(connection, this)
    this.open.set(connection.id, record)
    if (this.settings.frames === "all") this.startLog(record)
    return record
  }

  refused({ path, peer, reason, rule, status }: RefusedHandshake): void {
    const address = peer?.remoteAddress
    this.refusals.push({
      number: this.refused_++,
      at: this.now(),
      status,
      rule,
      reason,
      path,
      peer: address === undefined ? undefined : Dialer.formatAddress(address)
    })
    if (this.refusals.length > this.settings.maxRefusals) this.refusals.shift()
  }

  closed(record: ConnectionRecord, closeInfo: CloseInfo): void {
    const summary = { ...closedOf(record, closeInfo), number: this.closes++ }
    this.open.delete(summary.id)
    addTraffic(this.past.received, summary.received)
    addTraffic(this.past.sent, summary.sent)
    this.ended.push({ summary, record })
    if (this.ended.length <= this.settings.maxClosed) return
    const [gone] = this.ended.splice(0, 1)
    this.dropLog(gone!.record)
  }

  // -- what is kept ---------------------------------------------------------------------------------------------------

  openConnections(): ReadonlyArray<OpenConnection> {
    return Array.from(this.open.values(), (record) => ({ ...describe(record), buffered: record.connection.buffered }))
  }

  /** Those with this number and later ones, oldest first. */
  closedConnections(from = 0): ReadonlyArray<ClosedConnection> {
    const first = this.ended[0]?.summary.number ?? 0
    return this.ended.slice(Math.max(0, from - first)).map(({ summary }) => summary)
  }

  refusalsFrom(from: number): ReadonlyArray<Refusal> {
    const first = this.refusals[0]?.number ?? 0
    return this.refusals.slice(Math.max(0, from - first))
  }

  totals(): Totals {
    const received = { ...this.past.received }
    const sent = { ...this.past.sent }
    for (const { incoming, outgoing } of this.open.values()) {
      addTraffic(received, incoming)
      addTraffic(sent, outgoing)
    }
    return {
      open: this.open.size,
      opened: this.opens,
      closed: this.closes,
      refused: this.refused_,
      unlisted: this.unlisted,
      received,
      sent
    }
  }

  find(id: number): ConnectionRecord | undefined {
    return this.open.get(id) ?? this.ended.find(({ summary }) => summary.id === id)?.record
  }

  /** The header fields of a connection's request, as far as they may be seen. */
  headersOf({ connection }: ConnectionRecord): ReadonlyArray<readonly [name: string, value: string]> {
    return redact.headers(connection.request.headers, this.settings.redact)
  }

  recording(id: number): Recording | undefined {
    const record = this.find(id)
    if (record?.log === undefined) return undefined
    const closed = this.ended.find(({ summary }) => summary.id === id)?.summary
    return makeRecording(record, record.log, this.headersOf(record), closed)
  }

  // -- logs of frames -------------------------------------------------------------------------------------------------

  /** Keeps the frames of a connection until {@link unwatch}. Those of a closed one are kept already, or not at all. */
  watch(id: number): ConnectionRecord | undefined {
    const record = this.find(id)
    if (record === undefined) return undefined
    if (record.log === undefined && (record.closedAt !== undefined || !this.startLog(record))) return undefined
    record.watchers++
    return record
  }

  unwatch(record: ConnectionRecord): void {
    if (--record.watchers > 0 || this.settings.frames === "all" || record.closedAt !== undefined) return
    this.dropLog(record)
  }

  private startLog(record: ConnectionRecord): boolean {
    if (this.logs.size >= this.settings.maxLogs) {
      const old = [...this.logs].find(({ closedAt, watchers }) => closedAt !== undefined && watchers === 0)
      if (old === undefined) return false
      this.dropLog(old)
    }
    this.logs.add(record)
    record.startLog()
    return true
  }

  private dropLog(record: ConnectionRecord): void {
    if (this.logs.delete(record)) record.dropLog()
  }
}

type Sum = { -readonly [K in keyof Traffic]: number }

const noTraffic = (): Sum => ({ bytes: 0, frames: 0, messages: 0 })

const addTraffic = (sum: Sum, { bytes, frames, messages }: Traffic): void => {
  sum.bytes += bytes
  sum.frames += frames
  sum.messages += messages
}

const trafficOf = ({ bytes, frames, messages }: FrameScanner): Traffic => ({ bytes, frames, messages })

/** What is known of a connection, open or closed. */
export const describe = (record: ConnectionRecord): Omit<OpenConnection, "buffered"> => {
  const { connection, incoming, latency, openedAt, outgoing, peer } = record
  return {
    id: connection.id,
    path: connection.request.path,
    peer,
    secure: connection.request.secure === true,
    subprotocol: connection.subprotocol,
    extensions: connection.extensions.map(({ name }) => name),
    openedAt,
    received: trafficOf(incoming),
    sent: trafficOf(outgoing),
    latency
  }
}

const closedOf = (record: ConnectionRecord, closeInfo: CloseInfo): Omit<ClosedConnection, "number"> => {
  const { clean, error, initiator, violation } = closeInfo
  return {
    ...describe(record),
    closedAt: record.closedAt!,
    code: error.code,
    reason: error.reason,
    initiator,
    clean,
    violation: violation?.rule
  }
}
