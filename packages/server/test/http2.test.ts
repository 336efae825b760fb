import type { Connection } from "@effect-ws/connection/Connection"
import { HandshakeRejection } from "@effect-ws/protocol/HandshakeRejection"
import type { Http2Options } from "@effect-ws/transport/Http2"
import * as HttpUpgrade from "@effect-ws/transport/HttpUpgrade"
import * as Tcp from "@effect-ws/transport/Tcp"
import * as Tls from "@effect-ws/transport/Tls"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Redacted, Stream } from "effect"
import type { Scope } from "effect"
import type { NetAddress } from "effect/net"
import * as Http2 from "node:http2"
import * as Net from "node:net"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import * as Http2Peer from "./support/Http2Peer.ts"
import * as RawHttp2 from "./support/RawHttp2.ts"
import { certificate, listening } from "./support/transports.ts"
import { start } from "./support/variants.ts"

const echo = (connection: Connection) => Stream.runForEach(connection.messages, (message) => connection.send(message))

const page = { status: 200, headers: [{ name: "Content-Type", value: "text/plain" }], body: Buffer.from("a page\n") }

const portOf = (server: WebSocketServer.WebSocketServer["Service"]): number =>
  (server.address as NetAddress.InetAddress).port

interface Served {
  readonly server: WebSocketServer.WebSocketServer["Service"]
  readonly port: number
}

/** Serves HTTP/2 without TLS. */
const serve = (
  program: (connection: Connection) => Effect.Effect<void, unknown, Scope.Scope> = echo,
  options?: WebSocketServer.ServerOptions,
  http2: boolean | Http2Options = true
): Effect.Effect<Served, unknown, Scope.Scope> =>
  Effect.map(
    start(
      WebSocketServer.layer(program, {
        respond: ({ target }) => (target === "/page" ? page : undefined),
        ...options
      }).pipe(Layer.provide(Tcp.layerServer({ port: 0, http2 })))
    ),
    (server) => ({ server, port: portOf(server) })
  )

const secure = Layer.suspend(() =>
  Tls.layerServer({ port: 0, cert: certificate.cert, key: Redacted.make(certificate.key), http2: true })
)

