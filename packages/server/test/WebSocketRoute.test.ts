/**
 * WebSockets as routes of Effect's `HttpRouter`, and on the port of a plain `node:http` server: what differs from a
 * port of our own. `routeSuite.test.ts` has what HTTP/2 shares; the suite of all servers covers the rest.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as Dialer from "@effect-ws/transport/Dialer"
import * as HttpUpgrade from "@effect-ws/transport/HttpUpgrade"
import * as Tcp from "@effect-ws/transport/Tcp"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Logger, Queue, Scope, Stream } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import * as NetAddress from "effect/net/NetAddress"
import * as Http from "node:http"
import * as Ws from "ws"
import * as WebSocketRoute from "../src/WebSocketRoute.ts"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { captureLogs, connect, echo, echoHandlers, receiveText } from "@effect-ws/test-peers/Programs"
import type { Entry } from "@effect-ws/test-peers/Programs"
import * as RawPeer from "@effect-ws/test-peers/RawPeer"
import { httpServer } from "./support/transports.ts"

const quiet = Logger.layer([])

const prepared = WebSocketRoute.layerServer(Http.createServer, { port: 0, host: "127.0.0.1" })

/** Serves routes for as long as the Scope is open; gives where. */
const serve = <R>(routes: Layer.Layer<never, never, R>, http = prepared) =>
  Layer.build(
    HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(Layer.provideMerge(http))
  ).pipe(
    Effect.orDie,
    Effect.map((context) => ({ address: Context.get(context, HttpServer.HttpServer).address }))
  )

const portOf = ({ address }: { readonly address: NetAddress.SocketAddress }): number =>
  Dialer.hostPort(address as NetAddress.InetAddress).port

/** Builds two servers by one build, as a program does, and gives where they listen. */
const addressOf = <R>(
  one: Layer.Layer<HttpServer.HttpServer, unknown, R>,
  two: Layer.Layer<HttpServer.HttpServer, unknown, R>
) =>
  Effect.gen(function* () {
    const addresses: Array<NetAddress.SocketAddress> = []
    const noted = (layer: typeof one) =>
      Layer.effectDiscard(Effect.map(HttpServer.HttpServer, ({ address }) => void addresses.push(address))).pipe(
        Layer.provide(layer)
      )
    yield* Layer.build(Layer.merge(noted(one), noted(two)))
    return addresses
  })

const test = (name: string, program: Effect.Effect<void, unknown, Scope.Scope | Dialer.Dialer>): void => {
  it.live(name, () => program.pipe(Effect.scoped, Effect.provide([Tcp.layerDialer(), quiet])), 15_000)
}

const pages = HttpRouter.add("GET", "/page", HttpServerResponse.text("a page"))

/** One request by a peer that speaks bytes, and the whole response. */
const ask = (server: { readonly address: NetAddress.SocketAddress }, ...pieces: ReadonlyArray<string | Uint8Array>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const peer = yield* RawPeer.dial(server.address)
      yield* peer.send(...pieces)
      return yield* peer.response
    })
  )

/** The client of ws: what it receives, and how it was closed. */
const wsClient = Effect.fnUntraced(function* (url: string, options?: Ws.ClientOptions & { protocols?: Array<string> }) {
  const opened = yield* Deferred.make<Http.IncomingMessage, string>()
  const closed = yield* Deferred.make<number>()
  const received = yield* Queue.unbounded<string>()
  const socket = new Ws.WebSocket(url, options?.protocols ?? [], { perMessageDeflate: false, ...options })
  let head: Http.IncomingMessage
  socket.on("upgrade", (response) => (head = response))
  socket.on("open", () => Deferred.doneUnsafe(opened, Effect.succeed(head)))
  socket.on("error", (error) => Deferred.doneUnsafe(opened, Effect.fail(error.message)))
  socket.on("message", (data: Buffer) => Queue.offerUnsafe(received, data.toString()))
  socket.on("close", (code) => Deferred.doneUnsafe(closed, Effect.succeed(code)))
  yield* Effect.addFinalizer(() => Effect.sync(() => socket.terminate()))
  const response = yield* Deferred.await(opened)
  return { socket, response, received: Queue.take(received), closed: Deferred.await(closed) }
})

