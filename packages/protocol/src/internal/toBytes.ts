const encoder = new TextEncoder()

/** Converts a chunk of an Effect socket to bytes. A socket may return text, which is UTF-8 on a byte stream. */
export const toBytes = (chunk: Uint8Array | string): Uint8Array =>
  typeof chunk === "string" ? encoder.encode(chunk) : chunk
