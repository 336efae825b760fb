/**
 * Every wait that is bounded by time, on a network in memory and under a clock that only the test moves: each bound is
 * measured to the millisecond, and none takes any time.
 */
import * as Connect from "@effect-ws/connection/Connect"
import type { Connection } from "@effect-ws/connection/Connection"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import type { Push } from "@effect-ws/transport"
import { Dialer } from "@effect-ws/transport/Dialer"
import * as FaultInjection from "@effect-ws/transport/FaultInjection"
import { PushSocketServer } from "@effect-ws/transport/PushSocketServer"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Duration, Effect, Fiber, Layer, Queue, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { network, quiet } from "@effect-ws/test-peers/InMemory"
import { connect, echo } from "@effect-ws/test-peers/Programs"
import * as RawPeer from "@effect-ws/test-peers/RawPeer"
import { acceptFor, close, requestHead, text } from "@effect-ws/test-peers/RawPeer"
import { start } from "./support/variants.ts"

/** Moves the clock until an effect is done; gives the milliseconds that it took and what it came to. */
const timed = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  yield* quiet
  const start = yield* Clock.currentTimeMillis
  const fiber = yield* Effect.forkChild(
    Effect.flatMap(effect, (value) => Effect.map(Clock.currentTimeMillis, (end) => ({ took: end - start, value }))),
    { startImmediately: true }
  )
  yield* quiet
  for (let step = 0; step < 1000 && fiber.pollUnsafe() === undefined; step++) {
    yield* TestClock.adjust("50 millis")
    yield* quiet
  }
  assert.isDefined(fiber.pollUnsafe(), "nothing happened in 50 seconds")
  return yield* Fiber.join(fiber)
})

/** Lets time pass behind the test's back: what is cleaned up has waits of its own. */
const letTimePass = Effect.forkDetach(
  Effect.repeat(
    Effect.flatMap(quiet, () => TestClock.adjust("50 millis")),
    { times: 500 }
  )
)

const serve = (
  handler: (connection: Connection) => Effect.Effect<unknown, unknown>,
  options?: WebSocketServer.ServerOptions
) => start(WebSocketServer.layer(handler, options)).pipe(Effect.tap(() => Effect.addFinalizer(() => letTimePass)))

/** A server whose records of closes are kept. */
const serveRecorded = Effect.fnUntraced(function* (
  handler: (connection: Connection) => Effect.Effect<unknown, unknown>,
  options?: WebSocketServer.ServerOptions
) {
  const closures = yield* Queue.unbounded<CloseInfo>()
  const server = yield* serve(
    (connection) =>
      Effect.andThen(
        Effect.forkDetach(Effect.flatMap(connection.closed, (closeInfo) => Queue.offer(closures, closeInfo))),
        handler(connection)
      ),
    options
  )
  return { server, closed: Queue.take(closures) }
})