const variants = {
  fiber: (path: HttpRouter.PathInput, options?: WebSocketServer.ServerOptions) =>
    WebSocketRoute.layer(path, echo, options),
  queue: (path: HttpRouter.PathInput, options?: WebSocketServer.ServerOptions) =>
    WebSocketRoute.layerQueue(path, echoHandlers, options)
}

for (const [variant, layer] of Object.entries(variants)) {
  describe(`a WebSocket as a route, ${variant}`, () => {
    test(
      "shares its port with ordinary routes, for the clients of ws and Node",
      Effect.gen(function* () {
        const server = yield* serve(Layer.mergeAll(pages, layer("/echo")))
        const url = `127.0.0.1:${portOf(server)}`
        const client = yield* wsClient(`ws://${url}/echo`)
        client.socket.send("hello")
        assert.strictEqual(yield* client.received, "hello")
        client.socket.close(4000)
        assert.strictEqual(yield* client.closed, 4000)

        const node = yield* Effect.callback<string>((resume) => {
          const socket = new WebSocket(`ws://${url}/echo`)
          socket.addEventListener("open", () => socket.send("again"))
          socket.addEventListener("message", ({ data }) => {
            resume(Effect.succeed(String(data)))
            socket.close()
          })
        })
        assert.strictEqual(node, "again")

        const get = (path: string) => Effect.promise(() => fetch(`http://${url}${path}`))
        assert.strictEqual(yield* Effect.promise(async () => (await fetch(`http://${url}/page`)).text()), "a page")
        assert.strictEqual((yield* get("/else")).status, 404)
        assert.strictEqual(yield* Effect.flip(wsClient(`ws://${url}/else`)), "Unexpected server response: 404")
        const plain = yield* get("/echo")
        assert.deepStrictEqual([plain.status, plain.headers.get("upgrade")], [426, "websocket"])
        assert.include(yield* Effect.promise(() => plain.text()), "this is a WebSocket endpoint")
        const head = yield* Effect.promise(() => fetch(`http://${url}/echo`, { method: "HEAD" }))
        assert.strictEqual(head.status, 426)
      })
    )

    test(
      "answers other methods with 405, where they have no route of their own",
      Effect.gen(function* () {
        const post = HttpRouter.add("POST", "/echo", HttpServerResponse.text("posted"))
        const server = yield* serve(Layer.mergeAll(pages, layer("/echo"), layer("/rooms/:room"), post))
        const request = (line: string, headers: Record<string, string | undefined> = {}) =>
          Effect.map(ask(server, RawPeer.requestHead(headers, line)), ({ headers, status }) => [
            status,
            headers.get("allow")
          ])
        const plain = { Connection: undefined, Upgrade: undefined }
        assert.deepStrictEqual(yield* request("POST /rooms/blue HTTP/1.1", plain), [405, "GET"])
        assert.deepStrictEqual(yield* request("DELETE /echo?a=1 HTTP/1.1", plain), [405, "GET"])
        assert.deepStrictEqual(yield* request("POST /rooms/blue HTTP/1.1"), [405, "GET"])
        assert.deepStrictEqual(yield* request("POST /echo HTTP/1.1", plain), [200, undefined])
        assert.deepStrictEqual(yield* request("POST /else HTTP/1.1", plain), [404, undefined])
        assert.deepStrictEqual(yield* request("POST /page HTTP/1.1", plain), [404, undefined])
      })
    )

    test(
      "is a server for those who need it: its connections, a broadcast to them, a drain",
      Effect.gen(function* () {
        const chat = layer("/chat")
        const announce = HttpRouter.use((router) =>
          Effect.gen(function* () {
            const { broadcast, connections } = yield* WebSocketServer.WebSocketServer
            const handler = Effect.gen(function* () {
              const paths = (yield* connections).map(({ request }) => request.path)
              const { delivered } = yield* broadcast("news")
              return HttpServerResponse.text(`${paths.join()} ${delivered}`)
            })
            yield* router.add("POST", "/announce", handler)
          })
        ).pipe(Layer.provide(chat))
        const server = yield* serve(Layer.mergeAll(layer("/other"), chat, announce))
        const client = yield* wsClient(`ws://127.0.0.1:${portOf(server)}/chat`)
        yield* wsClient(`ws://127.0.0.1:${portOf(server)}/other`)
        const response = yield* Effect.promise(() =>
          fetch(`http://127.0.0.1:${portOf(server)}/announce`, { method: "POST" })
        )
        assert.strictEqual(yield* Effect.promise(() => response.text()), "/chat 1")
        assert.strictEqual(yield* client.received, "news")
      })
    )

    test(
      "is served on each port to which its Layer is given",
      Effect.gen(function* () {
        const chat = layer("/chat")
        const another = WebSocketRoute.layerServer(Http.createServer, { port: 0, host: "127.0.0.1" })
        for (const server of yield* Effect.all([serve(chat), serve(chat, another)])) {
          const client = yield* wsClient(`ws://127.0.0.1:${portOf(server)}/chat`)
          client.socket.send("hello")
          assert.strictEqual(yield* client.received, "hello")
        }
      })
    )

    test(
      "takes frames that come in the packet of the request",
      Effect.gen(function* () {
        const server = yield* serve(layer("/chat"))
        const peer = yield* RawPeer.dial(server.address)
        yield* peer.send(RawPeer.requestHead(), RawPeer.text("early"), RawPeer.text("bird").subarray(0, 3))
        assert.strictEqual((yield* peer.head).status, 101)
        assert.strictEqual(RawPeer.render(yield* peer.frame), "text early")
        yield* peer.send(RawPeer.text("bird").subarray(3))
        assert.strictEqual(RawPeer.render(yield* peer.frame), "text bird")
      })
    )

    test(
      "says goodbye before the HTTP server waits for its connections",
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const server = yield* Effect.provideService(serve(layer("/chat")), Scope.Scope, scope)
        const client = yield* wsClient(`ws://127.0.0.1:${portOf(server)}/chat`)
        const start = Date.now()
        const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
        assert.strictEqual(yield* client.closed, 1001)
        yield* Fiber.join(closing)
        assert.isBelow(Date.now() - start, 2000)
      })
    )

    test(
      "says goodbye on Effect's own server, too, where that does not wait first",
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const http = NodeHttpServer.layer(Http.createServer, {
          port: 0,
          host: "127.0.0.1",
          disablePreemptiveShutdown: true
        })
        const server = yield* Effect.provideService(serve(layer("/chat"), http), Scope.Scope, scope)
        const client = yield* wsClient(`ws://127.0.0.1:${portOf(server)}/chat`)
        yield* Effect.forkChild(Scope.close(scope, Exit.void))
        assert.strictEqual(yield* client.closed, 1001)
      })
    )
  })
}

