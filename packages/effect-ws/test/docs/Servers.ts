/** Tests of what the README shows, and the pages on how a server listens, lives and ends. */
import * as Client from "@effect-ws/client/Client"
import type { Connection } from "@effect-ws/connection/Connection"
import * as Peer from "@effect-ws/connection/Peer"
import type { HandshakeRejection } from "@effect-ws/protocol/HandshakeRejection"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { formatAddress } from "@effect-ws/transport/Dialer"
import * as Memory from "@effect-ws/transport/Memory"
import * as Tcp from "@effect-ws/transport/Tcp"
import type { SocketServer } from "effect/socket/SocketServer"
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { createServer } from "node:http"
import type { IncomingMessage } from "node:http"
import { connect } from "node:net"
import type { AddressInfo } from "node:net"
import type { Duplex } from "node:stream"
import type { PeerCertificate } from "node:tls"
import { open } from "../support/Client.ts"
import * as Pages from "../support/Pages.ts"

const freePort = [["port: 8000", "port: 0"]] as const

const fetchText = (url: string) =>
  Effect.promise(async () => (await fetch(url, { headers: { Connection: "close" } })).text())

/** The port of a server that was built from a page. */
const portOf = (services: Context.Context<WebSocketServer.WebSocketServer>): number => {
  const { address } = Context.get(services, WebSocketServer.WebSocketServer)
  assert(address._tag !== "UnixPathAddress")
  return address.port
}

/**
 * A server in a process of its own, that has a page beside its WebSocket, echoes, and drains when it is told to stop.
 */
const attached = (name: string, edits: Pages.Edits, path: string, first: ReadonlyArray<string>) =>
  Pages.run(
    `listens, talks at ${path}, serves a page, and drains`,
    Effect.gen(function* () {
      const { child, port } = yield* Pages.startServer(name, edits)
      assert.match(yield* fetchText(`http://127.0.0.1:${port}/`), /^a page/)
      const client = yield* open(`ws://127.0.0.1:${port}${path}`)
      for (const expected of first) assert.strictEqual(yield* client.receive, expected)
      yield* client.send("hello")
      assert.strictEqual(yield* client.receive, "hello")
      child.kill("SIGTERM")
      assert.strictEqual((yield* client.closed).code, 1001)
    })
  )

const echoes = Effect.fnUntraced(function* (port: number) {
  const client = yield* open(`ws://127.0.0.1:${port}/`)
  yield* client.send("hello")
  assert.strictEqual(yield* client.receive, "hello")
  return client
})

