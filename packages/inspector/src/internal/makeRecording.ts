/**
 * Makes a recording of the frames that are kept of a connection.
 */
import * as Opcode from "@effect-ws/protocol/Opcode"
import type { ClosedConnection } from "./ServerState.ts"
import type { Closing, Frame, Recording } from "../Recording.ts"
import type { ConnectionRecord } from "./ConnectionRecord.ts"
import type { FrameLog, LoggedFrame } from "./FrameLog.ts"

export const makeRecording = (
  { connection, openedAt }: ConnectionRecord,
  log: FrameLog,
  headers: ReadonlyArray<readonly [name: string, value: string]>,
  closed: ClosedConnection | undefined
): Recording => ({
  opening: {
    recording: 1,
    openedAt: new Date(openedAt).toISOString(),
    path: connection.request.path,
    headers,
    ...(connection.subprotocol === undefined ? {} : { subprotocol: connection.subprotocol }),
    extensions: connection.extensions.map(({ name }) => name),
    missing: log.fromOpening && log.dropped === 0 ? "none" : "first"
  },
  frames: log.from(0).map(frameOf),
  closing: closed === undefined ? undefined : closingOf(closed)
})

const frameOf = (frame: LoggedFrame): Frame => {
  const { at, first, from, length, violation } = frame
  return {
    at: round(at),
    from,
    opcode: first & 0x0f,
    fin: first >= 0x80,
    rsv: (first >> 4) & 7,
    length,
    ...payloadOf(frame),
    ...(violation === undefined ? {} : { violation })
  }
}

// A payload of which only a part is kept would replay as another message.
const payloadOf = ({
  content,
  first,
  isWhole,
  length,
  payload
}: LoggedFrame): Pick<Frame, "base64" | "decoded" | "text"> => {
  if (content !== undefined) {
    if (!isWhole) return {}
    return { decoded: true, ...(typeof content === "string" ? { text: content } : { base64: toBase64(content) }) }
  }
  if (payload === undefined || payload.length < length) return {}
  const opcode = first & 0x0f
  if (opcode === Opcode.Binary || opcode === Opcode.Close) return { base64: toBase64(payload) }
  try {
    return { text: strict.decode(payload) }
  } catch {
    return { base64: toBase64(payload) }
  }
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64")

const round = (millis: number): number => Math.round(millis * 1000) / 1000

const closingOf = (closed: ClosedConnection): Closing => {
  const { clean, closedAt, code, initiator, openedAt, reason, violation } = closed
  return {
    at: round(closedAt - openedAt),
    closed: { code, reason, initiator, clean, ...(violation === undefined ? {} : { violation }) }
  }
}
