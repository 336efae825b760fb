/** What the fiber server does with a handler record: a fiber for each batch of events, and what outlives it. */
import type { Connection } from "@effect-ws/connection/Connection"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Latch, Queue, References } from "effect"
import { WebSocketServer } from "../src/WebSocketServer.ts"
import * as Server from "../src/WebSocketServer.ts"
import { network } from "@effect-ws/test-peers/InMemory"
import { connect, receiveText } from "@effect-ws/test-peers/Programs"
import { start } from "./support/variants.ts"

const options = { keepalive: false } as const

describe("handlers on the fiber server", () => {
  it.effect("run in a fiber that ends with its batch", () =>
    Effect.gen(function* () {
      const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
      const server = yield* start(
        Server.layer(
          {
            onMessage: (connection, { data }) =>
              Effect.withFiber((fiber) => {
                fibers.push(fiber)
                return connection.send(data)
              })
          },
          options
        )
      )
      const client = yield* connect(server)
      for (const text of ["one", "two"]) {
        yield* client.send(text)
        assert.strictEqual(yield* receiveText(client), text)
      }
      assert.strictEqual(fibers.length, 2)
      assert.notStrictEqual(fibers[0], fibers[1])
      for (const fiber of fibers) assert.isDefined(fiber.pollUnsafe())
    }).pipe(Effect.scoped, Effect.provide(network))
  )

  it.effect("keep what onOpen and onMessage forked until the connection ends", () =>
    Effect.gen(function* () {
      const go = yield* Latch.make()
      const forked = yield* Queue.unbounded<Fiber.Fiber<void>>()
      const order: Array<string> = []
      const fork = (name: string, connection: Connection): Effect.Effect<void> =>
        Effect.forkChild(
          go.await.pipe(
            Effect.andThen(Effect.orDie(connection.send(name))),
            Effect.andThen(Effect.never),
            Effect.onInterrupt(() => Effect.sync(() => order.push(`interrupted ${name}`)))
          )
        ).pipe(
          Effect.andThen((fiber) => Queue.offer(forked, fiber)),
          Effect.asVoid
        )
      const closed = yield* Latch.make()
      const server = yield* start(
        Server.layer(
          {
            onOpen: (connection) => fork("open", connection),
            onMessage: (connection, { data }) =>
              Effect.andThen(fork(String(data), connection), connection.send(`got ${data}`)),
            onClose: () =>
              Effect.andThen(
                Effect.sync(() => order.push("closed")),
                closed.open
              )
          },
          options
        )
      )
      const client = yield* connect(server)
      yield* client.send("a")
      assert.strictEqual(yield* receiveText(client), "got a")
      yield* client.send("b")
      assert.strictEqual(yield* receiveText(client), "got b")
      yield* go.open
      const texts = [yield* receiveText(client), yield* receiveText(client), yield* receiveText(client)]
      assert.sameMembers(texts, ["open", "a", "b"])
      yield* client.close(1000)
      yield* closed.await
      assert.sameMembers(order.slice(0, 3), ["interrupted open", "interrupted a", "interrupted b"])
      assert.strictEqual(order[3], "closed")
      for (const fiber of yield* Queue.takeAll(forked)) assert.isDefined(fiber.pollUnsafe())
    }).pipe(Effect.scoped, Effect.provide(network))
  )

  it.effect("go on with a fiber for each batch when the forks are done", () =>
    Effect.gen(function* () {
      const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
      const work = yield* Latch.make()
      const forked = yield* Queue.unbounded<Fiber.Fiber<void>>()
      const server = yield* start(
        Server.layer(
          {
            onMessage: (connection, { data }) =>
              Effect.withFiber((fiber) => {
                fibers.push(fiber)
                const fork =
                  data === "fork"
                    ? Effect.flatMap(Effect.forkChild(work.await), (fiber) => Queue.offer(forked, fiber))
                    : Effect.void
                return Effect.andThen(fork, connection.send(data))
              })
          },
          options
        )
      )
      const client = yield* connect(server)
      const say = Effect.fnUntraced(function* (text: string) {
        yield* client.send(text)
        assert.strictEqual(yield* receiveText(client), text)
      })
      yield* say("fork")
      yield* say("while it runs")
      assert.strictEqual(fibers[1], fibers[0])
      yield* work.open
      yield* Fiber.join(yield* Queue.take(forked))
      yield* say("the last of this fiber")
      yield* say("new")
      assert.strictEqual(new Set(fibers).size, 2)
      assert.notStrictEqual(fibers[3], fibers[0])
    }).pipe(Effect.scoped, Effect.provide(network))
  )

  it.effect("have the connection's annotations, Scope and services in each batch", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const released = yield* Latch.make()
      const server = yield* start(
        Server.layer(
          {
            onMessage: Effect.fnUntraced(function* (connection, { data }) {
              yield* Effect.addFinalizer(() => released.open)
              const annotations = yield* References.CurrentLogAnnotations
              const own = yield* WebSocketServer
              seen.push([annotations["connection"] === connection.id, (yield* own.connections).length])
              yield* connection.send(data)
            })
          },
          options
        )
      )
      const client = yield* connect(server)
      for (const text of ["one", "two"]) {
        yield* client.send(text)
        assert.strictEqual(yield* receiveText(client), text)
      }
      assert.deepStrictEqual(seen, [
        [true, 1],
        [true, 1]
      ])
      assert.isFalse(released.isOpen())
      yield* client.close(1000)
      yield* released.await
    }).pipe(Effect.scoped, Effect.provide(network))
  )
})
