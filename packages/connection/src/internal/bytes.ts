const encoder = new TextEncoder()

/** Effect's sockets may give text; on a byte stream it is UTF-8. */
export const toBytes = (chunk: Uint8Array | string): Uint8Array =>
  typeof chunk === "string" ? encoder.encode(chunk) : chunk
