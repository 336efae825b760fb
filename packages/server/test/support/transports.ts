import * as FaultInjection from "@effect-ws/transport/FaultInjection"
import * as HttpUpgrade from "@effect-ws/transport/HttpUpgrade"
import * as Memory from "@effect-ws/transport/Memory"
import * as Tcp from "@effect-ws/transport/Tcp"
import * as Tls from "@effect-ws/transport/Tls"
import * as Unix from "@effect-ws/transport/Unix"
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import { Effect, Layer, Redacted } from "effect"
import type { Scope } from "effect"
import { HttpRouter } from "effect/http"
import type { SocketServer } from "effect/socket"
import * as Fs from "node:fs"
import * as Http from "node:http"
import * as Http2 from "node:http2"
import type * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import { localhost, makeSelfSigned } from "@effect-ws/test-support/Certificates"
import { layerSharedSession } from "@effect-ws/test-peers/Programs"
import * as WebSocketRoute from "../../src/WebSocketRoute.ts"

/** A network to run the suite over: a server on a free address, and a dialer that reaches it. */
export interface Transport {
  readonly name: string
  readonly layer: Layer.Layer<SocketServer.SocketServer | Dialer, SocketServer.SocketServerError>
  /** How many bytes a large message has. */
  readonly large: number
  /** Whether both ends are known by host and port. */
  readonly hasPorts: boolean
  readonly secure: boolean
  /** Whether requests that are no upgrade come to us, and not to an HTTP server in front. */
  readonly seesRequests: boolean
}

export const memory: Transport = {
  name: "Memory",
  layer: Memory.layer({ port: 0 }),
  large: 1 << 20,
  hasPorts: true,
  secure: false,
  seesRequests: true
}

export const tcp: Transport = { ...memory, name: "Tcp", layer: Tcp.layer({ port: 0 }) }

const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-ws-suite-"))
process.once("exit", () => Fs.rmSync(directory, { recursive: true, force: true }))
let count = 0

/** A path for a Unix socket that no other test has. */
export const socketPath = (): string => Path.join(directory, `${++count}.sock`)

const unix: Transport = {
  ...memory,
  name: "Unix",
  layer: Layer.unwrap(Effect.sync(() => Unix.layer({ path: socketPath() }))),
  hasPorts: false
}

// Signed by itself, so that it is its own authority; made anew for each run.
export const certificate = await makeSelfSigned({ name: "localhost", ...localhost })

export const tls: Transport = {
  ...memory,
  name: "Tls",
  layer: Tls.layer({
    server: { cert: certificate.cert, key: Redacted.make(certificate.key), port: 0 },
    dialer: { ca: certificate.cert }
  }),
  secure: true
}

const faulty: Transport = {
  ...memory,
  name: "Faulty, byte by byte",
  layer: FaultInjection.layer({ both: { chunkSize: 1 } }).pipe(Layer.provide(Memory.layer({ port: 0 }))),
  large: 100_000
}

// Sockets that are not ours and can only be pulled.
const effects: Transport = {
  ...memory,
  name: "Effect's own NodeSocketServer",
  layer: Layer.merge(NodeSocketServer.layer({ port: 0, host: "127.0.0.1" }), Tcp.layerDialer()),
  hasPorts: false
}

// Every connection of our client is a stream of one session.
const http2: Transport = {
  ...memory,
  name: "HTTP/2",
  layer: Layer.merge(
    Tcp.layerServer({ port: 0, http2: true }),
    Layer.provideMerge(layerSharedSession, Tcp.layerDialer())
  )
}

const http2Secure: Transport = {
  ...tls,
  name: "HTTP/2 over TLS",
  layer: Layer.merge(
    Tls.layer({
      server: { cert: certificate.cert, key: Redacted.make(certificate.key), port: 0, http2: true },
      dialer: { ca: certificate.cert }
    }),
    Layer.provide(layerSharedSession, Tls.layerDialer({ ca: certificate.cert, alpnProtocols: ["h2"] }))
  )
}

type Listen = { readonly port: number; readonly host: string } | { readonly path: string }

const loopback: Listen = { port: 0, host: "127.0.0.1" }

/** Lets a server of Node listen until the Scope closes. */
export const listening = <Server extends Net.Server>(
  makeServer: () => Server,
  listen: Listen
): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const server = makeServer()
      server.listen(listen, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  )

/** An HTTP server of Node on a free port, which has a page and is closed with the Scope. */
export const httpServer: Effect.Effect<Http.Server, never, Scope.Scope> = listening(
  () => Http.createServer((_, response) => void response.end("a page\n")),
  loopback
)

/** The upgrades of an HTTP server. */
export const upgrades = (listen: Listen): Layer.Layer<SocketServer.SocketServer, SocketServer.SocketServerError> =>
  Layer.unwrap(
    Effect.map(
      listening(() => Http.createServer(), listen),
      (server) => HttpUpgrade.layerServer(server)
    )
  )

/** A route for all paths of Effect's HTTP server. */
export const route = (
  listen: Listen,
  makeServer: () => HttpUpgrade.HttpServer = Http.createServer
): Layer.Layer<SocketServer.SocketServer> =>
  Layer.unwrap(
    Effect.map(WebSocketRoute.makeTransport(), ({ handler, services }) =>
      Layer.merge(
        Layer.succeedContext(services),
        HttpRouter.serve(HttpRouter.add("GET", "/*", handler), { disableLogger: true, disableListenLog: true })
      )
    )
  ).pipe(Layer.provide(WebSocketRoute.layerServer(makeServer, listen)), Layer.orDie)

const onUpgrade: Transport = {
  ...memory,
  name: "HttpUpgrade",
  seesRequests: false,
  layer: Layer.merge(upgrades(loopback), Tcp.layerDialer())
}

const onRoute: Transport = {
  ...memory,
  name: "WebSocketRoute",
  seesRequests: false,
  layer: Layer.merge(route(loopback), Tcp.layerDialer())
}

/** A server of `node:http2` that has a page, and speaks HTTP/1.1 as well. */
export const makeHttp2Server = (): Http2.Http2SecureServer =>
  Http2.createSecureServer({ cert: certificate.cert, key: certificate.key, allowHTTP1: true })

const sharedSession = Layer.provideMerge(
  layerSharedSession,
  Tls.layerDialer({ ca: certificate.cert, alpnProtocols: ["h2"] })
)

const onConnect: Transport = {
  ...tls,
  name: "HttpUpgrade on node:http2",
  seesRequests: false,
  layer: Layer.merge(
    Layer.unwrap(
      Effect.map(
        listening(() => makeHttp2Server().on("request", (_, response) => void response.end("a page\n")), loopback),
        (server) => HttpUpgrade.layerServer(server)
      )
    ),
    sharedSession
  )
}

const onHttp2Route: Transport = {
  ...tls,
  name: "WebSocketRoute on node:http2",
  seesRequests: false,
  layer: Layer.merge(route(loopback, makeHttp2Server), sharedSession)
}

/** Every transport that there is. */
export const transports: ReadonlyArray<Transport> = [
  memory,
  tcp,
  unix,
  tls,
  faulty,
  effects,
  onUpgrade,
  onRoute,
  http2,
  http2Secure,
  onConnect,
  onHttp2Route
]
