/** The client in a page over a `WebSocket` that the test plays: what no real browser does on demand. */
import * as TypedConnection from "@effect-ws/connection/TypedConnection"
import * as Message from "@effect-ws/protocol/Message"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as BrowserClient from "../src/BrowserClient.ts"
import * as BrowserCloseCode from "../src/BrowserCloseCode.ts"
import { WebSocketConstructor } from "../src/BrowserWebSocket.ts"
import { FakeWebSocket } from "./support/FakeWebSocket.ts"

const url = "wss://server.example/path?token=secret"

/** Begins to connect, and gives the socket of the browser beside the attempt. */
const begin = Effect.fnUntraced(function* (options?: BrowserClient.BrowserClientOptions) {
  const made: Array<readonly [FakeWebSocket, ReadonlyArray<string>]> = []
  const attempt = yield* BrowserClient.connect(url, options).pipe(
    Effect.provideService(WebSocketConstructor, (url, protocols) => {
      const socket = new FakeWebSocket(url)
      made.push([socket, protocols])
      return socket
    }),
    Effect.forkScoped({ startImmediately: true })
  )
  const [socket, protocols] = made[0]!
  return { attempt, socket, protocols }
})

const open = Effect.fnUntraced(function* (options?: BrowserClient.BrowserClientOptions) {
  const { attempt, socket } = yield* begin(options)
  socket.opens()
  return { connection: yield* Fiber.join(attempt), socket }
})

