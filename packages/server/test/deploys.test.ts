/**
 * A deploy without a storm of clients: readiness ends first, the drain is paced, and a new server admits at a bounded
 * rate.
 */
import * as RestartReason from "@effect-ws/protocol/RestartReason"
import type { Connection } from "@effect-ws/connection/Connection"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { network, quiet } from "@effect-ws/test-peers/InMemory"
import { connect, echo, echoHandlers } from "@effect-ws/test-peers/Programs"
import * as RawPeer from "@effect-ws/test-peers/RawPeer"
import { requestHead } from "@effect-ws/test-peers/RawPeer"
import { start } from "./support/variants.ts"

const variants = [
  { name: "fiber", serve: (options?: WebSocketServer.ServerOptions) => start(WebSocketServer.layer(echo, options)) },
  {
    name: "queue",
    serve: (options?: WebSocketServer.ServerOptions) => start(WebSocketServer.layerQueue(echoHandlers, options))
  }
]

type Server = WebSocketServer.WebSocketServer["Service"]

const pass = (duration: string & Parameters<typeof TestClock.adjust>[0]) =>
  Effect.andThen(TestClock.adjust(duration), quiet)

/** The answer to a GET, or to a handshake. */
const ask = Effect.fnUntraced(function* (server: Server, request: string) {
  const peer = yield* RawPeer.dial(server.address)
  yield* peer.send(request)
  return yield* peer.head
})

const health = (server: Server) =>
  Effect.map(ask(server, "GET /ready HTTP/1.1\r\nHost: x\r\n\r\n"), ({ status }) => status)

describe.each(variants)("the $name server", ({ serve }) => {
  it.effect("is not ready before the first connection closes, then closes them evenly and asks each to wait", () =>
    Effect.gen(function* () {
      const server = yield* serve({ readyPath: "/ready" })
      const clients = yield* Effect.forEach(Array.from({ length: 40 }), () => connect(server))
      assert.deepStrictEqual([yield* server.isReady, yield* health(server)], [true, 200])
      const drain = yield* Effect.forkChild(
        server.drain({ notReadyFor: "5 seconds", over: "10 seconds", retryDelay: "4 seconds" }),
        { startImmediately: true }
      )
      yield* quiet
      assert.deepStrictEqual([yield* server.isReady, yield* health(server)], [false, 503])
      yield* pass("4 seconds")
      // Everything goes on: the load balancer may not have noticed.
      assert.lengthOf(yield* server.connections, 40)
      const late = yield* connect(server)
      yield* late.send("still here")
      assert.strictEqual((yield* late.receive).data, "still here")
      yield* late.close()
      yield* pass("1 seconds")
      for (let second = 1; second <= 10; second++) {
        yield* pass("1 seconds")
        assert.approximately((yield* server.connections).length, 40 - 4 * second, 1)
      }
      yield* pass("1 seconds")
      yield* Fiber.join(drain)
      const delays = yield* Effect.forEach(clients, (client) =>
        Effect.map(client.closed, ({ error }) => {
          assert.strictEqual(error.code, 1012)
          return RestartReason.delayOf(error.code, error.reason)
        })
      )
      assert.isAbove(new Set(delays).size, 30)
      assert.isAtMost(Math.max(...delays), 4000)
      assert.isAbove(Math.max(...delays), 3000)
      assert.isBelow(Math.min(...delays), 1000)
    }).pipe(Effect.provide(network))
  )

  it.effect("admits at a bounded rate: some wait for their turn, the rest is spread by Retry-After", () =>
    Effect.gen(function* () {
      const server = yield* serve({ maxHandshakesPerSecond: 10, maxHandshakes: 100 })
      const peers = yield* Effect.forEach(Array.from({ length: 60 }), () => RawPeer.dial(server.address))
      for (const peer of peers) yield* peer.send(requestHead())
      const heads = yield* Effect.forkChild(
        Effect.forEach(peers, (peer) => peer.head, { concurrency: "unbounded" }),
        {
          startImmediately: true
        }
      )
      yield* quiet
      // A tenth of a second's worth has no need to wait.
      assert.lengthOf(yield* server.connections, 2)
      yield* pass("500 millis")
      assert.lengthOf(yield* server.connections, 7)
      yield* pass("500 millis")
      assert.lengthOf(yield* server.connections, 12)
      const answers = yield* Fiber.join(heads)
      assert.lengthOf(
        answers.filter(({ status }) => status === 101),
        12
      )
      const waits = answers.flatMap(({ headers, status }) =>
        status === 503 ? [Number(headers.get("retry-after"))] : []
      )
      assert.lengthOf(waits, 48)
      // At 10 a second the last of 60 has its turn after 6 seconds, and no second has more than 10 of them.
      assert.strictEqual(Math.max(...waits), 6)
      for (let second = 2; second <= 6; second++) {
        assert.isAtMost(waits.filter((wait) => wait === second).length, 10)
      }
      // A health check and a page are no handshakes.
      yield* pass("1 seconds")
      const late: Connection = yield* connect(server)
      yield* late.send("x")
      assert.strictEqual((yield* late.receive).data, "x")
    }).pipe(Effect.provide(network))
  )
})
