/** Effect's sockets may give text; here it is bytes that are read. */
export const toBytes = (chunk: Uint8Array | string): Uint8Array =>
  typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk
