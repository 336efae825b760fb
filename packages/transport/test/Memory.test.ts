import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer } from "effect"
import type * as NetAddress from "effect/net/NetAddress"
import { SocketServer } from "effect/socket"
import { Dialer } from "../src/Dialer.ts"
import type { DialAddress } from "../src/Dialer.ts"
import * as Memory from "../src/Memory.ts"
import { peerInfo } from "../src/Push.ts"
import { PushSocketServer } from "../src/PushSocketServer.ts"
import { ByteRecorder } from "../src/ByteRecorder.ts"

const encoder = new TextEncoder()

/** Starts a server that greets with its own name. */
const greeter = Effect.fnUntraced(function* (name: string, options: Memory.ServerOptions) {
  const network = yield* Memory.MemoryNetwork
  const services = yield* network.listen(options)
  yield* Effect.forkScoped(
    Effect.provide(
      PushSocketServer.use((server) =>
        server.accept((socket) => void socket.writerUnsafe.writeUnsafe(encoder.encode(name)))
      ),
      services
    )
  )
})

const greeting = Effect.fnUntraced(function* (address: DialAddress) {
  const socket = yield* Dialer.use((dialer) => dialer.dial(address))
  const { pull } = yield* socket.reader
  return new TextDecoder().decode((yield* pull)[0] as Uint8Array)
}, Effect.scoped)

const network = Memory.layerDialer.pipe(Layer.provideMerge(Memory.layerNetwork()))

describe("Memory, in particular", () => {
  it.effect("finds servers by name, by port, and by host and port", () =>
    Effect.gen(function* () {
      yield* greeter("by name", { name: "chat" })
      yield* greeter("any host", { port: 80 })
      yield* greeter("one host", { host: "one.example", port: 80 })
      assert.strictEqual(yield* greeting({ path: "chat" }), "by name")
      assert.strictEqual(yield* greeting({ host: "other.example", port: 80 }), "any host")
      assert.strictEqual(yield* greeting({ host: "one.example", port: 80 }), "one host")
      const error = yield* Effect.flip(greeting({ path: "nobody" }))
      assert.match(error.message, /^cannot connect to nobody: connect ECONNREFUSED/)
      const taken = yield* Effect.flip(Effect.scoped(greeter("again", { name: "chat" })))
      assert.match(taken.message, /^cannot listen on chat: listen EADDRINUSE/)
    }).pipe(Effect.provide(network))
  )

  it.effect("gives each port 0 another port, and each connection", () =>
    Effect.gen(function* () {
      const { listen } = yield* Memory.MemoryNetwork
      const ports = new Set<number>()
      for (let i = 0; i < 3; i++) {
        const address = yield* Effect.provide(
          SocketServer.SocketServer.useSync((server) => server.address),
          yield* listen({ port: 0 })
        )
        const socket = yield* Dialer.use((dialer) => dialer.dial(address))
        const reader = yield* socket.reader
        assert.deepStrictEqual(peerInfo(reader)?.remoteAddress, address)
        ports.add((address as NetAddress.InetAddress).port)
        ports.add((peerInfo(reader)!.localAddress as NetAddress.InetAddress).port)
      }
      assert.strictEqual(ports.size, 6)
    }).pipe(Effect.provide(network))
  )

  it.effect("names clients anew when all ports were used, and never as a listener", () =>
    Effect.gen(function* () {
      const network = yield* Memory.MemoryNetwork
      yield* network.listen({ port: 0, maxPending: 0 })
      const ports = new Set<number>()
      const dial = Effect.gen(function* () {
        const socket = yield* network.dial({ host: "127.0.0.1", port: 49_152 })
        const address = peerInfo(yield* socket.reader)?.localAddress
        ports.add((address as NetAddress.InetAddress).port)
      })
      for (let count = 0; count < 17_000; count++) yield* Effect.scoped(dial)
      assert.deepStrictEqual([ports.size, Math.min(...ports), Math.max(...ports)], [16_383, 49_153, 65_535])
    }).pipe(Effect.provide(Memory.layerNetwork()))
  )

  it.effect("resets connections beyond maxPending, and those that were not taken when it stops", () =>
    Effect.gen(function* () {
      const { listen } = yield* Memory.MemoryNetwork
      const services = yield* listen({ name: "busy", maxPending: 2 })
      const sinks: Array<ByteRecorder> = []
      for (let i = 0; i < 3; i++) {
        const socket = yield* Dialer.use((dialer) => dialer.dial({ path: "busy" }))
        const reader = yield* socket.reader
        const sink = new ByteRecorder()
        if ("subscribe" in reader) (reader as unknown as { subscribe(sink: ByteRecorder): void }).subscribe(sink)
        sinks.push(sink)
      }
      yield* sinks[2]!.closed
      assert.strictEqual(sinks[2]!.error?.reason._tag, "SocketReadError")
      assert.deepStrictEqual(sinks[0]!.log, [])
      yield* Effect.provide(
        PushSocketServer.use((server) => server.stopAccepting),
        services
      )
      yield* sinks[0]!.closed
      yield* sinks[1]!.closed
    }).pipe(Effect.provide(network))
  )

  it.effect("hands connections to the newest taker, and back to the one before", () =>
    Effect.gen(function* () {
      const server = yield* PushSocketServer
      const greet = (name: string) =>
        server.accept((socket) => void socket.writerUnsafe.writeUnsafe(encoder.encode(name)))
      yield* Effect.forkScoped(greet("first"))
      assert.strictEqual(yield* greeting(server.address), "first")
      yield* Effect.gen(function* () {
        yield* Effect.forkScoped(greet("second"), { startImmediately: true })
        assert.strictEqual(yield* greeting(server.address), "second")
      }).pipe(Effect.scoped)
      assert.strictEqual(yield* greeting(server.address), "first")
    }).pipe(Effect.provide(Memory.layer({ port: 0 })))
  )

  it.live("lets the event loop turn while two ends answer each other for ever", () =>
    Effect.gen(function* () {
      const server = yield* PushSocketServer
      yield* Effect.forkScoped(
        server.accept((socket) => {
          const sink = new ByteRecorder()
          sink.keepText = false
          sink.onBytes = (bytes) => void socket.writerUnsafe.writeUnsafe(bytes)
          socket.readerUnsafe.subscribe(sink)
        })
      )
      const rounds = yield* Effect.gen(function* () {
        const socket = yield* Dialer.use((dialer) => dialer.dial(server.address))
        const { pull } = yield* socket.reader
        const { write, writeAll } = yield* socket.writer
        yield* write("ball")
        let rounds = 0
        yield* Effect.flatMap(pull, (batch) => {
          rounds++
          return writeAll(batch)
        }).pipe(Effect.forever({ disableYield: true }), Effect.timeoutOption("1 second"))
        return rounds
      }).pipe(Effect.scoped, Effect.exit)
      assert.isTrue(Exit.isSuccess(rounds) && rounds.value > 256)
    }).pipe(Effect.provide(Memory.layer({ port: 0 })))
  )
})