/** What a handshake of the program's own waits for, when it is at that. */
const slowly = Effect.gen(function* () {
  const waiting = yield* Queue.unbounded<Deferred.Deferred<void>>()
  const decide = () =>
    Effect.gen(function* () {
      const go = yield* Deferred.make<void>()
      yield* Queue.offer(waiting, go)
      yield* Deferred.await(go)
      return {}
    })
  return { waiting, decide }
})

const attached: Readonly<
  Record<
    string,
    (
      options: WebSocketServer.ServerOptions,
      variant: keyof typeof variants
    ) => Effect.Effect<{ readonly address: NetAddress.SocketAddress }, unknown, Scope.Scope>
  >
> = {
  "a route": (options, variant) => serve(variants[variant]("/chat", options)),
  "the port of node:http": (options, variant) =>
    Effect.flatMap(httpServer, (server) =>
      Layer.build(
        (variant === "fiber"
          ? WebSocketServer.layer(echo, options)
          : WebSocketServer.layerQueue(echoHandlers, options)
        ).pipe(Layer.provide(HttpUpgrade.layerServer(server)))
      ).pipe(Effect.map(Context.get(WebSocketServer.WebSocketServer)))
    )
}

for (const [where, start] of Object.entries(attached)) {
  for (const variant of ["fiber", "queue"] as const) {
    describe(`on ${where}, ${variant}`, () => {
      test(
        "resets between the request and the answer harm no other connection",
        Effect.gen(function* () {
          const { decide, waiting } = yield* slowly
          const server = yield* start({ decide }, variant)
          for (let round = 0; round < 20; round++) {
            const peers = yield* Effect.forEach(Array.from({ length: 20 }), () => RawPeer.dial(server.address))
            for (const peer of peers) yield* peer.send(RawPeer.requestHead())
            const decisions = yield* Effect.forEach(peers, () => Queue.take(waiting))
            // Some go before the decision, some with it, some after.
            for (const [at, peer] of peers.entries()) {
              if (at % 3 === 0) yield* peer.reset
              yield* Deferred.succeed(decisions[at]!, undefined)
              if (at % 3 === 1) yield* peer.reset
              if (at % 3 === 2) yield* Effect.andThen(peer.head, peer.reset)
            }
          }
          const client = yield* Effect.forkChild(connect(server, { target: "/chat" }))
          yield* Deferred.succeed(yield* Queue.take(waiting), undefined)
          const connection = yield* Fiber.join(client)
          yield* connection.send("still here")
          assert.strictEqual(yield* receiveText(connection), "still here")
        })
      )

      test(
        "a peer that has ended its half before the answer is let go",
        Effect.gen(function* () {
          const { decide, waiting } = yield* slowly
          const server = yield* start({ decide }, variant)
          const peer = yield* RawPeer.dial(server.address)
          yield* peer.send(RawPeer.requestHead())
          yield* peer.shutdown
          const decision = yield* Queue.take(waiting)
          yield* Effect.sleep("20 millis")
          yield* Deferred.succeed(decision, undefined)
          assert.strictEqual((yield* peer.head).status, 101)
          assert.strictEqual(yield* peer.ending, "end")
        })
      )

      test(
        "the request is held to the same rules, with the same answers",
        Effect.gen(function* () {
          const options = { subprotocols: ["v1"], origins: ["https://a.example"], maxHeaderBytes: 4096 }
          const server = yield* start(options, variant)
          const rules: ReadonlyArray<readonly [Record<string, string | undefined>, number, string]> = [
            [{ host: "other" }, 400, "expected one Host header, found 2"],
            [{ "sec-websocket-key": RawPeer.sampleKey }, 400, "expected one Sec-WebSocket-Key header, found 2"],
            [{ "sec-websocket-version": "13" }, 426, 'expected Sec-WebSocket-Version: 13, found "13, 13"'],
            [{ "Sec-WebSocket-Version": "8" }, 426, 'expected Sec-WebSocket-Version: 13, found "8"'],
            [{ "Sec-WebSocket-Key": "short" }, 400, "expected a Sec-WebSocket-Key of 16 bytes"],
            [{ "Sec-WebSocket-Key": undefined }, 400, "expected a Sec-WebSocket-Key of 16 bytes"],
            [{ Origin: "https://a.example", origin: "https://a.example" }, 400, "expected one Origin header, found 2"],
            [{ Origin: "https://b.example" }, 403, 'the origin "https://b.example" may not connect'],
            [{ "Sec-WebSocket-Protocol": "a,,b c" }, 400, ""],
            [{ "X-Large": "a".repeat(5000) }, 431, "invalid HTTP head"]
          ]
          for (const [headers, status, reason] of rules) {
            const answer = yield* ask(server, RawPeer.requestHead(headers))
            const label = JSON.stringify(headers).slice(0, 80)
            assert.strictEqual(answer.status, status, label)
            assert.include(answer.body, reason, label)
            assert.include(answer.headers.get("connection"), "close", label)
          }
          const body = yield* ask(server, RawPeer.requestHead({ "Content-Length": "3" }), "abc")
          assert.strictEqual(body.status, 400)
          const half = yield* ask(server, RawPeer.requestHead({ "Content-Length": "3" }), "a")
          assert.deepStrictEqual([half.status, half.body], [400, "expected a request without a body\n"])
        })
      )

      test(
        "a decision takes at most handshakeTimeout",
        Effect.gen(function* () {
          const server = yield* start({ decide: () => Effect.never, handshakeTimeout: "50 millis" }, variant)
          const answer = yield* ask(server, RawPeer.requestHead())
          assert.deepStrictEqual([answer.status, answer.body], [503, "the server did not decide within 50ms\n"])
        })
      )
    })
  }
}

