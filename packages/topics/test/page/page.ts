/** What the test of a topic client in a browser runs there: a program over the browser's own `WebSocket`. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TopicClient from "../../src/BrowserTopicClient.ts"

const shared = globalThis as unknown as { received: Array<string> }

/**
 * Publishes so many entries one after the other while it reads them, and gives what it read and what was acknowledged.
 */
export const topics = async (urls: ReadonlyArray<string>, count: number) => {
  shared.received = []
  const program = Effect.gen(function* () {
    let attempt = 0
    const client = yield* TopicClient.make({
      url: Effect.sync(() => urls[attempt++ % urls.length]!),
      schedule: Schedule.spaced("50 millis"),
      retryDelay: "50 millis"
    })
    const positions: Array<number> = []
    yield* Effect.forkScoped(
      Effect.forEach(
        Array.from({ length: count }, (_, n) => `entry ${n}`),
        (data) => Effect.map(client.publish("room", data), ({ position }) => positions.push(position.offset))
      )
    )
    yield* Stream.runForEach(Stream.take(client.subscribe("room", { after: "oldest" }), count), (item) =>
      Effect.sync(() => shared.received.push(item._tag === "Entry" ? String(item.data) : item.reason))
    )
    const history = yield* client.history("room", "oldest")
    return { received: shared.received, positions, history: history.items.length }
  })
  const exit = await Effect.runPromiseExit(Effect.scoped(program))
  return Exit.isSuccess(exit) ? exit.value : Cause.pretty(exit.cause)
}
