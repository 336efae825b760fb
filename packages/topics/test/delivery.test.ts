/**
 * Topics and broadcasts over both kinds of server: who gets what, in which order, and what becomes of those that are
 * behind, to the message.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as PreparedMessage from "@effect-ws/protocol/PreparedMessage"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Queue, Scope, Stream } from "effect"
import type { Cause } from "effect"
import { TestClock } from "effect/testing"
import type { Handlers } from "@effect-ws/server/Handlers"
import * as Topics from "../src/Topics.ts"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { quiet } from "@effect-ws/test-peers/InMemory"
import { connect, patterned, receiveText } from "@effect-ws/test-peers/Programs"
import * as RawPeer from "@effect-ws/test-peers/RawPeer"
import { handled } from "./support/variants.ts"

// Pipes so narrow that one who does not read is behind after a few short messages.
const network = Layer.fresh(Memory.layer({ port: 0, pipeSize: 100, readAhead: 1 }))

const everyone = (subscribers: number, rest: Partial<Topics.PublishResult> = {}): Topics.PublishResult => ({
  subscribers,
  delivered: subscribers,
  queued: 0,
  dropped: 0,
  disconnected: 0,
  closed: 0,
  ...rest
})

const numbers = (from: number, to: number): ReadonlyArray<string> =>
  Array.from({ length: to - from }, (_, n) => `${from + n}`.padEnd(50))

for (const variant of handled) {
  const test = (
    name: string,
    program: Effect.Effect<void, unknown, Layer.Success<typeof network> | Scope.Scope>
  ): void => {
    it.effect(name, () => program.pipe(Effect.provide(network)), 20_000)
  }

  /** A server whose ends of connections the test holds. */
  const start = Effect.fnUntraced(function* (options?: WebSocketServer.ServerOptions & Topics.TopicsOptions) {
    const accepted = yield* Queue.unbounded<Connection>()
    const handlers: Handlers = {
      onOpen: (connection) => Queue.offer(accepted, connection),
      onMessage: (connection, message) => Effect.ignore(connection.send(message))
    }
    const server = Context.get(
      yield* Layer.build(variant.layer(handlers, { writeHighWaterMark: 1, keepalive: false, ...options })),
      WebSocketServer.WebSocketServer
    )
    const topics = yield* Topics.make(options)
    const reader = Effect.gen(function* () {
      const client = yield* connect(server)
      return { client, connection: yield* Queue.take(accepted) }
    })
    /** A peer that reads only when the test does. */
    const sluggard = Effect.gen(function* () {
      const peer = yield* RawPeer.upgrade(server.address)
      return { peer, connection: yield* Queue.take(accepted) }
    })
    return { server, topics, reader, sluggard }
  })

  const readTexts = (peer: RawPeer.RawPeer, count: number): Effect.Effect<ReadonlyArray<string>, unknown> =>
    Effect.forEach(Array.from({ length: count }), () => Effect.map(peer.frame, (frame) => frame.payload.toString()))

  const take = (connection: Connection, count: number): Effect.Effect<ReadonlyArray<unknown>, unknown> =>
    Effect.map(Stream.runCollect(Stream.take(connection.messages, count)), (messages) =>
      messages.map((message) => message.data)
    )

  describe(`Topics, ${variant.name}`, () => {
    test(
      "reach those who subscribed, and no others",
      Effect.gen(function* () {
        const { reader, topics } = yield* start()
        const [a, b, c] = [yield* reader, yield* reader, yield* reader]
        yield* topics.subscribe(a.connection, "x")
        yield* topics.subscribe(b.connection, "x")
        yield* topics.subscribe(b.connection, "y")
        yield* topics.subscribe(c.connection, "y")
        assert.deepStrictEqual(yield* topics.publish("x", "one"), everyone(2))
        assert.deepStrictEqual(yield* topics.publish("y", "two"), everyone(2))
        assert.deepStrictEqual(yield* topics.publish("z", "three"), everyone(0))
        assert.deepStrictEqual(yield* topics.publish("x", "four", { except: a.connection }), everyone(1))
        assert.deepStrictEqual(yield* take(b.client, 3), ["one", "two", "four"])
        assert.isTrue(yield* topics.unsubscribe(b.connection, "x"))
        assert.isFalse(yield* topics.unsubscribe(b.connection, "x"))
        assert.deepStrictEqual(yield* topics.publish("x", "five"), everyone(1))
        assert.deepStrictEqual(yield* take(a.client, 2), ["one", "five"])
        yield* c.connection.send("last")
        assert.deepStrictEqual(yield* take(c.client, 2), ["two", "last"])

        assert.deepStrictEqual(yield* topics.names, ["x", "y"])
        assert.strictEqual(yield* topics.subscribers("y"), 2)
        const subscriptions = yield* topics.subscriptions(b.connection)
        assert.deepStrictEqual(
          subscriptions.map(({ dropped, isActive, queued, topic }) => [topic, isActive, queued, dropped]),
          [["y", true, 0, 0]]
        )
      })
    )

    test(
      "are left when the connection closes, on either side, and by the service's end",
      Effect.gen(function* () {
        const { reader, topics } = yield* start()
        const [a, b, c] = [yield* reader, yield* reader, yield* reader]
        const subscription = yield* topics.subscribe(a.connection, "x")
        yield* topics.subscribe(a.connection, "y")
        for (const { connection } of [b, c]) yield* topics.subscribe(connection, "x")
        yield* a.client.close()
        yield* a.connection.closed
        assert.isFalse(subscription.isActive)
        assert.deepStrictEqual(yield* topics.names, ["x"])
        assert.strictEqual(yield* topics.subscribers("x"), 2)
        yield* b.connection.abort()
        assert.strictEqual(yield* topics.subscribers("x"), 1)
        assert.deepStrictEqual(yield* topics.publish("x", "hello"), everyone(1))
        yield* Effect.forkScoped(c.connection.close(), { startImmediately: true })
        assert.deepStrictEqual(yield* topics.publish("x", "hello"), everyone(1, { delivered: 0, closed: 1 }))
        assert.deepStrictEqual(yield* Stream.runCollect(c.client.messages), [{ _tag: "Text", data: "hello" }])
        yield* c.connection.closed
        assert.deepStrictEqual(yield* topics.names, [])
        const late = yield* topics.subscribe(c.connection, "x")
        assert.isFalse(late.isActive)
        assert.deepStrictEqual(yield* topics.names, [])
        assert.deepStrictEqual(yield* topics.subscriptions(c.connection), [])
      })
    )

    test(
      "keep their order under concurrent publishers, across slices, and each is told the same of all",
      Effect.gen(function* () {
        const { reader, topics } = yield* start({ batchSize: 3 })
        const readers = yield* Effect.forEach(Array.from({ length: 7 }), () => reader)
        for (const { connection } of readers) yield* topics.subscribe(connection, "x", { onSlowSubscriber: "wait" })
        const publishing = yield* Effect.forkScoped(
          Effect.forEach(
            ["a", "b", "c", "d"],
            (publisher) =>
              Effect.forEach(Array.from({ length: 50 }), (_, n) => topics.publish("x", `${publisher}${n}`)),
            { concurrency: "unbounded" }
          )
        )
        const received = yield* Effect.forEach(readers, ({ client }) => take(client, 200), { concurrency: "unbounded" })
        const accounts = (yield* Fiber.join(publishing)).flat()
        for (const account of accounts) assert.deepStrictEqual(account, everyone(7))
        const [first, ...others] = received
        for (const texts of others) assert.deepStrictEqual(texts, first)
        for (const publisher of ["a", "b", "c", "d"]) {
          assert.deepStrictEqual(
            first!.filter((text) => String(text).startsWith(publisher)),
            Array.from({ length: 50 }, (_, n) => `${publisher}${n}`)
          )
        }
      })
    )

    test(
      "let others go on between slices",
      Effect.gen(function* () {
        const { reader, topics } = yield* start({ batchSize: 1 })
        const readers = yield* Effect.forEach(Array.from({ length: 100 }), () => reader)
        for (const { connection } of readers) yield* topics.subscribe(connection, "x")
        const other = yield* reader
        const publishing = yield* Effect.forkScoped(topics.publish("x", "news"), { startImmediately: true })
        yield* Effect.promise(() => new Promise(setImmediate))
        yield* other.client.send("echo")
        assert.strictEqual(yield* receiveText(other.client), "echo")
        assert.isUndefined(publishing.pollUnsafe())
        // Who comes during a publication does not get it.
        yield* topics.subscribe(other.connection, "x")
        assert.deepStrictEqual(yield* Fiber.join(publishing), everyone(100))
        assert.deepStrictEqual(yield* topics.publish("x", "more"), everyone(101))
        assert.strictEqual(yield* receiveText(other.client), "more")
      })
    )

    test(
      "drop the oldest for one that is behind, and count each",
      Effect.gen(function* () {
        const { reader, sluggard, topics } = yield* start()
        const [fast, slow] = [yield* reader, yield* sluggard]
        yield* topics.subscribe(fast.connection, "x")
        const options: Topics.SubscribeOptions = { maxQueuedMessages: 5 }
        const subscription = yield* topics.subscribe(slow.connection, "x", options)
        const total = { delivered: 0, queued: 0, dropped: 0 }
        for (const text of numbers(0, 40)) {
          const account = yield* topics.publish("x", text)
          assert.strictEqual(yield* receiveText(fast.client), text)
          assert.strictEqual(account.delivered + account.queued, 2)
          total.delivered += account.delivered - 1
          total.queued += account.queued
          total.dropped += account.dropped
        }
        assert.strictEqual(total.delivered + total.queued, 40)
        assert.strictEqual(total.queued - total.dropped, 5)
        assert.strictEqual(subscription.dropped, total.dropped)
        assert.strictEqual(subscription.queued, 5)
        assert.strictEqual(yield* topics.dropped, total.dropped)
        assert.isAbove(total.dropped, 20)
        assert.deepStrictEqual(yield* readTexts(slow.peer, total.delivered + 5), [
          ...numbers(0, total.delivered),
          ...numbers(35, 40)
        ])
        // It has caught up.
        yield* quiet
        assert.strictEqual(subscription.queued, 0)
        assert.deepStrictEqual(yield* topics.publish("x", "again"), everyone(2))
        assert.deepStrictEqual(yield* readTexts(slow.peer, 1), ["again"])
        yield* slow.connection.abort()
        assert.strictEqual(yield* topics.dropped, total.dropped)
      })
    )

    test(
      "keep bytes that wait within bounds, drop what is longer than all of them, and give up the queue of one that leaves",
      Effect.gen(function* () {
        const { sluggard, topics } = yield* start({ maxQueuedBytes: 120 })
        const slow = yield* sluggard
        const subscription = yield* topics.subscribe(slow.connection, "x")
        while (subscription.queued === 0) yield* topics.publish("x", "".padEnd(50))
        assert.deepStrictEqual(yield* topics.publish("x", "".padEnd(50)), everyone(1, { delivered: 0, queued: 1 }))
        assert.deepStrictEqual(
          yield* topics.publish("x", "".padEnd(121)),
          everyone(1, { delivered: 0, queued: 0, dropped: 1 })
        )
        assert.deepStrictEqual(
          yield* topics.publish("x", "".padEnd(120)),
          everyone(1, { delivered: 0, queued: 1, dropped: 2 })
        )
        assert.strictEqual(subscription.queued, 1)
        assert.strictEqual(subscription.dropped, 3)
        yield* topics.unsubscribe(slow.connection, "x")
        assert.strictEqual(subscription.queued, 0)
        assert.isFalse(subscription.isActive)
      })
    )

    test(
      "keep the order of messages that wait across topics",
      Effect.gen(function* () {
        const { sluggard, topics } = yield* start()
        const slow = yield* sluggard
        for (const topic of ["x", "y"]) yield* topics.subscribe(slow.connection, topic)
        for (const [at, text] of numbers(0, 30).entries()) yield* topics.publish(at % 3 === 0 ? "y" : "x", text)
        assert.deepStrictEqual(yield* readTexts(slow.peer, 30), numbers(0, 30))
      })
    )

    test(
      "wait for one that is behind, when all others were served",
      Effect.gen(function* () {
        const { reader, sluggard, topics } = yield* start()
        const slow = yield* sluggard
        const fast = yield* reader
        yield* topics.subscribe(slow.connection, "x", { onSlowSubscriber: "wait" })
        yield* topics.subscribe(fast.connection, "x", { onSlowSubscriber: "wait" })
        const done: Array<Topics.PublishResult> = []
        const publishing = yield* Effect.forkScoped(
          Effect.forEach(numbers(0, 20), (text) =>
            Effect.map(topics.publish("x", text), (account) => done.push(account))
          )
        )
        const read: Array<string> = []
        const fastReading = yield* Effect.forkScoped(
          Stream.runForEach(fast.client.messages, (message) => Effect.sync(() => read.push(String(message.data))))
        )
        yield* quiet
        const served = done.length
        assert.isBelow(served, 10)
        assert.isUndefined(publishing.pollUnsafe())
        // The one that is waited for is behind; the other has it.
        assert.deepStrictEqual(read, numbers(0, served + 1))
        // Another publisher's message does not wait behind it, except at the slow connection.
        const other = yield* Effect.forkScoped(topics.publish("x", "other"))
        yield* quiet
        assert.strictEqual(read.at(-1), "other")
        assert.isUndefined(other.pollUnsafe())
        const reading = yield* Effect.forkScoped(readTexts(slow.peer, 21))
        yield* Fiber.join(publishing)
        for (const account of [...done, yield* Fiber.join(other)]) assert.deepStrictEqual(account, everyone(2))
        const texts = yield* Fiber.join(reading)
        assert.deepStrictEqual(
          texts.filter((text) => text !== "other"),
          numbers(0, 20)
        )
        assert.strictEqual(texts[served + 1], "other")
        yield* quiet
        assert.deepStrictEqual(read, texts)
        yield* Fiber.interrupt(fastReading)
      })
    )

    test(
      "close one that is waited for too long with 1013, and go on",
      Effect.gen(function* () {
        const { sluggard, topics } = yield* start()
        const [slow, slower] = [yield* sluggard, yield* sluggard]
        yield* topics.subscribe(slow.connection, "x", { onSlowSubscriber: "wait", backpressureTimeout: "3 seconds" })
        yield* topics.subscribe(slower.connection, "x", { onSlowSubscriber: "wait", backpressureTimeout: "5 seconds" })
        const publishing = yield* Effect.forkScoped(
          Effect.gen(function* () {
            for (;;) {
              const account = yield* topics.publish("x", "".padEnd(50))
              if (account.disconnected > 0) return account
            }
          })
        )
        yield* quiet
        yield* TestClock.adjust("2999 millis")
        assert.isTrue(slow.connection.latency === undefined && publishing.pollUnsafe() === undefined)
        yield* TestClock.adjust("1 millis")
        const reading = yield* Effect.forkScoped(slow.peer.rest)
        yield* quiet
        assert.isUndefined(publishing.pollUnsafe())
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(yield* Fiber.join(publishing), everyone(2, { delivered: 0, disconnected: 2 }))
        yield* TestClock.adjust("20 seconds")
        const closeInfo = yield* slow.connection.closed
        assert.deepStrictEqual(closeInfo.sent, { code: 1013, reason: "the peer does not read what it is sent" })
        assert.strictEqual(closeInfo.error._tag, "TryAgainLater")
        assert.match((yield* Fiber.join(reading)).frames.at(-1)!, /^close 1013/)
        assert.deepStrictEqual(yield* topics.names, [])
      })
    )

    test(
      "take a message back from one that is waited for when the publisher is interrupted",
      Effect.gen(function* () {
        const { reader, sluggard, topics } = yield* start()
        const [fast, slow] = [yield* reader, yield* sluggard]
        const subscription = yield* topics.subscribe(slow.connection, "x", { onSlowSubscriber: "wait" })
        let sent = 0
        for (;;) {
          const exit = yield* Effect.forkScoped(topics.publish("x", numbers(sent, sent + 1)[0]!))
          yield* quiet
          if (exit.pollUnsafe() === undefined) {
            yield* topics.subscribe(fast.connection, "x")
            const other = yield* Effect.forkScoped(topics.publish("x", "other"))
            yield* quiet
            yield* Fiber.interrupt(exit)
            yield* Fiber.interrupt(other)
            break
          }
          sent++
        }
        assert.deepStrictEqual(yield* take(fast.client, 1), ["other"])
        assert.deepStrictEqual(yield* readTexts(slow.peer, sent), numbers(0, sent))
        assert.deepStrictEqual(yield* topics.publish("x", "end"), everyone(2))
        assert.deepStrictEqual(yield* readTexts(slow.peer, 1), ["end"])
        assert.strictEqual(subscription.queued, 0)
      })
    )

    test(
      "disconnect one that is further behind than it may be, with 1013",
      Effect.gen(function* () {
        const { reader, sluggard, topics } = yield* start()
        const [fast, slow] = [yield* reader, yield* sluggard]
        yield* topics.subscribe(fast.connection, "x")
        yield* topics.subscribe(slow.connection, "x", { onSlowSubscriber: "disconnect", maxQueuedMessages: 2 })
        const accounts: Array<Topics.PublishResult> = []
        for (const text of numbers(0, 11)) {
          accounts.push(yield* topics.publish("x", text))
          assert.strictEqual(yield* receiveText(fast.client), text)
        }
        const at = accounts.findIndex((account) => account.disconnected > 0)
        assert.deepStrictEqual(accounts.slice(at - 2), [
          everyone(2, { delivered: 1, queued: 1 }),
          everyone(2, { delivered: 1, queued: 1 }),
          everyone(2, { delivered: 1, disconnected: 1 }),
          ...Array.from({ length: 10 - at }, () => everyone(1))
        ])
        assert.strictEqual((yield* slow.connection.closed).error._tag, "TryAgainLater")
        const { frames } = yield* slow.peer.rest
        assert.strictEqual(frames.at(-1), "close 1013 the peer does not read what it is sent")
        assert.strictEqual(frames.length, at - 2 + 1)
        assert.strictEqual(yield* topics.subscribers("x"), 1)
      })
    )

    test(
      "wait while a message is being sent in pieces, and follow it",
      Effect.gen(function* () {
        const { reader, topics } = yield* start()
        const { client, connection } = yield* reader
        const subscription = yield* topics.subscribe(connection, "x")
        const pieces = yield* Queue.unbounded<string, Cause.Done>()
        yield* Effect.forkScoped(connection.sendStream({ _tag: "Text", chunks: Stream.fromQueue(pieces) }))
        yield* Queue.offer(pieces, "half, ")
        yield* quiet
        assert.deepStrictEqual(yield* topics.publish("x", "news"), everyone(1, { delivered: 0, queued: 1 }))
        assert.strictEqual(subscription.queued, 1)
        yield* Queue.offer(pieces, "whole")
        yield* Queue.end(pieces)
        assert.deepStrictEqual(yield* take(client, 2), ["half, whole", "news"])
      })
    )

    test(
      "send large messages by reference, and leave them as they are",
      Effect.gen(function* () {
        const { reader, topics } = yield* start({ writeHighWaterMark: 1 << 20 })
        const readers = yield* Effect.forEach(Array.from({ length: 3 }), () => reader)
        for (const { connection } of readers) yield* topics.subscribe(connection, "x")
        const bytes = patterned(200_000)
        const expected = Buffer.from(bytes)
        const prepared = PreparedMessage.make(bytes)
        bytes.fill(0)
        for (let round = 0; round < 2; round++) {
          const publishing = yield* Effect.forkScoped(topics.publish("x", prepared))
          for (const { client } of readers) {
            const message = yield* client.receive
            assert.isTrue(message._tag === "Binary" && expected.equals(message.data))
            // What a client received is its own.
            if (message._tag === "Binary") message.data.fill(1)
            yield* client.send(prepared)
            const echo = yield* client.receive
            assert.isTrue(echo._tag === "Binary" && expected.equals(echo.data))
          }
          assert.deepStrictEqual(yield* Fiber.join(publishing), everyone(3))
        }
        assert.isTrue(expected.equals(prepared.payload))
      })
    )

    test(
      "are bounded for each connection, and subscribing again changes the options",
      Effect.gen(function* () {
        const { reader, topics } = yield* start({ maxSubscriptions: 2 })
        const { connection } = yield* reader
        const first = yield* topics.subscribe(connection, "a")
        yield* topics.subscribe(connection, "b")
        const error = yield* Effect.flip(topics.subscribe(connection, "c"))
        assert.strictEqual(
          error.message,
          'cannot subscribe to "c": the connection has 2 subscriptions (maxSubscriptions)'
        )
        assert.strictEqual(yield* topics.subscribe(connection, "a", { onSlowSubscriber: "wait" }), first)
        assert.strictEqual(yield* topics.subscribers("c"), 0)
      })
    )

    test(
      "broadcast to all connections but one, with a policy for those that are behind",
      Effect.gen(function* () {
        const { reader, server, sluggard } = yield* start({ broadcastBatchSize: 2 })
        const readers = yield* Effect.forEach(Array.from({ length: 5 }), () => reader)
        const slow = yield* sluggard
        assert.deepStrictEqual(yield* server.broadcast("hello", { except: readers[0]!.connection }), everyone(5))
        for (const { client } of readers.slice(1)) assert.strictEqual(yield* receiveText(client), "hello")
        yield* readers[0]!.connection.send("alone")
        assert.strictEqual(yield* receiveText(readers[0]!.client), "alone")

        const total = { queued: 0, dropped: 0 }
        for (const text of numbers(0, 20)) {
          const account = yield* server.broadcast(text, { maxQueuedMessages: 3 })
          for (const { client } of readers) assert.strictEqual(yield* receiveText(client), text)
          total.queued += account.queued
          total.dropped += account.dropped
        }
        assert.strictEqual(total.queued - total.dropped, 3)
        const got = yield* readTexts(slow.peer, 1 + 20 - total.dropped)
        assert.deepStrictEqual(got, ["hello", ...numbers(0, 20 - total.queued), ...numbers(17, 20)])
        assert.deepStrictEqual(yield* server.broadcast("bye", { onSlowSubscriber: "wait" }), everyone(6))
        assert.deepStrictEqual(yield* readTexts(slow.peer, 1), ["bye"])
      })
    )
  })
}