describe("WebSockets over HTTP/2", () => {
  it.live("serves many sockets on one session, beside HTTP/1.1 on the same port", () =>
    Effect.gen(function* () {
      const { port, server } = yield* serve()
      const session = yield* Http2Peer.session(`http://127.0.0.1:${port}`)
      assert.strictEqual(session.remoteSettings.enableConnectProtocol, true)
      assert.strictEqual(session.remoteSettings.maxConcurrentStreams, 100)
      const sockets = Array.from({ length: 10 }, () => Http2Peer.connect(session))
      for (const [at, socket] of sockets.entries()) {
        assert.strictEqual(yield* Effect.promise(() => socket.status), 200)
        socket.stream.write(Http2Peer.text(`hello ${at}`))
        const answer = yield* Effect.promise(() => socket.bytes(9))
        assert.deepStrictEqual(answer, Buffer.concat([Buffer.from([0x81, 7]), Buffer.from(`hello ${at}`)]))
      }
      const connections = yield* server.connections
      assert.strictEqual(connections.length, 10)
      assert.strictEqual(connections[0]!.request.version, "HTTP/2")
      assert.strictEqual(connections[0]!.request.host, "localhost")
      const answer = yield* Effect.promise(() => fetch(`http://127.0.0.1:${port}/page`).then((it) => it.text()))
      assert.strictEqual(answer, "a page\n")
    })
  )

  it.live("chooses by ALPN with TLS, and knows who the peer is", () =>
    Effect.gen(function* () {
      const server = yield* start(WebSocketServer.layer(echo).pipe(Layer.provide(secure)))
      const url = `https://localhost:${portOf(server)}`
      const session = yield* Http2Peer.session(url, { ca: certificate.cert })
      const socket = Http2Peer.connect(session, { ":scheme": "https" })
      assert.strictEqual(yield* Effect.promise(() => socket.status), 200)
      const [connection] = yield* server.connections
      const { peer, request } = connection!
      assert.strictEqual(request.secure, true)
      assert.strictEqual(peer.alpnProtocol, "h2")
      assert.strictEqual(peer.serverName, "localhost")
      assert.isTrue(peer.remoteAddress !== undefined && "port" in peer.remoteAddress)
      socket.stream.write(Http2Peer.close(1000))
      assert.deepStrictEqual(yield* Effect.promise(() => socket.body), Buffer.from([0x88, 2, 3, 232]))
    })
  )

  it.live("answers plain requests as over HTTP/1.1, and keeps the session", () =>
    Effect.gen(function* () {
      const { port } = yield* serve()
      const session = yield* Http2Peer.session(`http://127.0.0.1:${port}`)
      const ask = (headers: Http2.OutgoingHttpHeaders) => Http2Peer.exchange(session, { ":authority": "a", ...headers })
      const found = ask({ ":path": "/page" })
      assert.strictEqual(yield* Effect.promise(() => found.status), 200)
      assert.strictEqual(String(yield* Effect.promise(() => found.body)), "a page\n")
      const head = ask({ ":path": "/page", ":method": "HEAD" })
      assert.strictEqual(yield* Effect.promise(() => head.status), 200)
      assert.strictEqual((yield* Effect.promise(() => head.body)).length, 0)
      const socket = ask({ ":path": "/" })
      assert.strictEqual(yield* Effect.promise(() => socket.status), 400)
      assert.match(String(yield* Effect.promise(() => socket.body)), /extended CONNECT/)
      const post = ask({ ":path": "/page", ":method": "POST" })
      assert.strictEqual(yield* Effect.promise(() => post.status), 405)
      assert.isFalse(session.closed)
    })
  )

  it.live("refuses with a complete response what the policies and the decision refuse", () =>
    Effect.gen(function* () {
      const decide = () => Effect.fail(new HandshakeRejection({ status: 402, reason: "pay first" }))
      const { port } = yield* serve(echo, { paths: ["/a"], decide })
      const session = yield* Http2Peer.session(`http://127.0.0.1:${port}`)
      const missing = Http2Peer.connect(session, { ":path": "/b" })
      assert.strictEqual(yield* Effect.promise(() => missing.status), 404)
      const foreign = Http2Peer.connect(session, { ":path": "/a", origin: "http://evil.example" })
      assert.strictEqual(yield* Effect.promise(() => foreign.status), 403)
      const refused = Http2Peer.connect(session, { ":path": "/a" })
      assert.strictEqual(yield* Effect.promise(() => refused.status), 402)
      assert.strictEqual(String(yield* Effect.promise(() => refused.body)), "pay first\n")
      assert.strictEqual((yield* Effect.promise(() => refused.headers))["connection"], undefined)
    })
  )

  it.live("takes RST_STREAM for an abort and END_STREAM for the end", () =>
    Effect.gen(function* () {
      const ends: Array<string> = []
      const over = yield* Deferred.make<void>()
      const { port } = yield* serve((connection) =>
        Effect.gen(function* () {
          const { clean } = yield* connection.closed
          ends.push(`${connection.request.path} ${clean}`)
          if (ends.length === 2) yield* Deferred.succeed(over, undefined)
        })
      )
      const session = yield* Http2Peer.session(`http://127.0.0.1:${port}`)
      const reset = Http2Peer.connect(session, { ":path": "/reset" })
      const ended = Http2Peer.connect(session, { ":path": "/ended" })
      yield* Effect.promise(() => Promise.all([reset.status, ended.status]))
      reset.stream.close(Http2.constants.NGHTTP2_CANCEL)
      ended.stream.end(Http2Peer.close(1000))
      yield* Deferred.await(over)
      assert.sameMembers(ends, ["/reset false", "/ended true"])
      assert.strictEqual(yield* Effect.promise(() => ended.code), 0)
    })
  )

  it.live("aborts with RST_STREAM of code CANCEL", () =>
    Effect.gen(function* () {
      const { port } = yield* serve((connection) => connection.abort("enough"))
      const session = yield* Http2Peer.session(`http://127.0.0.1:${port}`)
      const socket = Http2Peer.connect(session)
      assert.strictEqual(yield* Effect.promise(() => socket.code), Http2.constants.NGHTTP2_CANCEL)
    })
  )

  it.live("holds back a stream that is not read, and no other of its session", () =>
    Effect.gen(function* () {
      const release = yield* Deferred.make<void>()
      const program = (connection: Connection) =>
        connection.request.path === "/slow"
          ? Effect.andThen(Deferred.await(release), echo(connection))
          : echo(connection)
      const window = 128 * 1024
      const { port } = yield* serve(program, {}, { streamWindow: window, sessionWindow: window })
      const session = yield* Http2Peer.session(`http://127.0.0.1:${port}`)
      const slow = Http2Peer.connect(session, { ":path": "/slow" })
      const fast = Http2Peer.connect(session, { ":path": "/fast" })
      yield* Effect.promise(() => Promise.all([slow.status, fast.status]))
      const size = 32 * 1024
      const flood = Buffer.concat(Array.from({ length: 100 }, () => Http2Peer.frame(0x82, Buffer.alloc(size))))
      let isTaken = false
      slow.stream.write(flood, () => (isTaken = true))
      for (let at = 0; at < 50; at++) {
        fast.stream.write(Http2Peer.frame(0x82, Buffer.alloc(size)))
        yield* Effect.promise(() => fast.bytes((at + 1) * (size + 4)))
      }
      assert.isFalse(isTaken)
      yield* Deferred.succeed(release, undefined)
      yield* Effect.promise(() => slow.bytes(100 * (size + 4)))
      assert.isTrue(isTaken)
    })
  )

  it.live("keeps a client that reads a large message slowly", () =>
    Effect.gen(function* () {
      const size = 512 * 1024
      const { port, server } = yield* serve(
        (connection) => Effect.andThen(connection.send(new Uint8Array(size)), Effect.never),
        {
          keepalive: { interval: "300 millis", timeout: "300 millis" }
        }
      )
      const peer = yield* RawHttp2.open(port, [[4, 0]])
      const { windowUpdate } = RawHttp2.Type
      peer.write(RawHttp2.connect(1), RawHttp2.frame(windowUpdate, 0, 0, RawHttp2.uint32(2 * size)))
      // So slowly that it takes three times as long as keepalive waits; what it reads are no pings.
      for (let at = 0; at < 20; at++) {
        peer.write(RawHttp2.frame(windowUpdate, 0, 1, RawHttp2.uint32(20 * 1024)))
        yield* Effect.sleep(100)
      }
      assert.strictEqual((yield* server.connections).length, 1)
      assert.isFalse(peer.received.some(({ type }) => type === RawHttp2.Type.rstStream))
    })
  )

  it.live("says GOAWAY when it stops, and drains the sockets that are open", () =>
    Effect.gen(function* () {
      const goaway = yield* Deferred.make<number>()
      const closed = yield* Deferred.make<void>()
      const stopped = yield* Effect.scoped(
        Effect.gen(function* () {
          const { port } = yield* serve()
          const session = yield* Effect.acquireRelease(
            Effect.callback<Http2.ClientHttp2Session>((resume) => {
              const opened = Http2.connect(`http://127.0.0.1:${port}`)
              opened.on("error", () => {})
              opened.on("goaway", (code: number) => Effect.runFork(Deferred.succeed(goaway, code)))
              opened.on("close", () => Effect.runFork(Deferred.succeed(closed, undefined)))
              opened.once("remoteSettings", () => resume(Effect.succeed(opened)))
            }),
            () => Effect.void
          )
          const socket = Http2Peer.connect(session)
          yield* Effect.promise(() => socket.status)
          socket.stream.once("data", () => socket.stream.end(Http2Peer.close(1001)))
          return socket
        })
      )
      const body = yield* Effect.promise(() => stopped.body)
      assert.deepStrictEqual([...body.subarray(2, 4)], [3, 233])
      assert.strictEqual(yield* Deferred.await(goaway), 0)
      yield* Deferred.await(closed)
    })
  )

  it.live("closes sessions without streams in time, and the oldest where they are too many", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo, {}, { maxIdleSessions: 1, idleTimeout: "200 millis" })
      const ask = Effect.gen(function* () {
        const session = yield* Http2Peer.session(`http://127.0.0.1:${port}`)
        const closed = new Promise<void>((resolve) => void session.once("close", resolve))
        const found = Http2Peer.exchange(session, { ":path": "/page", ":authority": "a" })
        yield* Effect.promise(() => found.code)
        return closed
      })
      const first = yield* ask
      const second = yield* ask
      yield* Effect.promise(() => first)
      yield* Effect.promise(() => second)
    })
  )

  it.live("drops a session that opens no stream within the time of a handshake", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo, { handshakeTimeout: "200 millis" })
      const session = yield* Http2Peer.session(`http://127.0.0.1:${port}`)
      yield* Effect.callback<void>((resume) => void session.once("close", () => resume(Effect.void)))
    })
  )

  it.live("takes WebSockets off an HTTP/2 server of Node at its paths, and leaves all else to it", () =>
    Effect.gen(function* () {
      const node = yield* listening(
        () =>
          Http2.createSecureServer(
            { cert: certificate.cert, key: certificate.key, allowHTTP1: true },
            (_, response) => void response.end("a page\n")
          ),
        { port: 0, host: "127.0.0.1" }
      )
      yield* start(WebSocketServer.layer(echo).pipe(Layer.provide(HttpUpgrade.layerServer(node, { paths: ["/echo"] }))))
      const url = `https://localhost:${(node.address() as Net.AddressInfo).port}`
      const session = yield* Http2Peer.session(url, { ca: certificate.cert })
      const socket = Http2Peer.connect(session, { ":path": "/echo" })
      assert.strictEqual(yield* Effect.promise(() => socket.status), 200)
      socket.stream.write(Http2Peer.text("hello"))
      assert.strictEqual((yield* Effect.promise(() => socket.bytes(7))).length, 7)
      const missing = Http2Peer.connect(session, { ":path": "/else" })
      assert.strictEqual(yield* Effect.promise(() => missing.status), 404)
      const proxied = Http2Peer.exchange(session, { ":method": "CONNECT", ":authority": "a:1" })
      assert.strictEqual(yield* Effect.promise(() => proxied.status), 405)
      const page = Http2Peer.exchange(session, { ":path": "/", ":authority": "localhost" })
      assert.strictEqual(String(yield* Effect.promise(() => page.body)), "a page\n")
    })
  )

  it.live("drops a client that sends half of a preface within the time of a handshake", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(echo, { handshakeTimeout: "200 millis" })
      const socket = Net.connect(port, "127.0.0.1")
      socket.on("error", () => {})
      socket.write("PRI * HTTP/2")
      yield* Effect.callback<void>((resume) => void socket.once("close", () => resume(Effect.void)))
    })
  )
})
