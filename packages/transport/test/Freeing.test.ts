import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Queue } from "effect"
import { Dialer } from "../src/Dialer.ts"
import type { PushReader, PushSocket } from "../src/Push.ts"
import { free, isPushReader } from "../src/Push.ts"
import { PushSocketServer } from "../src/PushSocketServer.ts"
import * as Tcp from "../src/Tcp.ts"
import * as Tls from "../src/Tls.ts"
import { ca, server } from "./certificates.ts"
import { ByteRecorder } from "../src/ByteRecorder.ts"

/** A connection over the transport of the context: what the dialling end reads with, and the end that accepted it. */
const connect = Effect.gen(function* () {
  const { address, accept } = yield* PushSocketServer
  const accepted = yield* Queue.unbounded<PushSocket>()
  yield* Effect.forkScoped(accept((socket) => Queue.offerUnsafe(accepted, socket)))
  const socket = yield* Dialer.use((dialer) => dialer.dial(address))
  const reader = yield* socket.reader
  assert.isTrue(isPushReader(reader))
  return { reader: reader as PushReader, far: yield* Queue.take(accepted) }
})

describe("chunks that are freed", () => {
  it.live("take nothing from other sockets, whatever their transport", () =>
    Effect.gen(function* () {
      // Node puts what TLS decrypts behind a chunk of TCP that left a little room in its memory.
      const plain = yield* Effect.provide(connect, yield* Layer.build(Tcp.layer({ port: 0 })))
      const secure = yield* Effect.provide(
        connect,
        yield* Layer.build(Tls.layer({ server: { ...server, port: 0 }, dialer: { ca } }))
      )
      const [freed, kept] = [new ByteRecorder(), new ByteRecorder()]
      let wrong = 0
      freed.onBytes = (bytes) => free(plain.reader, bytes)
      kept.onBytes = (bytes) => {
        if (!bytes.every((byte) => byte === 1)) wrong++
      }
      for (const recorder of [freed, kept]) recorder.keepText = false
      plain.reader.subscribe(freed)
      secure.reader.subscribe(kept)
      for (let rounds = 1; rounds <= 100; rounds++) {
        yield* plain.far.writerUnsafe.write(new Uint8Array(60_000).fill(2))
        yield* secure.far.writerUnsafe.write(new Uint8Array(1000).fill(1))
        yield* freed.until((self) => self.bytes === rounds * 60_000)
        yield* kept.until((self) => self.bytes === rounds * 1000)
      }
      assert.strictEqual(wrong, 0)
    })
  )
})
