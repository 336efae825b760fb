/** A client that connects again, over a `WebSocket` that the test plays: what no real browser does on demand. */
import type * as Message from "@effect-ws/protocol/Message"
import * as RestartReason from "@effect-ws/protocol/RestartReason"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber, Schedule, Stream } from "effect"
import { TestClock } from "effect/testing"
import { BrowserConnectError } from "../src/BrowserConnectError.ts"
import { WebSocketConstructor } from "../src/BrowserWebSocket.ts"
import * as Reconnect from "../src/Reconnect.ts"
import { FakeWebSocket } from "./support/FakeWebSocket.ts"

/** Lets everything happen that needs no time to pass. */
const settle = Effect.andThen(
  Effect.promise(() => Promise.resolve()),
  TestClock.adjust(0)
).pipe(Effect.repeat({ times: 20 }))

/** Starts a client, with the sockets that it opens and the events that it tells. */
const start = Effect.fnUntraced(function* (options?: Partial<Reconnect.ReconnectOptions>) {
  const sockets: Array<FakeWebSocket> = []
  const events: Array<Reconnect.Event> = []
  const client = yield* Reconnect.make({
    url: "wss://server.example/",
    schedule: Schedule.spaced("1 second"),
    ...options
  }).pipe(
    Effect.provideService(WebSocketConstructor, (url) => {
      const socket = new FakeWebSocket(url)
      sockets.push(socket)
      return socket
    })
  )
  yield* Effect.forkScoped(
    Stream.runForEach(client.events, (event) => Effect.sync(() => events.push(event))),
    { startImmediately: true }
  )
  yield* settle
  return { client, events, sockets, tags: () => events.map(({ _tag }) => _tag) }
})

const heartbeat = { message: "ping", isAnswer: ({ data }: Message.Message) => data === "pong" } as const

