/**
 * A countdown that clients start and cancel: `{"start":3}` sends 3, 2, 1 and 0, a second apart, and `{"cancel":true}`
 * stops it. `packages/examples/test/countdown.test.ts` replays the recording of a bug that it had, under a virtual
 * clock.
 *
 * `node packages/examples/src/countdown.ts` listens on port 8000.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Fiber, Layer, Schema, Stream } from "effect"
import type { Scope } from "effect"
import { Tcp, TypedConnection, WebSocketServer } from "effect-ws"

/** What both ends send. */
export const Countdown = TypedConnection.protocol({
  fromClient: Schema.Union([
    Schema.Struct({ start: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 60 })) }),
    Schema.Struct({ cancel: Schema.Literal(true) })
  ]),
  fromServer: Schema.Struct({ left: Schema.Int })
})

/** The handler: one countdown at a time, the latest. */
export const handler = TypedConnection.handler(
  Countdown.server,
  Effect.fnUntraced(function* (typed) {
    let running: Fiber.Fiber<unknown, unknown> | undefined
    const count = Effect.fnUntraced(function* (from: number) {
      for (let left = from; left >= 0; left--) {
        yield* typed.send({ left })
        yield* Effect.sleep("1 second")
      }
    })
    yield* Stream.runForEach(
      typed.messages,
      Effect.fnUntraced(function* (message): Effect.fn.Return<void, never, Scope.Scope> {
        // The bug of the recording: a second start did not stop the first, so both counted.
        if (running !== undefined) yield* Fiber.interrupt(running)
        running = "start" in message ? yield* Effect.forkScoped(count(message.start)) : undefined
      })
    )
  })
)

if (import.meta.main) {
  WebSocketServer.layer(handler).pipe(Layer.provide(Tcp.layerServer({ port: 8000 })), Layer.launch, NodeRuntime.runMain)
}
