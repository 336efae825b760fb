/**
 * Bursts of publishing over real sockets to a peer that reads at full speed: whether a subscriber is behind is for the
 * system to say, which over TLS says so a turn later.
 */
import * as Tcp from "@effect-ws/transport/Tcp"
import * as Tls from "@effect-ws/transport/Tls"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Redacted, References } from "effect"
import { localhost, makeSelfSigned } from "@effect-ws/test-support/Certificates"
import * as Topics from "../src/Topics.ts"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { connect } from "@effect-ws/test-peers/Programs"

const certificate = await makeSelfSigned({ name: "localhost", ...localhost })

const networks = [
  { name: "TCP", layer: Tcp.layer({ port: 0 }) },
  {
    name: "TLS",
    layer: Tls.layer({
      server: { cert: certificate.cert, key: Redacted.make(certificate.key), port: 0 },
      dialer: { ca: certificate.cert }
    })
  }
]

const messages = Array.from({ length: 30 }, (_, at) => new Uint8Array(100_000).fill(at))

describe.each(networks)("a burst over $name", ({ layer }) => {
  it.live.each([
    { onSlowSubscriber: "dropOldest", how: "topic" },
    { onSlowSubscriber: "disconnect", how: "topic" },
    { onSlowSubscriber: "dropOldest", how: "broadcast" }
  ] as const)(
    "reaches a peer that reads at full speed: $how, $onSlowSubscriber",
    ({ how, onSlowSubscriber }) =>
      Effect.gen(function* () {
        const joined = yield* Deferred.make<void>()
        const topics = yield* Topics.make()
        const server = yield* WebSocketServer.make(
          (connection) =>
            Effect.andThen(
              topics.subscribe(connection, "news", { onSlowSubscriber }),
              Effect.andThen(Deferred.succeed(joined, undefined), Effect.never)
            ),
          { drainTimeout: 0 }
        )
        const client = yield* connect(server)
        yield* Deferred.await(joined)
        const deliveries = yield* Effect.forEach(messages, (message) =>
          how === "topic" ? topics.publish("news", message) : server.broadcast(message, { onSlowSubscriber })
        )
        assert.deepStrictEqual(
          deliveries.map(({ delivered }) => delivered),
          messages.map(() => 1)
        )
        for (const message of messages)
          assert.deepStrictEqual(new Uint8Array((yield* client.receive).data as Uint8Array), message)
      }).pipe(Effect.provide(layer), Effect.provideService(References.MinimumLogLevel, "Error")),
    20_000
  )
})