describe("Reconnect in a page", () => {
  it.effect("connects again after a failed attempt and after a lost connection, and gives all messages in order", () =>
    Effect.gen(function* () {
      const { client, events, sockets, tags } = yield* start()
      sockets[0]!.ends(1006)
      yield* TestClock.adjust("1 second")
      sockets[1]!.opens()
      sockets[1]!.receives("one")
      yield* settle
      sockets[1]!.ends(1006)
      yield* TestClock.adjust("1 second")
      sockets[2]!.opens()
      sockets[2]!.receives("two")
      yield* settle
      const received = yield* Stream.runCollect(Stream.take(client.messages, 2))
      assert.deepStrictEqual(
        received.map(({ data }) => data),
        ["one", "two"]
      )
      assert.deepStrictEqual(tags(), ["Connecting", "Failed", "Connecting", "Open", "Closed", "Connecting", "Open"])
      const closed = events[4]!
      assert(closed._tag === "Closed")
      assert.deepStrictEqual([closed.closeInfo.initiator, closed.closeInfo.error.code], ["transport", 1006])
    })
  )

  it.effect("sends what was queued, and says that it is lost where nothing proved that it arrived", () =>
    Effect.gen(function* () {
      const { client, events, sockets } = yield* start({ options: { heartbeat } })
      assert.strictEqual(yield* client.send("early"), "queued")
      sockets[0]!.opens()
      yield* settle
      // The heartbeat asks for the proof.
      assert.deepStrictEqual(sockets[0]!.sent, ["early", "ping"])
      sockets[0]!.ends(1006)
      yield* settle
      const dropped = events.find(({ _tag }) => _tag === "Dropped")
      assert(dropped?._tag === "Dropped")
      assert.deepStrictEqual([dropped.messages, dropped.reason], [["early"], "Lost"])
      yield* TestClock.adjust("1 second")
      sockets[1]!.opens()
      yield* settle
      assert.deepStrictEqual(sockets[1]!.sent, [])
    })
  )

  it.effect("takes the answer to the heartbeat that follows for the proof", () =>
    Effect.gen(function* () {
      const { client, events, sockets } = yield* start({ options: { heartbeat } })
      sockets[0]!.ends(1006)
      yield* client.send("early")
      yield* TestClock.adjust("1 second")
      sockets[1]!.opens()
      yield* settle
      assert.deepStrictEqual(sockets[1]!.sent, ["early", "ping"])
      sockets[1]!.receives("pong")
      yield* settle
      sockets[1]!.ends(1006)
      yield* settle
      assert.isUndefined(events.find(({ _tag }) => _tag === "Dropped"))
    })
  )

  it.effect("without a heartbeat, takes what the browser handed to the system for arrived", () =>
    Effect.gen(function* () {
      const { client, events, sockets } = yield* start()
      yield* client.send("one")
      sockets[0]!.opens()
      yield* settle
      sockets[0]!.ends(1006)
      yield* client.send("two")
      yield* TestClock.adjust("1 second")
      sockets[1]!.bufferedAmount = 3
      sockets[1]!.opens()
      yield* settle
      sockets[1]!.ends(1006)
      yield* settle
      const dropped = events.filter((event) => event._tag === "Dropped")
      assert.deepStrictEqual(
        dropped.map(({ messages }) => messages),
        [["two"]]
      )
    })
  )

  it.effect.each([
    { reason: RestartReason.encode(7000), seconds: 7 },
    { reason: RestartReason.encode(300), seconds: 1 },
    { reason: RestartReason.encode(3_600_000), seconds: 60 },
    { reason: "restarting", seconds: 1 }
  ] as const)("waits $seconds s after a close with 1012 and $reason", ({ reason, seconds }) =>
    Effect.gen(function* () {
      const { events, sockets } = yield* start()
      sockets[0]!.opens()
      yield* settle
      sockets[0]!.ends(1012, reason)
      yield* settle
      const closed = events.at(-1)!
      assert(closed._tag === "Closed")
      assert.strictEqual(Duration.toMillis(closed.retryIn!), seconds * 1000)
      yield* TestClock.adjust(seconds * 1000 - 1)
      yield* settle
      assert.lengthOf(sockets, 1)
      yield* TestClock.adjust(1)
      yield* settle
      assert.lengthOf(sockets, 2)
    })
  )

  it.effect.each([
    { maxRetryAfter: "10 seconds", seconds: 7 },
    { maxRetryAfter: "5 seconds", seconds: 5 },
    { maxRetryAfter: 0, seconds: 1 }
  ] as const)("waits $seconds s where 7 s are asked for and maxRetryAfter is $maxRetryAfter", (given) =>
    Effect.gen(function* () {
      const { events, sockets } = yield* start({ maxRetryAfter: given.maxRetryAfter })
      sockets[0]!.opens()
      yield* settle
      sockets[0]!.ends(1012, RestartReason.encode(7000))
      yield* settle
      const closed = events.at(-1)!
      assert(closed._tag === "Closed")
      assert.strictEqual(Duration.toMillis(closed.retryIn!), given.seconds * 1000)
    })
  )

  it.effect("refuses a maxRetryAfter that is no duration", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(start({ maxRetryAfter: -1 }))
      assert(Exit.isFailure(exit))
      assert.match(String(Cause.squash(exit.cause)), /maxRetryAfter/)
    })
  )

  it.effect("takes a delay from a close with 1012 only, and for one attempt only", () =>
    Effect.gen(function* () {
      const { events, sockets } = yield* start()
      const retries = () =>
        events.flatMap((event) =>
          event._tag === "Closed" || event._tag === "Failed" ? [Duration.toMillis(event.retryIn!)] : []
        )
      sockets[0]!.opens()
      yield* settle
      sockets[0]!.ends(1001, RestartReason.encode(7000))
      yield* settle
      assert.deepStrictEqual(retries(), [1000])
      yield* TestClock.adjust("1 second")
      sockets[1]!.opens()
      yield* settle
      sockets[1]!.ends(1012, RestartReason.encode(7000))
      yield* TestClock.adjust("7 seconds")
      sockets[2]!.ends(1006)
      yield* settle
      assert.deepStrictEqual(retries(), [1000, 7000, 1000])
    })
  )

  it.effect.each([4000, 1008, 1009])("stops after a close with %i", (code) =>
    Effect.gen(function* () {
      const { client, sockets, tags } = yield* start()
      sockets[0]!.opens()
      yield* settle
      sockets[0]!.ends(code, "no more")
      assert.strictEqual(
        (yield* Effect.flip(client.receive))._tag,
        code === 4000 ? "ApplicationClose" : code === 1008 ? "PolicyViolation" : "MessageTooBig"
      )
      yield* settle
      assert.deepStrictEqual(tags(), ["Connecting", "Open", "Closed", "RetriesExhausted"])
    })
  )

  it.effect("stops where the browser refuses to try", () =>
    Effect.gen(function* () {
      const client = yield* Effect.provideService(Reconnect.make({ url: "nonsense" }), WebSocketConstructor, () => {
        throw Object.assign(new Error("no"), { name: "SyntaxError" })
      })
      const error = yield* Effect.flip(client.receive)
      assert(error instanceof BrowserConnectError)
      assert.strictEqual(error.reason, "Invalid")
    })
  )

  it.effect("closes with codes that a browser may send, and stops", () =>
    Effect.gen(function* () {
      const { client, sockets, tags } = yield* start()
      sockets[0]!.opens()
      yield* settle
      // @ts-expect-error -- a browser cannot send it
      const refused = () => client.close(1003)
      assert.isFunction(refused)
      const closing = yield* Effect.forkChild(client.close(4001, "done"), { startImmediately: true })
      yield* Fiber.join(closing)
      yield* settle
      assert.deepStrictEqual(sockets[0]!.closes, [[4001, "done"]])
      assert.deepStrictEqual(tags(), ["Connecting", "Open", "Closed", "Stopped"])
    })
  )

  it.effect("runs the effects of url and options for each attempt, and fails with theirs", () =>
    Effect.gen(function* () {
      let token = 0
      const { client, sockets } = yield* start({ url: Effect.sync(() => `wss://server.example/?${++token}`) })
      sockets[0]!.ends(1006)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        sockets.map(({ url }) => url),
        ["wss://server.example/?1", "wss://server.example/?2"]
      )
      yield* client.close()
      const failing = yield* Reconnect.make({ url: Effect.fail("no token" as const) })
      assert.strictEqual(yield* Effect.flip(failing.receive), "no token")
    })
  )
})