describe("Topics", () => {
  it.effect("let publishers go on when the service ends", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const topics = yield* Scope.provide(Topics.make({ batchSize: 1 }), scope)
      const server = Context.get(
        yield* Layer.build(
          WebSocketServer.layer((connection) =>
            Effect.andThen(topics.subscribe(connection, "x", { onSlowSubscriber: "wait" }), connection.closed)
          )
        ),
        WebSocketServer.WebSocketServer
      )
      const clients = yield* Effect.forEach(Array.from({ length: 20 }), () => connect(server))
      yield* quiet
      assert.strictEqual(yield* topics.subscribers("x"), 20)
      const publishing = yield* Effect.forkScoped(topics.publish("x", "news"), { startImmediately: true })
      yield* Effect.promise(() => new Promise(setImmediate))
      yield* Scope.close(scope, Exit.void)
      const account = yield* Fiber.join(publishing)
      assert.isBelow(account.delivered, 20)
      assert.strictEqual(account.delivered, account.subscribers)
      assert.deepStrictEqual(yield* topics.names, [])
      assert.deepStrictEqual(yield* topics.publish("x", "nobody"), everyone(0))
      for (const client of clients) yield* client.close()
    }).pipe(Effect.provide(Layer.fresh(Memory.layer({ port: 0 }))))
  )
})
