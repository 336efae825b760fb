/**
 * One Layer value of a server, given to several listeners. Effect builds a Layer value once, so a server would
 * otherwise accept on the first listener alone, and the others would accept connections that are never served.
 */
import * as Connect from "@effect-ws/connection/Connect"
import { Dialer } from "@effect-ws/transport/Dialer"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { echo, echoHandlers } from "@effect-ws/test-peers/Programs"

const connectTo = (port: number) =>
  Dialer.use(({ dial }) =>
    Effect.flatMap(dial({ host: "a.test", port }), (socket) => Connect.connect(socket, `ws://a.test:${port}/`))
  )

const on = (port: number) => Memory.layerServer({ port })

describe.each([
  ["fiber", WebSocketServer.layer(echo)],
  ["queue", WebSocketServer.layerQueue(echoHandlers)]
] as const)("one Layer of a %s server", (_, server) => {
  it.effect("serves each listener that it is given", () =>
    Effect.gen(function* () {
      const one = server.pipe(Layer.provide(on(1)))
      const two = server.pipe(Layer.provide(on(2)))
      yield* Layer.build(Layer.merge(one, two))
      for (const port of [1, 2]) {
        const connection = yield* connectTo(port)
        yield* connection.send(`hello ${port}`)
        assert.strictEqual((yield* connection.receive).data, `hello ${port}`)
        yield* connection.close()
      }
    }).pipe(Effect.provide(Memory.layerDialer.pipe(Layer.provideMerge(Memory.layerNetwork()))))
  )

  it.effect("is one server for all who need it on one listener", () =>
    Effect.gen(function* () {
      const need = Layer.effectDiscard(WebSocketServer.WebSocketServer).pipe(Layer.provide(server))
      const context = yield* Layer.build(Layer.merge(need, server).pipe(Layer.provide(on(1))))
      const connection = yield* connectTo(1)
      yield* connection.send("hello")
      assert.strictEqual((yield* connection.receive).data, "hello")
      assert.lengthOf(yield* Context.get(context, WebSocketServer.WebSocketServer).connections, 1)
      yield* connection.close()
    }).pipe(Effect.provide(Memory.layerDialer.pipe(Layer.provideMerge(Memory.layerNetwork()))))
  )
})
