/**
 * The memory of received chunks. The transport hands each chunk over together with its memory.
 *
 * Freeing a chunk detaches its memory, so that every view of it becomes empty. A chunk is freed at once when no event
 * refers to it. With `reuseReceiveBuffers` the other chunks are freed as well, once the program has asked for the next
 * message after theirs. All other chunks are left to the garbage collector, see `gcPacing`.
 *
 * A connection has one of these from the first chunk that is large enough to be worth the call that frees it.
 */
import type * as SessionEvent from "@effect-ws/protocol/SessionEvent"
import { free } from "@effect-ws/transport/Push"
import type { PushReader } from "@effect-ws/transport/Push"
import { noteExternalBytes } from "./gcPacing.ts"
import type { WriteQueue } from "../send/WriteQueue.ts"

/** The size in bytes from which on freeing a chunk is worth the call. */
export const WORTH_FREEING = 4096

export class ReceiveMemory {
  private readonly reader: PushReader
  private readonly reuses: boolean
  // Chunks that untaken events refer to.
  private spent: Array<Uint8Array> | undefined = undefined

  constructor(reader: PushReader, reuses: boolean) {
    this.reader = reader
    this.reuses = reuses
  }

  /** Whether chunks wait for {@link reclaim}. */
  get hasSpent(): boolean {
    return this.spent !== undefined
  }

  /** Releases a chunk that was decoded to `events`. `isRetained`: the session still refers to it. */
  release(chunk: Uint8Array, events: ReadonlyArray<SessionEvent.SessionEvent>, isRetained: boolean): void {
    if (isRetained) return noteExternalBytes(chunk.length)
    // A text is a string of its own.
    if (events.every((event) => event._tag === "Text")) return this.free(chunk)
    if (!this.reuses) return noteExternalBytes(chunk.length)
    this.spent ??= []
    this.spent.push(chunk)
  }

  /** Frees the chunks whose events the program has taken and finished with. */
  reclaim(writeQueue: WriteQueue): void {
    const { spent } = this
    if (spent === undefined) return
    this.spent = undefined
    // Large payloads are sent by reference: bytes that are not written yet may lie in these chunks.
    writeQueue.write()
    const isWritten = writeQueue.waitingBytes === 0
    for (const chunk of spent) {
      if (isWritten) this.free(chunk)
      else noteExternalBytes(chunk.length)
    }
  }

  private free(chunk: Uint8Array): void {
    const { length } = chunk
    if (!free(this.reader, chunk)) noteExternalBytes(length)
  }
}
