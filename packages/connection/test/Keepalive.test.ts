import * as Frame from "@effect-ws/protocol/Frame"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { pair } from "./support/pair.ts"

const keepalive = { idle: "20 seconds", timeout: "10 seconds" } as const

const pingsOf = (frames: ReadonlyArray<{ readonly _tag: string }>): number =>
  frames.filter((event) => event._tag === "Ping").length

describe("keepalive", () => {
  it.effect("asks a silent peer, and takes its pong for life", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({ keepalive })
      const seen: Array<{ readonly _tag: string }> = []
      yield* Effect.forkScoped(
        Stream.runForEach(client.events(["Ping"]), (event) => Effect.sync(() => seen.push(event)))
      )
      yield* Effect.forkScoped(Stream.runDrain(server.messages))
      yield* TestClock.adjust("19 seconds")
      assert.strictEqual(pingsOf(seen), 0)
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(pingsOf(seen), 1)
      yield* TestClock.adjust("100 seconds")
      assert.isAtLeast(pingsOf(seen), 4)
      assert.strictEqual(Duration.toMillis(server.latency ?? Duration.infinity), 0)
      const closure = yield* client.close(1000)
      assert.isTrue(closure.clean)
    }).pipe(Effect.provide(Memory.layer({ port: 80 })))
  )

  it.effect("any byte is life: a peer that talks is not asked", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({ keepalive })
      const seen: Array<{ readonly _tag: string }> = []
      yield* Effect.forkScoped(
        Stream.runForEach(client.events(["Ping"]), (event) => Effect.sync(() => seen.push(event)))
      )
      yield* Effect.forkScoped(Stream.runDrain(server.messages))
      for (let at = 0; at < 20; at++) {
        yield* client.send("still here")
        yield* TestClock.adjust("10 seconds")
      }
      assert.strictEqual(pingsOf(seen), 0)
    }).pipe(Effect.provide(Memory.layer({ port: 80 })))
  )

  it.effect("fails with 1011 when a peer is silent after the ping", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({ keepalive })
      // A program that answers no ping: it takes frames by hand and its session is never told to read.
      const ended = yield* Effect.forkScoped(Effect.flip(Stream.runDrain(server.messages)))
      yield* Effect.sync(() => (client as unknown as { reader: { pause(): void } }).reader.pause())
      yield* TestClock.adjust("60 seconds")
      const error = yield* Fiber.join(ended)
      assert.strictEqual(error._tag, "InternalError")
      assert.strictEqual(error.reason, "keepalive timeout")
      const closure = yield* server.closed
      assert.isTrue(closure.failed)
      assert.strictEqual(closure.initiator, "local")
      assert.deepStrictEqual(closure.sent, { code: 1011, reason: "keepalive timeout" })
    }).pipe(Effect.provide(Memory.layer({ port: 80 })))
  )

  it.effect("a peer that waits for us to read is not silent", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({ keepalive, inboundBuffer: 10 })
      yield* client.send("more than ten bytes, and nobody reads them")
      yield* TestClock.adjust("200 seconds")
      assert.strictEqual((yield* server.receive).data, "more than ten bytes, and nobody reads them")
      yield* server.sendFrame(Frame.text("and back"))
      assert.strictEqual((yield* client.receive).data, "and back")
    }).pipe(Effect.provide(Memory.layer({ port: 80 })))
  )

  it.effect("is off when told so", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({ keepalive: false })
      const seen: Array<{ readonly _tag: string }> = []
      yield* Effect.forkScoped(
        Stream.runForEach(client.events(["Ping"]), (event) => Effect.sync(() => seen.push(event)))
      )
      yield* Effect.forkScoped(Stream.runDrain(server.messages))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(pingsOf(seen), 0)
    }).pipe(Effect.provide(Memory.layer({ port: 80 })))
  )
})
