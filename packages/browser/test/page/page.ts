/**
 * What the tests run in a real browser: bundled, loaded into a page, and called by name. Each function is a program
 * over the browser's own `WebSocket`; what it gives is what the test compares.
 */
import * as ResumableClient from "@effect-ws/connection/ResumableClient"
import * as TypedConnection from "@effect-ws/connection/TypedConnection"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Cause from "effect/Cause"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as BrowserClient from "../../src/BrowserClient.ts"
import type { BrowserConnection } from "../../src/BrowserConnection.ts"
import * as Reconnect from "../../src/Reconnect.ts"
import { Echo } from "./messages.ts"

/** What the test looks at while a program runs, and what it sets. */
const shared = globalThis as unknown as { webSocketStream: boolean; seen: Array<string>; mayRead: boolean | undefined }

/** The options of all connections: the test says over which class. */
const options = (more?: BrowserClient.BrowserClientOptions): BrowserClient.BrowserClientOptions => ({
  subprotocols: ["echo"],
  webSocketStream: shared.webSocketStream,
  ...more
})

const open = <A, E>(
  url: string,
  talk: (connection: BrowserConnection) => Effect.Effect<A, E>,
  more?: BrowserClient.BrowserClientOptions
) => Effect.scoped(Effect.flatMap(BrowserClient.connect(url, options(more)), talk))

/** Runs a program, and gives a failure as what the test can read. */
const run = async <A>(program: Effect.Effect<A, unknown>): Promise<A | string> => {
  const exit = await Effect.runPromiseExit(program)
  return Exit.isSuccess(exit) ? exit.value : `failed: ${Cause.pretty(exit.cause)}`
}

