/**
 * Who is let in: the bounds on handshakes and connections, of the whole server and of one remote address, in memory.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as Tcp from "@effect-ws/transport/Tcp"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { network, quiet } from "@effect-ws/test-peers/InMemory"
import { connect, echo, echoHandlers, receiveText } from "@effect-ws/test-peers/Programs"
import * as RawPeer from "@effect-ws/test-peers/RawPeer"
import { requestHead } from "@effect-ws/test-peers/RawPeer"
import { start } from "./support/variants.ts"

const variants = [
  { name: "fiber", serve: (options?: WebSocketServer.ServerOptions) => start(WebSocketServer.layer(echo, options)) },
  {
    name: "queue",
    serve: (options?: WebSocketServer.ServerOptions) => start(WebSocketServer.layerQueue(echoHandlers, options))
  }
]

type Server = WebSocketServer.WebSocketServer["Service"]

const silentPeers = (server: Server, count: number) =>
  Effect.tap(
    Effect.forEach(Array.from({ length: count }), () => RawPeer.dial(server.address)),
    () => quiet
  )

/** The status of the answer to a request. */
const ask = Effect.fnUntraced(function* (server: Server, headers?: Readonly<Record<string, string>>) {
  const peer = yield* RawPeer.dial(server.address)
  yield* peer.send(requestHead(headers))
  const { status } = yield* peer.head
  return { peer, status }
})

const statusOf = (server: Server, headers?: Readonly<Record<string, string>>) =>
  Effect.map(ask(server, headers), ({ status }) => status)

/** A decision that waits, and tells when it was asked. */
const waiting = Effect.map(Effect.zip(Deferred.make<void>(), Deferred.make<void>()), ([asked, decided]) => ({
  asked: Deferred.await(asked),
  go: Deferred.succeed(decided, undefined),
  decide: () => Effect.as(Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(decided)), {})
}))

const works = (connection: Connection) =>
  Effect.gen(function* () {
    yield* connection.send("hello")
    assert.strictEqual(yield* receiveText(connection), "hello")
  })

