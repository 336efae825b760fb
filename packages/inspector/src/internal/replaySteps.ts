/**
 * What a replay does, one step after the other: the frames of the peer, and the loss of its connection.
 */
import type { Frame as ProtocolFrame } from "@effect-ws/protocol/Frame"
import * as Opcode from "@effect-ws/protocol/Opcode"
import * as Result from "effect/Result"
import type { Frame, Recording } from "../Recording.ts"

/** What the client does, and when, in milliseconds since the connection opened. */
export type Step = { readonly at: number } & (
  | { readonly _tag: "Frame"; readonly frame: ProtocolFrame; readonly violates: boolean }
  | { readonly _tag: "Message"; readonly data: string | Uint8Array }
  | { readonly _tag: "Abort" }
  /** Waits for what the server does. */
  | { readonly _tag: "Wait" }
)

/** The steps of a recording, or why there are none. */
export const stepsOf = ({ closing, frames }: Recording): Result.Result<ReadonlyArray<Step>, string> => {
  const steps: Array<Step> = []
  // Whether the message that is under way was compressed: it is sent when its content comes, with its last frame.
  let compressed = false
  for (const [index, frame] of frames.entries()) {
    const { at, fin, from, length, opcode, rsv } = frame
    // The client's session answers pings by itself.
    if (from === "server" || opcode === Opcode.Pong) continue
    const isData = opcode <= Opcode.Binary
    const data = contentOf(frame)
    if (isData && opcode !== Opcode.Continuation) compressed = rsv !== 0 && frame.violation === undefined
    if (isData && compressed) {
      if (!fin) continue
      if (data === undefined) return Result.fail(withoutPayload(index))
      steps.push({ _tag: "Message", at, data })
      continue
    }
    if (data === undefined && length > 0) return Result.fail(withoutPayload(index))
    const payload = typeof data === "string" ? new TextEncoder().encode(data) : (data ?? new Uint8Array(0))
    const bits = { rsv1: (rsv & 4) !== 0, rsv2: (rsv & 2) !== 0, rsv3: (rsv & 1) !== 0 }
    const violates = frame.violation !== undefined
    steps.push({ _tag: "Frame", at, frame: { fin, ...bits, opcode, payload }, violates })
  }
  const last = Math.max(closing?.at ?? 0, frames.at(-1)?.at ?? 0)
  steps.push({ _tag: closing?.closed.initiator === "transport" ? "Abort" : "Wait", at: last })
  return Result.succeed(steps)
}

const withoutPayload = (index: number): string =>
  `frame ${index + 1} has no payload (record with payloads: "full", and maxLogBytes above the messages)`

const contentOf = ({ base64, text }: Frame): string | Uint8Array | undefined =>
  base64 === undefined ? text : new Uint8Array(Buffer.from(base64, "base64"))

/** The messages that the server sent, as far as their content is known. */
export const replayed = ({
  frames
}: Recording): ReadonlyArray<{ readonly at: number; readonly data: string | Uint8Array }> => {
  const messages: Array<{ readonly at: number; readonly data: string | Uint8Array }> = []
  let opcode = 0
  let parts: Array<Uint8Array> = []
  for (const frame of frames) {
    if (frame.from === "peer" || frame.opcode > Opcode.Binary) continue
    if (frame.opcode !== Opcode.Continuation) {
      opcode = frame.opcode
      parts = []
    }
    const data = contentOf(frame)
    if (data !== undefined) parts.push(Buffer.from(data as Uint8Array))
    if (!frame.fin) continue
    const bytes = Buffer.concat(parts)
    messages.push({ at: frame.at, data: opcode === Opcode.Text ? bytes.toString() : new Uint8Array(bytes) })
  }
  return messages
}
