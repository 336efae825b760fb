/**
 * A receiver of RFC 6455 without extensions, straight from its text: the naive twin that a session is compared with. It
 * sees the whole stream at once and keeps no state between frames but what the RFC speaks of.
 */
import type { Role } from "@effect-ws/protocol/SessionState"
import * as Rendering from "./Rendering.ts"

export interface ReferenceLimits {
  readonly maxMessageSize: number
  readonly maxFragments: number
}

export interface Expected {
  /** Events as `Rendering` writes them; the last is the failure, if there is one. */
  readonly events: ReadonlyArray<string>
  /** The pongs that are due, as payloads. */
  readonly pongs: ReadonlyArray<Uint8Array>
}

export const receive = (stream: Uint8Array, role: Role, limits: ReferenceLimits): Expected => {
  const events: Array<string> = []
  const pongs: Array<Uint8Array> = []
  const fail = (code: number): Expected => ({ events: [...events, Rendering.failed(code)], pongs })
  let opcodeOfMessage = 0
  let fragments = 0
  let pieces: Array<Uint8Array> = []
  let size = 0
  let text = newDecoder()
  let at = 0
  for (;;) {
    const first = stream[at]
    const second = stream[at + 1]
    if (first === undefined || second === undefined) return { events, pongs }
    const fin = first >= 0x80
    const rsv = first & 0x70
    const opcode = first & 0x0f
    const masked = second >= 0x80
    const form = (second & 0x7f) === 126 ? 2 : (second & 0x7f) === 127 ? 8 : 0
    const start = at + 2 + form + (masked ? 4 : 0)
    if (stream.length < start) return { events, pongs }
    let length = form === 0 ? second & 0x7f : 0
    for (let index = 0; index < form; index++) length = length * 256 + stream[at + 2 + index]!
    // RFC 6455 5.2: "the minimal number of bytes MUST be used", "the most significant bit MUST be 0"
    if ((form === 2 && length < 126) || (form === 8 && (length < 65_536 || length >= 2 ** 63))) return fail(1002)
    // RFC 6455 5.1
    if (masked !== (role === "server")) return fail(1002)
    // RFC 6455 5.2: "MUST be 0 unless an extension is negotiated", "If an unknown opcode is received"
    if (rsv !== 0 || (opcode > 2 && opcode < 8) || opcode > 10) return fail(1002)
    const isControl = opcode >= 8
    // RFC 6455 5.5
    if (isControl && (!fin || length > 125)) return fail(1002)
    if (!isControl) {
      // RFC 6455 5.4
      if ((opcode === 0) !== (opcodeOfMessage !== 0)) return fail(1002)
      if (opcode !== 0) {
        opcodeOfMessage = opcode
        fragments = 0
        size = 0
        pieces = []
        text = newDecoder()
      }
      if (length > limits.maxMessageSize) return fail(1009)
      if (++fragments > limits.maxFragments) return fail(1008)
      size += length
      if (size > limits.maxMessageSize) return fail(1009)
    }
    const end = start + length
    const payload = stream.slice(start, Math.min(end, stream.length))
    if (masked) for (let index = 0; index < payload.length; index++) payload[index]! ^= stream[start - 4 + (index & 3)]!
    const isComplete = end <= stream.length
    if (!isControl) {
      // RFC 6455 8.1
      if (opcodeOfMessage === 1 && !isUtf8(text, payload, isComplete && fin)) return fail(1007)
      pieces.push(payload)
      if (isComplete && fin) {
        events.push(Rendering.message(opcodeOfMessage === 1, Buffer.concat(pieces)))
        opcodeOfMessage = 0
      }
    } else if (isComplete && opcode === 8) {
      return closed(payload, fail, { events, pongs })
    } else if (isComplete) {
      events.push(opcode === 9 ? Rendering.ping(payload) : Rendering.pong(payload))
      if (opcode === 9) pongs.push(payload)
    }
    if (!isComplete) return { events, pongs }
    at = end
  }
}

// RFC 6455 5.5.1 and 7.4
const closed = (payload: Uint8Array, fail: (code: number) => Expected, sofar: Expected): Expected => {
  if (payload.length === 0) return { ...sofar, events: [...sofar.events, Rendering.close(undefined, "")] }
  if (payload.length === 1) return fail(1002)
  const code = payload[0]! * 256 + payload[1]!
  const isRegistered = code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)
  if (!isRegistered && (code < 3000 || code > 4999)) return fail(1002)
  const reason = payload.subarray(2)
  if (!isUtf8(newDecoder(), reason, true)) return fail(1007)
  return { ...sofar, events: [...sofar.events, Rendering.close(code, Buffer.from(reason).toString())] }
}

const newDecoder = (): TextDecoder => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const isUtf8 = (decoder: TextDecoder, bytes: Uint8Array, last: boolean): boolean => {
  try {
    decoder.decode(bytes, { stream: !last })
    return true
  } catch {
    return false
  }
}
