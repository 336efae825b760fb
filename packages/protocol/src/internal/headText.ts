/**
 * Strings of HTTP heads, made from bytes: one character for each byte (Latin-1), and few copies of what every handshake
 * repeats.
 */

// Node's Buffer decodes Latin-1 natively.
interface NodeBytes extends Uint8Array {
  readonly latin1Slice: (start: number, end: number) => string
}

// Below this length a call into native code costs more than the loop.
const NATIVE_PAYS_FROM = 17

/**
 * Decodes bytes as Latin-1.
 *
 * The parts of a head are short. Joining eight characters at a time costs a third of spreading a subarray into one
 * call, and `TextDecoder` has no encoding that maps every byte to the character of that code.
 */
export const latin1 = (bytes: Uint8Array, start: number, end: number): string => {
  if (end - start >= NATIVE_PAYS_FROM && "latin1Slice" in bytes) return (bytes as NodeBytes).latin1Slice(start, end)
  let text = ""
  let i = start
  for (; i + 8 <= end; i += 8) {
    text += String.fromCharCode(
      bytes[i]!,
      bytes[i + 1]!,
      bytes[i + 2]!,
      bytes[i + 3]!,
      bytes[i + 4]!,
      bytes[i + 5]!,
      bytes[i + 6]!,
      bytes[i + 7]!
    )
  }
  for (; i < end; i++) text += String.fromCharCode(bytes[i]!)
  return text
}

const sharedTexts = new Map(
  [
    "Host",
    "Connection",
    "Upgrade",
    "Origin",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
    "User-Agent",
    "Cookie",
    "Pragma",
    "Cache-Control",
    "Accept-Encoding",
    "Accept-Language",
    "websocket",
    "keep-alive, Upgrade",
    "13",
    "no-cache",
    "permessage-deflate; client_max_window_bits"
  ].map((text) => [text, text])
)

const longest = Math.max(...[...sharedTexts.keys()].map((text) => text.length))

/** Returns the one copy of a text that every handshake repeats, so that connections do not keep a copy each. */
export const shared = (text: string): string => (text.length > longest ? text : (sharedTexts.get(text) ?? text))
