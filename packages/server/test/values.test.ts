/**
 * What programs hand to a server, to its connections and to topics: a value that cannot be used is a defect of the
 * fiber that hands it in, ends at most the connection it was for, and no other connection notices. On every kind of
 * server.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as CloseError from "@effect-ws/protocol/CloseError"
import type * as Message from "@effect-ws/protocol/Message"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Stream } from "effect"
import * as AuthNonces from "../src/AuthNonces.ts"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { network, quiet } from "@effect-ws/test-peers/InMemory"
import { captureLogs, connect, receiveText } from "@effect-ws/test-peers/Programs"
import type { Entry } from "@effect-ws/test-peers/Programs"
import { handled, start } from "./support/variants.ts"

const values: Readonly<Record<string, unknown>> = {
  "a number": 5,
  "an object": {},
  true: true,
  "an ArrayBuffer": new ArrayBuffer(4),
  "a long array-like": { length: 30_000 },
  "a text with a number": { _tag: "Text", data: 5 },
  "an array": [1]
}

const defectOf = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return assert.fail("expected a defect, found a success")
  const defect = Cause.squash(exit.cause)
  assert.isTrue(Cause.hasDies(exit.cause), Cause.pretty(exit.cause))
  return defect instanceof Error ? defect.message : String(defect)
}

for (const variant of handled) {
  describe(`the ${variant.name} server`, () => {
    const fails: Readonly<Record<string, (connection: Connection) => Effect.Effect<unknown, unknown>>> = {
      ...Object.fromEntries(
        Object.entries(values).map(([name, value]) => [
          `send of ${name}`,
          (connection: Connection) => connection.send(value as string)
        ])
      ),
      "close(1000, 5)": (connection) => connection.close(1000, 5 as never),
      'close("1000")': (connection) => connection.close("1000" as never),
      "a fragment size of NaN": (connection) => connection.send("x", { fragmentSize: Number.NaN })
    }
    for (const [name, act] of Object.entries(fails)) {
      it.effect(`closes with 1011 after ${name}, logs it, and serves the others`, () =>
        Effect.gen(function* () {
          const logs: Array<Entry> = []
          const handlers = {
            onMessage: (connection: Connection) =>
              connection.request.path === "/bad" ? act(connection) : connection.send("echo")
          }
          const server = yield* start(Layer.provide(variant.layer(handlers, { keepalive: false }), captureLogs(logs)))
          const other = yield* connect(server, { keepalive: false })
          const client = yield* connect(server, { keepalive: false, target: "/bad" })
          yield* Effect.forkScoped(Effect.ignore(Stream.runDrain(client.messages)))
          yield* other.send("one")
          yield* client.send("go")
          yield* quiet
          const { received } = yield* client.closed
          assert.deepStrictEqual(received, { code: 1011, reason: "" })
          const errors = logs.filter(({ level }) => level === "Error")
          assert.strictEqual(errors.length, 1)
          assert.include(Cause.pretty(errors[0]!.cause), "expected")
          assert.strictEqual(yield* receiveText(other), "echo")
        }).pipe(Effect.scoped, Effect.provide(network))
      )
    }

    it.effect("closes with the code of a typed close whose reason quotes more of the client than fits", () =>
      Effect.gen(function* () {
        const handlers = {
          onMessage: (_: Connection, { data }: Message.Message) =>
            Effect.fail(new CloseError.PolicyViolation({ reason: `bad message: ${data}` }))
        }
        const server = yield* start(variant.layer(handlers, { keepalive: false }))
        const client = yield* connect(server, { keepalive: false })
        yield* Effect.forkScoped(Effect.ignore(Stream.runDrain(client.messages)))
        yield* client.send("é".repeat(1000))
        yield* quiet
        const { received } = yield* client.closed
        assert.deepStrictEqual(received, { code: 1008, reason: `bad message: ${"é".repeat(55)}` })
      }).pipe(Effect.scoped, Effect.provide(network))
    )

    it.effect("dies in the caller's fiber for a broadcast of what cannot be sent", () =>
      Effect.gen(function* () {
        const server = yield* start(variant.layer({}, { keepalive: false }))
        const client = yield* connect(server, { keepalive: false })
        yield* quiet
        for (const value of Object.values(values)) {
          assert.include(defectOf(yield* Effect.exit(server.broadcast(value as string))), "message: expected")
        }
        assert.include(
          defectOf(yield* Effect.exit(server.broadcast("x", { maxQueuedBytes: Number.NaN }))),
          "maxQueuedBytes"
        )
        yield* server.broadcast("still here")
        assert.strictEqual(yield* receiveText(client), "still here")
      }).pipe(Effect.scoped, Effect.provide(network))
    )

    it.effect("dies in the caller's fiber for a drain that cannot be, and goes on", () =>
      Effect.gen(function* () {
        const server = yield* start(variant.layer({ onMessage: (c) => c.send("echo") }, { keepalive: false }))
        const client = yield* connect(server, { keepalive: false })
        assert.include(defectOf(yield* Effect.exit(server.drain({ code: 1005 }))), "close code 1005")
        assert.include(defectOf(yield* Effect.exit(server.drain({ code: "1001" as never }))), "close code")
        assert.include(defectOf(yield* Effect.exit(server.drain({ reason: "x".repeat(124) }))), "close reason")
        assert.include(defectOf(yield* Effect.exit(server.drain({ timeout: -1 }))), "timeout")
        yield* client.send("one")
        assert.strictEqual(yield* receiveText(client), "echo")
      }).pipe(Effect.scoped, Effect.provide(network))
    )

    for (const options of [
      { maxMessageSize: Number.NaN },
      { maxFragments: 0 },
      { receiveBufferSize: -1 },
      { writeHighWaterMark: Number.NaN },
      { maxBufferedBytes: "1" as never },
      { maxConnections: Number.NaN },
      { maxHandshakes: -1 },
      { broadcastBatchSize: 0 },
      { drainTimeout: -1 },
      { handlerTimeoutAfterClose: Number.NaN },
      { refusalLogInterval: -1 },
      { handshakeTimeout: "soon" as never },
      { closeTimeout: -1 },
      { writeTimeout: Number.NaN },
      { closeReplyTimeout: "-1 seconds" as const },
      { keepalive: { interval: -1 } },
      { keepalive: { timeout: Number.NaN } }
    ] satisfies ReadonlyArray<WebSocketServer.ServerOptions>) {
      const [name] = Object.keys(options)
      it.effect(`does not start with ${JSON.stringify(options)}`, () =>
        Effect.gen(function* () {
          assert.include(defectOf(yield* Effect.exit(start(variant.layer({}, options)))), `${name}`)
        }).pipe(Effect.scoped, Effect.provide(network))
      )
    }
  })
}

it.effect("a queue server does not start with an impossible number of workers or events per turn", () =>
  Effect.gen(function* () {
    for (const options of [{ workers: 0 }, { workers: Infinity }, { workers: 1.5 }, { maxEventsPerTurn: 0 }]) {
      const built = start(WebSocketServer.layerQueue<never, never>({}, options))
      assert.include(defectOf(yield* Effect.exit(built)), Object.keys(options)[0]!)
    }
  }).pipe(Effect.scoped, Effect.provide(network))
)

it.effect("nonces are not made of impossible options", () =>
  Effect.gen(function* () {
    for (const options of [{ lifetime: -1 }, { capacity: Number.NaN }]) {
      assert.include(defectOf(yield* Effect.exit(Layer.build(AuthNonces.layer(options)))), Object.keys(options)[0]!)
    }
  }).pipe(Effect.scoped)
)
