const encoder = new TextEncoder()

/** Returns how many bytes a text or bytes have on the wire. */
export const sizeOf = (data: string | Uint8Array): number =>
  typeof data === "string" ? encoder.encode(data).length : data.length