/** A raw server that accepts the handshake of our client, and what the client made of it. */
const rawServer = Effect.fnUntraced(function* (options?: Connect.ConnectOptions) {
  const server = yield* PushSocketServer
  const accepted = yield* Deferred.make<RawPeer.RawPeer>()
  yield* Effect.forkScoped(
    server.accept((socket: Push.PushSocket) => {
      Deferred.doneUnsafe(accepted, Effect.succeed(new RawPeer.RawPeer(socket.readerUnsafe, socket.writerUnsafe)))
    })
  )
  const dialer = yield* Dialer
  const socket = yield* dialer.dial(server.address)
  const connecting = yield* Effect.forkScoped(Connect.connect(socket, "ws://localhost/", options))
  const peer = yield* Deferred.await(accepted)
  const { headers } = yield* peer.head
  const accept = peer.send(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptFor(headers.get("sec-websocket-key")!)}\r\n\r\n`
  )
  return { peer, connecting, accept }
})

describe("the handshake", () => {
  for (const [name, options, expected] of [
    ["by default", undefined, 10_000],
    ["as the option says", { handshakeTimeout: "3 seconds" }, 3000]
  ] as const) {
    it.effect(`of a client that is silent gets 408 after ${expected / 1000} seconds, ${name}`, () =>
      Effect.gen(function* () {
        const server = yield* serve(echo, options)
        const peer = yield* RawPeer.dial(server.address)
        const { took, value } = yield* timed(peer.response)
        assert.deepStrictEqual([took, value.status], [expected, 408])
        assert.strictEqual(value.headers.get("connection"), "close")
        assert.strictEqual(yield* peer.ending, "end")
      }).pipe(Effect.provide(network))
    )
  }

  it.effect("of a client that sends a byte now and then gets no more time for it", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const peer = yield* RawPeer.dial(server.address)
      yield* Effect.forkScoped(
        Effect.forEach(requestHead(), (character) => Effect.andThen(Effect.sleep("1 second"), peer.send(character)))
      )
      const { took, value } = yield* timed(peer.response)
      assert.deepStrictEqual([took, value.status], [10_000, 408])
    }).pipe(Effect.provide(network))
  )

  it.effect("with a server that is silent fails our client after 10 seconds, typed", () =>
    Effect.gen(function* () {
      const { connecting } = yield* rawServer()
      const { took, value } = yield* timed(Effect.flip(Fiber.join(connecting)))
      assert.deepStrictEqual([took, value._tag], [10_000, "HandshakeTimeout"])
    }).pipe(Effect.provide(network))
  )
})

describe("closing", () => {
  it.effect("a peer that never answers our close frame is left after 10 seconds, 1006, and can still read", () =>
    Effect.gen(function* () {
      const { closed, server } = yield* serveRecorded(() => Effect.void)
      const peer = yield* RawPeer.upgrade(server.address)
      assert.strictEqual(RawPeer.render(yield* peer.frame), "close 1000")
      const { took, value } = yield* timed(closed)
      assert.strictEqual(took, 10_000)
      assert.deepStrictEqual([value.error._tag, value.sent?.code, value.clean], ["AbnormalClosure", 1000, false])
      assert.match(value.error.reason, /in time/)
      assert.strictEqual(yield* peer.ending, "end")
    }).pipe(Effect.provide(network))
  )

  it.effect("a peer that goes on talking in place of answering gets no more time for it", () =>
    Effect.gen(function* () {
      const { closed, server } = yield* serveRecorded(() => Effect.void, { closeTimeout: "4 seconds" })
      const peer = yield* RawPeer.upgrade(server.address)
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep("1 second"), peer.send(text("still here")))))
      const { took } = yield* timed(closed)
      assert.strictEqual(took, 4000)
    }).pipe(Effect.provide(network))
  )

  it.effect("a server that never ends the stream is left after 10 seconds, and the close was clean", () =>
    Effect.gen(function* () {
      const { accept, connecting, peer } = yield* rawServer()
      yield* accept
      const connection = yield* Fiber.join(connecting)
      const closing = yield* Effect.forkChild(connection.close(4000), { startImmediately: true })
      yield* peer.frame
      yield* peer.send(close(4000, "", { masked: false }))
      const { took, value } = yield* timed(Fiber.join(closing))
      assert.deepStrictEqual([took, value.clean, value.error.code], [10_000, true, 4000])
      assert.strictEqual(yield* peer.ending, "end")
    }).pipe(Effect.provide(network))
  )

  it.effect("the answer to a close waits a second for a busy handler", () =>
    Effect.gen(function* () {
      const { server } = yield* serveRecorded((connection) => Effect.andThen(connection.receive, Effect.never))
      const peer = yield* RawPeer.upgrade(server.address)
      yield* peer.send(text("work"), close(1000))
      const { took, value } = yield* timed(peer.frame)
      assert.deepStrictEqual([took, RawPeer.render(value)], [1000, "close 1000"])
    }).pipe(Effect.provide(network))
  )

  it.effect("the reply of a handler that is quicker goes first, and the close waits no longer than that", () =>
    Effect.gen(function* () {
      const { server } = yield* serveRecorded((connection) =>
        Stream.runForEach(connection.messages, (message) =>
          Effect.andThen(Effect.sleep("300 millis"), connection.send(message))
        )
      )
      const peer = yield* RawPeer.upgrade(server.address)
      yield* peer.send(text("one"), text("two"), close(1000))
      const { took, value } = yield* timed(peer.rest)
      assert.deepStrictEqual(value, { frames: ["text one", "text two", "close 1000"], ending: "end" })
      assert.strictEqual(took, 600)
    }).pipe(Effect.provide(network))
  )
})

describe("writing", () => {
  const flood = (connection: Connection): Effect.Effect<never, unknown> =>
    Effect.forever(connection.send(new Uint8Array(100_000)))

  it.effect("to a peer that does not read waits for ever by default", () =>
    Effect.gen(function* () {
      const failed = yield* Deferred.make<void>()
      const server = yield* serve(
        (connection) => Effect.ensuring(flood(connection), Deferred.succeed(failed, undefined)),
        { keepalive: false }
      )
      const peer = yield* RawPeer.upgrade(server.address)
      yield* quiet
      yield* TestClock.adjust("1 hour")
      yield* quiet
      assert.isFalse(yield* Deferred.isDone(failed))
      // And goes on as soon as it reads.
      for (let n = 0; n < 20; n++) assert.strictEqual((yield* peer.frame).payload.length, 100_000)
    }).pipe(Effect.provide(network))
  )

  it.effect("to a peer that does not read ends after the write timeout", () =>
    Effect.gen(function* () {
      const { closed, server } = yield* serveRecorded(flood, { writeTimeout: "5 seconds" })
      yield* RawPeer.upgrade(server.address)
      const { took, value } = yield* timed(closed)
      assert.strictEqual(took, 5000)
      assert.deepStrictEqual([value.error._tag, value.initiator], ["AbnormalClosure", "transport"])
      assert.match(value.error.reason, /did not read in time/)
    }).pipe(Effect.provide(network))
  )
})

describe("draining", () => {
  it.effect("tells a busy connection after three quarters of 2 seconds, and leaves it when they are over", () =>
    Effect.gen(function* () {
      const { server } = yield* serveRecorded((connection) => Effect.andThen(connection.receive, Effect.never))
      const peer = yield* RawPeer.upgrade(server.address)
      yield* peer.send(text("work"))
      yield* quiet
      const start = yield* Clock.currentTimeMillis
      const goodbye = yield* Effect.forkChild(
        Effect.flatMap(peer.frame, (frame) =>
          Effect.map(Clock.currentTimeMillis, (now) => [now - start, RawPeer.render(frame)])
        )
      )
      const { took } = yield* timed(server.drain())
      assert.strictEqual(took, 2000)
      assert.deepStrictEqual(yield* Fiber.join(goodbye), [1500, "close 1001 server shutting down"])
      assert.strictEqual(yield* peer.ending, "end")
    }).pipe(Effect.provide(network))
  )

  it.effect("loses no reply to keepalive: the pong that comes while nothing is read is not missed", () =>
    Effect.gen(function* () {
      const { server } = yield* serveRecorded((connection) =>
        Effect.flatMap(connection.receive, (message) =>
          Effect.andThen(Effect.sleep("50 seconds"), connection.send(message))
        )
      )
      const peer = yield* RawPeer.upgrade(server.address)
      yield* peer.send(text("work"))
      yield* quiet
      yield* TestClock.adjust("20 seconds")
      assert.match(RawPeer.render(yield* peer.frame), /^ping/)
      const draining = yield* Effect.forkChild(server.drain({ timeout: "100 seconds" }), { startImmediately: true })
      yield* peer.send(RawPeer.frame({ opcode: 10, payload: "1" }))
      const rest: Array<string> = []
      yield* Effect.forkScoped(
        Effect.forever(Effect.flatMap(peer.frame, (frame) => Effect.sync(() => rest.push(RawPeer.render(frame)))))
      )
      yield* timed(Effect.sleep("40 seconds"))
      assert.deepStrictEqual(
        rest.filter((line) => !line.startsWith("ping")),
        ["text work", "close 1000"]
      )
      yield* Fiber.interrupt(draining)
    }).pipe(Effect.provide(network))
  )

  it.effect("drops a peer that does not answer, when the time that was asked for is over", () =>
    Effect.gen(function* () {
      const { closed, server } = yield* serveRecorded(echo)
      const peer = yield* RawPeer.upgrade(server.address)
      const { took } = yield* timed(server.drain({ timeout: "8 seconds" }))
      assert.strictEqual(took, 8000)
      assert.strictEqual(RawPeer.render(yield* peer.frame), "close 1001 server shutting down")
      assert.strictEqual((yield* closed).error._tag, "AbnormalClosure")
      assert.deepStrictEqual(yield* server.connections, [])
    }).pipe(Effect.provide(network))
  )

  it.effect("takes no longer than a handler that returns when it is done", () =>
    Effect.gen(function* () {
      const { closed, server } = yield* serveRecorded((connection) =>
        Effect.flatMap(connection.receive, (message) =>
          Effect.andThen(Effect.sleep("300 millis"), connection.send(message))
        )
      )
      const client = yield* connect(server)
      yield* client.send("work")
      const replies = yield* Effect.forkChild(Stream.runCollect(client.messages), { startImmediately: true })
      const { took } = yield* timed(server.drain())
      assert.strictEqual(took, 300)
      assert.deepStrictEqual(
        (yield* Fiber.join(replies)).map(({ data }) => data),
        ["work"]
      )
      const { clean, sent } = yield* closed
      assert.deepStrictEqual([clean, sent?.code], [true, 1000])
    }).pipe(Effect.provide(network))
  )

  it.effect("takes no time where nothing is left to send", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      yield* connect(server)
      yield* connect(server)
      const { took } = yield* timed(server.drain())
      assert.strictEqual(took, 0)
    }).pipe(Effect.provide(network))
  )
})

describe("latency", () => {
  it.effect("is what the network makes of it", () =>
    Effect.gen(function* () {
      const server = yield* serve(echo)
      const client = yield* Effect.forkChild(connect(server), { startImmediately: true })
      const { value: connection } = yield* timed(Fiber.join(client))
      const { value: roundTrip } = yield* timed(connection.ping())
      assert.strictEqual(Duration.toMillis(roundTrip), 300)
    }).pipe(
      Effect.provide(
        FaultInjection.layerDialer({ inbound: { latency: "100 millis" }, outbound: { latency: "200 millis" } }).pipe(
          Layer.provideMerge(network)
        )
      )
    )
  )
})
