import * as ClientSocket from "@effect-ws/client/ClientSocket"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Schedule, Scope, Stream } from "effect"
import { RpcClient, RpcSerialization } from "effect/rpc"
import { TestClock } from "effect/testing"
import { networks, Procedures, run, Server } from "../src/rpc.ts"

const expected = ["Hello Ada", "ada is 36", "NoSuchUser", "1 2 3 4 5"]

const clientOf = (url: string) =>
  RpcClient.layerProtocolSocket().pipe(Layer.provide([ClientSocket.layer(url), RpcSerialization.layerJson]))

describe("Effect RPC", () => {
  for (const [name, network] of Object.entries(networks)) {
    it.live(`runs unchanged over ${name}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* run, expected)
      }).pipe(Effect.provide(network))
    )
  }

  it.live("serves many calls at once, and long streams", () =>
    Effect.gen(function* () {
      const client = yield* RpcClient.make(Procedures)
      const names = Array.from({ length: 200 }, (_, n) => `user${n}`)
      const greetings = yield* Effect.forEach(names, (name) => client.Greet({ name }), { concurrency: "unbounded" })
      assert.deepStrictEqual(
        greetings,
        names.map((name) => `Hello ${name}`)
      )
      assert.strictEqual(yield* Stream.runCount(client.Count({ to: 20_000 })), 20_000)
    }).pipe(
      Effect.scoped,
      Effect.provide(Layer.merge(Server, clientOf("ws://memory/rpc"))),
      Effect.provide(networks.Memory)
    )
  )

  it.effect("fails calls while the server is away, and goes on when it is back", () =>
    Effect.gen(function* () {
      const server = yield* Scope.make()
      const listening = Layer.provide(Server, Memory.layerServer({ port: 80 }))
      yield* Layer.buildWithScope(listening, server)
      const client = yield* RpcClient.make(Procedures)
      assert.strictEqual(yield* client.Greet({ name: "one" }), "Hello one")

      yield* Scope.close(server, Exit.void)
      const lost = yield* Effect.flip(client.Greet({ name: "two" }))
      assert.strictEqual(lost._tag, "RpcClientError")

      yield* Layer.build(Layer.fresh(listening))
      yield* TestClock.adjust("1 second")
      const back = yield* Effect.forkChild(Effect.retry(client.Greet({ name: "three" }), Schedule.spaced("10 millis")))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(back), "Hello three")
    }).pipe(
      Effect.scoped,
      Effect.provide(clientOf("ws://memory/rpc")),
      Effect.provide(Memory.layerDialer.pipe(Layer.provideMerge(Memory.layerNetwork())))
    )
  )

  it.live("sees the refusal of a handshake as what keeps it from the server", () =>
    Effect.gen(function* () {
      const client = yield* RpcClient.make(Procedures)
      const error = yield* Effect.flip(client.Greet({ name: "one" }))
      assert.strictEqual(error._tag, "RpcClientError")
    }).pipe(
      Effect.scoped,
      Effect.provide(Layer.merge(Server, clientOf("ws://memory/elsewhere"))),
      Effect.provide(networks.Memory)
    )
  )
})
