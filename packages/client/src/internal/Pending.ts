/**
 * A bounded first-in, first-out queue of messages that wait for a connection.
 */
import type { SendOptions } from "@effect-ws/protocol/Session"
import * as Utf8 from "@effect-ws/protocol/Utf8"

export interface Waiting {
  readonly data: string | Uint8Array
  readonly options: SendOptions | undefined
}

export class Pending {
  private readonly maxMessages: number
  private readonly maxBytes: number
  private waiting: Array<Waiting> = []
  private bytes = 0

  constructor(maxMessages: number, maxBytes: number) {
    this.maxMessages = maxMessages
    this.maxBytes = maxBytes
  }

  get size(): number {
    return this.waiting.length
  }

  /**
   * Adds a message; returns false when there is no room. Copies the bytes, so the caller may change them afterwards.
   */
  offer(data: string | Uint8Array, options: SendOptions | undefined): boolean {
    const size = sizeOf(data)
    if (this.waiting.length >= this.maxMessages || this.bytes + size > this.maxBytes) return false
    this.waiting.push({ data: typeof data === "string" ? data : new Uint8Array(data), options })
    this.bytes += size
    return true
  }

  /** Removes and returns the first message. */
  shift(): Waiting | undefined {
    const first = this.waiting.shift()
    if (first !== undefined) this.bytes -= sizeOf(first.data)
    return first
  }

  /** Puts a message back to the front. */
  unshift(message: Waiting): void {
    this.waiting.unshift(message)
    this.bytes += sizeOf(message.data)
  }

  /** Removes all messages and returns their data. */
  clear(): ReadonlyArray<string | Uint8Array> {
    const all = this.waiting.map(({ data }) => data)
    this.waiting = []
    this.bytes = 0
    return all
  }
}

const sizeOf = (data: string | Uint8Array): number =>
  typeof data === "string" ? Utf8.encode(data).length : data.length
