/**
 * One viewer of the record: remembers what it was sent, and makes the messages of the next update.
 */
import { formatAddress } from "@effect-ws/transport/Dialer"
import * as Opcode from "@effect-ws/protocol/Opcode"
import type { FromInspector } from "../InspectorProtocol.ts"
import type { ClosedConnection, Refusal } from "./ServerState.ts"
import type { ConnectionRecord } from "./ConnectionRecord.ts"
import { describeClose } from "./FrameLog.ts"
import type { LoggedFrame } from "./FrameLog.ts"
import { describe } from "./ServerRecord.ts"
import type { ServerRecord } from "./ServerRecord.ts"

/** The most rows of one message, so that none takes long to encode. */
const SLICE = 500

/** What was sent of a connection last. */
interface Shown {
  bytes: number
  waiting: number
  latency: number
}

export class Viewer {
  private readonly record: ServerRecord
  private readonly shown = new Map<number, Shown>()
  private nextClosed = 0
  private nextRefusal = 0
  private selected: ConnectionRecord | undefined = undefined
  private isWatched = false
  private nextFrame = 0

  constructor(record: ServerRecord) {
    this.record = record
  }

  /** The connection that is selected, while it is open. */
  get selectedOpen(): ConnectionRecord | undefined {
    return this.selected?.closedAt === undefined ? this.selected : undefined
  }

  /** The messages that tell what has changed since the last update. */
  *update(): Generator<FromInspector> {
    yield* this.opened()
    yield* this.traffic()
    yield* this.frames()
    yield* this.closed()
    yield this.totals()
  }

  private *opened(): Generator<FromInspector> {
    let rows: Array<ReturnType<typeof rowOf>> = []
    // A connection that opens meanwhile is in this update or the next.
    for (const record of this.record.open.values()) {
      const { id } = record.connection
      if (this.shown.has(id)) continue
      this.shown.set(id, { bytes: -1, waiting: 0, latency: -1 })
      rows.push(rowOf(record))
      if (rows.length < SLICE) continue
      yield { _tag: "Opened", connections: rows }
      rows = []
    }
    if (rows.length > 0) yield { _tag: "Opened", connections: rows }
  }

  private *traffic(): Generator<FromInspector> {
    let values: Array<number> = []
    for (const { connection, incoming, latency = -1, outgoing } of this.record.open.values()) {
      const shown = this.shown.get(connection.id)
      if (shown === undefined) continue
      const { inbound, outbound } = connection.buffered
      const bytes = incoming.bytes + outgoing.bytes
      const waiting = inbound + outbound
      if (shown.bytes === bytes && shown.waiting === waiting && shown.latency === latency) continue
      shown.bytes = bytes
      shown.waiting = waiting
      shown.latency = latency
      values.push(connection.id, incoming.bytes, incoming.messages, outgoing.bytes, outgoing.messages)
      values.push(inbound, outbound, latency)
      if (values.length < SLICE * 8) continue
      yield { _tag: "Traffic", values }
      values = []
    }
    if (values.length > 0) yield { _tag: "Traffic", values }
  }

  private *closed(): Generator<FromInspector> {
    const closed = this.record.closedConnections(this.nextClosed)
    for (const { id } of closed) this.shown.delete(id)
    // More connections may have closed since the last update than the record keeps.
    const forgotten = Array.from(this.shown.keys()).filter((id) => !this.record.open.has(id))
    for (const id of forgotten) this.shown.delete(id)
    if (closed.length > 0) {
      this.nextClosed = closed.at(-1)!.number + 1
      yield { _tag: "Closed", connections: closed.map(closedRowOf) }
    }
    for (let at = 0; at < forgotten.length; at += SLICE) {
      yield { _tag: "Forgotten", ids: forgotten.slice(at, at + SLICE) }
    }
    const refusals = this.record.refusalsFrom(this.nextRefusal)
    if (refusals.length === 0) return
    this.nextRefusal = refusals.at(-1)!.number + 1
    yield { _tag: "Refused", refusals: refusals.map(refusalOf) }
  }

  private totals(): FromInspector {
    const { record } = this
    const servers = Array.from(record.servers, ({ address }) => formatAddress(address))
    return { _tag: "Totals", now: record.now(), servers, ...record.totals() }
  }

  private *frames(): Generator<FromInspector> {
    const log = this.selected?.log
    if (log === undefined || !this.isWatched) return
    const frames = log.from(this.nextFrame)
    const dropped = Math.max(0, log.dropped - this.nextFrame)
    this.nextFrame = log.next
    if (frames.length === 0) return
    const { previewBytes } = this.record.settings
    yield {
      _tag: "Frames",
      id: this.selected!.connection.id,
      dropped,
      frames: frames.map((frame) => frameOf(frame, previewBytes))
    }
  }

  /** Selects a connection; the messages answer. */
  *select(id: number | null): Generator<FromInspector> {
    this.release()
    const record = id === null ? undefined : this.record.find(id)
    if (record === undefined) return
    this.selected = record
    this.isWatched = this.record.watch(record.connection.id) !== undefined
    this.nextFrame = 0
    yield {
      _tag: "Selected",
      id: record.connection.id,
      watched: this.isWatched,
      headers: this.record.headersOf(record)
    }
    yield* this.frames()
  }

  /** Releases what is selected. */
  release(): void {
    if (this.selected !== undefined && this.isWatched) this.record.unwatch(this.selected)
    this.selected = undefined
    this.isWatched = false
  }
}

const optional = <K extends string, A>(key: K, value: A | undefined): { readonly [_ in K]?: A } =>
  (value === undefined ? {} : { [key]: value }) as { readonly [_ in K]?: A }

const rowOf = (record: ConnectionRecord) => {
  const { extensions, id, openedAt, path, peer, secure, subprotocol } = describe(record)
  return { id, path, secure, extensions, openedAt, ...optional("peer", peer), ...optional("subprotocol", subprotocol) }
}

const closedRowOf = ({ latency, peer, subprotocol, violation, ...rest }: ClosedConnection) => ({
  ...rest,
  ...optional("latency", latency),
  ...optional("peer", peer),
  ...optional("subprotocol", subprotocol),
  ...optional("violation", violation)
})

const refusalOf = ({ path, peer, status, ...rest }: Refusal) => ({
  ...rest,
  ...optional("path", path),
  ...optional("peer", peer),
  ...optional("status", status)
})

const frameOf = (frame: LoggedFrame, previewBytes: number) => {
  const { at, first, from, length, masked, number, violation } = frame
  return {
    number,
    at: Math.round(at * 1000) / 1000,
    from,
    first,
    masked,
    length,
    ...optional("preview", previewOf(frame, previewBytes)),
    ...optional("violation", violation)
  }
}

const previewOf = ({ content, first, payload }: LoggedFrame, previewBytes: number): string | undefined => {
  const opcode = first & 0x0f
  if (opcode === Opcode.Close) return payload === undefined ? undefined : describeClose(payload)
  const kept = content ?? payload
  if (kept === undefined || kept.length === 0) return undefined
  if (typeof kept === "string") return kept.slice(0, previewBytes)
  const start = kept.subarray(0, previewBytes)
  return opcode === Opcode.Text || (opcode === Opcode.Continuation && isText(start))
    ? lossy.decode(start)
    : Array.from(start, (byte) => byte.toString(16).padStart(2, "0")).join(" ")
}

const lossy = new TextDecoder()

const isText = (bytes: Uint8Array): boolean => bytes.every((byte) => byte >= 0x20 || byte === 0x0a || byte === 0x09)
