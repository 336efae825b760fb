import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Socket } from "effect/socket"
import * as Http from "node:http"
import * as Http2 from "node:http2"
import * as Net from "node:net"
import { duplexPair } from "node:stream"
import { fromDuplex } from "../src/NodeDuplex.ts"
import { peerInfo } from "../src/Push.ts"
import { ByteRecorder } from "../src/ByteRecorder.ts"

const encoder = new TextEncoder()

describe("NodeDuplex", () => {
  it.live("serves any Duplex, with what was read before it", () =>
    Effect.gen(function* () {
      const [near, far] = duplexPair()
      const socket = fromDuplex(near, { head: encoder.encode("head ") })
      const sink = new ByteRecorder()
      far.write("and tail")
      socket.readerUnsafe.subscribe(sink)
      yield* sink.until((self) => self.text === "head and tail")
      assert.isUndefined(peerInfo(socket)?.remoteAddress)
      const other = new ByteRecorder()
      fromDuplex(far).readerUnsafe.subscribe(other)
      yield* socket.writerUnsafe.write("answer")
      yield* other.until((self) => self.text === "answer")
      socket.writerUnsafe.shutdown()
      yield* other.until((self) => self.log.includes("end"))
      far.end()
      yield* sink.closed
      assert.deepStrictEqual(sink.log, ["chunk", "end", "close"])
      assert.isUndefined(sink.error)
    })
  )

  it.live("pulls the head before anything else", () =>
    Effect.gen(function* () {
      const [near] = duplexPair()
      const socket = fromDuplex(near, { head: encoder.encode("head") })
      const [bytes] = yield* socket.readerUnsafe.pull
      assert.strictEqual(new TextDecoder().decode(bytes as Uint8Array), "head")
      socket.writerUnsafe.destroy()
    })
  )

  it.live("tells of the close of a stream that was gone from the start", () =>
    Effect.gen(function* () {
      const [near] = duplexPair()
      near.destroy()
      yield* Effect.sleep("10 millis")
      const socket = fromDuplex(near)
      const error = yield* Effect.flip(socket.readerUnsafe.pull)
      assert.strictEqual((error.reason as Socket.SocketCloseError).code, 1006)
    })
  )

  it.live("takes over the socket of an HTTP upgrade", () =>
    Effect.gen(function* () {
      const sink = new ByteRecorder()
      const server = Http.createServer()
      server.on("upgrade", (_request, stream, head) => {
        const socket = fromDuplex(stream, { head })
        sink.onBytes = (bytes) => void socket.writerUnsafe.writeUnsafe(bytes)
        sink.onFin = () => socket.close()
        socket.writerUnsafe.writeUnsafe(encoder.encode("HTTP/1.1 101 Switching Protocols\r\n\r\n"))
        socket.readerUnsafe.subscribe(sink)
      })
      yield* Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void)))
      yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
      const stream = Net.connect({ port: (server.address() as Net.AddressInfo).port, host: "127.0.0.1" })
      const client = new ByteRecorder()
      const socket = fromDuplex(stream)
      socket.readerUnsafe.subscribe(client)
      socket.writerUnsafe.writeUnsafe(
        encoder.encode("GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\none")
      )
      yield* client.until((self) => self.text.endsWith("one"))
      socket.writerUnsafe.writeUnsafe(encoder.encode(" two"))
      yield* client.until((self) => self.text.endsWith("one two"))
      socket.writerUnsafe.shutdown()
      yield* sink.closed
      yield* client.closed
    })
  )

  it.live("takes over a stream of HTTP/2, in both roles", () =>
    Effect.gen(function* () {
      const sink = new ByteRecorder()
      const server = Http2.createServer({ settings: { enableConnectProtocol: true } })
      server.on("stream", (stream: Http2.ServerHttp2Stream) => {
        stream.respond({ ":status": 200 })
        const socket = fromDuplex(stream)
        sink.onBytes = (bytes) => void socket.writerUnsafe.writeUnsafe(bytes)
        sink.onFin = () => socket.writerUnsafe.shutdown()
        socket.readerUnsafe.subscribe(sink)
      })
      yield* Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void)))
      yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
      const session = Http2.connect(`http://127.0.0.1:${(server.address() as Net.AddressInfo).port}`)
      yield* Effect.addFinalizer(() => Effect.sync(() => session.destroy()))
      yield* Effect.callback<void>((resume) => void session.once("remoteSettings", () => resume(Effect.void)))
      const stream = session.request(
        { ":method": "CONNECT", ":protocol": "websocket", ":path": "/", ":scheme": "http", ":authority": "x" },
        { endStream: false }
      )
      const socket = fromDuplex(stream)
      const client = new ByteRecorder()
      client.keepText = false
      socket.readerUnsafe.subscribe(client)
      // More than the windows of flow control hold.
      const total = 1 << 20
      for (let sent = 0; sent < total; sent += 65536) yield* socket.writerUnsafe.write(new Uint8Array(65536))
      yield* client.until((self) => self.bytes === total)
      socket.writerUnsafe.shutdown()
      yield* client.closed
      yield* sink.closed
      assert.isUndefined(client.error)
      assert.isUndefined(sink.error)
    })
  )
})
