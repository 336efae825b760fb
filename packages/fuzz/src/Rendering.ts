/**
 * Events as text, so that two runs can be compared and a difference can be printed.
 */
import type { SessionEvent } from "@effect-ws/protocol/SessionEvent"

const latin = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1")

export const message = (isText: boolean, bytes: Uint8Array): string => `${isText ? "text" : "binary"} ${latin(bytes)}`
export const ping = (payload: Uint8Array): string => `ping ${latin(payload)}`
export const pong = (payload: Uint8Array): string => `pong ${latin(payload)}`
export const close = (code: number | undefined, reason: string): string => `close ${code} ${reason}`
export const failed = (code: number): string => `failed ${code}`

export const event = (event: SessionEvent): string => {
  switch (event._tag) {
    case "Text":
      return message(true, Buffer.from(event.data))
    case "Binary":
      return message(false, event.data)
    case "Ping":
      return ping(event.data)
    case "Pong":
      return pong(event.data)
    case "CloseReceived":
      return close(event.code, event.reason)
    case "Failed":
      return failed(event.error.code)
    case "Frame": {
      const { fin, opcode, payload, rsv1, rsv2, rsv3 } = event.frame
      return `frame ${[fin, rsv1, rsv2, rsv3, opcode].map(Number).join(" ")} ${latin(payload)}`
    }
    case "Fragment":
      return `fragment ${event.first} ${event.last} ${typeof event.data === "string" ? event.data : latin(event.data)}`
  }
}

/** Says where two runs differ, or nothing. */
export const difference = (
  actual: ReadonlyArray<string>,
  expected: ReadonlyArray<string>,
  names: readonly [actual: string, expected: string]
): string | undefined => {
  const length = Math.max(actual.length, expected.length)
  for (let at = 0; at < length; at++) {
    if (actual[at] === expected[at]) continue
    const show = (text: string | undefined): string =>
      text === undefined ? "nothing" : JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text)
    return `event ${at} is ${show(actual[at])} ${names[0]}, and ${show(expected[at])} ${names[1]}`
  }
  return undefined
}
