/**
 * Peers that read slowly, or not at all, over real sockets: it is the kernel that says what it took, and when. Each
 * peer is a raw socket of Node that reads at a rate; times are short, bounds are generous.
 */
import * as Tcp from "@effect-ws/transport/Tcp"
import * as Tls from "@effect-ws/transport/Tls"
import { assert, describe, it } from "@effect/vitest"
import type { Connection } from "@effect-ws/connection/Connection"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import { Deferred, Effect, Fiber, Layer, Redacted, References, Stream } from "effect"
import type { Scope } from "effect"
import * as Net from "node:net"
import * as NodeTls from "node:tls"
import { localhost, makeSelfSigned } from "@effect-ws/test-support/Certificates"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { connect } from "@effect-ws/test-peers/Programs"
import { frame, requestHead } from "@effect-ws/test-peers/RawPeer"
import { start } from "./support/variants.ts"

const MB = 1_000_000
const certificate = await makeSelfSigned({ name: "localhost", ...localhost })

const networks = [
  { name: "TCP", isSecure: false, layer: Tcp.layerServer({ port: 0 }) },
  {
    name: "TLS",
    isSecure: true,
    layer: Tls.layerServer({ cert: certificate.cert, key: Redacted.make(certificate.key), port: 0 })
  }
]

/** A client that has sent its request, and reads so many bytes a second. */
class SlowReader {
  received = 0
  isEnded = false
  error: Error | undefined = undefined
  readonly socket: Net.Socket
  private isLimited = true
  private tail = Buffer.alloc(0)
  private readonly timer: NodeJS.Timeout

  constructor(port: number, isSecure: boolean, rate: number) {
    const address = { host: "127.0.0.1", port }
    this.socket = isSecure ? NodeTls.connect({ ...address, rejectUnauthorized: false }) : Net.connect(address)
    this.socket.on("error", (error) => (this.error = error))
    this.socket.on("end", () => (this.isEnded = true))
    this.socket.write(requestHead())
    let begun: number | undefined
    const allowed = (): number => (begun === undefined ? 1 : ((performance.now() - begun) / 1000) * rate)
    this.socket.on("data", (chunk: Buffer) => {
      begun ??= performance.now()
      this.received += chunk.length
      this.tail = Buffer.concat([this.tail, chunk]).subarray(-64)
      if (this.isLimited && this.received > allowed()) this.socket.pause()
    })
    this.timer = setInterval(() => {
      if (this.received <= allowed()) this.socket.resume()
    }, 10)
  }

  /** Whether the last that came is a close frame with this code. */
  endsWithClose(code: number): boolean {
    return this.tail.subarray(-4).equals(Buffer.from([0x88, 2, code >> 8, code & 0xff]))
  }

  /** Reads on without a limit. */
  readAll(): void {
    clearInterval(this.timer)
    this.isLimited = false
    this.socket.resume()
  }

  stop(): void {
    clearInterval(this.timer)
    this.socket.destroy()
  }
}

const slowReader = (port: number, isSecure: boolean, rate: number): Effect.Effect<SlowReader, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new SlowReader(port, isSecure, rate)),
    (reader) => Effect.sync(() => reader.stop())
  )

const portOf = (server: WebSocketServer.WebSocketServer["Service"]): number => {
  if (!("port" in server.address)) throw new Error("no port")
  return server.address.port
}

/** Serves a handler; gives the port, and how its connection ended. */
const serve = Effect.fnUntraced(function* (
  network: (typeof networks)[number],
  handler: (connection: Connection) => Effect.Effect<unknown, unknown>,
  options: WebSocketServer.ServerOptions
) {
  const closed = yield* Deferred.make<CloseInfo>()
  const sockets = yield* Layer.build(network.layer)
  const server = yield* start(
    WebSocketServer.layer(
      (connection) =>
        Effect.andThen(
          Effect.forkDetach(Effect.flatMap(connection.closed, (closeInfo) => Deferred.succeed(closed, closeInfo))),
          handler(connection)
        ),
      { drainTimeout: 0, ...options }
    )
  ).pipe(Effect.provide(sockets), Effect.provideService(References.MinimumLogLevel, "Error"))
  return { server, port: portOf(server), closed }
})

const until = (condition: () => boolean, bound: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    const begun = performance.now()
    return Effect.repeat(Effect.sleep(20), {
      until: () => {
        assert.isBelow(performance.now() - begun, bound, "it takes too long")
        return condition()
      }
    })
  })

const send = (connection: Connection, bytes: number): Effect.Effect<unknown, unknown> =>
  Effect.forEach(Array.from({ length: bytes / 100_000 }), () => connection.send(new Uint8Array(100_000)), {
    discard: true
  })

