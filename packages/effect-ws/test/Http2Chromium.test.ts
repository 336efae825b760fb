/**
 * Chromium over HTTP/2. It loads a page, and opens the page's WebSockets as streams of the same session.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import type { Peer } from "@effect-ws/connection/Peer"
import * as CloseError from "@effect-ws/protocol/CloseError"
import * as WebSocketRoute from "@effect-ws/server/WebSocketRoute"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Chromium from "@effect-ws/test-support/Chromium"
import * as HttpUpgrade from "@effect-ws/transport/HttpUpgrade"
import * as Tls from "@effect-ws/transport/Tls"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted, Stream } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import type { NetAddress } from "effect/net"
import { readFileSync } from "node:fs"
import * as Http2 from "node:http2"
import * as Certificates from "./support/Certificates.ts"

const program = (connection: Connection): Effect.Effect<unknown, unknown> =>
  connection.request.path === "/closes"
    ? Effect.fail(new CloseError.TryAgainLater({ reason: "later, please" }))
    : Stream.runForEach(connection.messages, (message) => connection.send(message))

const title = "<!doctype html><title>a page</title>"

/** Runs in the page: opens sockets that stay open, and returns what each of them echoed. */
const echoes = ({ count, host }: { readonly count: number; readonly host: string }): Promise<ReadonlyArray<unknown>> =>
  Promise.all(
    Array.from(
      { length: count },
      (_, at) =>
        new Promise<unknown>((resolve, reject) => {
          const socket = new WebSocket(`wss://${host}/echo`)
          socket.addEventListener("open", () => socket.send(`hello ${at}`))
          socket.addEventListener("message", ({ data }) => resolve(data))
          socket.addEventListener("error", () => reject(new Error("the socket failed")))
        })
    )
  )

/** Runs in the page: returns how the server closes the socket. */
const closes = (host: string): Promise<readonly [code: number, reason: string, clean: boolean]> =>
  new Promise((resolve) => {
    const socket = new WebSocket(`wss://${host}/closes`)
    socket.addEventListener("close", ({ code, reason, wasClean }) => resolve([code, reason, wasClean]))
  })

const portOf = ({ remoteAddress }: Peer): number => (remoteAddress as NetAddress.InetAddress).port

/** Loads a page, exchanges messages on ten sockets, and returns the client ports of their connections. */
const browse = Effect.fnUntraced(function* (server: WebSocketServer.WebSocketServer["Service"]) {
  const host = `localhost:${(server.address as NetAddress.InetAddress).port}`
  const browser = yield* Chromium.launch
  const page = yield* Effect.promise(async () => {
    const context = await browser.newContext({ ignoreHTTPSErrors: true })
    const page = await context.newPage()
    await page.goto(`https://${host}/`)
    return page
  })
  assert.strictEqual(yield* Effect.promise(() => page.title()), "a page")
  assert.deepStrictEqual(
    yield* Effect.promise(() => page.evaluate(echoes, { count: 10, host })),
    Array.from({ length: 10 }, (_, at) => `hello ${at}`)
  )
  const connections = yield* server.connections
  for (const { peer, request } of connections) {
    assert.deepStrictEqual([request.version, peer.alpnProtocol, request.secure], ["HTTP/2", "h2", true])
  }
  const closed = yield* Effect.promise(() => page.evaluate(closes, host))
  assert.deepStrictEqual(closed, [1013, "later, please", true])
  return new Set(connections.map(({ peer }) => portOf(peer)))
})

describe.skipIf(Chromium.isLeftOut)(
  "Chromium over HTTP/2 (left out where Chromium is missing)",
  { timeout: 60_000 },
  () => {
    it.live("opens ten sockets on one session of a server on its own port", () =>
      Effect.gen(function* () {
        const { certFile, keyFile } = yield* Certificates.make
        const listen = Tls.layerServer({
          port: 0,
          cert: readFileSync(certFile),
          key: Redacted.make(readFileSync(keyFile)),
          http2: true
        })
        const headers = [{ name: "content-type", value: "text/html" }]
        const respond = () => ({ status: 200, headers, body: Buffer.from(title) })
        const services = yield* Layer.build(WebSocketServer.layer(program, { respond }).pipe(Layer.provide(listen)))
        const ports = yield* browse(Context.get(services, WebSocketServer.WebSocketServer))
        assert.strictEqual(ports.size, 1)
      })
    )

    it.live("opens them on the session on which it loaded the page of a server of Node", () =>
      Effect.gen(function* () {
        const { certFile, keyFile } = yield* Certificates.make
        const pagePorts = new Set<number | undefined>()
        const node = yield* Effect.acquireRelease(
          Effect.callback<Http2.Http2SecureServer>((resume) => {
            const pems = { cert: readFileSync(certFile), key: readFileSync(keyFile), allowHTTP1: true }
            const server = Http2.createSecureServer(pems, (request, response) => {
              if (request.url === "/") pagePorts.add(request.socket.remotePort)
              response.setHeader("content-type", "text/html")
              response.end(title)
            })
            server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
          }),
          (server) => Effect.sync(() => server.close())
        )
        const services = yield* Layer.build(
          WebSocketServer.layer(program).pipe(Layer.provide(HttpUpgrade.layerServer(node)))
        )
        const ports = yield* browse(Context.get(services, WebSocketServer.WebSocketServer))
        assert.deepStrictEqual([...ports], [...pagePorts])
      })
    )

    it.live("opens them on the session on which it loaded the page of Effect's HttpRouter", () =>
      Effect.gen(function* () {
        const { certFile, keyFile } = yield* Certificates.make
        const pems = { cert: readFileSync(certFile), key: readFileSync(keyFile), allowHTTP1: true }
        const pagePorts = new Set<number | undefined>()
        const page = HttpRouter.add("GET", "/", (request) => {
          pagePorts.add(NodeHttpServerRequest.toIncomingMessage(request).socket.remotePort)
          return Effect.succeed(HttpServerResponse.html(title))
        })
        const route = WebSocketRoute.layer("/:name", program)
        const services = yield* Layer.build(
          HttpRouter.serve(Layer.provideMerge(page, route), { disableLogger: true, disableListenLog: true }).pipe(
            Layer.provide(
              WebSocketRoute.layerServer(() => Http2.createSecureServer(pems), { port: 0, host: "127.0.0.1" })
            )
          )
        )
        const ports = yield* browse(Context.get(services, WebSocketServer.WebSocketServer))
        assert.deepStrictEqual([...ports], [...pagePorts])
      })
    )
  }
)
