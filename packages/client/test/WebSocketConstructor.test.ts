import type { Connection } from "@effect-ws/connection/Connection"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Queue, Scope } from "effect"
import { Socket } from "effect/socket"
import * as WebSocketConstructor from "../src/WebSocketConstructor.ts"
import { network, turn, until } from "./support/standard.ts"
import type { Network } from "./support/standard.ts"

const url = "ws://server.test/"

const test = (name: string, program: Effect.Effect<void, unknown, Network>): void => {
  it.live(name, () => program.pipe(Effect.scoped, Effect.provide(network)))
}

const serving = Effect.fnUntraced(function* (options?: WebSocketServer.ServerOptions) {
  const connections = yield* Queue.unbounded<Connection>()
  yield* WebSocketServer.make(
    (connection) => Effect.andThen(Queue.offer(connections, connection), connection.closed),
    options
  )
  return connections
})

describe("Effect's WebSocketConstructor", () => {
  test(
    "makes the sockets of Socket.makeWebSocket, with subprotocols and headers",
    Effect.gen(function* () {
      const connections = yield* serving({ subprotocols: ["chat"] })
      const socket = yield* Socket.makeWebSocket(url, { protocols: "chat", headers: { "X-Token": "1" } })
      const { pull } = yield* socket.reader
      const writer = yield* socket.writer
      const far = yield* Queue.take(connections)
      assert.strictEqual(far.subprotocol, "chat")
      assert.isTrue(far.request.headers.some(({ name, value }) => name === "X-Token" && value === "1"))
      yield* writer.writeAll(["text", Uint8Array.of(1, 2)])
      assert.deepStrictEqual([(yield* far.receive).data, (yield* far.receive).data], ["text", Uint8Array.of(1, 2)])
      yield* far.send(Uint8Array.of(3, 4))
      assert.deepStrictEqual(yield* pull, [Uint8Array.of(3, 4)])
      yield* far.close(4000, "bye")
      const { reason } = yield* Effect.flip(pull)
      assert.deepStrictEqual(reason._tag === "SocketCloseError" && [reason.code, reason.closeReason], [4000, "bye"])
    }).pipe(Effect.provide(WebSocketConstructor.layer()))
  )

  test(
    "says that there is no connection, and why",
    Effect.gen(function* () {
      const socket = yield* Socket.makeWebSocket("ws://server.test:81/")
      const { reason } = yield* Effect.flip(socket.reader)
      assert.strictEqual(reason._tag, "SocketOpenError")
      assert.propertyVal((reason as { readonly cause?: unknown }).cause, "type", "error")
    }).pipe(Effect.provide(WebSocketConstructor.layer()))
  )

  test(
    "slows the server down for a program that does not pull, and loses nothing",
    Effect.gen(function* () {
      const connections = yield* serving()
      const socket = yield* Socket.makeWebSocket(url, { highWaterMark: 10_000 })
      const { pull } = yield* socket.reader
      const far = yield* Queue.take(connections)
      let sent = 0
      yield* Effect.forkScoped(
        Effect.forEach(Array.from({ length: 1000 }), () =>
          Effect.tap(far.send(new Uint8Array(10_000)), () => Effect.sync(() => sent++))
        )
      )
      for (let turns = 0; turns < 200; turns++) yield* turn
      assert.isBelow(sent, 100)
      let received = 0
      while (received < 1000) received += (yield* pull).length
      assert.strictEqual(sent, 1000)
    }).pipe(Effect.provide(WebSocketConstructor.layer()))
  )

  test(
    "closes with 1001 when its Layer goes",
    Effect.gen(function* () {
      const connections = yield* serving()
      const scope = yield* Scope.make()
      const layer = yield* Layer.buildWithScope(WebSocketConstructor.layer(), scope)
      const socket = Context.get(layer, Socket.WebSocketConstructor)(url)
      const far = yield* Queue.take(connections)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual((yield* far.closed).received, { code: 1001, reason: "" })
      yield* until(() => socket.readyState === 3)
    })
  )
})