export const programs = {
  /** Sends a text and bytes, and gives what comes back. */
  echo: (url: string) =>
    run(
      open(url, (connection) =>
        Effect.gen(function* () {
          yield* connection.send("Grüße ✓")
          yield* connection.send(Uint8Array.of(0, 127, 255))
          const [text, binary] = [yield* connection.receive, yield* connection.receive]
          return [connection.subprotocol, text.data, [...(binary.data as Uint8Array)]]
        })
      )
    ),
  /** Sends a value, and then one that the server refuses. */
  typed: (url: string) =>
    run(
      open(url, (connection) =>
        Effect.gen(function* () {
          const typed = yield* TypedConnection.make(connection, Echo.client)
          yield* typed.send({ text: "hello", at: new Date(0) })
          const { at, text } = yield* typed.receive
          yield* connection.send('{"text":1,"at":"2020-01-01T00:00:00Z"}')
          const error = yield* Effect.flip(typed.receive)
          return [text, at.getTime(), error._tag, error.reason]
        })
      )
    ),
  /** Closes with a code and reason of its own, and gives how it ended. */
  close: (url: string) => run(open(url, (connection) => Effect.map(connection.close(4001, "that was all"), shown))),
  /** Closes as a typed connection does for what does not decode. */
  refuse: (url: string) =>
    run(
      open(url, (connection) =>
        Effect.gen(function* () {
          const typed = yield* TypedConnection.make(connection, Echo.client)
          yield* connection.send("not what the page expects")
          const error = yield* Effect.flip(typed.receive)
          return [error._tag, (yield* connection.closed).error.code]
        })
      )
    ),
  /** Waits for the end of a connection that the server closes. */
  closed: (url: string) => run(open(url, (connection) => Effect.map(connection.closed, shown))),
  /** Sends so many bytes as one message, and gives whether the same came back. */
  large: (url: string, length: number) =>
    run(
      open(url, (connection) =>
        Effect.gen(function* () {
          const bytes = Uint8Array.from({ length }, (_, at) => at * 31)
          yield* connection.send(bytes)
          const { data } = yield* connection.receive
          return typeof data !== "string" && data.length === length && data.every((byte, at) => byte === bytes[at])
        })
      )
    ),
  /**
   * Sends faster than the server reads; gives how much waited at most after a `send`, and what the server says then.
   */
  flood: (url: string, count: number, length: number) =>
    run(
      open(url, (connection) =>
        Effect.gen(function* () {
          let most = 0
          for (let n = 0; n < count; n++) {
            yield* connection.send(new Uint8Array(length))
            most = Math.max(most, connection.buffered.outbound)
            Object.assign(globalThis, { floodSent: n + 1 })
          }
          yield* connection.flushed
          const { data } = yield* connection.receive
          return [most, data]
        })
      )
    ),
  /** Counts the messages of one connection after the other, until it has so many. */
  resume: (url: string, count: number) => {
    const received: Array<unknown> = []
    const once = open(url, (connection) =>
      Effect.andThen(
        Stream.runForEach(Stream.take(connection.messages, count - received.length), ({ data }) =>
          Effect.sync(() => received.push(data))
        ),
        Effect.suspend(() => (received.length < count ? Effect.fail({ _tag: "Lost" }) : Effect.succeed(received)))
      )
    )
    return run(Effect.retry(once, Schedule.spaced("100 millis")))
  },
  /** Sends so many values in a session that survives its connections, and gives what the server answered. */
  session: (url: string, count: number) =>
    run(
      Effect.scoped(
        Effect.gen(function* () {
          const session = yield* ResumableClient.make(BrowserClient.connect(url, options()), {
            receive: Schema.String,
            send: Schema.Int,
            schedule: Schedule.spaced("100 millis")
          })
          const numbers = Array.from({ length: count }, (_, n) => n)
          yield* Effect.forkChild(Effect.forEach(numbers, (n) => session.send(n), { concurrency: 4 }))
          return yield* Stream.runCollect(Stream.take(session.messages, count))
        })
      )
    ),
  /** Reads nothing until the test says so; gives how many bytes came then, or the code of the close. */
  slow: (url: string, count: number) =>
    run(
      open(
        url,
        (connection) =>
          Effect.gen(function* () {
            const mayRead = Effect.sync(() => shared.mayRead === true)
            yield* Effect.repeat(mayRead, { until: (mayRead) => mayRead, schedule: Schedule.spaced("20 millis") })
            let bytes = 0
            const read = Stream.runForEach(Stream.take(connection.messages, count), ({ data }) =>
              Effect.sync(() => (bytes += data.length))
            )
            return yield* Effect.matchEffect(read, {
              onSuccess: () => Effect.succeed(bytes),
              onFailure: () => Effect.map(connection.closed, ({ error }) => error.code)
            })
          }),
        { receiveBufferSize: 4 << 20 }
      )
    ),
  /**
   * Sends a message with a client that connects again, before and after the loss of its connection, and gives what it
   * received and what happened. Only the network's return ends its wait when `onlineOnly` is set.
   */
  reconnect: (url: string, onlineOnly: boolean) =>
    run(
      Effect.scoped(
        Effect.gen(function* () {
          shared.seen = []
          const client = yield* Reconnect.make({
            url: Effect.succeed(url),
            options: options(),
            schedule: Schedule.spaced(onlineOnly ? "1 hour" : "100 millis")
          })
          const telling = yield* Effect.forkScoped(
            Stream.runForEach(client.events, ({ _tag }) => Effect.sync(() => void shared.seen.push(_tag)))
          )
          const received: Array<unknown> = []
          const queued = yield* client.send("first")
          received.push((yield* client.receive).data)
          const wasLost = Effect.sync(() => shared.seen.includes("Closed"))
          yield* Effect.repeat(wasLost, { until: (was) => was, schedule: Schedule.spaced("5 millis") })
          const again = yield* client.send("second")
          received.push((yield* client.receive).data)
          yield* client.close(4001, "done")
          yield* Fiber.join(telling)
          return [queued, again, received]
        })
      )
    ),
  /** Sends only heartbeats until the test says so, or the end; gives the code, and what the program received. */
  beat: (url: string) =>
    run(
      open(
        url,
        (connection) =>
          Effect.gen(function* () {
            const mayRead = Effect.sync(() => shared.mayRead === true)
            yield* Effect.raceFirst(
              connection.closed,
              Effect.repeat(mayRead, { until: (mayRead) => mayRead, schedule: Schedule.spaced("20 millis") })
            )
            const { error } = yield* connection.close(4000)
            return [error.code, connection.buffered.inbound]
          }),
        {
          heartbeat: {
            message: "beat",
            isAnswer: ({ data }) => data === "beat",
            interval: "100 millis",
            timeout: "1 second"
          }
        }
      )
    ),
  /** Tries to connect, and gives what the browser tells, and whether a client would try again. */
  refused: (url: string) =>
    run(
      Effect.map(Effect.flip(open(url, () => Effect.void, { connectTimeout: "2 seconds" })), (error) => [
        error.reason,
        Reconnect.isTransient(error)
      ])
    ),
  /** Tries to connect where nothing listens. */
  fail: (url: string) => run(Effect.map(Effect.flip(open(url, () => Effect.void)), ({ message }) => message))
}

const shown = ({ clean, error, initiator }: Effect.Success<BrowserConnection["closed"]>) => [
  initiator,
  clean,
  error._tag,
  error.code,
  error.reason
]

export type Programs = typeof programs