describe("a WebSocket as a route of HttpRouter", () => {
  test(
    "gives a handler its own route as the WebSocketServer, whatever its route was built with",
    Effect.gen(function* () {
      const tellWhose = (name: string) => ({
        onMessage: (connection: Connection) =>
          Effect.gen(function* () {
            const own = yield* WebSocketServer.WebSocketServer
            const paths = (yield* own.connections).map(({ request }) => request.path)
            yield* connection.send(`${name}: ${paths.join()}`)
          })
      })
      const outer = WebSocketRoute.layer("/outer", tellWhose("outer"))
      const inner = WebSocketRoute.layerQueue("/inner", tellWhose("inner"))
      const server = yield* serve(Layer.provideMerge(inner, outer))
      for (const name of ["outer", "inner"]) {
        const client = yield* wsClient(`ws://127.0.0.1:${portOf(server)}/${name}`)
        client.socket.send("?")
        assert.strictEqual(yield* client.received, `${name}: /${name}`)
      }
    })
  )

  test(
    "gives a handler its own route where middleware provides another server",
    Effect.gen(function* () {
      const nobody = WebSocketServer.WebSocketServer.of({
        address: NetAddress.unixPathAddress("nobody"),
        connections: Effect.succeed([]),
        isReady: Effect.succeed(true),
        broadcast: () => Effect.die("not this one"),
        drain: () => Effect.die("not this one")
      })
      const other = HttpRouter.middleware((handler) =>
        Effect.provideService(handler, WebSocketServer.WebSocketServer, nobody)
      ).layer
      const count = (connection: Connection) =>
        Effect.gen(function* () {
          const { connections } = yield* WebSocketServer.WebSocketServer
          yield* connection.send(`${(yield* connections).length}`)
        })
      const server = yield* serve(Layer.provide(WebSocketRoute.layer("/count", count), other))
      const client = yield* wsClient(`ws://127.0.0.1:${portOf(server)}/count`)
      assert.strictEqual(yield* client.received, "1")
    })
  )

  test(
    "says why nothing is served where one HttpRouter.serve is given to two servers",
    Effect.gen(function* () {
      const logs: Array<Entry> = []
      const served = HttpRouter.serve(WebSocketRoute.layer("/chat", echo), {
        disableLogger: true,
        disableListenLog: true
      })
      const on = () =>
        served.pipe(Layer.provideMerge(WebSocketRoute.layerServer(Http.createServer, { port: 0, host: "127.0.0.1" })))
      const one = yield* Effect.provide(addressOf(on(), on()), captureLogs(logs))
      const statuses = yield* Effect.forEach(one, (address) =>
        Effect.map(ask({ address }, RawPeer.requestHead()), ({ status }) => status)
      )
      assert.deepStrictEqual([...statuses].sort(), [101, 503])
      const unserved = one[statuses.indexOf(503)]!
      const plain = yield* ask({ address: unserved }, "GET /chat HTTP/1.1\r\nHost: a\r\n\r\n")
      assert.strictEqual(plain.status, 503)
      const warnings = logs.filter(({ level }) => level === "Warn").map(({ message }) => message)
      assert.lengthOf(warnings, 1)
      assert.include(warnings[0], "call HttpRouter.serve for each")
    })
  )

  test(
    "has a handler for routes that are added otherwise, its connections, and a drain",
    Effect.gen(function* () {
      const made = yield* Deferred.make<WebSocketRoute.Route>()
      const routes = HttpRouter.use(
        Effect.fnUntraced(function* (router) {
          const route = yield* WebSocketRoute.make(echo)
          yield* Deferred.succeed(made, route)
          yield* router.prefixed("/api").add("GET", "/echo", route.handler)
        })
      )
      const server = yield* serve(routes)
      const { connections, drain } = yield* Deferred.await(made)
      const client = yield* connect(server, { target: "/api/echo" })
      yield* client.send("one")
      assert.strictEqual(yield* receiveText(client), "one")
      assert.deepStrictEqual(
        (yield* connections).map(({ request }) => request.target),
        ["/api/echo"]
      )
      yield* Effect.forkChild(Stream.runDrain(client.messages))
      yield* drain({ code: 1012, reason: "back soon" })
      assert.deepStrictEqual((yield* client.closed).received, { code: 1012, reason: "back soon" })
      assert.lengthOf(yield* connections, 0)
      const { body, status } = yield* ask(server, RawPeer.requestHead({}, "GET /api/echo HTTP/1.1"))
      assert.deepStrictEqual([status, body], [503, "the server is shutting down\n"])
    })
  )
})
