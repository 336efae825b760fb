/**
 * A log over Redis whose client is configured by `Config`: where a value is missing, no attempt can succeed.
 */
import { assert, it } from "@effect/vitest"
import { Config, ConfigProvider, Context, Effect, Fiber, Layer } from "effect"
import { Redis } from "effect/persistence"
import { TestClock } from "effect/testing"
import * as TopicLog from "../src/TopicLog.ts"
import type { EngineUnsupported, LogUnavailable } from "../src/TopicLogError.ts"

/** The error of a log over Redis at the URL of the environment. Nothing listens at any. */
const failureOf = (values: Readonly<Record<string, string>>) => {
  const redis = Layer.effectContext(
    Effect.flatMap(Config.String("REDIS_URL"), (url) =>
      Effect.fail(new Redis.RedisError({ cause: new Error(`nothing listens at ${url}`) }))
    ).pipe(Effect.as(Context.empty() as Context.Context<Redis.Redis>))
  )
  const log: Layer.Layer<TopicLog.TopicLog, EngineUnsupported | LogUnavailable | Config.ConfigError> =
    TopicLog.layerRedis({ redis })
  return Effect.flip(Layer.build(log)).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(values))
  )
}

it.effect("fails at once with the ConfigError of its client", () =>
  Effect.gen(function* () {
    const error = yield* failureOf({})
    assert.instanceOf(error, Config.ConfigError)
    assert.include(error.message, "REDIS_URL")
  })
)

it.effect("tries again until startTimeout after any other error of its client", () =>
  Effect.gen(function* () {
    const failing = yield* Effect.forkChild(failureOf({ REDIS_URL: "redis://nowhere.test" }), {
      startImmediately: true
    })
    yield* TestClock.adjust("10 seconds")
    const error = yield* Fiber.join(failing)
    assert.strictEqual(error._tag, "LogUnavailable")
  })
)
