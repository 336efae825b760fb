/**
 * A read that ends early loses nothing that was not given to the program: the next read goes on with the next message.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Data, Effect, Fiber, Layer, Schema, Stream } from "effect"
import { frame, open } from "./support/StubSocket.ts"
import { pair } from "./support/pair.ts"

const text = (payload: string): Uint8Array => frame(0x81, payload)
const ping = (payload: string): Uint8Array => frame(0x89, payload)

const dataOf = ({ data }: { readonly data: string | Uint8Array }): string =>
  typeof data === "string" ? data : Buffer.from(data).toString()

/** The ways to read a connection that give the same for text messages. */
const ways: ReadonlyArray<readonly [string, (connection: Connection) => Stream.Stream<string, unknown>]> = [
  ["messages", (connection) => Stream.map(connection.messages, dataOf)],
  ["events", (connection) => Stream.map(connection.events([]), (event) => ("data" in event ? dataOf(event) : ""))],
  ["frames", (connection) => Stream.map(connection.frames, ({ payload }) => Buffer.from(payload).toString())]
]

class Enough extends Data.TaggedError("Enough") {}

describe("a read that ends early", () => {
  for (const [name, read] of ways) {
    const opened = Effect.fnUntraced(function* () {
      const { connection, socket } = yield* open()
      socket.receive(...["a", "b", "c", "d", "e"].map(text))
      return read(connection)
    })

    it.effect(`by take leaves the rest to the next (${name})`, () =>
      Effect.gen(function* () {
        const stream = yield* opened()
        assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(stream, 2)), ["a", "b"])
        assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(stream, 3)), ["c", "d", "e"])
      })
    )

    it.effect(`by runHead and takeUntil leaves the rest to the next (${name})`, () =>
      Effect.gen(function* () {
        const stream = yield* opened()
        assert.strictEqual(yield* Effect.fromOption(yield* Stream.runHead(stream)), "a")
        const until = Stream.takeUntil(stream, (data) => data === "c")
        assert.deepStrictEqual(yield* Stream.runCollect(until), ["b", "c"])
        assert.strictEqual(yield* Effect.fromOption(yield* Stream.runHead(stream)), "d")
      })
    )

    it.effect(`by a failure leaves the rest to the next (${name})`, () =>
      Effect.gen(function* () {
        const stream = yield* opened()
        const given: Array<string> = []
        const failing = Stream.runForEach(stream, (data) => {
          given.push(data)
          return data === "b" ? Effect.fail(new Enough()) : Effect.void
        })
        assert.strictEqual(((yield* Effect.flip(failing)) as Enough)._tag, "Enough")
        given.push(...(yield* Stream.runCollect(Stream.take(stream, 3))))
        assert.deepStrictEqual(given, ["a", "b", "c", "d", "e"])
      })
    )

    it.effect(`by an interruption leaves the rest to the next (${name})`, () =>
      Effect.gen(function* () {
        const stream = yield* opened()
        const given: Array<string> = []
        const reader = yield* Effect.forkChild(
          Stream.runForEach(stream, (data) => {
            given.push(data)
            return data === "c" ? Effect.never : Effect.void
          }),
          { startImmediately: true }
        )
        yield* Fiber.interrupt(reader)
        given.push(...(yield* Stream.runCollect(Stream.take(stream, 2))))
        assert.deepStrictEqual(given, ["a", "b", "c", "d", "e"])
      })
    )

    it.effect(`by an interruption of a fiber that yielded, wherever it did, leaves the rest (${name})`, () =>
      Effect.gen(function* () {
        const count = 600
        for (let offset = 0; offset < 16; offset++) {
          const { connection, socket } = yield* open({ receiveBufferSize: 1 << 20 })
          socket.receive(...Array.from({ length: count }, (_, at) => text(String(at))))
          const given: Array<string> = []
          const record = (data: string): Effect.Effect<void> => Effect.sync(() => void given.push(data))
          const delay = Effect.forEach(Array.from({ length: offset }), () => Effect.void, { discard: true })
          const stream = read(connection)
          const reader = yield* Effect.forkChild(Effect.andThen(delay, Stream.runForEach(stream, record)), {
            startImmediately: true
          })
          assert.isBelow(given.length, count)
          yield* Fiber.interrupt(reader)
          yield* Stream.runForEach(Stream.take(stream, count - given.length), record)
          assert.deepStrictEqual(
            given,
            Array.from({ length: count }, (_, at) => String(at))
          )
        }
      })
    )
  }

  it.effect("leaves pings and pongs to the next, in their order", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open()
      const events = Stream.map(connection.events(["Ping"]), (event) => event._tag)
      socket.receive(text("a"), ping("x"), text("b"), ping("y"))
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(events, 1)), ["Text"])
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(events, 3)), ["Ping", "Text", "Ping"])
    })
  )

  it.effect("leaves the other pieces of a message to the next, and a message that was read to its end has none", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open()
      const waiting = yield* Effect.forkChild(connection.receiveStream, { startImmediately: true })
      socket.receive(frame(0x01, "ab"))
      const message = yield* Fiber.join(waiting)
      socket.receive(frame(0x00, "cd"), frame(0x80, "ef"), text("next"))
      if (message._tag !== "Text") return assert.fail("expected a text message")
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(message.chunks, 1)), ["ab"])
      assert.deepStrictEqual(yield* Stream.runCollect(message.chunks), ["cd", "ef"])
      assert.deepStrictEqual(yield* Stream.runCollect(message.chunks), [])
      assert.strictEqual((yield* connection.receive).data, "next")
    })
  )
})