describe.each(networks)("over $name", (network) => {
  const { isSecure } = network

  it.live(
    "a peer that reads steadily lives for three times the keepalive, and gets everything",
    () =>
      Effect.gen(function* () {
        const { closed, port } = yield* serve(network, (connection) => send(connection, 24 * MB), {
          keepalive: { interval: "2 seconds", timeout: "2 seconds" },
          closeTimeout: "2 seconds"
        })
        // The system takes some 4 MB of it at once.
        const peer = yield* slowReader(port, isSecure, 1.9 * MB)
        yield* until(() => peer.received > 24 * MB && peer.endsWithClose(1000), 40_000)
        peer.socket.write(frame({ opcode: 8, payload: new Uint8Array([3, 232]) }))
        const closeInfo = yield* Deferred.await(closed)
        assert.deepStrictEqual([closeInfo.error.code, closeInfo.clean], [1000, true])
      }),
    60_000
  )

  it.live(
    "a peer that reads nothing is ended within the keepalive, while we send a little",
    () =>
      Effect.gen(function* () {
        const { closed, port } = yield* serve(
          network,
          (connection) => Effect.forever(Effect.andThen(connection.send(new Uint8Array(10)), Effect.sleep(100))),
          { keepalive: { interval: "1 second", timeout: "1 second" } }
        )
        yield* slowReader(port, isSecure, 0)
        const begun = performance.now()
        const closeInfo = yield* Deferred.await(closed)
        assert.strictEqual(closeInfo.error.reason, "keepalive timeout")
        assert.isBelow(performance.now() - begun, 6000)
      }),
    20_000
  )

  it.live(
    "a peer that reads nothing is ended within the keepalive, while much waits for it",
    () =>
      Effect.gen(function* () {
        const { closed, port } = yield* serve(network, (connection) => send(connection, 24 * MB), {
          keepalive: { interval: "1 second", timeout: "1 second" }
        })
        yield* slowReader(port, isSecure, 0)
        const begun = performance.now()
        const closeInfo = yield* Deferred.await(closed)
        assert.strictEqual(closeInfo.error.reason, "keepalive timeout")
        assert.isBelow(performance.now() - begun, 6000)
      }),
    20_000
  )

  it.live(
    "a reset is noticed while nothing is read",
    () =>
      Effect.gen(function* () {
        const { closed, port } = yield* serve(network, () => Effect.never, {
          keepalive: { interval: "300 millis", timeout: "10 seconds" },
          receiveBufferSize: 10
        })
        const peer = yield* slowReader(port, isSecure, Infinity)
        yield* until(() => peer.received > 0, 5000)
        for (let at = 0; at < 500; at++) peer.socket.write(frame({ opcode: 2, payload: new Uint8Array(1000) }))
        yield* Effect.sleep(300)
        peer.socket.destroy()
        const begun = performance.now()
        assert.strictEqual((yield* Deferred.await(closed)).initiator, "transport")
        assert.isBelow(performance.now() - begun, 6000)
      }),
    20_000
  )

  it.live(
    "closing loses nothing of what was sent, although it takes longer than closeTimeout",
    () =>
      Effect.gen(function* () {
        const { closed, port } = yield* serve(network, (connection) => send(connection, 8 * MB), {
          closeTimeout: "1 second",
          keepalive: false
        })
        const peer = yield* slowReader(port, isSecure, 2 * MB)
        // It never answers: the end is ours, and a FIN.
        const closeInfo = yield* Deferred.await(closed)
        assert.strictEqual(closeInfo.error.code, 1006)
        yield* until(() => peer.isEnded, 20_000)
        assert.isUndefined(peer.error)
        assert.isAbove(peer.received, 8 * MB)
        assert.isTrue(peer.endsWithClose(1000))
      }),
    40_000
  )

  it.live(
    "closing ends after maxCloseTime, where the peer reads nothing",
    () =>
      Effect.gen(function* () {
        const { closed, port } = yield* serve(network, (connection) => send(connection, 8 * MB), {
          closeTimeout: "100 millis",
          maxCloseTime: "1 second",
          writeHighWaterMark: 16 * MB,
          keepalive: false
        })
        yield* slowReader(port, isSecure, 0)
        const begun = performance.now()
        const closeInfo = yield* Deferred.await(closed)
        assert.match(closeInfo.error.reason, /in time/)
        assert.isBelow(performance.now() - begun, 8000)
      }),
    20_000
  )
})

