import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Queue } from "effect"
import type * as NetAddress from "effect/net/NetAddress"
import { Socket, SocketServer } from "effect/socket"
import * as Net from "node:net"
import { Dialer, formatAddress, hostPort } from "../src/Dialer.ts"
import type { PushSocket } from "../src/Push.ts"
import { isPushWriter } from "../src/Push.ts"
import { PushSocketServer } from "../src/PushSocketServer.ts"
import * as Tcp from "../src/Tcp.ts"
import * as Tls from "../src/Tls.ts"
import { ByteRecorder } from "../src/ByteRecorder.ts"

const portOf = (address: NetAddress.SocketAddress): number => hostPort(address as NetAddress.InetAddress).port

/** The sockets that this process holds open; listening ones are another kind. */
const openSockets = (): number => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length

const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (condition() ? Effect.void : Effect.andThen(Effect.sleep("5 millis"), until(condition))))

describe("Tcp, in particular", () => {
  it.live("survives resets in every phase, and holds no socket afterwards", () =>
    Effect.gen(function* () {
      const before = openSockets()
      const server = yield* PushSocketServer
      let accepted = 0
      const ignored: Array<PushSocket> = []
      yield* Effect.forkScoped(
        server.accept((socket) => {
          const phase = accepted++ % 5
          // It is not read: the reset shows at the next operation.
          if (phase === 0) ignored.push(socket)
          if (phase >= 1) socket.readerUnsafe.subscribe(new ByteRecorder())
          if (phase === 2) socket.writerUnsafe.writeUnsafe(new Uint8Array(100_000))
          if (phase === 3) socket.close()
          if (phase === 4) socket.writerUnsafe.destroy()
        })
      )
      for (let i = 0; i < 200; i++) {
        const client = Net.connect({ port: portOf(server.address), host: "127.0.0.1" })
        client.on("error", () => {})
        client.on("connect", () => {
          client.write("x")
          if (i % 2 === 0) client.resetAndDestroy()
          else setImmediate(() => client.resetAndDestroy())
        })
      }
      yield* until(() => accepted === 200)
      for (const socket of ignored) {
        socket.writerUnsafe.writeUnsafe(new Uint8Array(1))
        socket.close()
      }
      yield* until(() => openSockets() <= before)
    }).pipe(Effect.provide(Tcp.layerServer({ port: 0 })))
  )

  it.live("drops a closed socket after the linger timeout, whatever the peer does", () =>
    Effect.gen(function* () {
      const server = yield* PushSocketServer
      const accepted = yield* Queue.unbounded<PushSocket>()
      yield* Effect.forkScoped(server.accept((socket) => Queue.offerUnsafe(accepted, socket)))
      // It neither reads nor ends.
      const client = Net.connect({ port: portOf(server.address), host: "127.0.0.1", allowHalfOpen: true })
      client.on("error", () => {})
      yield* Effect.addFinalizer(() => Effect.sync(() => client.destroy()))
      client.pause()
      const socket = yield* Queue.take(accepted)
      const sink = new ByteRecorder()
      socket.readerUnsafe.subscribe(sink)
      socket.writerUnsafe.writeUnsafe(new Uint8Array(64 << 20))
      const started = performance.now()
      socket.close()
      socket.close()
      assert.isTrue(socket.isClosed)
      yield* sink.closed
      assert.isAtLeast(performance.now() - started, 90)
      assert.deepStrictEqual(sink.log, ["close"])
      assert.isUndefined(sink.error)
    }).pipe(Effect.provide(Tcp.layerServer({ port: 0, lingerTimeout: "100 millis" })))
  )

  it.live("gives up connecting in time, and holds no socket afterwards", () =>
    Effect.gen(function* () {
      const before = openSockets()
      // A server that accepts and then says nothing: TLS does not come about.
      const server = yield* PushSocketServer
      const accepted = yield* Queue.unbounded<PushSocket>()
      yield* Effect.forkScoped(server.accept((socket) => Queue.offerUnsafe(accepted, socket)))
      const error = yield* Effect.gen(function* () {
        const socket = yield* Dialer.use((dialer) => dialer.dial(server.address, { connectTimeout: "100 millis" }))
        yield* socket.reader
      }).pipe(Effect.scoped, Effect.provide(Tls.layerDialer()), Effect.flip)
      assert.strictEqual((error.reason as Socket.SocketOpenError).kind, "Timeout")
      assert.include(error.message, formatAddress(server.address))
      ;(yield* Queue.take(accepted)).close()
      yield* until(() => openSockets() <= before)
    }).pipe(Effect.provide(Tcp.layerServer({ port: 0 })))
  )

  it.live("drops a connection that is being made when it is interrupted", () =>
    Effect.gen(function* () {
      const before = openSockets()
      const dialer = yield* Dialer
      const server = yield* SocketServer.SocketServer
      for (let i = 0; i < 50; i++) {
        const socket = yield* dialer.dial(server.address)
        const dialling = yield* Effect.forkChild(Effect.scoped(socket.reader))
        for (let turn = 0; turn < i % 4; turn++) yield* Effect.yieldNow
        yield* Fiber.interrupt(dialling)
      }
      yield* Effect.forkScoped(server.run(() => Effect.void))
      yield* until(() => openSockets() <= before)
    }).pipe(Effect.provide(Tcp.layer({ port: 0 })))
  )

  it.live("names host and port when it cannot listen or connect", () =>
    Effect.gen(function* () {
      const listening = yield* Effect.flip(Layer.build(Tcp.layerServer({ port: 0, host: "203.0.113.1" })))
      assert.match(listening.message, /^cannot listen on 203\.0\.113\.1:0: .*EADDRNOTAVAIL/)
      const impossible = yield* Effect.flip(Layer.build(Tcp.layerServer({ port: 70_000 })))
      assert.match(impossible.message, /^cannot listen on 127\.0\.0\.1:70000: /)
      const socket = yield* Dialer.use((dialer) => dialer.dial({ host: "127.0.0.1", port: 70_000 }))
      const connecting = yield* Effect.flip(Effect.scoped(socket.reader))
      assert.match(connecting.message, /^cannot connect to 127\.0\.0\.1:70000: /)
      assert.strictEqual(formatAddress({ host: "::1", port: 80 }), "[::1]:80")
    }).pipe(Effect.provide(Tcp.layerDialer()))
  )

  it.live("works as any Effect Socket does: as a channel", () =>
    Effect.gen(function* () {
      const server = yield* SocketServer.SocketServer
      yield* Effect.forkScoped(
        server.run(
          Effect.fnUntraced(function* (socket) {
            const { pull } = yield* socket.reader
            const writer = yield* socket.writer
            assert.isTrue(isPushWriter(writer))
            yield* Effect.flatMap(pull, (batch) => writer.writeAll(batch)).pipe(Effect.forever, Effect.ignore)
          }, Effect.scoped)
        )
      )
      const socket = yield* Dialer.use((dialer) => dialer.dial(server.address))
      const pullText = yield* Socket.readerString(socket)
      const { write } = yield* socket.writer
      yield* write("grüße")
      assert.strictEqual((yield* pullText).join(""), "grüße")
    }).pipe(Effect.provide(Tcp.layer({ port: 0 })))
  )
})
