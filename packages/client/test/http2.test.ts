import type * as Accept from "@effect-ws/connection/Accept"
import * as ClientAuth from "@effect-ws/protocol/ClientAuth"
import * as HandshakeRejection from "@effect-ws/protocol/HandshakeRejection"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import * as Auth from "@effect-ws/server/Auth"
import * as AuthNonces from "@effect-ws/server/AuthNonces"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Tcp from "@effect-ws/transport/Tcp"
import { assert, describe } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Redacted, Scope, Stream } from "effect"
import type { NetAddress } from "effect/net"
import * as Http2 from "node:http2"
import type { AddressInfo } from "node:net"
import * as Net from "node:net"
import * as Client from "../src/Client.ts"
import { Http2Unavailable } from "../src/ConnectError.ts"
import * as FailureKind from "../src/FailureKind.ts"
import * as Http2Sessions from "../src/Http2Sessions.ts"
import { UnexpectedResponse } from "../src/UnexpectedResponse.ts"
import * as WebSocketClass from "../src/WebSocketClass.ts"
import { server as identity } from "./support/certificates.ts"
import { echoes, openSessions, overHttp2, serve, test, tls } from "./support/http2.ts"

/** An HTTP/2 server of Node without extended CONNECT that also speaks HTTP/1.1. */
const withoutConnect = Effect.acquireRelease(
  Effect.callback<Http2.Http2SecureServer>((resume) => {
    const server = Http2.createSecureServer({ cert: identity.cert, key: identity.key, allowHTTP1: true })
    server.on("request", (_, response) => void response.end("a page\n"))
    server.on("sessionError", () => {})
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => server.close())
)

describe("Client over HTTP/2", () => {
  test(
    "shares one session among the connections to an origin",
    Effect.gen(function* () {
      const { server, url } = yield* serve()
      const all = yield* Effect.forEach(Array.from({ length: 10 }), () => echoes(url, overHttp2), {
        concurrency: "unbounded"
      })
      assert.strictEqual(all[0]!.request.version, "HTTP/2")
      assert.strictEqual(all[0]!.response?.status, 200)
      assert.strictEqual(all[0]!.peer.alpnProtocol, "h2")
      const ports = new Set(
        (yield* server.connections).map(({ peer }) => (peer.remoteAddress as { port: number }).port)
      )
      assert.strictEqual(ports.size, 1)
      assert.strictEqual(yield* openSessions, 1)
    })
  )

  test(
    "opens another session where one is full, as the server allows or the client wants",
    Effect.gen(function* () {
      const { url } = yield* serve({}, { maxStreams: 2 })
      yield* Effect.forEach(Array.from({ length: 5 }), () => echoes(url, overHttp2))
      assert.strictEqual(yield* openSessions, 3)
    })
  )

  test(
    "shares no session among other TLS options",
    Effect.gen(function* () {
      const { url } = yield* serve()
      yield* echoes(url, overHttp2)
      yield* echoes(url, { http: "2", tls: { rejectUnauthorized: false } })
      yield* echoes(url, { http: "2", tls: { ...tls } })
      assert.strictEqual(yield* openSessions, 2)
    })
  )

  test(
    "keeps a session for a time after its last connection, and opens a new one when it is gone",
    Effect.gen(function* () {
      const { url } = yield* serve()
      yield* Effect.scoped(echoes(url, overHttp2))
      assert.strictEqual(yield* openSessions, 1)
      yield* Effect.scoped(echoes(url, overHttp2))
      const sessions = yield* Http2Sessions.make({ idleTimeout: "50 millis" })
      const own = Effect.provideService(Effect.scoped(echoes(url, overHttp2)), Http2Sessions.CurrentSessions, sessions)
      yield* own
      assert.strictEqual(yield* sessions.size, 1)
      while ((yield* sessions.size) > 0) yield* Effect.sleep(10)
      yield* own
    })
  )

  test(
    "opens a session of its own where none are shared, which ends with the connection",
    Effect.gen(function* () {
      const { server, url } = yield* serve()
      const scope = yield* Scope.make()
      yield* echoes(url, overHttp2).pipe(
        Effect.provideService(Http2Sessions.CurrentSessions, undefined),
        Scope.provide(scope)
      )
      assert.strictEqual((yield* server.connections).length, 1)
      yield* Scope.close(scope, Exit.void)
      while ((yield* server.connections).length > 0) yield* Effect.sleep(10)
      assert.strictEqual(yield* openSessions, 0)
    })
  )

  test(
    "falls back to HTTP/1.1 on the same connection where ALPN chooses it",
    Effect.gen(function* () {
      const { url } = yield* serve({}, false)
      const connection = yield* echoes(url, { http: "auto", tls })
      assert.strictEqual(connection.request.version, "HTTP/1.1")
      const refused = yield* Effect.flip(Client.connect(url, overHttp2))
      assert.instanceOf(refused, Http2Unavailable)
      assert.match(refused.message, /the server chose HTTP\/1\.1; use http: "auto"/)
      assert.isFalse(FailureKind.isTransient(refused))
    })
  )

  test(
    "falls back to HTTP/1.1 in the same call if the server has no extended CONNECT, and remembers it",
    Effect.gen(function* () {
      const node = yield* withoutConnect
      let sessions = 0
      let upgrades = 0
      node.on("session", () => void sessions++)
      node.on("upgrade", (_, socket) => {
        upgrades++
        socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
      })
      const url = `wss://localhost:${(node.address() as AddressInfo).port}/`
      for (let round = 0; round < 2; round++) {
        const refused = yield* Effect.flip(Client.connect(url, { http: "auto", tls }))
        assert(refused instanceof UnexpectedResponse, String(refused))
        assert.strictEqual(refused.status, 403)
      }
      assert.deepStrictEqual([sessions, upgrades], [1, 2])
      const refused = yield* Effect.flip(Client.connect(url, overHttp2))
      assert.match(refused.message, /without extended CONNECT/)
    })
  )

  test(
    "sends and receives headers of records",
    Effect.gen(function* () {
      const decide: Accept.Decide = (request) =>
        Effect.succeed({ headers: { "X-Heard": HeaderFields.getAll(request.headers, "X-Tag") } })
      const { url } = yield* serve({ decide })
      const connection = yield* Client.connect(url, { ...overHttp2, headers: { "X-Tag": ["1", "2"] } })
      assert.deepStrictEqual(HeaderFields.getAll(connection.response?.headers ?? [], "X-Heard"), ["1", "2"])
    })
  )

  test(
    "shows a refusal with its status, headers and body",
    Effect.gen(function* () {
      const decide = () =>
        Effect.fail(
          new HandshakeRejection.HandshakeRejection({
            status: 402,
            reason: "pay first",
            headers: [{ name: "X-Price", value: "1" }]
          })
        )
      const { url } = yield* serve({ decide })
      const refused = yield* Effect.flip(Client.connect(url, overHttp2))
      assert(refused instanceof UnexpectedResponse, String(refused))
      assert.strictEqual(refused.status, 402)
      assert.deepInclude(refused.headers, { name: "x-price", value: "1" })
      assert.strictEqual(new TextDecoder().decode(refused.body), "pay first\n")
    })
  )

  test(
    "follows a redirect to another origin",
    Effect.gen(function* () {
      const there = yield* serve()
      const decide = () =>
        Effect.fail(
          new HandshakeRejection.HandshakeRejection({
            status: 307,
            reason: "there",
            headers: [{ name: "Location", value: there.url }]
          })
        )
      const here = yield* serve({ decide })
      yield* echoes(here.url, overHttp2)
      assert.strictEqual((yield* there.server.connections).length, 1)
    })
  )

  for (const name of ["Basic", "Digest"] as const) {
    test(
      `answers a challenge of ${name}`,
      Effect.gen(function* () {
        const users = Auth.users([["Aladdin", Redacted.make("open sesame")]])
        const nonces = Context.get(yield* Layer.build(AuthNonces.layer()), AuthNonces.AuthNonces)
        const policy =
          name === "Basic"
            ? Auth.basic({ realm: "cave", verify: users.verify })
            : Auth.digest({ realm: "cave", lookup: users.lookup })
        const required = Auth.required(policy)
        const { url } = yield* serve({
          decide: (request) => Effect.provideService(required(request), AuthNonces.AuthNonces, nonces)
        })
        yield* echoes(url, { ...overHttp2, credentials: ClientAuth.password("Aladdin", "open sesame") })
        const wrong = yield* Effect.flip(
          Client.connect(url, { ...overHttp2, credentials: ClientAuth.password("Aladdin", "wrong") })
        )
        assert(wrong instanceof UnexpectedResponse, String(wrong))
        assert.strictEqual(wrong.status, 401)
      })
    )
  }

  test(
    "speaks to a server without TLS that is known to speak HTTP/2",
    Effect.gen(function* () {
      const echo = WebSocketServer.layer((connection) =>
        Stream.runForEach(connection.messages, (message) => connection.send(message))
      )
      const listen = Tcp.layerServer({ port: 0, http2: true })
      const server = Context.get(yield* Layer.build(Layer.provide(echo, listen)), WebSocketServer.WebSocketServer)
      const url = `ws://127.0.0.1:${(server.address as NetAddress.InetAddress).port}/`
      assert.strictEqual((yield* echoes(url, { http: "2" })).request.version, "HTTP/2")
      assert.strictEqual((yield* echoes(url, { http: "auto" })).request.version, "HTTP/1.1")
    })
  )

  test(
    "opens a new session when the server has said GOAWAY, and keeps the connections of the old one",
    Effect.gen(function* () {
      const sessions: Array<Http2.ServerHttp2Session> = []
      const node = yield* Effect.acquireRelease(
        Effect.callback<Http2.Http2Server>((resume) => {
          const server = Http2.createServer({ settings: { enableConnectProtocol: true } })
          server.on("session", (session) => void sessions.push(session))
          server.on("stream", (stream: Http2.ServerHttp2Stream) => {
            stream.respond({ ":status": 200 })
            stream.on("error", () => {})
            // "hi" as a text frame of a server, for whatever a client sends.
            stream.on("data", () => void stream.write(Buffer.from([0x81, 2, 0x68, 0x69])))
          })
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const url = `ws://127.0.0.1:${(node.address() as AddressInfo).port}/`
      const options = { http: "2", closeTimeout: "50 millis" } as const
      const first = yield* Client.connect(url, options)
      sessions[0]!.goaway()
      while ((yield* openSessions) > 0) yield* Effect.sleep(10)
      yield* Client.connect(url, options)
      assert.strictEqual(sessions.length, 2)
      yield* first.send("hello")
      assert.strictEqual((yield* first.receive).data, "hi")
    })
  )

  test(
    "carries the WHATWG class",
    Effect.gen(function* () {
      const { server, url } = yield* serve()
      const Class = yield* WebSocketClass.make(overHttp2)
      const received = yield* Effect.callback<unknown>((resume) => {
        const socket = new Class(url)
        socket.addEventListener("open", () => socket.send("hello"))
        socket.addEventListener("message", ({ data }) => resume(Effect.succeed(data)))
        socket.addEventListener("error", () => resume(Effect.die(new Error("the socket failed"))))
      })
      assert.strictEqual(received, "hello")
      assert.strictEqual((yield* server.connections)[0]!.request.version, "HTTP/2")
    })
  )

  test(
    "leaves nothing behind where it is interrupted while it waits for the server's SETTINGS",
    Effect.gen(function* () {
      const { connected, gone, url } = yield* silent
      const connecting = Client.connect(url, { http: "2" })
      const waiting = yield* Effect.forEach([1, 2], () => Effect.forkScoped(connecting), { concurrency: 2 })
      yield* connected
      yield* Effect.forEach(waiting, (fiber) => Effect.sync(() => fiber.interruptUnsafe()))
      yield* gone
      assert.strictEqual(yield* openSessions, 0)
    })
  )
})

/** A server that accepts, and says nothing. */
const silent = Effect.gen(function* () {
  const open = new Set<Net.Socket>()
  const server = yield* Effect.acquireRelease(
    Effect.callback<Net.Server>((resume) => {
      const server = Net.createServer((socket) => {
        open.add(socket)
        socket.on("error", () => {})
        socket.on("close", () => void open.delete(socket))
        socket.resume()
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    connected: until(() => open.size > 0),
    gone: until(() => open.size === 0)
  }
})

const until = (isSo: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (isSo() ? Effect.void : Effect.andThen(Effect.sleep(10), until(isSo))))
