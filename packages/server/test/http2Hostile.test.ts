/**
 * Hostile HTTP/2 clients. Each loses its stream or its session. It costs the server a bounded amount of work and
 * memory, and does not affect other sessions.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import type { Http2Options } from "@effect-ws/transport/Http2"
import * as HttpUpgrade from "@effect-ws/transport/HttpUpgrade"
import * as Tcp from "@effect-ws/transport/Tcp"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Logger, Scope, Stream } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import type { NetAddress } from "effect/net"
import * as Http2 from "node:http2"
import * as Net from "node:net"
import * as WebSocketRoute from "../src/WebSocketRoute.ts"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import * as Http2Peer from "./support/Http2Peer.ts"
import * as RawHttp2 from "./support/RawHttp2.ts"
import { listening } from "./support/transports.ts"
import { start } from "./support/variants.ts"

const { Type } = RawHttp2

const echo = (connection: Connection) => Stream.runForEach(connection.messages, (message) => connection.send(message))

const serve = Effect.fnUntraced(function* (
  program: (connection: Connection) => Effect.Effect<unknown, unknown> = echo,
  options?: WebSocketServer.ServerOptions,
  http2: boolean | Http2Options = true
) {
  const server = yield* start(
    WebSocketServer.layer(program, options).pipe(Layer.provide(Tcp.layerServer({ port: 0, http2 })))
  )
  return { server, port: (server.address as NetAddress.InetAddress).port }
})

/** Another client, which notices nothing. */
const isWell = Effect.fnUntraced(function* (port: number) {
  const session = yield* Http2Peer.session(`http://127.0.0.1:${port}`)
  const socket = Http2Peer.connect(session)
  socket.stream.write(Http2Peer.text("hello"))
  assert.strictEqual((yield* Effect.promise(() => socket.bytes(7))).subarray(2).toString(), "hello")
})

const test = (name: string, program: Effect.Effect<void, unknown, Scope.Scope>): void => {
  it.live(name, () => program.pipe(Effect.scoped, Effect.provide(Logger.layer([]))), 20_000)
}

const isGoaway = ({ type }: RawHttp2.Received): boolean => type === Type.goaway
const headersOf =
  (stream: number) =>
  (frame: RawHttp2.Received): boolean =>
    frame.type === Type.headers && frame.stream === stream
const resetOf =
  (stream: number) =>
  (frame: RawHttp2.Received): boolean =>
    frame.type === Type.rstStream && frame.stream === stream

