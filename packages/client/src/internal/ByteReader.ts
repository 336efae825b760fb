/**
 * Reads exact numbers of bytes from a socket, for the handshakes that precede HTTP and TLS.
 */
import * as Effect from "effect/Effect"
import type * as Socket from "effect/socket/Socket"
import { toBytes } from "@effect-ws/protocol/internal"

export class ByteReader {
  private readonly reader: Socket.Reader
  private held: Uint8Array = new Uint8Array(0)

  constructor(reader: Socket.Reader) {
    this.reader = reader
  }

  /** Number of bytes that were received and not read. */
  get surplus(): number {
    return this.held.length
  }

  read(length: number): Effect.Effect<Uint8Array, Socket.SocketError> {
    return Effect.suspend(() => {
      if (this.held.length >= length) {
        const bytes = this.held.subarray(0, length)
        this.held = this.held.subarray(length)
        return Effect.succeed(bytes)
      }
      return Effect.flatMap(this.reader.pull, (chunks) => {
        this.held = Buffer.concat([this.held, ...chunks.map(toBytes)])
        return this.read(length)
      })
    })
  }
}