describe.each(variants)("admission ($name)", ({ serve }) => {
  it.effect("lets a newcomer in where 1024 silent sockets hold all handshakes", () =>
    Effect.gen(function* () {
      const server = yield* serve()
      const silent = yield* silentPeers(server, 1024)
      for (let n = 0; n < 3; n++) yield* works(yield* connect(server))
      // The oldest gave way, and no other: the first connection's handshake was over when the next came.
      assert.strictEqual((yield* silent[0]!.response).status, 503)
      yield* silent[1]!.send(requestHead())
      assert.strictEqual((yield* silent[1]!.head).status, 101)
    }).pipe(Effect.scoped, Effect.provide(network))
  )

  it.effect("displaces a client that has sent a part of its request after half of the handshake's time", () =>
    Effect.gen(function* () {
      const server = yield* serve({ maxHandshakes: 1, handshakeTimeout: "8 seconds" })
      const peer = yield* RawPeer.dial(server.address)
      yield* peer.send("GET / HTTP/1.1\r\n")
      yield* quiet
      yield* TestClock.adjust("3999 millis")
      assert.strictEqual(yield* statusOf(server), 503)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* statusOf(server), 101)
      assert.strictEqual((yield* peer.response).status, 503)
    }).pipe(Effect.scoped, Effect.provide(network))
  )

  it.effect("displaces no client that has sent its request", () =>
    Effect.gen(function* () {
      const { asked, decide, go } = yield* waiting
      const server = yield* serve({ maxHandshakes: 1, decide })
      const first = yield* Effect.forkChild(connect(server), { startImmediately: true })
      yield* asked
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(yield* statusOf(server), 503)
      yield* go
      yield* works(yield* Fiber.join(first))
    }).pipe(Effect.scoped, Effect.provide(network))
  )

  it.effect("makes room for a connection as for a handshake", () =>
    Effect.gen(function* () {
      const server = yield* serve({ maxConnections: 2 })
      const silent = yield* silentPeers(server, 2)
      yield* works(yield* connect(server))
      yield* works(yield* connect(server))
      for (const peer of silent) assert.strictEqual((yield* peer.response).status, 503)
      assert.strictEqual(yield* statusOf(server), 503)
    }).pipe(Effect.scoped, Effect.provide(network))
  )

  it.effect("bounds the connections of one address, until they are gone", () =>
    Effect.gen(function* () {
      const server = yield* serve({ maxConnectionsPerAddress: 2 })
      const silent = yield* silentPeers(server, 1)
      const first = yield* connect(server)
      yield* works(first)
      yield* works(yield* connect(server))
      assert.strictEqual((yield* silent[0]!.response).status, 503)
      assert.strictEqual(yield* statusOf(server), 429)
      yield* first.close()
      yield* Effect.repeat(server.connections, { until: ({ length }) => length < 2 })
      yield* quiet
      assert.strictEqual(yield* statusOf(server), 101)
    }).pipe(Effect.scoped, Effect.provide(network))
  )

  it.effect("bounds the handshakes of one address", () =>
    Effect.gen(function* () {
      const { asked, decide, go } = yield* waiting
      const server = yield* serve({ maxHandshakesPerAddress: 1, decide })
      const [silent] = yield* silentPeers(server, 1)
      const first = yield* Effect.forkChild(connect(server), { startImmediately: true })
      yield* asked
      assert.strictEqual((yield* silent!.response).status, 503)
      const { peer, status } = yield* ask(server)
      assert.strictEqual(status, 429)
      assert.strictEqual(yield* peer.ending, "end")
      yield* go
      yield* works(yield* Fiber.join(first))
      assert.strictEqual(yield* statusOf(server), 101)
    }).pipe(Effect.scoped, Effect.provide(network))
  )

  it.effect("counts clients behind a trusted proxy by the address that it tells", () =>
    Effect.gen(function* () {
      const server = yield* serve({
        maxConnectionsPerAddress: 2,
        maxHandshakesPerAddress: 3,
        trustedProxies: ["127.0.0.1"]
      })
      const from = (address: string) => statusOf(server, { "X-Forwarded-For": address })
      yield* silentPeers(server, 10)
      for (const client of ["192.0.2.1", "192.0.2.2", "2001:db8::1"]) {
        assert.deepStrictEqual([yield* from(client), yield* from(client), yield* from(client)], [101, 101, 429])
      }
      assert.strictEqual(yield* from("::ffff:192.0.2.1"), 429)
      assert.strictEqual(yield* from("2001:db8::2"), 429)
      assert.strictEqual(yield* from("2001:db8:0:1::1"), 101)
      // What it forwards without naming a client may be of many clients.
      for (let n = 0; n < 3; n++) assert.strictEqual(yield* statusOf(server), 101)
    }).pipe(Effect.scoped, Effect.provide(network))
  )

  it.live("counts by the address of the PROXY protocol", () =>
    Effect.gen(function* () {
      const server = yield* serve({ maxConnectionsPerAddress: 1 })
      const from = Effect.fnUntraced(function* (address: string) {
        const peer = yield* RawPeer.dial(server.address)
        yield* peer.send(`PROXY TCP4 ${address} 192.0.2.99 4711 80\r\n`, requestHead())
        return (yield* peer.head).status
      })
      assert.deepStrictEqual(
        [yield* from("192.0.2.1"), yield* from("192.0.2.2"), yield* from("192.0.2.1")],
        [101, 101, 429]
      )
    }).pipe(Effect.scoped, Effect.provide(Tcp.layer({ port: 0, proxyProtocol: true })))
  )

  it.live("counts a connection while its PROXY header is awaited, and its client as silent behind it", () =>
    Effect.gen(function* () {
      const server = yield* serve({ maxHandshakes: 2 })
      const header = "PROXY TCP4 192.0.2.1 192.0.2.99 4711 80\r\n"
      const behind = yield* RawPeer.dial(server.address)
      yield* behind.send(header)
      const upgrade = Effect.gen(function* () {
        const peer = yield* RawPeer.dial(server.address)
        yield* peer.send(header, requestHead())
        assert.strictEqual((yield* peer.head).status, 101)
      })
      // When this is answered, the header before it has been read.
      yield* upgrade
      const before = yield* RawPeer.dial(server.address)
      yield* RawPeer.dial(server.address)
      assert.strictEqual((yield* behind.response).status, 503)
      yield* upgrade
      // No answer can be sent before the header.
      assert.strictEqual(yield* before.ending, "end")
    }).pipe(Effect.scoped, Effect.provide(Tcp.layer({ port: 0, proxyProtocol: true })))
  )

  it.effect("does not believe a peer that is no proxy of ours", () =>
    Effect.gen(function* () {
      const server = yield* serve({ maxConnectionsPerAddress: 1, trustedProxies: ["10.0.0.0/8"] })
      assert.strictEqual(yield* statusOf(server, { "X-Forwarded-For": "192.0.2.1" }), 101)
      assert.strictEqual(yield* statusOf(server, { "X-Forwarded-For": "192.0.2.2" }), 429)
    }).pipe(Effect.scoped, Effect.provide(network))
  )
})
