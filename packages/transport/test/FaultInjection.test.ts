import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Fiber, Latch, Layer, Queue, Schema } from "effect"
import { Socket, SocketServer } from "effect/socket"
import { TestClock } from "effect/testing"
import { Dialer } from "../src/Dialer.ts"
import * as FaultInjection from "../src/FaultInjection.ts"
import * as Memory from "../src/Memory.ts"
import type { PushSocket } from "../src/Push.ts"
import { PushSocketServer } from "../src/PushSocketServer.ts"
import { ByteRecorder } from "../src/ByteRecorder.ts"

const memory = Memory.layer({ port: 0 })

/** A faulty client of a sound server in memory: the client's ends, the server's socket, and recorders on both. */
const connect = Effect.fnUntraced(function* (options: FaultInjection.Options) {
  const server = yield* PushSocketServer
  const accepted = yield* Queue.unbounded<PushSocket>()
  yield* Effect.forkScoped(server.accept((socket) => Queue.offerUnsafe(accepted, socket)))
  const sound = yield* Dialer.use((dialer) => dialer.dial(server.address))
  const socket = FaultInjection.make(sound, options)
  const reader = yield* socket.reader
  const writer = yield* socket.writer
  const far = yield* Queue.take(accepted)
  const sink = new ByteRecorder()
  far.readerUnsafe.subscribe(sink)
  return { reader, writer, far, sink }
})

const settle = Effect.repeat(Effect.yieldNow, { times: 20 })

