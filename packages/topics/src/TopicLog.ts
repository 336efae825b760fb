/**
 * The log behind topics: what is published under a name is kept in order, with a position, within bounds of number and
 * age. A subscriber that lost its connection asks for the entries after its position, and gets each of them exactly
 * once, or a `Gap` that says what is missing and why.
 *
 * `layerMemory` keeps the logs in this process. `layerRedis` keeps them in Redis, for any number of nodes. A program is
 * the same with either.
 *
 * @since 0.1.0
 */
import type { ConfigError } from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { LogNode, toLimits } from "./internal/LogNode.ts"
import { MemoryLogs } from "./internal/MemoryLogs.ts"
import * as RedisEngine from "./internal/RedisEngine.ts"
import type { MemoryEngine } from "./MemoryEngine.ts"
import type { EngineUnsupported, LogUnavailable } from "./TopicLogError.ts"
import type { RedisOptions, TopicLogOptions, TopicLogService } from "./internal/LogTypes.ts"

export type {
  After,
  AppendError,
  AppendOptions,
  Appended,
  Entry,
  Gap,
  Page,
  ReadOptions,
  RedisOptions,
  TopicItem,
  TopicLogOptions,
  TopicLogService,
  TopicReader
} from "./internal/LogTypes.ts"

/**
 * The log of topics, as a node uses it.
 *
 * @category services
 * @since 0.1.0
 */
export class TopicLog extends Context.Service<TopicLog, TopicLogService>()("@effect-ws/topics/TopicLog") {}

/**
 * Options of the log in memory.
 *
 * @category models
 * @since 0.1.0
 */
export interface MemoryOptions extends TopicLogOptions {
  /** Where the logs are. Several layers with the same engine are nodes that share it. Default: one of its own. */
  readonly engine?: MemoryEngine | undefined
}

/**
 * Keeps the logs in this process, with the same guarantees as every engine but durability: when the process ends they
 * are gone, and readers from before get a `Gap` with `Recreated`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (options: MemoryOptions = {}): Layer.Layer<TopicLog> =>
  Layer.sync(TopicLog, () => {
    const limits = toLimits(options)
    const engine = options.engine ?? new MemoryLogs()
    if (!(engine instanceof MemoryLogs)) throw new TypeError("engine: expected an engine that MemoryEngine.make made")
    return new LogNode(engine.connect(limits), limits).service
  })

/**
 * Keeps the logs in Redis 7 or newer, for any number of nodes. Redis Cluster is refused with `EngineUnsupported`.
 *
 * **Details**
 *
 * While Redis cannot be reached, readers wait and appends fail or wait, as `whenUnavailable` says; then everything goes
 * on. How durable an acknowledged entry is depends on Redis: see docs/scale.md.
 *
 * `NodeRedis.layerConfig` as `redis` reads the address of Redis from the configuration. If a value is missing there,
 * this Layer fails with the `ConfigError` at once.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerRedis = <E, R>(
  options: RedisOptions<E, R>
): Layer.Layer<TopicLog, EngineUnsupported | LogUnavailable | Extract<E, ConfigError>, R> =>
  Layer.effect(
    TopicLog,
    Effect.suspend(() => {
      const limits = toLimits(options)
      return Effect.map(RedisEngine.make(options, limits), (engine) => new LogNode(engine, limits).service)
    })
  )
