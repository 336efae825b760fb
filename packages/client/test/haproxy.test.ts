/**
 * Our server behind the real haproxy: it learns of the client by the PROXY protocol, over TCP and before TLS, and by
 * headers; and our client through it.
 */
import { freePort } from "@effect-ws/test-support/LocalPort"
import type * as Peer from "@effect-ws/connection/Peer"
import type { UpgradeRequest } from "@effect-ws/protocol/ServerHandshake"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { formatAddress, hostPort } from "@effect-ws/transport/Dialer"
import * as Tcp from "@effect-ws/transport/Tcp"
import * as Tls from "@effect-ws/transport/Tls"
import { assert, describe } from "@effect/vitest"
import { Context, Effect, Layer, Queue, Redacted, Stream } from "effect"
import type { Scope } from "effect"
import type * as NetAddress from "effect/net/NetAddress"
import type { SocketServer, SocketServerError } from "effect/socket/SocketServer"
import * as Fs from "node:fs"
import * as Client from "../src/Client.ts"
import * as certificates from "./support/certificates.ts"
import { folder, run, testWith } from "./support/programs.ts"

/** A server that echoes, its port, and the peers of its connections. */
const serve = Effect.fnUntraced(function* (
  transport: Layer.Layer<SocketServer, SocketServerError>,
  options?: WebSocketServer.ServerOptions
) {
  const peers = yield* Queue.unbounded<Peer.Peer>()
  const requests = yield* Queue.unbounded<UpgradeRequest>()
  const context = yield* Layer.build(
    WebSocketServer.layer(
      (connection) =>
        Effect.andThen(
          Effect.zip(Queue.offer(peers, connection.peer), Queue.offer(requests, connection.request)),
          Stream.runForEach(connection.messages, (message) => connection.send(message))
        ),
      options
    ).pipe(Layer.provide(transport))
  )
  const { address } = Context.get(context, WebSocketServer.WebSocketServer)
  return {
    port: hostPort(address as NetAddress.InetAddress).port,
    peer: Queue.take(peers),
    request: Queue.take(requests)
  }
})

/** The address that haproxy connects from, which is not the client's. */
const own = "127.0.0.2"

/** haproxy in front of a server, with the lines of its `frontend`, what `bind` says more, and of its `server`. */
const haproxy = Effect.fnUntraced(function* (
  backend: number,
  options: {
    readonly mode: "tcp" | "http"
    readonly server?: string
    readonly frontend?: ReadonlyArray<string>
    readonly bind?: (home: string) => string
  }
): Effect.fn.Return<number, unknown, Scope.Scope> {
  const home = yield* folder
  const port = yield* freePort
  Fs.writeFileSync(
    `${home}/haproxy.cfg`,
    [
      "defaults",
      `  mode ${options.mode}`,
      "  timeout connect 5s",
      "  timeout client 20s",
      "  timeout server 20s",
      "frontend in",
      `  bind 127.0.0.1:${port} ${options.bind?.(home) ?? ""}`,
      ...(options.frontend ?? []).map((line) => `  ${line}`),
      "  default_backend out",
      "backend out",
      `  source ${own}`,
      `  server s 127.0.0.1:${backend} ${options.server ?? ""}`,
      ""
    ].join("\n")
  )
  yield* run("haproxy", ["-db", "-f", `${home}/haproxy.cfg`], { port })
  return port
})

/** Connects, sends a message that comes back, and returns the client's own address. */
const converse = (url: string, options?: Client.ClientOptions) =>
  Effect.scoped(
    Effect.gen(function* () {
      const connection = yield* Effect.provide(Client.connect(url, options), Client.layerDirect())
      yield* connection.send("hello")
      assert.strictEqual((yield* connection.receive).data, "hello")
      const address = formatAddress(connection.peer.localAddress!)
      yield* connection.close()
      return address
    })
  )

const identity = { cert: certificates.server.cert, key: Redacted.make(certificates.server.key) }
const tls = { ca: certificates.ca }

const address = ({ remoteAddress }: Peer.Peer): string => formatAddress(remoteAddress!)