describe("hostile clients of HTTP/2", () => {
  test(
    "lose their session when they open and reset streams without end",
    Effect.gen(function* () {
      const { port, server } = yield* serve()
      const peer = yield* RawHttp2.open(port)
      for (let at = 0; at < 2000; at++) {
        const stream = 2 * at + 1
        peer.write(RawHttp2.connect(stream), RawHttp2.frame(Type.rstStream, 0, stream, RawHttp2.uint32(8)))
      }
      yield* peer.find(isGoaway)
      yield* peer.closed
      assert.strictEqual((yield* server.connections).length, 0)
      yield* isWell(port)
    })
  )

  test(
    "are refused more streams than they may have, or lose their session where they know the limit",
    Effect.gen(function* () {
      const { port, server } = yield* serve()
      const open = Effect.gen(function* () {
        const peer = yield* RawHttp2.open(port)
        yield* peer.find(({ flags, type }) => type === Type.settings && flags === 0)
        return peer
      })
      const requests = Array.from({ length: 101 }, (_, at) => RawHttp2.connect(2 * at + 1))
      const unaware = yield* open
      unaware.write(...requests)
      const refused = yield* unaware.find(resetOf(201))
      assert.strictEqual(refused.payload.readUInt32BE(), 7, "REFUSED_STREAM")
      yield* unaware.find(headersOf(199))
      assert.strictEqual((yield* server.connections).length, 100)
      const aware = yield* open
      aware.write(RawHttp2.frame(Type.settings, 1, 0), ...requests)
      yield* aware.find(isGoaway)
      yield* aware.closed
      assert.strictEqual((yield* server.connections).length, 100)
    })
  )

  test(
    "are not read from beyond their windows, whatever they send on a hundred streams",
    Effect.gen(function* () {
      const streamWindow = 64 * 1024
      const program = (connection: Connection) =>
        connection.request.path === "/deaf" ? Effect.never : echo(connection)
      const { port } = yield* serve(program, {}, { streamWindow })
      const session = yield* Http2Peer.session(`http://127.0.0.1:${port}`)
      const sockets = Array.from({ length: 100 }, () => Http2Peer.connect(session, { ":path": "/deaf" }))
      yield* Effect.promise(() => Promise.all(sockets.map(({ status }) => status)))
      const chunk = Http2Peer.frame(0x82, Buffer.alloc(16 * 1024))
      for (const { stream } of sockets) for (let at = 0; at < 32; at++) stream.write(chunk)
      let before = -1
      while (before !== session.socket.bytesWritten) {
        before = session.socket.bytesWritten
        yield* Effect.sleep(500)
      }
      // What a connection and Node keep for a program that does not read, and the window.
      const most = 3 * 64 * 1024 + streamWindow
      assert.isAtLeast(before, 100 * streamWindow)
      assert.isAtMost(before, 100 * most)
      yield* isWell(port)
    })
  )

  test(
    "with windows of zero hold what the limit of a connection allows, and no drain",
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const flood = (connection: Connection) => Effect.forever(connection.send(new Uint8Array(64 * 1024)))
      const { port, server } = yield* Scope.provide(serve(flood, { drainTimeout: "200 millis" }), scope)
      // INITIAL_WINDOW_SIZE is 0, so not a byte may be sent to this client.
      const peer = yield* RawHttp2.open(port, [[4, 0]])
      for (let at = 0; at < 20; at++) peer.write(RawHttp2.connect(2 * at + 1))
      yield* peer.find(headersOf(39))
      yield* Effect.sleep(200)
      for (const { buffered } of yield* server.connections) assert.isAtMost(buffered.outbound, 1024 * 1024)
      assert.strictEqual((yield* server.connections).length, 20)
      yield* Scope.close(scope, Exit.void)
      yield* peer.find(resetOf(1))
      yield* peer.closed
      assert.isFalse(peer.received.some(({ payload, type }) => type === Type.data && payload.length > 0))
    })
  )

  for (const [name, fields, outcome] of [
    ["an unknown pseudo-header", [...RawHttp2.changed({}), [":secret", "1"]], "reset"],
    ["a pseudo-header of a response", [[":status", "200"], ...RawHttp2.changed({})], "reset"],
    ["a repeated :method", [[":method", "CONNECT"], ...RawHttp2.changed({})], "reset"],
    ["a name in capitals", [...RawHttp2.changed({}), ["Cookie", "a"]], "reset"],
    ["a field of a connection of HTTP/1.1", [...RawHttp2.changed({}), ["connection", "Upgrade"]], "reset"],
    ["no :path", RawHttp2.changed({ ":path": undefined }), "reset"],
    ["another protocol", RawHttp2.changed({ ":protocol": "connect-udp" }), "501"],
    [
      "CONNECT without :protocol",
      RawHttp2.changed({ ":protocol": undefined, ":path": undefined, ":scheme": undefined }),
      "400"
    ],
    ["an :authority with a path", RawHttp2.changed({ ":authority": "a/b" }), "reset"],
    ["a port that is none", RawHttp2.changed({ ":authority": "localhost:99999" }), "400"]
  ] as ReadonlyArray<readonly [string, ReadonlyArray<readonly [string, string]>, string]>) {
    test(
      `get ${outcome} for ${name}, and keep their session`,
      Effect.gen(function* () {
        const { port } = yield* serve()
        const peer = yield* RawHttp2.open(port)
        peer.write(RawHttp2.connect(1, fields))
        const answer = yield* peer.find((frame) => headersOf(1)(frame) || resetOf(1)(frame))
        if (outcome === "reset") {
          assert.strictEqual(answer.type, Type.rstStream)
          assert.strictEqual(answer.payload.readUInt32BE(), 1, "PROTOCOL_ERROR")
        } else {
          assert.strictEqual(answer.type, Type.headers)
          // A body comes, and the end of the stream.
          yield* peer.find(({ flags, stream, type }) => type === Type.data && stream === 1 && (flags & 1) === 1)
        }
        peer.write(RawHttp2.connect(3))
        yield* peer.find(headersOf(3))
      })
    )
  }

  test(
    "lose their stream for fields that are too long, and their session for CONTINUATION without end",
    Effect.gen(function* () {
      const { port } = yield* serve()
      const long = yield* RawHttp2.open(port)
      const fields = Array.from({ length: 40 }, (_, at) => [`x-${at}`, "a".repeat(300)] as const)
      const wide = [...RawHttp2.changed({}), ...fields, ...fields, ...fields]
      const whole = RawHttp2.block(wide)
      const parts = [whole.subarray(0, 16_000), whole.subarray(16_000, 32_000), whole.subarray(32_000)]
      long.write(
        RawHttp2.frame(Type.headers, 0, 1, parts[0]),
        RawHttp2.frame(Type.continuation, 0, 1, parts[1]),
        RawHttp2.frame(Type.continuation, 4, 1, parts[2])
      )
      yield* long.find(resetOf(1))
      const endless = yield* RawHttp2.open(port)
      endless.write(RawHttp2.frame(Type.headers, 0, 1, RawHttp2.block(RawHttp2.changed({}))))
      for (let at = 0; at < 50; at++)
        endless.write(RawHttp2.frame(Type.continuation, 0, 1, RawHttp2.block([["x", "y"]])))
      yield* endless.closed
      yield* isWell(port)
    })
  )

  test(
    "lose their session for a flood of SETTINGS or PING that they do not read the answers to",
    Effect.gen(function* () {
      const { port } = yield* serve()
      for (const flood of [
        RawHttp2.frame(Type.settings, 0, 0, Buffer.from([0, 4, 0, 0, 255, 255])),
        RawHttp2.frame(Type.ping, 0, 0, Buffer.alloc(8))
      ]) {
        const peer = yield* RawHttp2.open(port)
        yield* peer.find(({ type }) => type === Type.settings)
        peer.stopReading()
        const batch = Buffer.concat(Array.from({ length: 50_000 }, () => flood))
        const flooding = Effect.forever(
          Effect.andThen(
            Effect.sync(() => peer.write(batch)),
            Effect.sleep(20)
          )
        )
        yield* Effect.raceFirst(peer.closed, flooding)
      }
      yield* isWell(port)
    })
  )

  test(
    "may pad their DATA and send trailers",
    Effect.gen(function* () {
      const { port } = yield* serve()
      const peer = yield* RawHttp2.open(port)
      peer.write(RawHttp2.connect(1))
      yield* peer.find(headersOf(1))
      const padding = Buffer.alloc(200)
      const data = Buffer.concat([Buffer.from([padding.length]), Http2Peer.text("hello"), padding])
      peer.write(RawHttp2.frame(Type.data, 8, 1, data))
      const echoed = yield* peer.find(
        ({ payload, stream, type }) => type === Type.data && stream === 1 && payload.length > 0
      )
      assert.strictEqual(echoed.payload.subarray(2).toString(), "hello")
      peer.write(
        RawHttp2.frame(Type.data, 0, 1, Http2Peer.close(1000)),
        RawHttp2.frame(Type.headers, 5, 1, RawHttp2.block([["x-trailer", "1"]]))
      )
      yield* peer.find(({ flags, stream, type }) => type === Type.data && stream === 1 && (flags & 1) === 1)
    })
  )

  for (const [name, provoke] of [
    ["WINDOW_UPDATE of nothing", (stream: number) => RawHttp2.frame(Type.windowUpdate, 0, stream, RawHttp2.uint32(0))],
    [
      "WINDOW_UPDATE beyond 2^31 - 1",
      (stream: number) => RawHttp2.frame(Type.windowUpdate, 0, stream, RawHttp2.uint32(2 ** 31 - 1))
    ],
    [
      "PRIORITY that names the stream itself",
      (stream: number) =>
        RawHttp2.frame(Type.priority, 0, stream, Buffer.concat([RawHttp2.uint32(stream), Buffer.of(1)]))
    ],
    [
      "DATA behind the end of a stream",
      (stream: number) =>
        Buffer.concat([RawHttp2.frame(Type.data, 1, stream), RawHttp2.frame(Type.data, 0, stream, Buffer.alloc(1))])
    ]
  ] as const) {
    test(
      `lose their session when they make the server reset streams without end: ${name}`,
      Effect.gen(function* () {
        const { port, server } = yield* serve()
        const peer = yield* RawHttp2.open(port)
        const flooding = Effect.forEach(Array.from({ length: 4000 }), (_, at) => {
          const stream = 2 * at + 1
          peer.write(RawHttp2.connect(stream), provoke(stream))
          return at % 100 === 99 ? Effect.sleep(1) : Effect.void
        })
        yield* Effect.raceFirst(peer.closed, Effect.andThen(flooding, Effect.never))
        assert.isBelow(peer.received.filter(({ type }) => type === Type.headers).length, 3000)
        while ((yield* server.connections).length > 0) yield* Effect.sleep(10)
        yield* isWell(port)
      })
    )
  }

  test(
    "hold no memory with frames of DATA that are empty",
    Effect.gen(function* () {
      const { port, server } = yield* serve()
      const peer = yield* RawHttp2.open(port)
      peer.write(RawHttp2.connect(1))
      yield* peer.find(headersOf(1))
      const batch = Buffer.concat(Array.from({ length: 10_000 }, () => RawHttp2.frame(Type.data, 0, 1)))
      for (let at = 0; at < 10; at++) peer.write(batch)
      peer.write(RawHttp2.frame(Type.data, 0, 1, Http2Peer.text("hello")))
      yield* Effect.raceFirst(
        peer.find(({ payload, type }) => type === Type.data && payload.length > 0),
        peer.closed
      )
      assert.isAtMost((yield* server.connections).length, 1)
      yield* isWell(port)
    })
  )

  test(
    "are refused the first stream of a session where as many sessions without one are open as handshakes may be",
    Effect.gen(function* () {
      const { port } = yield* serve(echo, { maxHandshakes: 3 })
      const peers = yield* Effect.forEach(Array.from({ length: 3 }), () => RawHttp2.open(port))
      yield* Effect.forEach(peers, (peer) => peer.find(({ type }) => type === Type.settings))
      const another = yield* Http2Peer.session(`http://127.0.0.1:${port}`)
      const refused = Http2Peer.connect(another)
      assert.strictEqual(yield* Effect.promise(() => refused.status), 503)
      assert.match(String(yield* Effect.promise(() => refused.body)), /too many handshakes are under way/)
      // A session with a stream is a handshake no more.
      peers[0]!.write(RawHttp2.connect(1))
      yield* peers[0]!.find(headersOf(1))
      const accepted = Http2Peer.connect(another)
      assert.strictEqual(yield* Effect.promise(() => accepted.status), 200)
    })
  )

  test(
    "are refused streams beyond the connections that the server, or one address, may have",
    Effect.gen(function* () {
      for (const [limit, status] of [
        [{ maxConnections: 2 }, 503],
        [{ maxConnectionsPerAddress: 2 }, 429]
      ] as const) {
        const { port, server } = yield* serve(echo, limit)
        const session = yield* Http2Peer.session(`http://127.0.0.1:${port}`)
        const sockets = Array.from({ length: 4 }, () => Http2Peer.connect(session))
        const statuses = yield* Effect.promise(() => Promise.all(sockets.map(({ status }) => status)))
        assert.deepStrictEqual(statuses, [200, 200, status, status])
        assert.strictEqual((yield* server.connections).length, 2)
        assert.isFalse(session.closed)
      }
    })
  )

  test(
    "are dropped where they do not say which version they speak within prefaceTimeout",
    Effect.gen(function* () {
      const { port } = yield* serve(echo, {}, { prefaceTimeout: "100 millis" })
      for (const bytes of ["", "PRI * HT"]) {
        const socket = Net.connect(port, "127.0.0.1")
        socket.on("error", () => {})
        if (bytes !== "") socket.write(bytes)
        yield* Effect.callback<void>((resume) => void socket.resume().once("close", () => resume(Effect.void)))
      }
      yield* isWell(port)
    })
  )
})

