/**
 * Every way to serve WebSockets over a real network, with each of the servers: listeners of our own, the upgrades of an
 * HTTP server of Node, and a route of Effect's HTTP server, the last two with TLS and without.
 */
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as HttpUpgrade from "@effect-ws/transport/HttpUpgrade"
import * as Tcp from "@effect-ws/transport/Tcp"
import * as Tls from "@effect-ws/transport/Tls"
import * as Unix from "@effect-ws/transport/Unix"
import { Context, Effect, Layer, Redacted } from "effect"
import type { Scope } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import type * as NetAddress from "effect/net/NetAddress"
import type { SocketServer } from "effect/socket"
import * as Http from "node:http"
import * as Https from "node:https"
import type { Handler } from "@effect-ws/connection/ConnectionHandler"
import type { Handlers } from "../../src/Handlers.ts"
import * as WebSocketRoute from "../../src/WebSocketRoute.ts"
import * as WebSocketServer from "../../src/WebSocketServer.ts"
import { certificate, listening, socketPath } from "./transports.ts"

/** A program in the style of each server. */
export interface Programs {
  readonly fiber: Handler<unknown>
  readonly queue: Handlers<unknown>
}

/** A way to serve. */
export interface Way {
  readonly name: string
  /** Who reads the request: we, or an HTTP server that hands upgrades to us; a route also gets what is no upgrade. */
  readonly via: "listener" | "upgrade" | "route"
  readonly secure: boolean
  readonly dialer: Layer.Layer<Dialer>
  /** Serves until the Scope closes; returns where. */
  readonly serve: (
    kind: keyof Programs,
    programs: Programs,
    options?: WebSocketServer.ServerOptions
  ) => Effect.Effect<NetAddress.SocketAddress, unknown, Scope.Scope>
}

const loopback = { port: 0, host: "127.0.0.1" }
const pems = { cert: certificate.cert, key: certificate.key }
const secureDialer = Tls.layerDialer({ ca: certificate.cert, servername: "localhost" })

const serverLayer = (kind: keyof Programs, programs: Programs, options?: WebSocketServer.ServerOptions) =>
  kind === "fiber"
    ? WebSocketServer.layer(programs.fiber, options)
    : WebSocketServer.layerQueue(programs.queue, options)

/** A server over what accepts connections. */
const over =
  (listen: () => Layer.Layer<SocketServer.SocketServer, SocketServer.SocketServerError, never>): Way["serve"] =>
  (kind, programs, options) =>
    Effect.map(
      Layer.build(Layer.provide(serverLayer(kind, programs, options), Layer.fresh(listen()))),
      (context) => Context.get(context, WebSocketServer.WebSocketServer).address
    )

const upgrades = (makeServer: () => Http.Server | Https.Server): Way["serve"] =>
  over(() => Layer.unwrap(Effect.map(listening(makeServer, loopback), (server) => HttpUpgrade.layerServer(server))))

const routes =
  (makeServer: () => Http.Server | Https.Server): Way["serve"] =>
  (kind, programs, options) =>
    Layer.build(
      HttpRouter.serve(
        kind === "fiber"
          ? WebSocketRoute.layer("/*", programs.fiber, options)
          : WebSocketRoute.layerQueue("/*", programs.queue, options),
        { disableLogger: true, disableListenLog: true }
      ).pipe(Layer.provideMerge(Layer.fresh(WebSocketRoute.layerServer(makeServer, loopback))))
    ).pipe(Effect.map((context) => Context.get(context, HttpServer.HttpServer).address))

/** The page that an HTTP server has, whose upgrades are ours. */
export const page = "a page\n"

const respond: Http.RequestListener = (_, response) => void response.end(page)

/** All of them. */
export const ways: ReadonlyArray<Way> = [
  {
    name: "Tcp",
    via: "listener",
    secure: false,
    dialer: Tcp.layerDialer(),
    serve: over(() => Tcp.layerServer(loopback))
  },
  {
    name: "Tls",
    via: "listener",
    secure: true,
    dialer: secureDialer,
    serve: over(() => Tls.layerServer({ ...loopback, cert: pems.cert, key: Redacted.make(pems.key) }))
  },
  {
    name: "Unix",
    via: "listener",
    secure: false,
    dialer: Unix.layerDialer(),
    serve: over(() => Unix.layerServer({ path: socketPath() }))
  },
  {
    name: "HttpUpgrade on http",
    via: "upgrade",
    secure: false,
    dialer: Tcp.layerDialer(),
    serve: upgrades(() => Http.createServer(respond))
  },
  {
    name: "HttpUpgrade on https",
    via: "upgrade",
    secure: true,
    dialer: secureDialer,
    serve: upgrades(() => Https.createServer(pems, respond))
  },
  {
    name: "WebSocketRoute on http",
    via: "route",
    secure: false,
    dialer: Tcp.layerDialer(),
    serve: routes(() => Http.createServer())
  },
  {
    name: "WebSocketRoute on https",
    via: "route",
    secure: true,
    dialer: secureDialer,
    serve: routes(() => Https.createServer(pems))
  }
]