describe("BrowserClient", () => {
  it.effect("opens with a subprotocol, and keeps what arrives before the program goes on", () =>
    Effect.gen(function* () {
      const { attempt, protocols, socket } = yield* begin({ subprotocols: ["chat", "other"] })
      assert.deepStrictEqual([socket.url, protocols, socket.binaryType], [url, ["chat", "other"], "arraybuffer"])
      socket.opens("chat")
      socket.receives("early")
      const connection = yield* Fiber.join(attempt)
      assert.strictEqual(connection.subprotocol, "chat")
      assert.deepStrictEqual(yield* connection.receive, Message.text("early"))
      socket.receives(Uint8Array.of(1, 2).buffer)
      assert.deepStrictEqual(yield* connection.receive, Message.binary(Uint8Array.of(1, 2)))
    })
  )

  it.effect("fails where the browser opens nothing, and does not show the query", () =>
    Effect.gen(function* () {
      const { attempt, socket } = yield* begin()
      socket.ends(1006)
      const error = yield* Effect.flip(Fiber.join(attempt))
      assert.deepStrictEqual([error.reason, error.isTransient], ["Failed", true])
      assert.notInclude(error.message, "secret")
      assert.include(error.message, "wss://server.example/path")
    })
  )

  it.effect("fails after connectTimeout, and gives the attempt up", () =>
    Effect.gen(function* () {
      const { attempt, socket } = yield* begin({ connectTimeout: "3 seconds" })
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual((yield* Effect.flip(Fiber.join(attempt))).reason, "Timeout")
      assert.strictEqual(socket.closes.length, 1)
    })
  )

  it.effect.each([
    ["SyntaxError", "Invalid"],
    ["SecurityError", "Blocked"]
  ] as const)("fails for good on a %s", ([name, reason]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.provideService(BrowserClient.connect(url), WebSocketConstructor, () => {
          throw Object.assign(new Error("no"), { name })
        })
      )
      assert.deepStrictEqual([error.reason, error.isTransient], [reason, false])
    })
  )

  it.effect("gives the attempt up where it is interrupted", () =>
    Effect.gen(function* () {
      const { attempt, socket } = yield* begin()
      yield* Fiber.interrupt(attempt)
      assert.strictEqual(socket.closes.length, 1)
    })
  )

  it.effect("closes with 1000 when its Scope closes", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { socket } = yield* Scope.provide(open(), scope)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(socket.closes, [[1000, ""]])
    })
  )

  it.effect.each([
    [1000, undefined],
    [1001, undefined],
    [1005, undefined],
    [1006, "AbnormalClosure"],
    [1013, "TryAgainLater"],
    [4321, "ApplicationClose"]
  ] as const)("ends its messages as the peer's %i says", ([code, tag]) =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open()
      socket.receives("last")
      socket.ends(code, "why")
      const exit = yield* Effect.exit(Stream.runCollect(connection.messages))
      if (tag === undefined) assert.deepStrictEqual(exit, Exit.succeed([Message.text("last")]))
      else assert.strictEqual((yield* Effect.flip(exit))._tag, tag)
      assert.strictEqual((yield* Effect.flip(connection.receive)).code, code)
      assert.strictEqual((yield* Effect.flip(connection.send("late"))).code, code)
      const { error, initiator } = yield* connection.closed
      assert.deepStrictEqual([error.code, initiator], [code, code === 1006 ? "transport" : "remote"])
    })
  )

  it.effect("waits with send while more than writeHighWaterMark waits for the network", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({ writeHighWaterMark: 100 })
      socket.bufferedAmount = 100
      yield* connection.send("at once")
      socket.bufferedAmount = 101
      const sending = yield* Effect.forkChild(connection.send(Uint8Array.of(1)), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.isUndefined(sending.pollUnsafe())
      assert.deepStrictEqual(socket.sent, ["at once", Uint8Array.of(1)])
      socket.bufferedAmount = 100
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(sending)
      const flushing = yield* Effect.forkChild(Effect.flip(connection.flushed), { startImmediately: true })
      socket.ends(1006)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(flushing)).code, 1006)
    })
  )

  it.effect("closes with 4008 where more waits for the program than may", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({ receiveBufferSize: 10 })
      socket.receives(new ArrayBuffer(8))
      assert.strictEqual(connection.buffered.inbound, 8)
      yield* connection.receive
      assert.strictEqual(connection.buffered.inbound, 0)
      socket.receives(new ArrayBuffer(8))
      socket.receives(new ArrayBuffer(3))
      assert.deepStrictEqual(socket.closes, [[4008, "more than 10 bytes wait for the program"]])
      assert.strictEqual((yield* connection.receive).data.length, 8)
      assert.strictEqual((yield* Effect.flip(connection.receive)).code, 4008)
    })
  )

  it.effect("stops waiting for a peer that does not answer its close", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({ closeTimeout: "5 seconds" })
      socket.answers = false
      const closing = yield* Effect.forkChild(connection.close(4001, "é".repeat(100)), { startImmediately: true })
      assert.deepStrictEqual(socket.closes, [[4001, "é".repeat(61)]])
      assert.strictEqual((yield* Effect.flip(connection.send("late")))._tag, "NormalClosure")
      yield* TestClock.adjust("5 seconds")
      const { clean, error, initiator } = yield* Fiber.join(closing)
      assert.deepStrictEqual([clean, error.code, initiator], [false, 1006, "local"])
    })
  )

  it.effect("closes typed connections with the codes that a browser may send", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open()
      const typed = yield* TypedConnection.make(connection, { receive: Schema.Int, send: Schema.Int })
      yield* typed.send(1)
      assert.deepStrictEqual(socket.sent, ["1"])
      socket.receives("2")
      assert.strictEqual(yield* typed.receive, 2)
      socket.receives("2.5")
      assert.strictEqual((yield* Effect.flip(typed.receive)).code, 1008)
      assert.deepStrictEqual(socket.closes, [[4008, "the message does not match its schema"]])
      assert.strictEqual((yield* connection.closed).error.code, 4008)
    })
  )

  describe("with a heartbeat", () => {
    const heartbeat = {
      message: "ping",
      isAnswer: (message: Message.Message) => message.data === "pong",
      interval: "10 seconds",
      timeout: "5 seconds"
    } as const

    it.effect("asks only when nothing arrives, and keeps the answers to itself", () =>
      Effect.gen(function* () {
        const { connection, socket } = yield* open({ heartbeat })
        yield* TestClock.adjust("6 seconds")
        socket.receives("news")
        yield* TestClock.adjust("4 seconds")
        assert.deepStrictEqual(socket.sent, [])
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(socket.sent, ["ping"])
        socket.receives("pong")
        socket.receives("more")
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(socket.closes, [])
        assert.deepStrictEqual((yield* connection.receive).data, "news")
        assert.deepStrictEqual((yield* connection.receive).data, "more")
      })
    )

    it.effect("gives a page whose timers came late the same time once more", () =>
      Effect.gen(function* () {
        const clock = yield* Clock.Clock
        let asleep = 0n
        // The clock goes on while the page is in the background, and the timer comes late.
        const throttled: Clock.Clock = Object.assign(Object.create(clock) as Clock.Clock, {
          monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe() + asleep
        })
        const { socket } = yield* Effect.provideService(open({ heartbeat }), Clock.Clock, throttled)
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(socket.sent, ["ping"])
        asleep = 60_000_000_000n
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(socket.closes, [])
        // The answer was there, and its event comes after the timer.
        socket.receives("pong")
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(socket.closes, [])
      })
    )

    it.effect("closes with 3008 where nothing answers", () =>
      Effect.gen(function* () {
        const { connection, socket } = yield* open({ heartbeat })
        yield* TestClock.adjust("15 seconds")
        assert.deepStrictEqual(socket.closes, [[3008, "no answer to the heartbeat"]])
        assert.strictEqual((yield* Effect.flip(connection.receive))._tag, "Timeout")
      })
    )
  })
})

describe("BrowserCloseCode", () => {
  it("translates every code to one that a browser may send, and back", () => {
    const literal: BrowserCloseCode.BrowserCloseCode = 4001
    // @ts-expect-error -- a browser cannot send it
    const refused: BrowserCloseCode.BrowserCloseCode = 1003
    assert.deepStrictEqual([literal, BrowserCloseCode.toBrowser(refused)], [4001, 4003])
    for (const code of [1000, 1001, 1003, 1007, 1008, 1009, 1011, 1014, 3000, 4999]) {
      const sent = BrowserCloseCode.toBrowser(code)!
      assert.isTrue(BrowserCloseCode.isBrowserCloseCode(sent))
      assert.strictEqual(BrowserCloseCode.fromBrowser(sent), code)
    }
    for (const code of [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 1000.5]) {
      assert.isUndefined(BrowserCloseCode.toBrowser(code))
    }
    assert.deepStrictEqual([4000, 4006, 4015, 3999].map(BrowserCloseCode.fromBrowser), [4000, 4006, 4015, 3999])
  })
})
