/**
 * The life of a server and of its connections, on every kind of server: a drain that leaves newcomers to a successor,
 * silent peers, and peers that do not read. In memory, under a clock that only the test moves.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import { Dialer } from "@effect-ws/transport/Dialer"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { Handlers } from "../src/Handlers.ts"
import type * as WebSocketServer from "../src/WebSocketServer.ts"
import { network, quiet } from "@effect-ws/test-peers/InMemory"
import { connect, echoHandlers, receiveText } from "@effect-ws/test-peers/Programs"
import * as RawPeer from "@effect-ws/test-peers/RawPeer"
import { close, requestHead } from "@effect-ws/test-peers/RawPeer"
import { handled, start } from "./support/variants.ts"

const pass = (millis: number): Effect.Effect<void> =>
  Effect.andThen(quiet, Effect.andThen(TestClock.adjust(`${millis} millis`), quiet))

for (const { layer, name } of handled) {
  const serve = (handlers: Handlers<unknown>, options: WebSocketServer.ServerOptions) =>
    start(layer(handlers, { drainTimeout: 0, ...options }))

  describe(`the ${name} server, draining for a successor`, () => {
    it.effect("stops listening, finishes handshakes that are under way, and tells everybody to come back", () =>
      Effect.gen(function* () {
        const server = yield* serve(echoHandlers, { newConnectionsWhileDraining: "stopListening" })
        const client = yield* connect(server, { keepalive: false })
        yield* client.send("before")
        assert.strictEqual(yield* receiveText(client), "before")
        const late = yield* RawPeer.dial(server.address)
        const head = requestHead()
        yield* late.send(head.slice(0, 40))
        yield* quiet
        const draining = yield* Effect.forkChild(
          server.drain({ code: 1012, reason: "restarting", timeout: "4 seconds" }),
          {
            startImmediately: true
          }
        )
        yield* quiet
        // No client is told that the service is unavailable: another process that listens there would answer.
        const dialer = yield* Dialer
        const refused = yield* Effect.flip(
          Effect.scoped(Effect.flatMap(dialer.dial(server.address), (to) => to.reader))
        )
        assert.strictEqual(refused.reason._tag, "SocketOpenError")

        const { error } = yield* client.closed
        assert.deepStrictEqual([error.code, error.reason], [1012, "restarting"])
        yield* quiet
        assert.isUndefined(draining.pollUnsafe(), "it does not wait for the handshake")

        yield* late.send(head.slice(40))
        assert.strictEqual((yield* late.response).status, 101)
        assert.strictEqual(RawPeer.render(yield* late.frame), "close 1012 restarting")
        yield* late.send(close(1012))
        yield* late.rest
        yield* Fiber.join(draining)
        assert.deepStrictEqual(yield* server.connections, [])
      }).pipe(Effect.provide(network))
    )

    it.effect("waits for a handshake that does not come no longer than for anything else", () =>
      Effect.gen(function* () {
        const server = yield* serve(echoHandlers, {})
        const late = yield* RawPeer.dial(server.address)
        yield* late.send("GET / HTTP/1.1\r\n")
        yield* quiet
        const draining = yield* Effect.forkChild(
          server.drain({ newConnections: "stopListening", timeout: "4 seconds" }),
          {
            startImmediately: true
          }
        )
        yield* pass(3000)
        yield* pass(999)
        assert.isUndefined(draining.pollUnsafe())
        yield* pass(1)
        yield* Fiber.join(draining)
      }).pipe(Effect.provide(network))
    )

    it.effect("waits for no handshake where newcomers are refused", () =>
      Effect.gen(function* () {
        const server = yield* serve(echoHandlers, {})
        const late = yield* RawPeer.dial(server.address)
        yield* late.send("GET / HTTP/1.1\r\n")
        yield* quiet
        yield* server.drain({ timeout: "4 seconds" })
        const refused = yield* RawPeer.dial(server.address)
        assert.strictEqual((yield* refused.response).status, 503)
      }).pipe(Effect.provide(network))
    )
  })

  describe(`the ${name} server, draining while a handshake is under way`, () => {
    // A client that finishes its handshake when it is told to, and then neither answers a close nor reads.
    const midway = Effect.fnUntraced(function* () {
      const server = yield* serve({ ...echoHandlers, onMessage: () => Effect.never }, { drainTimeout: "4 seconds" })
      const late = yield* RawPeer.dial(server.address)
      const head = requestHead()
      yield* late.send(head.slice(0, 40))
      yield* quiet
      const finish = Effect.gen(function* () {
        yield* late.send(head.slice(40))
        assert.strictEqual((yield* late.response).status, 101)
        yield* late.send(RawPeer.text("something that keeps the handler busy"))
        yield* quiet
      })
      return { server, late, finish }
    })

    for (const newConnections of ["reject", "stopListening"] as const) {
      it.effect(`drops a connection of it when the time is over, new connections: ${newConnections}`, () =>
        Effect.gen(function* () {
          const { finish, late, server } = yield* midway()
          // A client that keeps the drain waiting.
          const other = yield* RawPeer.upgrade(server.address)
          const draining = yield* Effect.forkChild(server.drain({ newConnections }), { startImmediately: true })
          // After the first step of the drain, which asks, and before the second, which insists.
          yield* pass(2900)
          yield* finish
          yield* pass(1100)
          yield* Fiber.join(draining)
          assert.strictEqual((yield* late.rest).frames[0], "close 1001 server shutting down")
          yield* other.rest
          yield* pass(0)
          assert.deepStrictEqual(yield* server.connections, [])
        }).pipe(Effect.provide(network))
      )
    }

    it.effect("drops a connection of it that comes when the drain has ended", () =>
      Effect.gen(function* () {
        const { finish, late, server } = yield* midway()
        yield* server.drain()
        yield* finish
        yield* pass(1000)
        const { ending, frames } = yield* late.rest
        assert.deepStrictEqual([ending, frames[0]], ["end", "close 1001 server shutting down"])
        yield* pass(0)
        assert.deepStrictEqual(yield* server.connections, [])
      }).pipe(Effect.provide(network))
    )
  })

  describe(`the ${name} server`, () => {
    it.effect("asks a silent peer for a sign of life, and fails it with 1011 where none comes", () =>
      Effect.gen(function* () {
        const closed = yield* Deferred.make<number>()
        const server = yield* serve(
          { ...echoHandlers, onClose: (_, { error }) => Deferred.succeed(closed, error.code) },
          { keepalive: { interval: "20 seconds", timeout: "20 seconds" } }
        )
        const peer = yield* RawPeer.upgrade(server.address)
        yield* pass(20_000)
        assert.match(RawPeer.render(yield* peer.frame), /^ping/)
        yield* pass(19_999)
        assert.isFalse(yield* Deferred.isDone(closed))
        yield* pass(1)
        assert.strictEqual(RawPeer.render(yield* peer.frame), "close 1011 keepalive timeout")
        assert.strictEqual(yield* Deferred.await(closed), 1011)
      }).pipe(Effect.provide(network))
    )

    it.effect("gives up a peer that does not read after the write timeout, and none that does", () =>
      Effect.gen(function* () {
        const closed = yield* Deferred.make<string>()
        const flood = (connection: Connection): Effect.Effect<unknown, unknown> =>
          Effect.forEach(Array.from({ length: 20 }), () => connection.send(new Uint8Array(100_000)))
        const server = yield* serve(
          {
            onMessage: flood,
            onClose: (_, { error, initiator }) =>
              Deferred.succeed(closed, `${error.code} ${initiator}: ${error.reason}`)
          },
          { keepalive: false, writeTimeout: "5 seconds" }
        )
        const peer = yield* RawPeer.upgrade(server.address)
        yield* peer.send(RawPeer.text("go"))
        yield* pass(4999)
        // It reads at last: the time begins anew with what comes then.
        for (let n = 0; n < 20; n++) assert.strictEqual((yield* peer.frame).payload.length, 100_000)
        yield* pass(10_000)
        yield* peer.send(RawPeer.text("again"))
        yield* pass(4999)
        assert.isFalse(yield* Deferred.isDone(closed))
        yield* pass(1)
        assert.strictEqual(yield* Deferred.await(closed), "1006 transport: the peer did not read in time")
      }).pipe(Effect.provide(network))
    )
  })
}