export const covers: Pages.Covers = {
  "transports-1": Pages.example("transport", "transport"),
  "transports-2": Pages.itself,
  "browser-1": Pages.itself,
  "browser-2": Pages.shown("packages/browser/test/Chromium.test.ts does the same in a browser"),
  "typed-1": Pages.example("auctionMessages", "auction"),
  "typed-2": Pages.itself,
  "typed-3": Pages.itself,
  "typed-4": Pages.itself,
  "typed-5": Pages.itself,
  "typed-6": Pages.itself,
  "typed-7": Pages.shown("packages/connection/test/Conflation.test.ts sends to a peer that is slow"),
  "proxies-3": Pages.run(
    "is a policy that takes the name in a certificate which verified",
    Effect.gen(function* () {
      const { byCertificate } = yield* Pages.load<{
        readonly byCertificate: (request: {
          readonly peer: Partial<Peer.Peer>
        }) => Effect.Effect<string, HandshakeRejection>
      }>("proxies-3")
      const peerCertificate = { subject: { CN: "alice" } } as PeerCertificate
      assert.strictEqual(yield* byCertificate({ peer: { authorized: true, peerCertificate } }), "alice")
      for (const peer of [Peer.unknown, { authorized: false, peerCertificate }]) {
        assert.strictEqual((yield* Effect.flip(byCertificate({ peer }))).status, 403)
      }
    })
  ),
  "proxies-2": Pages.run(
    "takes the address of the client from the header",
    Effect.gen(function* () {
      const { Server } = yield* Pages.load<{ readonly Server: ReturnType<typeof Tcp.layerServer> }>("proxies-2", [
        ["port: 8000", "port: 0"],
        ["10.0.0.0/8", "127.0.0.0/8"],
        ["0.0.0.0", "127.0.0.1"]
      ])
      const seen = yield* Deferred.make<string>()
      const services = yield* Layer.build(
        WebSocketServer.layer(({ remoteAddress }) => Deferred.succeed(seen, formatAddress(remoteAddress!))).pipe(
          Layer.provide(Server)
        )
      )
      const socket = connect(portOf(services), "127.0.0.1")
      yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
      socket.write("PROXY TCP4 192.0.2.1 198.51.100.1 4711 8000\r\n")
      socket.write("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
      socket.write("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
      assert.strictEqual(yield* Deferred.await(seen), "192.0.2.1:4711")
    })
  ),
  "proxies-1": Pages.run(
    "bans the client that a proxy forwards, by its address",
    Effect.gen(function* () {
      const { Echo } = yield* Pages.load<{
        readonly Echo: Layer.Layer<WebSocketServer.WebSocketServer, never, SocketServer>
      }>("proxies-1", [["declare const banned: ReadonlySet<string>", 'const banned = new Set(["192.0.2.1"])']])
      const connect = (client: string) =>
        Client.connect("ws://server.test/", { headers: { "X-Forwarded-For": client } })
      yield* Effect.gen(function* () {
        yield* connect("192.0.2.1, 192.0.2.2")
        assert.match((yield* Effect.flip(connect("192.0.2.2, 192.0.2.1"))).message, /403/)
      }).pipe(Effect.provide(Echo.pipe(Layer.provideMerge(Memory.layer({ port: 80 })))))
    })
  ),
  "testing-1": Pages.itself,
  "testing-2": Pages.itself,
  "testing-3": Pages.itself,
  "testing-4": Pages.itself,
  "readme-1": Pages.run(
    "starts an echo server with a page",
    Effect.gen(function* () {
      const server = yield* Pages.startCommand(`${Pages.command("readme-1", 0)} --port 0`)
      const [, port] = yield* server.find("stdout", /^listening on ws:\/\/127\.0\.0\.1:(\d+)\n/)
      assert.match(yield* fetchText(`http://127.0.0.1:${port}/`), /<html/)
      yield* echoes(Number(port))
      server.child.kill("SIGINT")
      assert.strictEqual((yield* server.ended).code, 0)
    })
  ),
  "readme-2": Pages.shown("it would run this very test again"),
  "readme-3": Pages.run(
    "echoes, and drains",
    Effect.gen(function* () {
      const { child, port } = yield* Pages.startServer("readme-3", freePort)
      const client = yield* echoes(port)
      child.kill("SIGTERM")
      assert.strictEqual((yield* client.closed).code, 1001)
    })
  ),
  "readme-4": Pages.itself,
  "lifecycle-4": Pages.itself,
  "servers-2": Pages.itself,

  "architecture-1": Pages.shown("it is a drawing"),
  "session-state-1": Pages.shown("it is drawn from the table, as SessionState.test.ts of the protocol proves"),

  "attach-1": attached("attach-1", freePort, "/chat/tea", ["welcome to tea"]),
  "attach-2": attached("attach-2", [["listen(8000)", "listen(0)"]], "/echo", []),
  "attach-3": Pages.run(
    "answers an upgrade, and greets",
    Effect.gen(function* () {
      const { greet } = yield* Pages.load<{
        readonly greet: (request: IncomingMessage, stream: Duplex, early: Buffer) => Effect.Effect<void>
      }>("attach-3")
      const server = yield* Effect.acquireRelease(
        Effect.sync(() => createServer().listen(0, "127.0.0.1")),
        (server) => Effect.sync(() => void server.close())
      )
      server.on("upgrade", (...upgrade) => void Effect.runPromise(greet(...upgrade)))
      yield* Effect.callback<void>((resume) => void server.once("listening", () => resume(Effect.void)))
      const client = yield* open(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`, ["greeting"])
      assert.strictEqual(client.socket.protocol, "greeting")
      assert.strictEqual(yield* client.receive, "hello")
      assert.strictEqual((yield* client.closed).code, 1000)
    })
  ),

  "lifecycle-1": Pages.run(
    "tells everybody to come back",
    Effect.gen(function* () {
      const { Echo, restart } = yield* Pages.load<{
        readonly Echo: Layer.Layer<WebSocketServer.WebSocketServer>
        readonly restart: Effect.Effect<void, never, WebSocketServer.WebSocketServer>
      }>("lifecycle-1", freePort)
      const services = yield* Layer.build(Echo)
      const client = yield* echoes(portOf(services))
      yield* Effect.provide(restart, services)
      const { code, reason } = yield* client.closed
      assert.deepStrictEqual([code, reason], [1012, "restarting"])
    })
  ),
  "lifecycle-2": Pages.run(
    "listens on a port of its own where no socket was handed over",
    Effect.gen(function* () {
      const { Transport } = yield* Pages.load<{ readonly Transport: Layer.Layer<SocketServer> }>(
        "lifecycle-2",
        freePort
      )
      const Greeter = WebSocketServer.layer((connection) => connection.send("hello"))
      const services = yield* Layer.build(Layer.provide(Greeter, Transport))
      assert.strictEqual(yield* (yield* open(`ws://127.0.0.1:${portOf(services)}/`)).receive, "hello")
    })
  ),

  "lifecycle-3": Pages.run(
    "takes two messages, and then the others",
    Effect.gen(function* () {
      const { login } = yield* Pages.load<{
        readonly login: (connection: Connection) => Effect.Effect<void, unknown>
      }>("lifecycle-3")
      const Login = WebSocketServer.layer(login).pipe(Layer.provide(Tcp.layerServer({ port: 0 })))
      const client = yield* open(`ws://127.0.0.1:${portOf(yield* Layer.build(Login))}/`)
      for (const message of ["alice", "secret", "hello"]) yield* client.send(message)
      assert.strictEqual(yield* client.receive, "welcome, alice (6 characters)")
      assert.strictEqual(yield* client.receive, "hello")
    })
  ),

  "limits-1": Pages.run(
    "bounds what one address has",
    Effect.gen(function* () {
      const { Server } = yield* Pages.load<{ readonly Server: Layer.Layer<WebSocketServer.WebSocketServer> }>(
        "limits-1",
        [...freePort, ["maxConnectionsPerAddress: 256", "maxConnectionsPerAddress: 1"]]
      )
      const port = portOf(yield* Layer.build(Server))
      yield* open(`ws://127.0.0.1:${port}/`)
      const refused = yield* Effect.exit(open(`ws://127.0.0.1:${port}/`))
      assert.isTrue(Exit.isFailure(refused))
    })
  ),
  "limits-2": Pages.run(
    "bounds one server by a budget of its own, and tells how much of the process' is used",
    Effect.gen(function* () {
      const { Server, usage } = yield* Pages.load<{
        readonly Server: Layer.Layer<WebSocketServer.WebSocketServer>
        readonly usage: Effect.Effect<Record<"limit" | "peak" | "used", number>>
      }>("limits-2", [...freePort, ["256 * 1024 * 1024", "256 * 1024"]])
      const port = portOf(yield* Layer.build(Server))
      yield* echoes(port)
      const client = yield* open(`ws://127.0.0.1:${port}/`)
      yield* client.send(new Uint8Array(1024 * 1024))
      assert.strictEqual((yield* client.closed).code, 1013)
      assert.strictEqual((yield* usage).limit, 1024 ** 3)
    })
  ),

  "servers-1": Pages.run(
    "says to all others what one of them says",
    Effect.gen(function* () {
      const { Server } = yield* Pages.load<{ readonly Server: Layer.Layer<WebSocketServer.WebSocketServer> }>(
        "servers-1",
        freePort
      )
      const port = portOf(yield* Layer.build(Server))
      const ann = yield* open(`ws://127.0.0.1:${port}/`)
      const bob = yield* open(`ws://127.0.0.1:${port}/`)
      yield* ann.send("hello")
      assert.strictEqual(yield* bob.receive, "hello")
    })
  ),

  "observability-1": Pages.run(
    "is a server that is measured",
    Effect.gen(function* () {
      const { Server } = yield* Pages.load<{ readonly Server: Layer.Layer<WebSocketServer.WebSocketServer> }>(
        "observability-1",
        freePort
      )
      yield* echoes(portOf(yield* Layer.build(Server)))
      const opened = (yield* Metric.snapshot).filter(({ id }) => id === "websocket_connections_opened_total")
      assert.strictEqual(opened.length, 1)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  ),
  "observability-2": Pages.example("prometheus", "observability"),
  "observability-3": Pages.example("otlp", "observability")
}