describe.each(networks)("a ping over $name", ({ isSecure, layer }) => {
  /** The opcodes of all frames that come, until there are so many binary ones. */
  const opcodes = (peer: SlowReader, binary: number): Effect.Effect<ReadonlyArray<number>> =>
    Effect.callback((resume) => {
      const seen: Array<number> = []
      let buffer = Buffer.alloc(0)
      let skip = 0
      let isHead = true
      peer.socket.on("data", (chunk: Buffer) => {
        buffer = skip >= chunk.length ? Buffer.alloc(0) : Buffer.concat([buffer, chunk.subarray(skip)])
        skip = Math.max(0, skip - chunk.length)
        if (isHead) {
          const end = buffer.indexOf("\r\n\r\n")
          if (end < 0) return
          buffer = buffer.subarray(end + 4)
          isHead = false
        }
        while (buffer.length >= 10) {
          const short = buffer[1]!
          const size = short === 127 ? 10 + Number(buffer.readBigUInt64BE(2)) : 2 + short
          seen.push(buffer[0]! & 0x0f)
          skip = Math.max(0, size - buffer.length)
          buffer = buffer.subarray(size)
        }
        if (seen.filter((opcode) => opcode === 2).length === binary) resume(Effect.succeed(seen))
      })
    })

  it.live.each([{ name: "fiber" }, { name: "queue" }])(
    "is answered before data that waits, on the $name server",
    ({ name }) =>
      Effect.gen(function* () {
        const going = yield* Deferred.make<void>()
        const flood = (connection: Connection): Effect.Effect<unknown, unknown> =>
          Effect.andThen(
            Deferred.succeed(going, undefined),
            Effect.forEach(Array.from({ length: 25 }), () => connection.send(new Uint8Array(MB)), { discard: true })
          )
        const options = { drainTimeout: 0, maxBufferedBytes: 50 * MB }
        const server = yield* start(
          name === "fiber"
            ? WebSocketServer.layer((connection) => Effect.andThen(flood(connection), Effect.never), options)
            : WebSocketServer.layerQueue({ onOpen: (connection) => Effect.asVoid(flood(connection)) }, options)
        )
        const peer = yield* slowReader(portOf(server), isSecure, 0)
        const seen = yield* Effect.forkScoped(opcodes(peer, 25), { startImmediately: true })
        yield* Deferred.await(going)
        yield* Effect.sleep(200)
        peer.socket.write(frame({ opcode: 9, payload: "now" }))
        yield* Effect.sleep(200)
        peer.readAll()
        const pong = (yield* Fiber.join(seen)).indexOf(10)
        // The system holds some 4 MB here, and the transport one frame.
        assert.isAtLeast(pong, 0)
        assert.isAtMost(pong, 12)
      }).pipe(Effect.provide(layer), Effect.provideService(References.MinimumLogLevel, "Error")),
    20_000
  )

  it.live(
    "and all else: no more than writeHighWaterMark and a message wait here",
    () =>
      Effect.gen(function* () {
        const open = yield* Deferred.make<Connection>()
        const { port } = yield* serve(
          { name: "", isSecure, layer },
          (connection) =>
            Effect.andThen(
              Deferred.succeed(open, connection),
              Effect.forEach(Array.from({ length: 50_000 }), () => connection.send(new Uint8Array(1000)), {
                discard: true
              })
            ),
          {}
        )
        yield* slowReader(port, isSecure, 0)
        const connection = yield* Deferred.await(open)
        let most = 0
        for (let at = 0; at < 50; at++) {
          yield* Effect.sleep(10)
          most = Math.max(most, connection.buffered.outbound)
        }
        assert.isAtLeast(most, 60_000)
        assert.isAtMost(most, 65_536 + 2008)
      }),
    20_000
  )
})

describe("a client of ours", () => {
  it.live(
    "lives while a server takes its upload slowly",
    () =>
      Effect.gen(function* () {
        let taken = 0
        const { closed, server } = yield* serve(
          networks[0]!,
          (connection) =>
            Stream.runForEach(connection.messages, ({ data }) =>
              Effect.andThen(
                Effect.sleep(50),
                Effect.sync(() => (taken += data.length))
              )
            ),
          {}
        )
        yield* Effect.scoped(
          Effect.gen(function* () {
            const connection = yield* connect(server, { keepalive: { interval: "1 second", timeout: "1 second" } })
            yield* send(connection, 16 * MB)
            return yield* connection.close(1000)
          })
        ).pipe(Effect.provide(Tcp.layerDialer()))
        const closeInfo = yield* Deferred.await(closed)
        assert.deepStrictEqual([taken, closeInfo.error.code, closeInfo.initiator], [16 * MB, 1000, "remote"])
      }),
    40_000
  )

  it.live(
    "loses nothing of what it sent before it closed, although the server takes its time",
    () =>
      Effect.gen(function* () {
        let taken = 0
        const done = yield* Deferred.make<void>()
        const { server } = yield* serve(
          networks[0]!,
          (connection) =>
            Stream.runForEach(connection.messages, () =>
              Effect.andThen(
                Effect.sleep(10),
                Effect.suspend(() => (++taken === 200 ? Deferred.succeed(done, undefined) : Effect.void))
              )
            ),
          {}
        )
        const closeInfo = yield* Effect.scoped(
          Effect.gen(function* () {
            const connection = yield* connect(server, { closeTimeout: "500 millis" })
            for (let at = 0; at < 200; at++) yield* connection.send(new Uint8Array(10_000))
            yield* connection.flushed
            return yield* connection.close(1000)
          })
        ).pipe(Effect.provide(Tcp.layerDialer()))
        assert.strictEqual(closeInfo.clean, false)
        yield* Deferred.await(done)
        assert.strictEqual(taken, 200)
      }),
    20_000
  )
})