describe("Faulty, under the clock", () => {
  it.effect("delays by the latency, without holding back what follows", () =>
    Effect.gen(function* () {
      const { writer, sink } = yield* connect({ outbound: { latency: "100 millis" } })
      yield* writer.write("a")
      yield* TestClock.adjust("60 millis")
      yield* writer.write("b")
      yield* TestClock.adjust("39 millis")
      assert.strictEqual(sink.text, "")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(sink.text, "a")
      yield* TestClock.adjust("60 millis")
      assert.strictEqual(sink.text, "ab")
    }).pipe(Effect.provide(memory))
  )

  it.effect("delays what arrives, the end too", () =>
    Effect.gen(function* () {
      const { reader, far } = yield* connect({ inbound: { latency: "1 second", jitter: "1 second" } })
      const pulls = yield* Effect.forkChild(Effect.all([reader.pull, Effect.flip(reader.pull)]))
      yield* far.writerUnsafe.write("x")
      far.writerUnsafe.shutdown()
      yield* TestClock.adjust("999 millis")
      assert.isUndefined(pulls.pollUnsafe())
      yield* TestClock.adjust("1001 millis")
      const [batch, error] = yield* Fiber.join(pulls)
      assert.strictEqual(new TextDecoder().decode(batch[0] as Uint8Array), "x")
      assert.strictEqual((error.reason as Socket.SocketCloseError).code, 1000)
    }).pipe(Effect.provide(memory))
  )

  it.effect("lets so many bytes through in a second", () =>
    Effect.gen(function* () {
      const { writer, sink } = yield* connect({ outbound: { bandwidth: 1000 } })
      yield* writer.write(new Uint8Array(5000))
      yield* TestClock.adjust("1 second")
      assert.approximately(sink.bytes, 1000, 50)
      yield* TestClock.adjust("3 seconds")
      assert.approximately(sink.bytes, 4000, 50)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(sink.bytes, 5000)
    }).pipe(Effect.provide(memory))
  )

  it.effect("stalls after so many bytes, once", () =>
    Effect.gen(function* () {
      const { writer, sink } = yield* connect({ outbound: { stall: { after: 3, duration: "1 minute" } } })
      yield* writer.write("abcdef")
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(sink.text, "abc")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(sink.text, "abcdef")
    }).pipe(Effect.provide(memory))
  )

  it.effect("resets after so many bytes, at both ends", () =>
    Effect.gen(function* () {
      const { reader, writer, sink } = yield* connect({ outbound: { resetAfter: 2 } })
      const pull = yield* Effect.forkChild(Effect.flip(reader.pull))
      yield* writer.write("abc")
      const error = yield* Fiber.join(pull)
      assert.strictEqual(error.reason._tag, "SocketReadError")
      yield* sink.closed
      assert.strictEqual(sink.error?.reason._tag, "SocketReadError")
      assert.isBelow(sink.bytes, 3)
    }).pipe(Effect.provide(memory))
  )

  it.effect("swallows everything in a black hole, and makes the writer wait in the end", () =>
    Effect.gen(function* () {
      const { reader, writer, sink, far } = yield* connect({
        outbound: { blackholeAfter: 1 },
        inbound: { blackholeAfter: 0 },
        pipeSize: 1000
      })
      const pull = yield* Effect.forkChild(reader.pull)
      yield* writer.write("abc")
      yield* far.writerUnsafe.write("never heard")
      far.writerUnsafe.shutdown()
      const blocked = yield* Effect.forkChild(writer.write(new Uint8Array(1000)))
      yield* TestClock.adjust("1 day")
      assert.strictEqual(sink.text, "a")
      assert.deepStrictEqual(sink.log, ["chunk"])
      assert.isUndefined(pull.pollUnsafe())
      assert.isUndefined(blocked.pollUnsafe())
      yield* Fiber.interrupt(pull)
      yield* Fiber.interrupt(blocked)
    }).pipe(Effect.provide(memory))
  )

  it.effect("drops a closed socket after the linger timeout, even in a black hole", () =>
    Effect.gen(function* () {
      const { sink } = yield* Effect.scoped(
        Effect.tap(connect({ outbound: { blackholeAfter: 0 }, lingerTimeout: "5 seconds" }), ({ writer }) =>
          writer.write("lost")
        )
      )
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(sink.log, [])
      yield* TestClock.adjust("1 second")
      yield* sink.closed
      assert.strictEqual(sink.bytes, 0)
    }).pipe(Effect.provide(memory))
  )

  it.effect("passes nothing while the gate is closed", () =>
    Effect.gen(function* () {
      const gate = Latch.makeUnsafe(true)
      const { writer, sink } = yield* connect({ gate })
      yield* writer.write("a")
      yield* settle
      gate.closeUnsafe()
      yield* writer.write("b")
      yield* settle
      assert.strictEqual(sink.text, "a")
      gate.openUnsafe()
      yield* settle
      assert.strictEqual(sink.text, "ab")
    }).pipe(Effect.provide(memory))
  )

  it.effect("cuts the same pieces from the same seed, and others from another", () =>
    Effect.gen(function* () {
      const sizes = Effect.fnUntraced(function* (seed: number) {
        const { writer, sink } = yield* connect({ seed, outbound: { chunkSize: [1, 100] } })
        const pieces: Array<number> = []
        sink.onBytes = (bytes) => void pieces.push(bytes.length)
        yield* writer.write(new Uint8Array(2000))
        yield* sink.until((self) => self.bytes === 2000)
        return pieces
      }, Effect.scoped)
      const first = yield* sizes(7)
      assert.isAbove(first.length, 20)
      assert.deepStrictEqual(yield* sizes(7), first)
      assert.notDeepEqual(yield* sizes(8), first)
    }).pipe(Effect.provide(memory))
  )

  it.effect.prop(
    "cuts and delays, but keeps every byte and their order",
    {
      chunks: Arbitrary.array(Arbitrary.schema(Schema.Uint8Array), { maxLength: 8 }),
      seed: Arbitrary.schema(Schema.Int),
      max: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 }))),
      late: Arbitrary.schema(Schema.Boolean)
    },
    ({ chunks, late, max, seed }) =>
      Effect.gen(function* () {
        const faults = { chunkSize: [1, max] as const, jitter: late ? ("10 millis" as const) : undefined }
        const { writer, sink } = yield* connect({ seed, outbound: faults })
        const sent: Array<number> = []
        const got: Array<number> = []
        sink.onBytes = (bytes) => {
          assert.isAtMost(bytes.length, max)
          got.push(...bytes)
        }
        for (const chunk of chunks) {
          sent.push(...chunk)
          yield* writer.write(chunk)
        }
        yield* writer.write(new Socket.CloseEvent())
        if (late) yield* TestClock.adjust("10 millis")
        yield* sink.until((self) => self.log.includes("end"))
        assert.deepStrictEqual(got, sent)
      }).pipe(Effect.scoped, Effect.provide(Layer.fresh(memory))),
    { arbitrary: { runs: process.env.CI ? 1000 : 200 } }
  )

  it.effect("makes a socket faulty that only pulls", () =>
    Effect.gen(function* () {
      const server = yield* SocketServer.SocketServer
      yield* Effect.forkScoped(
        server.run(
          Effect.fnUntraced(function* (socket) {
            const { pull } = yield* socket.reader
            const { writeAll } = yield* socket.writer
            yield* Effect.flatMap(pull, writeAll).pipe(Effect.forever, Effect.ignore)
          }, Effect.scoped)
        )
      )
      const pushing = yield* Dialer.use((dialer) => dialer.dial(server.address))
      const pulling = Socket.make({
        reader: Effect.map(pushing.reader, ({ pull, upgrade }) => ({ pull, upgrade })),
        writer: Effect.map(pushing.writer, ({ write, writeAll }) => ({ write, writeAll }))
      })
      const socket = FaultInjection.make(pulling, { both: { chunkSize: 1 } })
      const reader = yield* socket.reader
      yield* (yield* socket.writer).write("echo")
      let got = ""
      while (got.length < 4) {
        for (const bytes of yield* reader.pull) got += new TextDecoder().decode(bytes as Uint8Array)
      }
      assert.strictEqual(got, "echo")
    }).pipe(Effect.provide(memory))
  )
})
