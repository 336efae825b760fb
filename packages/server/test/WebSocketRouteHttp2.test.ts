/**
 * WebSocket routes of Effect's `HttpRouter` on a server of `node:http2`, with Node's HTTP/2 client. These tests cover
 * what differs from HTTP/1.1; `routeSuite.test.ts` covers the rest over both versions.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Queue, Scope } from "effect"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import type * as NetAddress from "effect/net/NetAddress"
import * as Http2 from "node:http2"
import * as Ws from "ws"
import * as WebSocketRoute from "../src/WebSocketRoute.ts"
import type * as WebSocketServer from "../src/WebSocketServer.ts"
import * as Http2Peer from "./support/Http2Peer.ts"
import { captureLogs, echo, echoHandlers } from "@effect-ws/test-peers/Programs"
import type { Entry } from "@effect-ws/test-peers/Programs"
import { certificate, makeHttp2Server } from "./support/transports.ts"

const prepared = WebSocketRoute.layerServer(makeHttp2Server, { port: 0, host: "127.0.0.1" })

/** Serves routes until the Scope closes. Returns the URL. */
const serve = <R>(routes: Layer.Layer<never, never, R>, http = prepared) =>
  Layer.build(
    HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(Layer.provideMerge(http))
  ).pipe(
    Effect.orDie,
    Effect.map((context) => urlOf(Context.get(context, HttpServer.HttpServer)))
  )

const urlOf = ({ address }: { readonly address: NetAddress.SocketAddress }): string =>
  `https://localhost:${(address as NetAddress.InetAddress).port}`

const open = (url: string) => Http2Peer.session(url, { ca: certificate.cert })

const wait = <A>(promise: Promise<A>): Effect.Effect<A> => Effect.promise(() => promise)

/** Requests a WebSocket, and sends the text at once. */
const talk = Effect.fnUntraced(function* (
  session: Http2.ClientHttp2Session,
  path: string,
  headers: Http2.OutgoingHttpHeaders = {}
) {
  const socket = Http2Peer.connect(session, { ":path": path, ":scheme": "https", ...headers })
  const status = yield* wait(socket.status)
  return { ...socket, status }
})

/** Returns the whole response to a request that opens no WebSocket. */
const ask = Effect.fnUntraced(function* (session: Http2.ClientHttp2Session, headers: Http2.OutgoingHttpHeaders) {
  const { body, headers: fields, status } = Http2Peer.exchange(session, { ":authority": "localhost", ...headers })
  return { status: yield* wait(status), headers: yield* wait(fields), body: String(yield* wait(body)) }
})

const refused = Effect.fnUntraced(function* (session: Http2.ClientHttp2Session, path: string) {
  const socket = Http2Peer.connect(session, { ":path": path, ":scheme": "https" })
  return { status: yield* wait(socket.status), body: String(yield* wait(socket.body)), code: socket.code }
})

const isEcho = Effect.fnUntraced(function* ({ bytes, stream }: Pick<Http2Peer.Exchange, "bytes" | "stream">) {
  stream.write(Http2Peer.text("hello"))
  assert.strictEqual((yield* wait(bytes(7))).subarray(2).toString(), "hello")
})

const test = (name: string, program: Effect.Effect<void, unknown, Scope.Scope>): void => {
  it.live(name, () => program.pipe(Effect.scoped, Effect.provide(Logger.layer([]))), 15_000)
}

const page = HttpRouter.add("GET", "/page", HttpServerResponse.text("a page"))

const variants = {
  fiber: (path: HttpRouter.PathInput, options?: WebSocketServer.ServerOptions) =>
    WebSocketRoute.layer(path, echo, options),
  queue: (path: HttpRouter.PathInput, options?: WebSocketServer.ServerOptions) =>
    WebSocketRoute.layerQueue(path, echoHandlers, options)
}

