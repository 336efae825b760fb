import type { Connection } from "@effect-ws/connection/Connection"
import * as RestartReason from "@effect-ws/protocol/RestartReason"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as FaultInjection from "@effect-ws/transport/FaultInjection"
import * as Memory from "@effect-ws/transport/Memory"
import type { MemoryNetwork } from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Duration, Effect, Exit, Fiber, Layer, Queue, Schedule, Scope, Stream } from "effect"
import { SocketServer } from "effect/socket"
import { TestClock } from "effect/testing"
import * as Reconnect from "../src/Reconnect.ts"
import { acceptance, response, site } from "./support/web.ts"

type Services = MemoryNetwork | Dialer | Scope.Scope

const test = (
  name: string,
  program: Effect.Effect<void, unknown, Services>,
  faults?: FaultInjection.OptionsFor
): void => {
  const dialer =
    faults === undefined ? Memory.layerDialer : Layer.provide(FaultInjection.layerDialer(faults), Memory.layerDialer)
  it.effect(name, () => Effect.provide(program, Layer.provideMerge(dialer, Memory.layerNetwork())), 5_000)
}

/** Lets everything happen that needs no time to pass. */
const settle = Effect.forEach(Array.from({ length: 20 }), () => Effect.promise(() => Promise.resolve()), {
  discard: true
}).pipe(Effect.andThen(TestClock.adjust(0)), Effect.repeat({ times: 5 }))

/** A server on port 80 that records what arrives, and can be taken down. */
const serve = Effect.fnUntraced(function* (options?: WebSocketServer.ServerOptions) {
  const network = yield* Memory.MemoryNetwork
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
  const received: Array<string> = []
  const connections = yield* Queue.unbounded<Connection>()
  const sockets = yield* Scope.provide(network.listen({ port: 80 }), scope)
  yield* WebSocketServer.make((connection) => {
    Queue.offerUnsafe(connections, connection)
    return Stream.runForEach(connection.messages, (message) => Effect.sync(() => received.push(String(message.data))))
  }, options).pipe(
    Effect.provideService(SocketServer.SocketServer, Context.get(sockets, SocketServer.SocketServer)),
    Scope.provide(scope)
  )
  return { received, connections, stop: Scope.close(scope, Exit.void) }
})
type Told = { readonly at: number; readonly event: string }

/** Says in a few words what an event is. */
const describeEvent = (event: Reconnect.Event<unknown>): string => {
  switch (event._tag) {
    case "Connecting":
      return `Connecting ${event.attempt}`
    case "Open":
      return `Open ${event.attempt}`
    case "Failed":
      return `Failed ${event.attempt} ${tagOf(event.error)}${retry(event.retryIn)}`
    case "Closed":
      return `Closed ${event.closeInfo.error.code}${retry(event.retryIn)}`
    case "Dropped":
      return `Dropped ${event.reason} ${event.messages.join(" ")}`
    case "RetriesExhausted":
      return `RetriesExhausted ${tagOf(event.failure)}`
    case "Stopped":
      return "Stopped"
  }
}

const tagOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : String(error)

const retry = (after: Duration.Duration | undefined): string =>
  after === undefined ? "" : `, again in ${Duration.toMillis(after)}`

/** Records the events of a client with their times. */
const watch = Effect.fnUntraced(function* <E>(client: Reconnect.ReconnectingClient<E>) {
  const told: Array<Told> = []
  yield* client.events.pipe(
    Stream.runForEach((event) =>
      Effect.map(Clock.currentTimeMillis, (at) => {
        told.push({ at, event: describeEvent(event) })
      })
    ),
    Effect.forkScoped({ startImmediately: true })
  )
  return told
})

const lines = (told: ReadonlyArray<Told>): ReadonlyArray<string> => told.map(({ at, event }) => `${at}: ${event}`)

const exponential = Schedule.exponential("1 second")

