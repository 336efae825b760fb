/**
 * Gives the memory of chunks back as soon as nobody needs it. The collector gets to it in its own time, which for memory
 * outside its heap is late: with each new chunk in new memory, reading and writing it costs twice as much, and the
 * collector, which comes the more often, makes all connections wait.
 */
import type { PushReader } from "@effect-ws/transport/Push"

// Below this size a chunk is not worth the call that frees it.
const WORTH_FREEING = 4096

export const isWorthFreeing = (chunk: Uint8Array): boolean => chunk.length >= WORTH_FREEING

/** Frees a chunk that came of a reader, unless somebody else's bytes may lie in the same memory. */
export const free = (chunk: Uint8Array, reader: PushReader): void => {
  const buffer = chunk.buffer as ArrayBuffer
  const isAll = chunk.byteLength === buffer.byteLength || (reader.ownsMemory === true && chunk.byteOffset === 0)
  // Node 20 has no `transfer`, which only costs the hint.
  if (isAll && "transfer" in buffer) buffer.transfer(0)
}