const onNode = (): Http2.Http2Server => Http2.createServer((_, response) => void response.end("a page\n"))

/** Ours on servers of `node:http2`, whose sessions and limits are Node's. */
const attached: Readonly<Record<string, Effect.Effect<number, unknown, Scope.Scope>>> = {
  HttpUpgrade: Effect.gen(function* () {
    const node = yield* listening(onNode, { port: 0, host: "127.0.0.1" })
    yield* start(WebSocketServer.layer(echo).pipe(Layer.provide(HttpUpgrade.layerServer(node))))
    return (node.address() as Net.AddressInfo).port
  }),
  WebSocketRoute: Layer.build(
    HttpRouter.serve(WebSocketRoute.layer("/", echo), { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provideMerge(
        WebSocketRoute.layerServer(() => Http2.createServer(), { port: 0, host: "127.0.0.1" }).pipe(Layer.fresh)
      )
    )
  ).pipe(Effect.map((context) => (Context.get(context, HttpServer.HttpServer).address as NetAddress.InetAddress).port))
}

for (const [name, serving] of Object.entries(attached)) {
  describe(`hostile clients of HTTP/2, ${name}`, () => {
    test(
      "end neither the server nor the sockets of others when they break the protocol in the packet that opens streams",
      Effect.gen(function* () {
        const port = yield* serving
        const session = yield* Http2Peer.session(`http://127.0.0.1:${port}`)
        const socket = Http2Peer.connect(session)
        yield* Effect.promise(() => socket.status)
        for (const provoke of [
          RawHttp2.frame(Type.windowUpdate, 0, 1, RawHttp2.uint32(0)),
          RawHttp2.frame(Type.rstStream, 0, 1, RawHttp2.uint32(8)),
          RawHttp2.frame(Type.windowUpdate, 0, 0, RawHttp2.uint32(0)),
          RawHttp2.frame(Type.data, 0, 99, Buffer.alloc(1))
        ]) {
          for (let at = 0; at < 5; at++) {
            const peer = yield* RawHttp2.open(port)
            peer.write(RawHttp2.connect(1), RawHttp2.connect(3), provoke)
            yield* peer.find(({ type }) => type === Type.rstStream || type === Type.goaway || type === Type.headers)
          }
        }
        socket.stream.write(Http2Peer.text("hello"))
        assert.strictEqual((yield* Effect.promise(() => socket.bytes(7))).subarray(2).toString(), "hello")
        yield* isWell(port)
      })
    )

    test(
      "lose their session when they open and reset streams without end",
      Effect.gen(function* () {
        const port = yield* serving
        const peer = yield* RawHttp2.open(port)
        for (let at = 0; at < 4000; at++) {
          const stream = 2 * at + 1
          peer.write(RawHttp2.connect(stream), RawHttp2.frame(Type.rstStream, 0, stream, RawHttp2.uint32(8)))
        }
        yield* peer.closed
        yield* isWell(port)
      })
    )
  })
}