describe("Reconnect", () => {
  test(
    "tries again when the Schedule says, each time with what the effects give, and begins anew after a connection",
    Effect.gen(function* () {
      const tokens: Array<number> = []
      const client = yield* Reconnect.make({
        url: Effect.sync(() => `ws://host/?token=${tokens.push(tokens.length)}`),
        schedule: exponential,
        stableAfter: "3 seconds"
      })
      const told = yield* watch(client)
      yield* settle
      yield* TestClock.adjust("1 second")
      yield* settle
      yield* TestClock.adjust("1 second")
      const server = yield* serve({ drainTimeout: 0 })
      yield* settle
      yield* TestClock.adjust("1 second")
      yield* settle
      const first = yield* Queue.take(server.connections)
      assert.strictEqual(first.request.query, "token=3")
      yield* TestClock.adjust("3 seconds")
      yield* Effect.forkChild(first.close(1012, "restart"))
      yield* settle
      yield* TestClock.adjust("1 second")
      yield* settle
      const second = yield* Queue.take(server.connections)
      yield* Effect.forkChild(second.close(1013))
      yield* settle
      yield* TestClock.adjust("2 seconds")
      yield* settle
      assert.deepStrictEqual(lines(told), [
        "0: Connecting 1",
        "0: Failed 1 SocketError, again in 1000",
        "1000: Connecting 2",
        "1000: Failed 2 SocketError, again in 2000",
        "3000: Connecting 3",
        "3000: Open 3",
        "6000: Closed 1012, again in 1000",
        "7000: Connecting 1",
        "7000: Open 1",
        // Not stable: the schedule goes on.
        "7000: Closed 1013, again in 2000",
        "9000: Connecting 1",
        "9000: Open 1"
      ])
      yield* client.close()
    })
  )

  describe("under each kind of trouble", () => {
    const keepalive = { interval: "4 seconds", timeout: "4 seconds" } as const

    const trouble = (
      name: string,
      faults: FaultInjection.Options,
      expected: ReadonlyArray<string>,
      seconds: number,
      options?: WebSocketServer.ServerOptions
    ): void => {
      test(
        name,
        Effect.gen(function* () {
          const server = yield* serve({ ...options, drainTimeout: 0, keepalive: false })
          const client = yield* Reconnect.make({
            url: "ws://host/",
            options: { handshakeTimeout: "3 seconds", keepalive },
            schedule: exponential
          })
          const told = yield* watch(client)
          yield* Effect.forkScoped(
            Effect.flatMap(Queue.take(server.connections), (connection) => connection.send("a".repeat(5000)))
          )
          for (let second = 0; second < seconds; second++) {
            yield* settle
            yield* TestClock.adjust("1 second")
          }
          yield* settle
          assert.deepStrictEqual(lines(told), expected)
          yield* client.close()
        }),
        (connection) => (connection === 0 ? faults : {})
      )
    }

    trouble(
      "reset in the handshake",
      { inbound: { resetAfter: 20 } },
      ["0: Connecting 1", "0: Failed 1 SocketError, again in 1000", "1000: Connecting 2", "1000: Open 2"],
      2
    )
    trouble(
      "reset in a message",
      { inbound: { resetAfter: 2000 } },
      ["0: Connecting 1", "0: Open 1", "0: Closed 1006, again in 1000", "1000: Connecting 1", "1000: Open 1"],
      2
    )
    trouble(
      "a black hole in the handshake",
      { inbound: { blackholeAfter: 20 } },
      ["0: Connecting 1", "3000: Failed 1 HandshakeTimeout, again in 1000", "4000: Connecting 2", "4000: Open 2"],
      5
    )
    trouble(
      "a black hole in a message",
      { inbound: { blackholeAfter: 2000 } },
      [
        "0: Connecting 1",
        "0: Open 1",
        // A ping after 4 seconds of silence, and no answer for 4 more.
        "8000: Closed 1011, again in 1000",
        "9000: Connecting 1",
        "9000: Open 1"
      ],
      20
    )
  })

  describe("gives up", () => {
    test(
      "when the Schedule does, and tells everybody",
      Effect.gen(function* () {
        const client = yield* Reconnect.make({
          url: "ws://host/",
          schedule: Schedule.max([Schedule.spaced("1 second"), Schedule.recurs(1)])
        })
        const told = yield* watch(client)
        const waiting = yield* Effect.forkChild(Effect.flip(client.connection))
        assert.strictEqual(yield* client.send("first"), "queued")
        yield* TestClock.adjust("1 second")
        yield* settle
        assert.deepStrictEqual(lines(told), [
          "0: Connecting 1",
          "0: Failed 1 SocketError, again in 1000",
          "1000: Connecting 2",
          "1000: Failed 2 SocketError",
          "1000: Dropped Closed first",
          "1000: RetriesExhausted SocketError"
        ])
        assert.strictEqual((yield* Fiber.join(waiting)).reason, "Closed")
        assert.propertyVal(yield* Effect.flip(client.send("second")), "reason", "Closed")
        assert.propertyVal(yield* Effect.flip(Stream.runDrain(client.messages)), "_tag", "SocketError")
      })
    )

    test(
      "by default where another attempt would be no use, and not otherwise",
      Effect.gen(function* () {
        yield* site("forbidden", 80, () => response("403 Forbidden"))
        yield* site("busy", 80, () => response("503 Service Unavailable"))
        yield* site("full", 80, () => response("520 Web Server Returned an Unknown Error"))
        yield* site("broken", 80, () => "HTTP/1.1 502 Bad Gateway\nContent-Length: 0\n\n")
        for (const [url, end] of [
          ["ws://forbidden/", "RetriesExhausted UnexpectedResponse"],
          ["ftp://host/", "RetriesExhausted HandshakeConfigError"]
        ] as const) {
          const told = yield* watch(yield* Reconnect.make({ url }))
          yield* settle
          assert.strictEqual(told.at(-1)?.event, end)
        }
        for (const url of ["ws://busy/", "ws://full/", "ws://broken/", "ws://nobody/"]) {
          const told = yield* watch(yield* Reconnect.make({ url }))
          yield* settle
          assert.match(told.at(-1)!.event, /^Failed 1 \w+, again in [456]\d\d/)
        }
      })
    )

    test(
      "where a close says so, and on the codes of applications",
      Effect.gen(function* () {
        const server = yield* serve({ drainTimeout: 0 })
        for (const [code, end] of [
          [1012, "again in"],
          [1008, "RetriesExhausted PolicyViolation"],
          [4004, "RetriesExhausted ApplicationClose"]
        ] as const) {
          const client = yield* Reconnect.make({ url: "ws://host/", schedule: exponential })
          const told = yield* watch(client)
          yield* settle
          yield* Effect.forkChild((yield* Queue.take(server.connections)).close(code))
          yield* settle
          assert.include(told.at(-1)!.event, end)
          yield* client.close()
        }
      })
    )

    test(
      "only where the program says so, if it does",
      Effect.gen(function* () {
        yield* site("forbidden", 80, () => response("403 Forbidden"))
        const stubborn = yield* Reconnect.make({ url: "ws://forbidden/", while: () => true, schedule: exponential })
        const told = yield* watch(stubborn)
        yield* settle
        assert.strictEqual(told.at(-1)?.event, "Failed 1 UnexpectedResponse, again in 1000")
        yield* stubborn.close()
        const quitter = yield* watch(yield* Reconnect.make({ url: "ws://nobody/", while: () => false }))
        yield* settle
        assert.strictEqual(quitter.at(-1)?.event, "RetriesExhausted SocketError")
      })
    )

    test(
      "on an error of the effects that prepare the attempt, unless the program knows better",
      Effect.gen(function* () {
        for (const options of [
          { url: Effect.fail("no token" as const) },
          { url: "ws://nobody/", options: Effect.fail("no token" as const) }
        ]) {
          const told = yield* watch(yield* Reconnect.make({ ...options, schedule: exponential }))
          yield* settle
          assert.strictEqual(told.at(-1)?.event, "RetriesExhausted no token")
          const client = yield* Reconnect.make({
            ...options,
            schedule: exponential,
            while: (failure) => failure === "no token" || Reconnect.isTransient(failure)
          })
          const again = yield* watch(client)
          yield* settle
          assert.strictEqual(again.at(-1)?.event, "Failed 1 no token, again in 1000")
          yield* client.close()
        }
      })
    )

    describe("not, and waits as Retry-After says:", () => {
      const asks = (
        name: string,
        headers: ReadonlyArray<string>,
        expected: number,
        options?: Pick<Reconnect.ReconnectOptions, "maxRetryAfter">
      ): void => {
        test(
          name,
          Effect.gen(function* () {
            yield* site("busy", 80, () => response("503 Service Unavailable", headers))
            const client = yield* Reconnect.make({
              url: "ws://busy/",
              schedule: Schedule.spaced("2 seconds"),
              ...options
            })
            const told = yield* watch(client)
            yield* settle
            assert.strictEqual(told.at(-1)?.event, `Failed 1 UnexpectedResponse, again in ${expected}`)
            yield* client.close()
          })
        )
      }
      asks("seconds", ["Retry-After: 7"], 7000)
      asks("no seconds at all", ["Retry-After: 0"], 2000)
      asks("five minutes at most", ["Retry-After: 99999999999999999999"], 300_000)
      asks("as long as the program allows", ["Retry-After: 3600"], 60_000, { maxRetryAfter: "1 minute" })
      asks("not at all, if the program likes", ["Retry-After: 7"], 2000, { maxRetryAfter: 0 })
      asks("what is neither is ignored", ["Retry-After: soon"], 2000)
      asks("a negative number is ignored", ["Retry-After: -7"], 2000)
      const date = "Date: Sun, 06 Nov 2044 08:49:37 GMT"
      asks("a date, by the server's clock", [date, "Retry-After: Sun, 06 Nov 2044 08:49:46 GMT"], 9000)
      asks("a date of RFC 850", [date, "Retry-After: Sunday, 06-Nov-44 08:49:46 GMT"], 9000)
      asks("a date of asctime", [date, "Retry-After: Sun Nov  6 08:49:46 2044"], 9000)
      asks("a date that is over", [date, "Retry-After: Sun, 06 Nov 2044 08:49:30 GMT"], 2000)
      // The clock of the test begins at the epoch.
      asks("a date, by our own clock", ["Retry-After: Thu, 01 Jan 1970 00:00:08 GMT"], 8000)
    })

    test(
      "waits as long as the close reason of a server that restarts asks",
      Effect.gen(function* () {
        for (const [maxRetryAfter, expected] of [
          ["1 minute", 7000],
          [0, 2000]
        ] as const) {
          const { connections, stop } = yield* serve()
          const client = yield* Reconnect.make({
            url: "ws://host/",
            schedule: Schedule.spaced("2 seconds"),
            maxRetryAfter
          })
          const told = yield* watch(client)
          yield* settle
          const connection = yield* Queue.take(connections)
          yield* Effect.forkChild(connection.close(1012, RestartReason.encode(7000)), { startImmediately: true })
          yield* settle
          assert.strictEqual(told.at(-1)?.event, `Closed 1012, again in ${expected}`)
          yield* client.close()
          yield* stop
        }
      })
    )

    test(
      "by default waits longer each time, and never longer than 36 seconds",
      Effect.gen(function* () {
        const told = yield* watch(yield* Reconnect.make({ url: "ws://nobody/" }))
        for (let minute = 0; minute < 20; minute++) {
          yield* settle
          yield* TestClock.adjust("30 seconds")
        }
        const delays = told
          .map(({ event }) => /again in ([0-9.]+)/.exec(event)?.[1])
          .filter((text) => text !== undefined)
          .map(Number)
        assert.isAbove(delays.length, 10)
        for (const [index, delay] of delays.entries()) {
          const nominal = Math.min(500 * 2 ** index, 30_000)
          assert.isAtLeast(delay, nominal * 0.8 - 1)
          assert.isAtMost(delay, nominal * 1.2 + 1)
        }
      })
    )

    test(
      "with the error of an effect that prepares the attempt, and with its defect",
      Effect.gen(function* () {
        const failed = yield* Reconnect.make({ url: Effect.fail("no token"), schedule: Schedule.recurs(0) })
        assert.strictEqual(yield* Effect.flip(Stream.runDrain(failed.messages)), "no token")
        assert.deepStrictEqual((yield* Stream.runCollect(failed.events)).map(describeEvent), [
          "Connecting 1",
          "Failed 1 no token",
          "RetriesExhausted no token"
        ])
        const broken = yield* Reconnect.make({ url: Effect.die(new Error("bug")) })
        const exit = yield* Effect.exit(Stream.runDrain(broken.messages))
        assert.isTrue(Exit.isFailure(exit) && exit.cause.reasons.some((reason) => reason._tag === "Die"))
      })
    )
  })

  describe("sends", () => {
    test(
      "what waited first, in order, then what comes",
      Effect.gen(function* () {
        const client = yield* Reconnect.make({ url: "ws://host/", schedule: exponential })
        yield* settle
        const bytes = Uint8Array.of(1)
        const outcomes = [yield* client.send("a"), yield* client.send(bytes), yield* client.send("c")]
        bytes[0] = 2
        assert.strictEqual(yield* client.pending, 3)
        const server = yield* serve()
        yield* TestClock.adjust("1 second")
        const connection = yield* client.connection
        outcomes.push(yield* client.send("d"))
        yield* settle
        yield* connection.ping()
        assert.deepStrictEqual(outcomes, ["queued", "queued", "queued", "sent"])
        assert.deepStrictEqual(server.received, ["a", "1", "c", "d"])
        assert.strictEqual(yield* client.pending, 0)
        yield* client.close()
      })
    )

    test(
      "nothing while there is no connection, if told so",
      Effect.gen(function* () {
        const client = yield* Reconnect.make({ url: "ws://host/", schedule: exponential, whenDisconnected: "fail" })
        assert.propertyVal(yield* Effect.flip(client.send("a")), "reason", "Disconnected")
        const server = yield* serve()
        yield* TestClock.adjust("1 second")
        yield* client.connection
        assert.strictEqual(yield* client.send("b"), "sent")
        yield* settle
        assert.deepStrictEqual(server.received, ["b"])
        yield* client.close()
      })
    )

    test(
      "no more than may wait",
      Effect.gen(function* () {
        const client = yield* Reconnect.make({ url: "ws://host/", maxPendingMessages: 3, maxPendingBytes: 10 })
        assert.strictEqual(yield* client.send("12345"), "queued")
        assert.propertyVal(yield* Effect.flip(client.send("123456")), "reason", "QueueFull")
        assert.strictEqual(yield* client.send("12345"), "queued")
        assert.strictEqual(yield* client.send(""), "queued")
        assert.propertyVal(yield* Effect.flip(client.send("")), "reason", "QueueFull")
        yield* client.close()
        const told = (yield* Stream.runCollect(client.events)).map(describeEvent)
        assert.deepStrictEqual(told.slice(-2), ["Dropped Closed 12345 12345 ", "Stopped"])
      })
    )

    test(
      "what a connection that was closing did not take to the next one, once and without a word",
      Effect.gen(function* () {
        const client = yield* Reconnect.make({ url: "ws://host/", schedule: exponential })
        const told = yield* watch(client)
        yield* settle
        yield* client.send("a")
        yield* client.send("b")
        const closing = yield* Scope.make()
        yield* Scope.provide(
          site("host", 80, (asked) => (writer) => writer.write(Buffer.from(acceptance(asked) + "\x88\x00", "latin1"))),
          closing
        )
        yield* TestClock.adjust("1 second")
        yield* settle
        assert.strictEqual(yield* client.send("c"), "queued")
        yield* Scope.close(closing, Exit.void)
        const server = yield* serve()
        yield* TestClock.adjust("2 seconds")
        yield* settle
        assert.deepStrictEqual(server.received, ["a", "b", "c"])
        assert.deepStrictEqual(lines(told), [
          "0: Connecting 1",
          "0: Failed 1 SocketError, again in 1000",
          "1000: Connecting 2",
          "1000: Open 2",
          "1000: Closed 1005, again in 2000",
          "3000: Connecting 1",
          "3000: Open 1"
        ])
        yield* client.close()
      })
    )

    test(
      "a message that a connection broke with while it waited to be written to no other connection",
      Effect.gen(function* () {
        const client = yield* Reconnect.make({
          url: "ws://host/",
          options: { keepalive: { interval: "1 second", timeout: "1 second" } },
          schedule: exponential
        })
        const told = yield* watch(client)
        yield* settle
        for (const letter of ["a", "b", "c"]) yield* client.send(letter.repeat(100_000))
        const server = yield* serve({ keepalive: false })
        for (let second = 0; second < 6; second++) {
          yield* TestClock.adjust("1 second")
          yield* settle
        }
        assert.deepStrictEqual(
          server.received.map((text) => text[0]),
          ["c"]
        )
        // The second one waited, and may have been on its way: it is not sent again.
        const lost = told.filter(({ event }) => event.startsWith("Dropped"))
        assert.deepStrictEqual(
          lost.map(({ event }) => event.replace(/(.)\1+/g, "$1")),
          ["Droped Lost a b"]
        )
        yield* client.close()
      }),
      (connection) => (connection === 0 ? { outbound: { blackholeAfter: 145 } } : {})
    )

    test(
      "proof only of what went before its ping, which overtakes what waits",
      Effect.gen(function* () {
        const client = yield* Reconnect.make({
          url: "ws://host/",
          options: { writeHighWaterMark: 1 << 20 },
          schedule: exponential
        })
        const told = yield* watch(client)
        yield* settle
        for (const letter of "abcdefghij") yield* client.send(letter.repeat(30_000))
        const server = yield* serve({ keepalive: false, drainTimeout: 0 })
        for (let second = 0; second < 15; second++) {
          yield* TestClock.adjust("1 second")
          yield* settle
        }
        const received = server.received.map((text) => text[0]).join("")
        assert.strictEqual(received, "abcdefgh".slice(0, received.length))
        assert.isBelow(received.length, 9)
        const lost = told.filter(({ event }) => event.startsWith("Dropped"))
        assert.deepStrictEqual(
          lost.map(({ event }) => event.replaceAll(/([a-j])\1{9,}/g, "$1")),
          ["Dropped Lost a b c d e f g h i j"]
        )
        yield* client.close()
      }),
      (connection) => (connection === 0 ? { pipeSize: 1000, outbound: { bandwidth: 20_000, resetAfter: 240_000 } } : {})
    )

    test(
      "a message again to no other connection, and says of those that may be lost",
      Effect.gen(function* () {
        const client = yield* Reconnect.make({ url: "ws://host/", schedule: exponential })
        const told = yield* watch(client)
        yield* settle
        yield* client.send("a")
        yield* client.send("b")
        const server = yield* serve()
        yield* TestClock.adjust("1 second")
        yield* settle
        assert.deepStrictEqual(server.received, [])
        yield* client.send("c")
        yield* TestClock.adjust("2 seconds")
        yield* settle
        yield* (yield* client.connection).ping()
        assert.deepStrictEqual(server.received, ["c"])
        assert.deepStrictEqual(lines(told), [
          "0: Connecting 1",
          "0: Failed 1 SocketError, again in 1000",
          "1000: Connecting 2",
          "1000: Open 2",
          "1000: Dropped Lost a b",
          "1000: Closed 1006, again in 2000",
          "3000: Connecting 1",
          "3000: Open 1"
        ])
        yield* client.close()
      }),
      (connection) => (connection === 0 ? { outbound: { resetAfter: 145 } } : {})
    )
  })

  describe("closes", () => {
    test(
      "with a code and reason, and then is over",
      Effect.gen(function* () {
        const server = yield* serve()
        const client = yield* Reconnect.make({ url: "ws://host/" })
        const far = yield* Queue.take(server.connections)
        yield* client.connection
        assert.propertyVal(yield* Effect.flip(client.close(1005)), "_tag", "SendError")
        yield* client.close(4000, "enough")
        assert.deepInclude((yield* far.closed).received, { code: 4000, reason: "enough" })
        assert.deepStrictEqual((yield* Stream.runCollect(client.events)).map(describeEvent), [
          "Connecting 1",
          "Open 1",
          "Closed 4000",
          "Stopped"
        ])
        assert.deepStrictEqual(yield* Stream.runCollect(client.messages), [])
        yield* client.close()
      })
    )

    test(
      "for good, even when no fiber waits for the end any more",
      Effect.gen(function* () {
        const asked = yield* site(
          "host",
          80,
          (asked) => (writer, reader) =>
            Effect.andThen(
              writer.write(acceptance(asked)),
              Effect.forever(Effect.andThen(reader.pull, Effect.yieldNow))
            )
        )
        const client = yield* Reconnect.make({
          url: "ws://host/",
          options: { closeTimeout: "5 seconds" },
          schedule: Schedule.spaced("1 second")
        })
        const told = yield* watch(client)
        yield* client.connection
        const closing = yield* Effect.forkChild(client.close(), { startImmediately: true })
        yield* settle
        yield* Fiber.interrupt(closing)
        assert.propertyVal(yield* Effect.flip(client.send("late")), "reason", "Closed")
        for (let second = 0; second < 10; second++) {
          yield* settle
          yield* TestClock.adjust("1 second")
        }
        yield* settle
        yield* client.close()
        assert.deepStrictEqual(lines(told), ["0: Connecting 1", "0: Open 1", "5000: Closed 1006", "5000: Stopped"])
        assert.strictEqual(asked.length, 1)
      })
    )

    test(
      "with its Scope, also while it waits for the next attempt",
      Effect.gen(function* () {
        const waiting = yield* Effect.scoped(Effect.tap(Reconnect.make({ url: "ws://host/" }), () => settle))
        assert.deepStrictEqual((yield* Stream.runCollect(waiting.events)).at(-1), { _tag: "Stopped" })
        const server = yield* serve()
        yield* Effect.scoped(Effect.flatMap(Reconnect.make({ url: "ws://host/" }), (client) => client.connection))
        const far = yield* Queue.take(server.connections)
        assert.deepInclude((yield* far.closed).received, { code: 1000 })
      })
    )

    test(
      "and gives a reader that still reads what had arrived",
      Effect.gen(function* () {
        const server = yield* serve()
        const client = yield* Reconnect.make({ url: "ws://host/", receiveQueueSize: 2 })
        const far = yield* Queue.take(server.connections)
        const permits = yield* Queue.unbounded<void>()
        const given: Array<string> = []
        const reader = yield* Effect.forkChild(
          Stream.runForEach(client.messages, ({ data }) => {
            given.push(String(data))
            return Queue.take(permits)
          }),
          { startImmediately: true }
        )
        for (let index = 0; index < 20; index++) yield* far.send(String(index))
        yield* settle
        yield* client.close()
        assert.deepStrictEqual(given, ["0"])
        yield* Queue.offerAll(
          permits,
          Array.from({ length: 20 }, () => undefined)
        )
        yield* Fiber.join(reader)
        assert.deepStrictEqual(
          given,
          Array.from({ length: 20 }, (_, index) => String(index))
        )
      })
    )

    test(
      "while the program reads no messages",
      Effect.gen(function* () {
        const server = yield* serve()
        const client = yield* Reconnect.make({ url: "ws://host/", receiveQueueSize: 2 })
        const far = yield* Queue.take(server.connections)
        for (let index = 0; index < 10; index++) yield* far.send(String(index))
        yield* settle
        yield* client.close()
        assert.strictEqual((yield* far.closed).clean, true)
      })
    )
  })

  test(
    "loses no message and no event to a read that ends early",
    Effect.gen(function* () {
      const server = yield* serve()
      const client = yield* Reconnect.make({ url: "ws://host/", schedule: Schedule.spaced("1 second") })
      const given: Array<string> = []
      const events: Array<string> = []
      const take = (count: number) =>
        Stream.runForEach(Stream.take(client.messages, count), ({ data }) =>
          Effect.sync(() => void given.push(String(data)))
        )
      for (let connection = 0; connection < 3; connection++) {
        const far = yield* Queue.take(server.connections)
        for (let index = 0; index < 10; index++) yield* far.send(`${connection}${index}`)
        yield* settle
        yield* take(3)
        const reader = yield* Effect.forkChild(
          Stream.runForEach(client.messages, ({ data }) => {
            given.push(String(data))
            return data === `${connection}6` ? Effect.never : Effect.void
          })
        )
        yield* settle
        yield* Fiber.interrupt(reader)
        yield* Effect.forkChild(far.close(1001))
        yield* settle
        yield* take(3)
        events.push(describeEvent(yield* Effect.fromOption(yield* Stream.runHead(client.events))))
        yield* settle
        yield* TestClock.adjust("1 second")
        yield* settle
      }
      assert.deepStrictEqual(
        given,
        [0, 1, 2].flatMap((connection) => Array.from({ length: 10 }, (_, index) => `${connection}${index}`))
      )
      yield* client.close()
      const others = yield* Stream.runCollect(client.events)
      assert.deepStrictEqual(
        [...events, ...others.map(describeEvent)],
        [0, 1, 2]
          .flatMap(() => ["Connecting 1", "Open 1", "Closed 1001, again in 1000"])
          .concat(["Connecting 1", "Open 1", "Closed 1000", "Stopped"])
      )
    })
  )

  test(
    "gives the messages of all connections in order",
    Effect.gen(function* () {
      const server = yield* serve()
      const client = yield* Reconnect.make({
        url: "ws://host/",
        receiveQueueSize: 2,
        schedule: Schedule.spaced("1 second")
      })
      for (let connection = 0; connection < 3; connection++) {
        const far = yield* Queue.take(server.connections)
        for (let index = 0; index < 10; index++) yield* far.send(`${connection}${index}`)
        yield* Effect.forkChild(far.close(1001))
        yield* settle
        if (connection === 0) {
          // Nothing is read: the next connection waits.
          yield* TestClock.adjust("1 second")
          yield* settle
          assert.strictEqual(yield* Queue.size(server.connections), 0)
        }
        const messages = yield* Stream.runCollect(Stream.take(client.messages, 10))
        assert.deepStrictEqual(
          messages.map((message) => message.data),
          Array.from({ length: 10 }, (_, index) => `${connection}${index}`)
        )
        yield* settle
        yield* TestClock.adjust("1 second")
      }
      yield* client.close()
    })
  )

  describe("whatever the network does,", () => {
    for (let seed = 1; seed <= (process.env["CI"] === undefined ? 20 : 100); seed++) {
      const random = generator(seed)
      test(
        `sends nothing twice, and tells of what was queued and is lost (seed ${seed})`,
        Effect.gen(function* () {
          const server = yield* serve({ keepalive: false })
          const client = yield* Reconnect.make({ url: "ws://host/", schedule: Schedule.spaced("1 second") })
          const dropped = new Set<string>()
          yield* client.events.pipe(
            Stream.runForEach((event) =>
              Effect.sync(() => {
                if (event._tag === "Dropped") for (const message of event.messages) dropped.add(String(message))
              })
            ),
            Effect.forkScoped({ startImmediately: true })
          )
          yield* Effect.forkScoped(Stream.runDrain(client.messages))
          const queued: Array<string> = []
          for (let index = 0; index < 60; index++) {
            const outcome = yield* Effect.exit(client.send(String(index)))
            if (Exit.isSuccess(outcome) && outcome.value === "queued") queued.push(String(index))
            if (random() < 0.7) yield* settle
            if (random() < 0.3) yield* TestClock.adjust("500 millis")
          }
          for (let second = 0; second < 40; second++) {
            yield* settle
            yield* TestClock.adjust("1 second")
          }
          const { received } = server
          assert.deepStrictEqual(
            [...received].sort((a, b) => Number(a) - Number(b)),
            received,
            "order"
          )
          assert.strictEqual(new Set(received).size, received.length, "twice")
          assert.deepStrictEqual(
            queued.filter((message) => !received.includes(message) && !dropped.has(message)),
            [],
            "lost"
          )
          assert.isAbove(received.length, 0)
          yield* client.close()
        }),
        (connection) =>
          connection > 12
            ? {}
            : {
                seed: seed * 1000 + connection,
                both: { chunkSize: [1, 50] },
                ...(random() < 0.5
                  ? { outbound: { resetAfter: Math.floor(random() * 600) } }
                  : { inbound: { resetAfter: Math.floor(random() * 300) } })
              }
      )
    }
  })
})

/** Numbers from 0 to 1 that look random and are the same each time (mulberry32). */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