const upTo = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))

const Reading = Schema.TaggedUnion({
  Take: { count: upTo(20) },
  Head: {},
  Receive: {},
  TakeUntil: { count: upTo(20) },
  TakeWhile: { count: upTo(20) },
  MapThenTake: { count: upTo(20) },
  Fail: { after: upTo(20), pauses: upTo(2) },
  Interrupt: { turns: upTo(30), pauses: upTo(2) },
  InterruptReceive: { turns: upTo(3) },
  Rest: { turns: upTo(5) }
})

const turns = (count: number): Effect.Effect<void> =>
  Effect.forEach(Array.from({ length: count }), () => Effect.yieldNow, { discard: true })

/** Reads in one way, and notes what the program was given. */
const perform = (
  reading: typeof Reading.Type,
  connection: Connection,
  given: Array<string>,
  left: number
): Effect.Effect<unknown, unknown> => {
  const stream = Stream.map(connection.messages, dataOf)
  const note = (data: string): Effect.Effect<void> => Effect.sync(() => void given.push(data))
  // More than there are would wait for ever.
  const atMost = (count: number): number => Math.min(count, left)
  let seen = 0
  switch (reading._tag) {
    case "Take":
      return Stream.runForEach(Stream.take(stream, atMost(reading.count)), note)
    case "Head":
      return left === 0 ? Effect.void : Stream.runForEach(Stream.take(stream, 1), note)
    case "Receive":
      return left === 0 ? Effect.void : Effect.map(connection.receive, (message) => void given.push(dataOf(message)))
    case "TakeUntil":
      return left === 0
        ? Effect.void
        : Stream.runForEach(
            Stream.takeUntil(stream, () => ++seen >= atMost(reading.count)),
            note
          )
    case "TakeWhile": {
      // What the predicate refuses was given to the predicate.
      const more = Stream.takeWhile(stream, (data) => {
        given.push(data)
        return ++seen < atMost(reading.count)
      })
      return left === 0 ? Effect.void : Stream.runDrain(more)
    }
    case "MapThenTake": {
      const mapped = Stream.tap(
        Stream.mapEffect(stream, (data) => Effect.as(Effect.andThen(note(data), Effect.yieldNow), data)),
        () => Effect.yieldNow
      )
      return Stream.runDrain(Stream.take(mapped, atMost(reading.count)))
    }
    case "Fail":
      return left === 0
        ? Effect.void
        : Effect.ignore(
            Stream.runForEach(stream, (data) =>
              Effect.andThen(
                Effect.andThen(note(data), turns(reading.pauses)),
                ++seen > Math.min(reading.after, left - 1) ? Effect.fail(new Enough()) : Effect.void
              )
            )
          )
    case "Interrupt":
      return Effect.flatMap(
        Effect.forkChild(
          Stream.runForEach(stream, (data) => Effect.andThen(note(data), turns(reading.pauses))),
          { startImmediately: true }
        ),
        (fiber) => Effect.andThen(turns(reading.turns), Fiber.interrupt(fiber))
      )
    case "InterruptReceive":
      return Effect.flatMap(
        Effect.forkChild(
          Effect.map(connection.receive, (message) => void given.push(dataOf(message))),
          { startImmediately: true }
        ),
        (fiber) => Effect.andThen(turns(reading.turns), Fiber.interrupt(fiber))
      )
    case "Rest":
      return turns(reading.turns)
  }
}

describe("whatever reads there are", () => {
  it.effect.prop(
    "what they were given, put together, is what was sent",
    [
      Schema.Array(Reading).check(Schema.isMaxLength(20)),
      Schema.Array(upTo(60)).check(Schema.isMaxLength(6)),
      Schema.Literals([1, 4000])
    ],
    ([readings, bursts, size]) =>
      Effect.gen(function* () {
        const { client, server } = yield* pair({ keepalive: false })
        const sent: Array<string> = []
        yield* Effect.forkChild(
          Effect.forEach(bursts, (burst) =>
            Effect.andThen(
              Effect.forEach(Array.from({ length: burst }), () => {
                const data = String(sent.length).padEnd(size)
                sent.push(data)
                return client.send(data)
              }),
              turns(3)
            )
          ),
          { startImmediately: true }
        )
        const total = bursts.reduce((sum, burst) => sum + burst, 0)
        const given: Array<string> = []
        for (const reading of readings) yield* perform(reading, server, given, total - given.length)
        yield* perform({ _tag: "Take", count: Infinity }, server, given, total - given.length)
        assert.deepStrictEqual(given, sent)
      }).pipe(Effect.scoped, Effect.provide(Layer.fresh(Memory.layer({ port: 80 })))),
    { arbitrary: { runs: 300 } }
  )
})
