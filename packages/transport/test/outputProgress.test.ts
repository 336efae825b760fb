/**
 * What a transport tells of its output, over real sockets: what the system has refused, and what it has taken. The life
 * of a peer is judged by that, so it must move while one large write is taken piece by piece.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { Dialer } from "../src/Dialer.ts"
import type { PushSocket } from "../src/Push.ts"
import { PushSocketServer } from "../src/PushSocketServer.ts"
import * as Tcp from "../src/Tcp.ts"
import * as Tls from "../src/Tls.ts"
import * as Certificates from "./certificates.ts"

const MB = 1_000_000

const networks = [
  { name: "TCP", layer: Tcp.layer({ port: 0 }) },
  {
    name: "TLS",
    layer: Tls.layer({ server: { ...Certificates.server, port: 0 }, dialer: { ca: Certificates.ca } })
  }
]

/** The writing side of a socket, and the reading side of its peer, which reads nothing until it is pulled. */
const connected = Effect.gen(function* () {
  const { accept, address } = yield* PushSocketServer
  const accepted = yield* Deferred.make<PushSocket>()
  yield* Effect.forkScoped(accept((socket) => Deferred.doneUnsafe(accepted, Effect.succeed(socket))))
  const dialer = yield* Dialer
  const reader = yield* (yield* dialer.dial(address)).reader
  const socket = yield* Deferred.await(accepted)
  yield* Effect.addFinalizer(() => Effect.sync(() => socket.writerUnsafe.destroy()))
  return { reader, writer: socket.writerUnsafe }
})

describe.each(networks)("output over $name", ({ layer }) => {
  it.live("small writes are taken at once, and nothing is refused", () =>
    Effect.gen(function* () {
      const { writer } = yield* connected
      const before = writer.takenBytes ?? NaN
      for (let at = 1; at <= 10; at++) {
        writer.writeUnsafe(new Uint8Array(100))
        yield* Effect.sleep(5)
        assert.strictEqual(writer.refusedBytes, 0)
      }
      const taken = writer.takenBytes! - before
      assert.isAtLeast(taken, 1000)
      assert.isAtMost(taken, 2000)
    }).pipe(Effect.provide(layer))
  )

  it.live(
    "one large write moves while the peer reads, long before the transport is told of it",
    () =>
      Effect.gen(function* () {
        const { reader, writer } = yield* connected
        const before = writer.takenBytes!
        writer.writeUnsafe(new Uint8Array(24 * MB))
        yield* Effect.sleep(300)
        const refused = writer.refusedBytes!
        const taken = writer.takenBytes!
        assert.isAbove(refused, MB)
        assert.isBelow(refused, 24 * MB)
        assert.isAbove(taken, before)
        yield* Effect.sleep(300)
        assert.deepStrictEqual([writer.refusedBytes, writer.takenBytes], [refused, taken])
        let read = 0
        while (read < 10 * MB) for (const chunk of yield* reader.pull) read += chunk.length
        yield* Effect.sleep(100)
        assert.isBelow(writer.refusedBytes!, refused)
        assert.isAbove(writer.takenBytes!, taken + MB)
        assert.strictEqual(writer.pendingBytes, 24 * MB)
      }).pipe(Effect.provide(layer)),
    20_000
  )
})
