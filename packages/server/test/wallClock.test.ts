/**
 * Durations do not follow the wall clock: an operator or NTP may set it back or forward by an hour at any moment, and
 * every timeout, lifetime and round-trip time is the same as ever.
 */
import * as Telemetry from "@effect-ws/connection/Telemetry"
import { Dialer } from "@effect-ws/transport/Dialer"
import * as FaultInjection from "@effect-ws/transport/FaultInjection"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber, Layer, Metric } from "effect"
import { SecureRandom } from "effect/crypto"
import { TestClock } from "effect/testing"
import * as AuthNonces from "../src/AuthNonces.ts"
import { network, quiet } from "@effect-ws/test-peers/InMemory"
import { connect, echoHandlers } from "@effect-ws/test-peers/Programs"
import * as RawPeer from "@effect-ws/test-peers/RawPeer"
import { handled, start } from "./support/variants.ts"

const hour = 3_600_000

/** The test's clock with another wall time, which `set` moves by so many milliseconds from where it should be. */
const skewed = Clock.clockWith((clock) =>
  Effect.sync(() => {
    let offset = 0
    const millis = (): number => clock.currentTimeMillisUnsafe() + offset
    const nanos = (): bigint => clock.currentTimeNanosUnsafe() + BigInt(offset) * BigInt(1_000_000)
    const wrong: Clock.Clock = {
      ...clock,
      currentTimeMillisUnsafe: millis,
      currentTimeNanosUnsafe: nanos,
      currentTimeMillis: Effect.sync(millis),
      currentTimeNanos: Effect.sync(nanos)
    }
    return {
      clock: Layer.succeed(Clock.Clock, wrong),
      wrong,
      set: (to: number) => Effect.sync(() => void (offset = to))
    }
  })
)

for (const [name, offset] of [
  ["back", -hour],
  ["forward", hour]
] as const) {
  describe(`a wall clock that is set ${name} by an hour`, () => {
    for (const variant of handled) {
      it.effect(`does not change the time for a handshake, ${variant.name} server`, () =>
        Effect.gen(function* () {
          const { clock, set } = yield* skewed
          const server = yield* start(Layer.provide(variant.layer({}, { handshakeTimeout: "10 seconds" }), clock))
          const peer = yield* RawPeer.dial(server.address)
          const response = yield* Effect.forkChild(peer.response, { startImmediately: true })
          yield* quiet
          yield* TestClock.adjust("4 seconds")
          yield* set(offset)
          yield* TestClock.adjust("5 seconds")
          yield* quiet
          assert.isUndefined(response.pollUnsafe())
          yield* TestClock.adjust("2 seconds")
          yield* quiet
          assert.isDefined(response.pollUnsafe())
          assert.strictEqual((yield* Fiber.join(response)).status, 408)
        }).pipe(Effect.scoped, Effect.provide(network))
      )
    }

    it.effect("does not change how long a Digest nonce is good", () =>
      Effect.gen(function* () {
        const { set, wrong } = yield* skewed
        const good = (nonces: AuthNonces.AuthNonces["Service"], nonce: string, count: number) =>
          Effect.provideService(nonces.use(nonce, count), Clock.Clock, wrong)
        const nonces = yield* AuthNonces.make({ lifetime: "5 minutes" }).pipe(
          Effect.provide(SecureRandom.layerWebCrypto),
          Effect.provideService(Clock.Clock, wrong)
        )
        const nonce = yield* Effect.provideService(nonces.issue, Clock.Clock, wrong)
        yield* set(offset)
        yield* TestClock.adjust("4 minutes")
        assert.strictEqual(yield* good(nonces, nonce, 1), "fresh")
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* good(nonces, nonce, 2), "stale")
      })
    )

    it.effect("does not change what round-trip times and durations are measured", () =>
      Effect.gen(function* () {
        const { set, wrong } = yield* skewed
        yield* Effect.gen(function* () {
          const dialer = yield* Dialer
          const server = yield* start(handled[0]!.layer(echoHandlers, { keepalive: false }))
          const faulty = Layer.provide(
            FaultInjection.layerDialer({ both: { latency: "500 millis" } }),
            Layer.succeed(Dialer, dialer)
          )
          const connecting = yield* Effect.forkChild(Effect.provide(connect(server, { keepalive: false }), faulty))
          yield* quiet
          for (let step = 0; step < 30; step++) yield* Effect.andThen(TestClock.adjust("100 millis"), quiet)
          const client = yield* Fiber.join(connecting)
          const pinging = yield* Effect.forkChild(client.ping(), { startImmediately: true })
          yield* quiet
          yield* set(offset)
          for (let step = 0; step < 30; step++) yield* Effect.andThen(TestClock.adjust("100 millis"), quiet)
          const roundTrip = Duration.toMillis(yield* Fiber.join(pinging))
          assert.strictEqual(roundTrip, 1000)
          yield* Effect.forkChild(client.close(), { startImmediately: true })
          for (let step = 0; step < 30; step++) yield* Effect.andThen(TestClock.adjust("100 millis"), quiet)
          const durations = (yield* Metric.snapshot).filter(({ id }) => id.includes("duration"))
          assert.isAbove(durations.length, 0)
          for (const { state } of durations) {
            if (!("sum" in state)) continue
            assert.isAtLeast(Number(state.sum), 0)
            assert.isBelow(Number(state.sum), 60)
          }
        }).pipe(
          Effect.provideService(Clock.Clock, wrong),
          Effect.provide(Telemetry.layer()),
          Effect.provideService(Metric.MetricRegistry, new Map())
        )
      }).pipe(Effect.scoped, Effect.provide(network))
    )
  })
}
