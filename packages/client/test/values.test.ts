/**
 * What programs hand to a client: options and messages that cannot be used are defects of the calling fiber.
 */
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Dialer from "@effect-ws/transport/Dialer"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer } from "effect"
import * as Client from "../src/Client.ts"
import * as HappyEyeballs from "../src/HappyEyeballs.ts"
import * as Reconnect from "../src/Reconnect.ts"
import * as WebSocketClass from "../src/WebSocketClass.ts"

const network = Layer.fresh(Memory.layer({ port: 80 }))
const server = Layer.provideMerge(
  WebSocketServer.layer((connection) => connection.closed, { keepalive: false }),
  network
)

const defectOf = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return assert.fail("expected a defect, found a success")
  assert.isTrue(Cause.hasDies(exit.cause), Cause.pretty(exit.cause))
  return String(Cause.squash(exit.cause))
}

for (const options of [
  { connectTimeout: -1 },
  { maxRedirects: Number.NaN },
  { maxBodyBytes: -1 },
  { bodyTimeout: Number.NaN },
  { handshakeTimeout: -1 },
  { maxInterimResponses: Number.NaN },
  { maxHeaderBytes: Number.NaN },
  { maxMessageSize: Number.NaN },
  { keepalive: { interval: -1 } },
  { closeTimeout: "soon" as never }
] satisfies ReadonlyArray<Client.ClientOptions>) {
  it.effect(`does not connect with ${JSON.stringify(options)}`, () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Client.connect("ws://localhost/", options))
      assert.include(defectOf(exit), `${Object.keys(options)[0]}`)
    }).pipe(Effect.scoped, Effect.provide(server))
  )
}

for (const options of [
  { maxPendingMessages: Number.NaN },
  { maxPendingBytes: -1 },
  { receiveQueueSize: 0 },
  { eventBuffer: 0 },
  { stableAfter: -1 },
  { maxRetryAfter: -1 }
]) {
  it.effect(`does not reconnect with ${JSON.stringify(options)}`, () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Reconnect.make({ url: "ws://localhost/", ...options }))
      assert.include(defectOf(exit), `${Object.keys(options)[0]}`)
    }).pipe(Effect.scoped, Effect.provide(server))
  )
}

it.effect("a reconnecting client that has no connection refuses what could not be sent later", () =>
  Effect.gen(function* () {
    const client = yield* Reconnect.make({ url: "ws://localhost/" })
    for (const value of [5, {}, new ArrayBuffer(3), { _tag: "Text", data: "x" }]) {
      assert.include(defectOf(yield* Effect.exit(client.send(value as never))), "expected")
    }
    assert.include(defectOf(yield* Effect.exit(client.send("x", { fragmentSize: 0 }))), "fragmentSize")
    assert.strictEqual(yield* client.send("x"), "queued")
  }).pipe(Effect.scoped, Effect.provide(network))
)

it.effect("a dialer and a class are not made of impossible options", () =>
  Effect.gen(function* () {
    const inner = yield* Dialer.Dialer
    for (const options of [{ delay: -1 }, { maxAddresses: 0 }, { connectTimeout: Number.NaN }]) {
      const made = Effect.sync(() => HappyEyeballs.make(inner, options))
      assert.include(defectOf(yield* Effect.exit(made)), Object.keys(options)[0]!)
    }
    assert.include(
      defectOf(yield* Effect.exit(WebSocketClass.make({ maxBufferedAmount: Number.NaN }))),
      "maxBufferedAmount"
    )
  }).pipe(Effect.scoped, Effect.provide(network))
)
