/** Converts a chunk of an Effect socket, which may be text, to bytes. */
export const toBytes = (chunk: Uint8Array | string): Uint8Array =>
  typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk
