/**
 * TLS handshakes are handshakes: they are counted and timed from the moment at which a connection is accepted. Over
 * real sockets, since Memory has no TLS.
 */
import { hostPort } from "@effect-ws/transport/Dialer"
import * as Tls from "@effect-ws/transport/Tls"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import type { Scope } from "effect"
import type * as NetAddress from "effect/net/NetAddress"
import { TestClock } from "effect/testing"
import * as Net from "node:net"
import { duplexPair } from "node:stream"
import * as NodeTls from "node:tls"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { connect, echo, receiveText } from "@effect-ws/test-peers/Programs"
import { certificate, tls } from "./support/transports.ts"
import { start } from "./support/variants.ts"

type Server = WebSocketServer.WebSocketServer["Service"]

const serve = (options: WebSocketServer.ServerOptions) => start(WebSocketServer.layer(echo, options))

/** A TCP connection that says nothing. */
const silent = (server: Server): Effect.Effect<Net.Socket, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Net.Socket>((resume) => {
      const socket = Net.connect(hostPort(server.address as NetAddress.InetAddress))
      socket.on("error", () => {})
      socket.once("connect", () => resume(Effect.succeed(socket)))
      socket.resume()
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

const closed = (socket: Net.Socket): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (socket.destroyed) resume(Effect.void)
    else socket.once("close", () => resume(Effect.void))
  })

/** What a socket receives up to its end. */
const answerOf = (socket: Net.Socket): Effect.Effect<string> =>
  Effect.callback<string>((resume) => {
    let text = ""
    socket.on("data", (bytes: Buffer) => (text += bytes.toString("latin1")))
    socket.once("close", () => resume(Effect.succeed(text)))
  })

/** Sends a ClientHello, and waits until the server has answered or dropped it. Nothing follows. */
const sayHello = (socket: Net.Socket): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const [near, far] = duplexPair()
    NodeTls.connect({ socket: near }).on("error", () => {})
    far.once("data", (hello: Buffer) => socket.write(hello))
    socket.once("data", () => resume(Effect.void))
    socket.once("close", () => resume(Effect.void))
  })

/** Time for what was sent over a loopback connection to arrive. */
const settled = TestClock.withLive(Effect.sleep("100 millis"))

const works = (server: Server) =>
  Effect.gen(function* () {
    const connection = yield* connect(server)
    yield* connection.send("hello")
    assert.strictEqual(yield* receiveText(connection), "hello")
    return connection
  })

describe("TLS handshakes", { timeout: 20_000 }, () => {
  it.live("count in maxHandshakes, and the oldest silent one makes room", () =>
    Effect.gen(function* () {
      const server = yield* serve({ maxHandshakes: 4 })
      const sockets = yield* Effect.forEach(Array.from({ length: 20 }), () => silent(server))
      yield* Effect.forEach(sockets.slice(0, 16), closed, { discard: true })
      assert.deepStrictEqual(
        sockets.map((socket) => socket.destroyed),
        sockets.map((_, at) => at < 16)
      )
      yield* works(server)
      yield* closed(sockets[16]!)
    }).pipe(Effect.scoped, Effect.provide(tls.layer))
  )

  it.live("that have begun are not displaced; as many more are kept for their answer, and the rest is dropped", () =>
    Effect.gen(function* () {
      const server = yield* serve({ maxHandshakes: 2 })
      const begun = yield* Effect.forEach(Array.from({ length: 7 }), () => Effect.tap(silent(server), sayHello))
      assert.deepStrictEqual(
        begun.map((socket) => socket.destroyed),
        begun.map((_, at) => at >= 4)
      )
    }).pipe(Effect.scoped, Effect.provide(tls.layer))
  )

  it.live("count in maxConnections", () =>
    Effect.gen(function* () {
      const server = yield* serve({ maxConnections: 2 })
      const sockets = yield* Effect.forEach(Array.from({ length: 5 }), () => silent(server))
      yield* Effect.forEach(sockets.slice(0, 3), closed, { discard: true })
      yield* works(server)
      const last = yield* works(server)
      yield* Effect.forEach(sockets, closed, { discard: true })
      // There is no room, and no silent client: the answer comes over TLS.
      const error = yield* Effect.flip(connect(server))
      assert.isTrue(error._tag === "HandshakeError" && error.status === 503)
      yield* last.close()
      yield* Effect.repeat(Effect.delay(server.connections, "5 millis"), { until: ({ length }) => length < 2 })
      yield* works(server)
    }).pipe(Effect.scoped, Effect.provide(tls.layer))
  )

  it.live("count for the address of the peer", () =>
    Effect.gen(function* () {
      const server = yield* serve({ maxHandshakesPerAddress: 2 })
      const sockets = yield* Effect.forEach(Array.from({ length: 3 }), () => silent(server))
      yield* closed(sockets[0]!)
      assert.isFalse(sockets[2]!.destroyed)
      yield* works(server)
    }).pipe(Effect.scoped, Effect.provide(tls.layer))
  )

  it.live("count for the address that the PROXY protocol tells", () =>
    Effect.gen(function* () {
      const server = yield* serve({ maxHandshakesPerAddress: 1 })
      const from = (address: string) =>
        Effect.tap(silent(server), (socket) =>
          Effect.sync(() => socket.write(`PROXY TCP4 ${address} 192.0.2.99 4711 443\r\n`))
        )
      const first = yield* from("192.0.2.1")
      const other = yield* from("192.0.2.2")
      yield* from("192.0.2.1")
      yield* closed(first)
      assert.isFalse(other.destroyed)
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Tls.layerServer({
          cert: certificate.cert,
          key: Redacted.make(certificate.key),
          port: 0,
          proxyProtocol: true
        })
      )
    )
  )

  // The handshake's time is that of Effect's Clock: what is left of it after TLS is exact.
  it.effect("share their time with the rest of the handshake", () =>
    Effect.gen(function* () {
      const server = yield* serve({ handshakeTimeout: "10 seconds" })
      const raw = yield* silent(server)
      const { promise: secured, resolve } = Promise.withResolvers<void>()
      yield* settled
      yield* TestClock.adjust("9 seconds")
      const client = NodeTls.connect({ socket: raw, rejectUnauthorized: false }, resolve)
      client.on("error", () => {})
      const answer = yield* Effect.forkChild(answerOf(client), { startImmediately: true })
      yield* Effect.promise(() => secured)
      yield* settled
      yield* TestClock.adjust("999 millis")
      yield* settled
      assert.isUndefined(answer.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.match(yield* Fiber.join(answer), /^HTTP\/1\.1 408 /)
    }).pipe(Effect.scoped, Effect.provide(tls.layer))
  )

  it.effect("end with the handshake's time", () =>
    Effect.gen(function* () {
      const server = yield* serve({ handshakeTimeout: "3 seconds" })
      const raw = yield* silent(server)
      yield* settled
      yield* TestClock.adjust("3 seconds")
      yield* closed(raw)
    }).pipe(Effect.scoped, Effect.provide(tls.layer))
  )
})