describe("a server behind haproxy", () => {
  for (const send of [
    "send-proxy",
    "send-proxy-v2",
    "send-proxy-v2 proxy-v2-options crc32c,unique-id,authority",
    // Its health checks speak for haproxy itself.
    "send-proxy-v2 check inter 50ms"
  ]) {
    testWith("haproxy", `learns of the client by the PROXY protocol: ${send}`, () =>
      Effect.gen(function* () {
        const proxyProtocol = { trustedProxies: [own] }
        const { peer, port } = yield* serve(Tcp.layerServer({ port: 0, proxyProtocol }))
        const client = yield* converse(`ws://127.0.0.1:${yield* haproxy(port, { mode: "tcp", server: send })}/`)
        assert.strictEqual(address(yield* peer), client)
      })
    )

    testWith("haproxy", `learns of the client before TLS: ${send}`, () =>
      Effect.gen(function* () {
        const { peer, port } = yield* serve(Tls.layerServer({ ...identity, port: 0, proxyProtocol: true }))
        const through = yield* haproxy(port, { mode: "tcp", server: send })
        const client = yield* converse(`wss://localhost:${through}/`, { tls })
        const seen = yield* peer
        assert.deepStrictEqual([address(seen), seen.secure, seen.serverName], [client, true, "localhost"])
      })
    )
  }

  for (const [name, forwardedHeaders, frontend] of [
    [
      "X-Forwarded-For",
      "X-Forwarded",
      [
        "option forwardfor",
        "http-request set-header X-Forwarded-Proto https",
        "http-request set-header X-Forwarded-Host chat.example"
      ]
    ],
    ["Forwarded", "Forwarded", ["http-request add-header Forwarded for=%[src];proto=https;host=chat.example"]]
  ] as const) {
    testWith("haproxy", `learns of the client by ${name}, whatever the client says itself`, () =>
      Effect.gen(function* () {
        const { peer, port } = yield* serve(Tcp.layerServer({ port: 0 }), { trustedProxies: [own], forwardedHeaders })
        const url = `ws://127.0.0.1:${yield* haproxy(port, { mode: "http", frontend })}/`
        const headers = [
          { name: "X-Forwarded-For", value: "203.0.113.9" },
          { name: "Forwarded", value: 'for="203.0.113.9' }
        ]
        yield* converse(url, { headers, origin: "https://chat.example" })
        const { proxy, remoteAddress, secure } = yield* peer
        assert.deepStrictEqual([formatAddress(remoteAddress!), secure], ["127.0.0.1:0", true])
        assert.match(formatAddress(proxy!.remoteAddress!), /^127\.0\.0\.2:/)
        assert.match((yield* Effect.flip(converse(url, { headers, origin: "http://127.0.0.1" }))).message, /403/)
      })
    )
  }

  /** TLS at haproxy, with both versions of HTTP. */
  const bind = (home: string): string => {
    Fs.writeFileSync(`${home}/server.pem`, `${certificates.server.cert}\n${certificates.server.key}\n`)
    return `ssl crt ${home}/server.pem alpn h2,http/1.1`
  }

  for (const [name, http] of [
    ["HTTP/1.1", "1.1"],
    ["HTTP/2", "2"]
  ] as const) {
    testWith("haproxy", `is asked by extended CONNECT over HTTP/2 for a client of ${name}`, () =>
      Effect.gen(function* () {
        const { request, port } = yield* serve(Tcp.layerServer({ port: 0, http2: true }))
        const through = yield* haproxy(port, { mode: "http", server: "proto h2", bind })
        yield* converse(`wss://localhost:${through}/chat?room=1`, { tls, http })
        const { headers, host, target, version } = yield* request
        assert.deepStrictEqual([version, target, host], ["HTTP/2", "/chat?room=1", `localhost:${through}`])
        assert.isFalse(headers.some((header) => header.name === "connection"))
      })
    )
  }

  testWith("haproxy", "is asked by an upgrade of HTTP/1.1 for a client of HTTP/2", () =>
    Effect.gen(function* () {
      const { request, port } = yield* serve(Tcp.layerServer({ port: 0 }))
      const through = yield* haproxy(port, { mode: "http", bind })
      yield* converse(`wss://localhost:${through}/`, { tls, http: "2" })
      assert.strictEqual((yield* request).version, "HTTP/1.1")
    })
  )
})
