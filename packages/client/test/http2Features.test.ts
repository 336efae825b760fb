/**
 * Features of the client over HTTP/2: reconnecting, the WHATWG class, subprotocols, compression, credentials across
 * redirects, and proxies.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as Extensions from "@effect-ws/extensions/Extensions"
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import * as ClientAuth from "@effect-ws/protocol/ClientAuth"
import * as CloseError from "@effect-ws/protocol/CloseError"
import * as HandshakeRejection from "@effect-ws/protocol/HandshakeRejection"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Queue, Schedule, Scope, Stream } from "effect"
import type { NetAddress } from "effect/net"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Net from "node:net"
import type { Duplex } from "node:stream"
import * as Client from "../src/Client.ts"
import { ConnectTimeout, Http2Unavailable } from "../src/ConnectError.ts"
import * as HttpProxy from "../src/HttpProxy.ts"
import * as Reconnect from "../src/Reconnect.ts"
import * as WebSocketClass from "../src/WebSocketClass.ts"
import { echoes, openSessions, overHttp2, serve, test } from "./support/http2.ts"

const portOf = ({ peer }: Connection): number => (peer.remoteAddress as NetAddress.InetAddress).port

/** A proxy that makes tunnels, and counts them. */
const tunnels = Effect.gen(function* () {
  const targets: Array<string> = []
  const sockets = new Set<Duplex>()
  const proxy = Http.createServer().on("connect", (request, socket, head) => {
    targets.push(request.url!)
    sockets.add(socket)
    const { hostname, port } = new URL(`http://${request.url!}`)
    const through = Net.connect(Number(port), hostname, () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n")
      through.write(head)
      socket.pipe(through).pipe(socket)
    })
    sockets.add(through)
    through.on("error", () => socket.destroy())
    socket.on("error", () => through.destroy())
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void proxy.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.sync(() => {
        proxy.close()
        for (const socket of sockets) socket.destroy()
      })
  )
  return { targets, url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` }
})

describe("Client over HTTP/2, with all that it can do", () => {
  test(
    "reconnects on the same session after a reset of its stream, and on a new one after the end of the server",
    Effect.gen(function* () {
      const accepted = yield* Queue.unbounded<Connection>()
      const scope = yield* Scope.make()
      const { server, url } = yield* Scope.provide(serve(), scope)
      const client = yield* Reconnect.make({ url, options: overHttp2, schedule: Schedule.spaced("20 millis") })
      yield* client.events.pipe(
        Stream.runForEach((event) => (event._tag === "Open" ? Queue.offer(accepted, event.connection) : Effect.void)),
        Effect.forkScoped({ startImmediately: true })
      )
      const exchange = Effect.fnUntraced(function* (text: string) {
        yield* client.send(text)
        assert.strictEqual((yield* client.receive).data, text)
      })
      yield* exchange("one")
      const [first] = yield* server.connections
      const port = portOf(first!)
      yield* first!.abort("a reset")
      yield* Queue.takeN(accepted, 2)
      yield* exchange("two")
      const [second] = yield* server.connections
      assert.strictEqual(portOf(second!), port)
      assert.strictEqual(second!.request.version, "HTTP/2")
      yield* Scope.close(scope, Exit.void)
      const again = yield* serve({}, true, Number(new URL(url).port))
      yield* Queue.take(accepted)
      yield* exchange("three")
      const [third] = yield* again.server.connections
      assert.strictEqual(third!.request.version, "HTTP/2")
      assert.notStrictEqual(portOf(third!), port)
      assert.strictEqual(yield* openSessions, 1)
    })
  )

  test(
    "tells the WHATWG class subprotocol, close code and reason",
    Effect.gen(function* () {
      const closed = yield* Deferred.make<unknown>()
      const { server, url } = yield* serve({ subprotocols: ["v1"] })
      const Class = yield* WebSocketClass.make(overHttp2)
      const socket = new Class(url, ["v0", "v1"])
      socket.binaryType = "arraybuffer"
      const received = yield* Effect.callback<unknown>((resume) => {
        socket.addEventListener("open", () => socket.send(new Uint8Array([1, 2, 3])))
        socket.addEventListener("message", ({ data }) => resume(Effect.succeed(data)))
        socket.addEventListener("error", () => resume(Effect.die(new Error("the socket failed"))))
      })
      assert.deepStrictEqual([...new Uint8Array(received as ArrayBuffer)], [1, 2, 3])
      assert.strictEqual(socket.protocol, "v1")
      socket.addEventListener("close", ({ code, reason, wasClean }) =>
        Deferred.doneUnsafe(closed, Effect.succeed([code, reason, wasClean]))
      )
      const [connection] = yield* server.connections
      yield* connection!.close(4001, "enough")
      assert.deepStrictEqual(yield* Deferred.await(closed), [4001, "enough", true])
    })
  )

  test(
    "agrees on a subprotocol and on compression",
    Effect.gen(function* () {
      const { url } = yield* serve({ subprotocols: ["v1"] }).pipe(Effect.provide(PermessageDeflate.layer()))
      const connection = yield* Client.connect(url, { ...overHttp2, subprotocols: ["v0", "v1"] }).pipe(
        Effect.provide(Extensions.layer([PermessageDeflate.make({ threshold: 0 })]))
      )
      assert.strictEqual(connection.subprotocol, "v1")
      assert.deepStrictEqual(
        connection.extensions.map(({ name }) => name),
        ["permessage-deflate"]
      )
      const text = "again and ".repeat(5000)
      yield* connection.send(text)
      assert.strictEqual((yield* connection.receive).data, text)
    })
  )

  test(
    "keeps credentials from another origin that a redirect leads to",
    Effect.gen(function* () {
      const seen: Array<string | undefined> = []
      const authorization = (request: { readonly headers: ReadonlyArray<{ name: string; value: string }> }) =>
        request.headers.find(({ name }) => name === "authorization")?.value
      const there = yield* serve({
        decide: (request) => Effect.sync(() => (seen.push(authorization(request)), {}))
      })
      const here = yield* serve({
        decide: (request) =>
          Effect.suspend(() => {
            seen.push(authorization(request))
            return Effect.fail(
              new HandshakeRejection.HandshakeRejection({
                status: 308,
                reason: "there",
                headers: [{ name: "Location", value: there.url }]
              })
            )
          })
      })
      yield* echoes(here.url, {
        ...overHttp2,
        credentials: ClientAuth.password("Aladdin", "open sesame"),
        sendCredentials: "preemptive"
      })
      assert.deepStrictEqual(seen, ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", undefined])
      assert.strictEqual(yield* openSessions, 2)
    })
  )

  test(
    "shares a session through a proxy, and none with those that take another way",
    Effect.gen(function* () {
      const { server, url } = yield* serve()
      const proxies = yield* tunnels
      const proxy = yield* Effect.fromResult(HttpProxy.parse(proxies.url))
      yield* echoes(url, { ...overHttp2, proxy })
      yield* echoes(url, { ...overHttp2, proxy })
      yield* echoes(url, { ...overHttp2, proxy: "none" })
      assert.deepStrictEqual(proxies.targets, [new URL(url).host])
      assert.strictEqual(new Set((yield* server.connections).map(portOf)).size, 2)
      assert.strictEqual(yield* openSessions, 2)
    })
  )

  test(
    "is not held back by a connection of the same session that it does not read",
    Effect.gen(function* () {
      const { server, url } = yield* serve()
      yield* Client.connect(`${url}?unread`, overHttp2)
      const [unread] = yield* server.connections
      const flooding = yield* Effect.forkChild(Effect.forever(unread!.send(new Uint8Array(64 * 1024))))
      const busy = yield* Client.connect(url, overHttp2)
      for (let at = 0; at < 50; at++) {
        yield* busy.send(new Uint8Array(64 * 1024))
        assert.strictEqual((yield* busy.receive).data.length, 64 * 1024)
      }
      assert.isUndefined(flooding.pollUnsafe())
      assert.strictEqual(yield* openSessions, 1)
    })
  )

  test(
    "sees the server's drain as 1001 where the server stops",
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { url } = yield* Scope.provide(serve(), scope)
      const connection = yield* echoes(url, overHttp2)
      yield* Effect.forkChild(Scope.close(scope, Exit.void))
      const error = yield* Effect.flip(Stream.runDrain(Stream.concat(connection.messages, Stream.fail("the end"))))
      assert.strictEqual(error, "the end")
      const { received } = yield* connection.closed
      assert.strictEqual(received?.code, new CloseError.GoingAway({}).code)
      while ((yield* openSessions) > 0) yield* Effect.sleep(10)
    })
  )

  test(
    "gives up in time on a server that never sends its SETTINGS",
    Effect.gen(function* () {
      const silent = yield* Effect.acquireRelease(
        Effect.callback<Net.Server>((resume) => {
          const server = Net.createServer((socket) => void socket.on("error", () => {}).resume())
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const url = `ws://127.0.0.1:${(silent.address() as AddressInfo).port}/`
      const error = yield* Effect.flip(Client.connect(url, { http: "2", connectTimeout: "100 millis" }))
      assert.instanceOf(error, ConnectTimeout)
      assert.strictEqual(yield* openSessions, 0)
    })
  )

  it.effect("says that the in-memory network supports only HTTP/1.1", () =>
    Effect.gen(function* () {
      const network = yield* Memory.MemoryNetwork
      yield* network.listen({ port: 80 })
      const error = yield* Effect.flip(Client.connect("ws://a.test/", { http: "2" }))
      assert.instanceOf(error, Http2Unavailable)
      assert.strictEqual(
        error.message,
        "no WebSocket over HTTP/2 at ws://a.test/: the Dialer supports only HTTP/1.1; " +
          'HTTP/2 needs a TCP, TLS or Unix socket of Node; use http: "auto" or "1.1"'
      )
    }).pipe(Effect.scoped, Effect.provide(Memory.layerDialer), Effect.provide(Memory.layerNetwork()))
  )
})
