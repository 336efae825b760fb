/** The metrics of what is published: how many subscribers there are, and what became of each message. */
import * as Telemetry from "@effect-ws/connection/Telemetry"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { assertFigures, deliveries } from "@effect-ws/test-peers/Figures"
import { network, quiet } from "@effect-ws/test-peers/InMemory"
import { connect, echoHandlers } from "@effect-ws/test-peers/Programs"
import * as RawPeer from "@effect-ws/test-peers/RawPeer"
import { describe, it } from "@effect/vitest"
import { Effect, Fiber, Metric } from "effect"
import { TestClock } from "effect/testing"
import * as Topics from "../src/Topics.ts"

describe("metrics of what is published", () => {
  it.effect("count publications, subscriptions, and what became of each message", () =>
    Effect.gen(function* () {
      const topics = yield* Topics.make({ maxQueuedMessages: 2 })
      const server = yield* WebSocketServer.make(echoHandlers, { writeHighWaterMark: 1 })
      yield* connect(server)
      const slow = yield* RawPeer.upgrade(server.address)
      const [one, two] = yield* server.connections
      yield* topics.publish("news", "without subscribers")
      yield* topics.subscribe(one!, "news")
      yield* topics.subscribe(two!, "news")
      yield* topics.subscribe(two!, "sports")
      yield* assertFigures({ "websocket_subscriptions_active{}": 3 })
      yield* topics.publish("news", "to both")
      yield* assertFigures({
        'websocket_published_messages_total{source="topic"}': 2,
        ...deliveries("topic", { delivered: 2 })
      })
      // More than the network takes, so that the subscriber is behind with what follows.
      for (let time = 0; time < 2; time++) yield* Effect.forkScoped(two!.send(new Uint8Array(100_000)))
      yield* quiet
      for (let time = 0; time < 5; time++) yield* topics.publish("sports", "to one that does not read")
      yield* assertFigures({
        'websocket_published_messages_total{source="topic"}': 7,
        'websocket_deliveries_dropped_total{source="topic"}': 3,
        ...deliveries("topic", { delivered: 2, queued: 5 })
      })
      yield* topics.subscribe(two!, "sports", { onSlowSubscriber: "wait", backpressureTimeout: "1 second" })
      const publishing = yield* Effect.forkScoped(topics.publish("sports", "waited for"))
      const given = yield* Effect.forkScoped(topics.publish("sports", "waited for, then not"))
      yield* quiet
      yield* Fiber.interrupt(given)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(publishing)
      yield* assertFigures({
        'websocket_published_messages_total{source="topic"}': 9,
        ...deliveries("topic", { delivered: 2, queued: 5, disconnected: 1 })
      })
      yield* slow.reset
      yield* quiet
      yield* topics.unsubscribe(one!, "news")
      yield* assertFigures({ "websocket_subscriptions_active{}": 0 })
    }).pipe(Effect.provide([network, Telemetry.layer()]), Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})