for (const [variant, layer] of Object.entries(variants)) {
  describe(`a WebSocket as a route over HTTP/2, ${variant}`, () => {
    test(
      "shares its session with pages, and its port with HTTP/1.1",
      Effect.gen(function* () {
        const post = HttpRouter.add("POST", "/posted", HttpServerResponse.text("posted"))
        const url = yield* serve(Layer.mergeAll(page, post, layer("/echo"), layer("/posted")))
        const session = yield* open(url)
        assert.strictEqual(session.remoteSettings.enableConnectProtocol, true)
        const socket = yield* talk(session, "/echo")
        assert.strictEqual(socket.status, 200)
        yield* isEcho(socket)
        assert.strictEqual((yield* ask(session, { ":path": "/page" })).body, "a page")
        const plain = yield* ask(session, { ":path": "/echo" })
        assert.strictEqual(plain.status, 400)
        assert.match(plain.body, /this is a WebSocket endpoint: over HTTP\/2 expected an extended CONNECT/)
        assert.strictEqual((yield* ask(session, { ":path": "/echo", ":method": "DELETE" })).status, 405)
        assert.strictEqual((yield* ask(session, { ":path": "/posted", ":method": "POST" })).body, "posted")
        const older = yield* Effect.callback<string>((resume) => {
          const client = new Ws.WebSocket(`${url.replace("https", "wss")}/echo`, { ca: certificate.cert })
          client.on("open", () => client.send("older"))
          client.on("message", (data: Buffer) => {
            resume(Effect.succeed(data.toString()))
            client.close()
          })
        })
        assert.strictEqual(older, "older")
        yield* isEcho(yield* talk(session, "/posted"))
      })
    )

    test(
      "answers an extended CONNECT to a page with 404, because a 2xx would open a WebSocket",
      Effect.gen(function* () {
        const eager = HttpRouter.middleware(
          (handler) =>
            Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) =>
              headers["x-eager"] === undefined ? handler : Effect.succeed(HttpServerResponse.text("at once"))
            ),
          { global: true }
        )
        const session = yield* open(yield* serve(Layer.mergeAll(page, layer("/echo"), eager)))
        const answer = yield* refused(session, "/page")
        assert.deepStrictEqual([answer.status, answer.body], [404, "no WebSocket is served at this path\n"])
        assert.strictEqual(yield* wait(answer.code), Http2.constants.NGHTTP2_NO_ERROR)
        assert.strictEqual((yield* refused(session, "/else")).status, 404)
        assert.strictEqual((yield* talk(session, "/echo", { "x-eager": "1" })).status, 404)
        yield* isEcho(yield* talk(session, "/echo"))
      })
    )

    test(
      "survives resets before, with and after its answer",
      Effect.gen(function* () {
        const waiting = yield* Queue.unbounded<Deferred.Deferred<void>>()
        const decide = () =>
          Effect.gen(function* () {
            const go = yield* Deferred.make<void>()
            yield* Queue.offer(waiting, go)
            yield* Deferred.await(go)
            return {}
          })
        const session = yield* open(yield* serve(layer("/chat", { decide })))
        for (let round = 0; round < 5; round++) {
          const sockets = Array.from({ length: 12 }, () =>
            Http2Peer.connect(session, { ":path": "/chat", ":scheme": "https" })
          )
          const decisions = yield* Effect.forEach(sockets, () => Queue.take(waiting))
          for (const [at, { status, stream }] of sockets.entries()) {
            if (at % 3 === 0) stream.close(Http2.constants.NGHTTP2_CANCEL)
            yield* Deferred.succeed(decisions[at]!, undefined)
            if (at % 3 === 2) yield* wait(status)
            if (at % 3 !== 0) stream.close(Http2.constants.NGHTTP2_CANCEL)
          }
        }
        const socket = Http2Peer.connect(session, { ":path": "/chat", ":scheme": "https" })
        yield* Deferred.succeed(yield* Queue.take(waiting), undefined)
        assert.strictEqual(yield* wait(socket.status), 200)
        yield* isEcho(socket)
      })
    )

    test(
      "says GOAWAY and closes its connections before the HTTP server waits for them",
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const session = yield* open(yield* Effect.provideService(serve(layer("/chat")), Scope.Scope, scope))
        const order: Array<string> = []
        session.once("goaway", () => order.push("goaway"))
        const closed = new Promise<void>((resolve) => void session.once("close", resolve))
        const socket = yield* talk(session, "/chat")
        yield* isEcho(socket)
        socket.stream.once("data", (bytes: Buffer) => {
          order.push(`close ${bytes.readUInt16BE(2)}`)
          socket.stream.end(Http2Peer.close(1001))
        })
        const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
        yield* wait(closed)
        yield* Fiber.join(closing)
        assert.deepStrictEqual(order, ["goaway", "close 1001"])
      })
    )
  })
}

describe("a WebSocket as a route of HttpRouter over HTTP/2", () => {
  test(
    "is announced where there is one, and nothing else is taken by CONNECT",
    Effect.gen(function* () {
      const without = yield* open(yield* serve(page))
      assert.notStrictEqual(without.remoteSettings.enableConnectProtocol, true)
      const another = WebSocketRoute.layerServer(makeHttp2Server, { port: 0, host: "127.0.0.1" })
      const session = yield* open(yield* serve(WebSocketRoute.layer("/echo", echo), another))
      const proxied = yield* ask(session, { ":method": "CONNECT", ":authority": "a:1" })
      assert.strictEqual(proxied.status, 405)
      const udp = { ":protocol": "connect-udp", ":scheme": "https", ":path": "/echo" }
      assert.strictEqual((yield* ask(session, { ":method": "CONNECT", ...udp })).status, 405)
    })
  )

  test(
    "answers with 503 and says why where one HttpRouter.serve is given to two servers",
    Effect.gen(function* () {
      const logs: Array<Entry> = []
      const served = HttpRouter.serve(WebSocketRoute.layer("/chat", echo), {
        disableLogger: true,
        disableListenLog: true
      })
      const urls: Array<string> = []
      const noted = () => {
        const http = WebSocketRoute.layerServer(makeHttp2Server, { port: 0, host: "127.0.0.1" })
        const note = Layer.effectDiscard(Effect.map(HttpServer.HttpServer, (server) => void urls.push(urlOf(server))))
        return Layer.merge(served, note).pipe(Layer.provide(http))
      }
      yield* Effect.provide(Layer.build(Layer.merge(noted(), noted())), captureLogs(logs))
      const sessions = yield* Effect.forEach(urls, open)
      const statuses = yield* Effect.forEach(sessions, (session) =>
        Effect.map(ask(session, { ":path": "/chat" }), ({ status }) => status)
      )
      assert.deepStrictEqual([...statuses].sort(), [400, 503])
      const warnings = logs.filter(({ level }) => level === "Warn").map(({ message }) => message)
      assert.lengthOf(warnings, 1)
      assert.include(warnings[0], "call HttpRouter.serve for each")
    })
  )
})
