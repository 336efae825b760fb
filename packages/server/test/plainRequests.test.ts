/**
 * Requests for a page, on every way to serve pages and WebSockets on one port: our own listeners with `respond`, an
 * HTTP server of Node whose upgrades we take, and a router with a route of ours.
 */
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as HttpUpgrade from "@effect-ws/transport/HttpUpgrade"
import * as Tcp from "@effect-ws/transport/Tcp"
import * as Tls from "@effect-ws/transport/Tls"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Logger } from "effect"
import type { Scope } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import type * as NetAddress from "effect/net/NetAddress"
import type { SocketServer } from "effect/socket"
import * as Http from "node:http"
import * as Https from "node:https"
import * as WebSocketRoute from "../src/WebSocketRoute.ts"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { echo, echoHandlers } from "@effect-ws/test-peers/Programs"
import * as RawPeer from "@effect-ws/test-peers/RawPeer"
import { certificate, httpServer, transports } from "./support/transports.ts"

const body = new TextEncoder().encode("a page\n")
const options: WebSocketServer.ServerOptions = {
  respond: ({ target }) =>
    target === "/" ? { status: 200, headers: [{ name: "Content-Length", value: `${body.length}` }], body } : undefined
}
const servers = {
  fiber: WebSocketServer.layer(echo, options),
  queue: WebSocketServer.layerQueue(echoHandlers, options)
}
const routes = {
  fiber: WebSocketRoute.layer("/", echo, options),
  queue: WebSocketRoute.layerQueue("/", echoHandlers, options)
}

type Address = NetAddress.SocketAddress
type Way = (
  variant: "fiber" | "queue"
) => Effect.Effect<Address, unknown, Dialer | SocketServer.SocketServer | Scope.Scope>

const secureDialer = Layer.unwrap(Effect.sync(() => Tls.layerDialer({ ca: certificate.cert, servername: "localhost" })))

const httpsServer = Effect.acquireRelease(
  Effect.callback<Https.Server>((resume) => {
    const server = Https.createServer({ cert: certificate.cert, key: certificate.key }, (_, response) => {
      response.end("a page\n")
    })
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => server.close())
)

const upgrading =
  <E>(server: Effect.Effect<Http.Server | Https.Server, E, Scope.Scope>): Way =>
  (variant) =>
    Effect.flatMap(server, (server) =>
      Effect.map(
        Layer.build(servers[variant].pipe(Layer.provide(HttpUpgrade.layerServer(server)))),
        (context) => Context.get(context, WebSocketServer.WebSocketServer).address
      )
    )

const routed =
  (createServer: () => Http.Server, layer: (variant: "fiber" | "queue") => typeof routes.fiber): Way =>
  (variant) =>
    Layer.build(
      HttpRouter.serve(layer(variant), { disableLogger: true, disableListenLog: true }).pipe(
        Layer.provideMerge(WebSocketRoute.layerServer(createServer, { port: 0, host: "127.0.0.1" }))
      )
    ).pipe(Effect.map((context) => Context.get(context, HttpServer.HttpServer).address))

const page = HttpRouter.add("GET", "/", HttpServerResponse.text("a page\n"))
const beside = {
  fiber: Layer.provideMerge(page, WebSocketRoute.layer("/chat", echo)),
  queue: Layer.provideMerge(page, WebSocketRoute.layerQueue("/chat", echoHandlers))
}
const createSecure = () => Https.createServer({ cert: certificate.cert, key: certificate.key })
const none = Layer.empty as Layer.Layer<SocketServer.SocketServer>

const ways: ReadonlyArray<
  readonly [name: string, network: Layer.Layer<Dialer | SocketServer.SocketServer, unknown>, Way]
> = [
  ...transports
    .filter(({ seesRequests }) => seesRequests)
    .map(({ layer, name }) => {
      const way: Way = (variant) =>
        Effect.map(
          Layer.build(servers[variant]),
          (context) => Context.get(context, WebSocketServer.WebSocketServer).address
        )
      return [name, layer, way] as const
    }),
  ["HttpUpgrade on http", Layer.merge(none, Tcp.layerDialer()), upgrading(httpServer)],
  ["HttpUpgrade on https", Layer.merge(none, secureDialer), upgrading(httpsServer)],
  ["a route that responds, on http", Layer.merge(none, Tcp.layerDialer()), routed(Http.createServer, (v) => routes[v])],
  ["a route that responds, on https", Layer.merge(none, secureDialer), routed(createSecure, (v) => routes[v])],
  ["a page beside a route, on http", Layer.merge(none, Tcp.layerDialer()), routed(Http.createServer, (v) => beside[v])],
  ["a page beside a route, on https", Layer.merge(none, secureDialer), routed(createSecure, (v) => beside[v])]
]

const request = (headers: Readonly<Record<string, string | undefined>>) =>
  RawPeer.requestHead(
    {
      Upgrade: undefined,
      Connection: undefined,
      "Sec-WebSocket-Key": undefined,
      "Sec-WebSocket-Version": undefined,
      ...headers
    },
    "GET / HTTP/1.1"
  )

// What Java's HttpClient and `curl --http2` send.
const h2c = {
  Connection: "Upgrade, HTTP2-Settings",
  Upgrade: "h2c",
  "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA"
}

for (const [name, network, way] of ways) {
  for (const variant of ["fiber", "queue"] as const) {
    describe(`a page, ${name}, ${variant}`, () => {
      it.live(
        "is given to a client that offers another upgrade, and not without a Host",
        () =>
          Effect.gen(function* () {
            const address = yield* way(variant)
            const ask = (text: string) =>
              Effect.scoped(
                Effect.gen(function* () {
                  const peer = yield* RawPeer.dial(address)
                  yield* peer.send(text)
                  return yield* peer.response
                })
              )
            for (const headers of [{}, h2c, { ...h2c, Upgrade: "h2c, TLS/1.3" }]) {
              const { body, status } = yield* ask(request(headers))
              assert.deepStrictEqual([status, body], [200, "a page\n"], JSON.stringify(headers))
            }
            for (const headers of [{}, h2c]) {
              const { status } = yield* ask(request({ ...headers, Host: undefined }))
              assert.strictEqual(status, 400, JSON.stringify(headers))
            }
          }).pipe(Effect.scoped, Effect.provide([Layer.fresh(network), Logger.layer([])])),
        15_000
      )
    })
  }
}
