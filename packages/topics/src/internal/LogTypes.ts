/**
 * Entries, positions and options of a topic's log: the types of `TopicLog`, for the engines and the protocol.
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Redis from "effect/persistence/Redis"
import type * as Position from "../Position.ts"
import type { LimitExceeded, LogUnavailable, OutcomeUnknown } from "../TopicLogError.ts"

/**
 * An entry of a topic's log.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  readonly _tag: "Entry"
  readonly topic: string
  readonly position: Position.Position
  readonly data: string | Uint8Array
  /** The id that it was published with. */
  readonly id: string
  /** When the engine appended it, in milliseconds since 1970. */
  readonly at: number
  /** The bytes of `data`. */
  readonly size: number
}

/**
 * Entries that a reader does not get.
 *
 * @category models
 * @since 0.1.0
 */
export interface Gap {
  readonly _tag: "Gap"
  /** The position that the reader had. */
  readonly after: Position.Position
  /** The position that it has now: the next entry is the one after it. */
  readonly resumesAt: Position.Position
  readonly reason: "Trimmed" | "Expired" | "RolledBack" | "Recreated"
  /** How many entries are missing, where that is known. */
  readonly lost: number | "unknown"
}

/**
 * What a reader of a topic gets, in order.
 *
 * @category models
 * @since 0.1.0
 */
export type TopicItem = Entry | Gap

/**
 * Where a reader begins: after a position, or with the oldest entry that is kept.
 *
 * @category models
 * @since 0.1.0
 */
export type After = Position.Position | "oldest"

/**
 * A part of a topic's log.
 *
 * @category models
 * @since 0.1.0
 */
export interface Page {
  readonly topic: string
  readonly items: ReadonlyArray<TopicItem>
  /** The position to read on from. */
  readonly next: Position.Position
  /** The position of the topic's last entry. */
  readonly head: Position.Position
  /** Whether there is nothing behind this page. */
  readonly isLast: boolean
}

/**
 * What became of an append.
 *
 * @category models
 * @since 0.1.0
 */
export interface Appended {
  readonly position: Position.Position
  /** The entry with this id was appended before, at this position. */
  readonly isDuplicate: boolean
}

/**
 * How to append.
 *
 * @category models
 * @since 0.1.0
 */
export interface AppendOptions {
  /** Identifies the entry for `idWindow`: appending it again gives the first position. Default: a random id. */
  readonly id?: string | undefined
  /** The scope of the id. Equal ids of two publishers are two entries. Default: the empty string. */
  readonly publisher?: string | undefined
}

/**
 * Bounds of a page.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReadOptions {
  /** Maximum entries. Default: `pageEntries` of the log. */
  readonly maxEntries?: number | undefined
  /** Maximum bytes; an entry that is larger comes alone. Default: `pageBytes` of the log. */
  readonly maxBytes?: number | undefined
}

/**
 * An endless reader of a topic.
 *
 * @category models
 * @since 0.1.0
 */
export interface TopicReader {
  /** The position it starts after. */
  readonly position: Position.Position
  /**
   * Waits for what comes next. While the engine cannot be reached it waits for that too.
   *
   * **Gotchas**
   *
   * For one fiber at a time.
   */
  readonly pull: Effect.Effect<ReadonlyArray<TopicItem>>
}

/**
 * Why nothing was appended, or may have been.
 *
 * @category errors
 * @since 0.1.0
 */
export type AppendError = LogUnavailable | OutcomeUnknown | LimitExceeded

/**
 * What the service `TopicLog` does.
 *
 * @category models
 * @since 0.1.0
 */
export interface TopicLogService {
  /**
   * Appends an entry. When it succeeds the entry is kept, as durably as the engine is configured.
   *
   * **Details**
   *
   * Fails with `LogUnavailable` where nothing was written and with `OutcomeUnknown` where that cannot be known; then
   * append again with the same id. A fiber's appends to a topic are in the order in which it made them.
   */
  readonly append: (
    topic: string,
    data: string | Uint8Array,
    options?: AppendOptions
  ) => Effect.Effect<Appended, AppendError>
  /** Returns the position of a topic's last entry. A topic without entries has one too. */
  readonly head: (topic: string) => Effect.Effect<Position.Position, LogUnavailable | LimitExceeded>
  /** Returns the positions of many topics. */
  readonly heads: (
    topics: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyMap<string, Position.Position>, LogUnavailable | LimitExceeded>
  /** Reads the entries behind a position, a page at a time. */
  readonly read: (
    topic: string,
    after: After,
    options?: ReadOptions
  ) => Effect.Effect<Page, LogUnavailable | LimitExceeded>
  /**
   * Starts to read a topic, until the Scope closes. Without `after` it starts with what is appended from now on.
   *
   * **Details**
   *
   * A reader that is behind holds no entries in memory: it reads the log in pages.
   */
  readonly follow: (
    topic: string,
    options?: { readonly after?: After | undefined }
  ) => Effect.Effect<TopicReader, LogUnavailable | LimitExceeded, Scope.Scope>
  /** The same as a Stream, which does not end. */
  readonly subscribe: (
    topic: string,
    options?: { readonly after?: After | undefined }
  ) => Stream.Stream<TopicItem, LogUnavailable | LimitExceeded>
  /** How long an id keeps an entry from being appended again. */
  readonly idWindow: Duration.Duration
  /** Maximum bytes of an entry. */
  readonly maxEntryBytes: number
}

/**
 * Bounds of a log.
 *
 * @category models
 * @since 0.1.0
 */
export interface TopicLogOptions {
  /** Maximum entries of a topic that are kept. Default: 1000. */
  readonly maxEntries?: number | undefined
  /** How long an entry is kept. Default: 1 hour. */
  readonly maxAge?: Duration.Input | undefined
  /** How long a topic without new entries keeps its position. Default: 7 days. */
  readonly keepEmpty?: Duration.Input | undefined
  /** How long an id keeps an entry from being appended again. Default: 2 minutes. */
  readonly idWindow?: Duration.Input | undefined
  /** Maximum bytes of a topic's name. Default: 256. */
  readonly maxTopicBytes?: number | undefined
  /** Maximum bytes of an entry. Default: 64 KiB. */
  readonly maxEntryBytes?: number | undefined
  /** Maximum bytes of an id. Default: 128. */
  readonly maxIdBytes?: number | undefined
  /** Maximum entries of a page. Default: 128. */
  readonly pageEntries?: number | undefined
  /** Maximum bytes of a page; an entry that is larger comes alone. Default: 256 KiB. */
  readonly pageBytes?: number | undefined
  /** Entries of each followed topic that the node keeps in memory for all its readers. Default: 256. */
  readonly recentEntries?: number | undefined
  /** Bytes of those. Default: 1 MiB. */
  readonly recentBytes?: number | undefined
  /** Maximum topics that have readers on this node. Default: 10 000. */
  readonly maxFollowedTopics?: number | undefined
  /** Maximum pages that this node reads from the engine at a time. Default: 16. */
  readonly maxPageReads?: number | undefined
}

/**
 * Options of the log in Redis.
 *
 * @category models
 * @since 0.1.0
 */
export interface RedisOptions<E = never, R = never> extends TopicLogOptions {
  /**
   * How to connect, such as `NodeRedis.layer({ url, disableOfflineQueue: true })`. It is built again whenever the
   * connection failed, so it should not retry for long by itself.
   */
  readonly redis: Layer.Layer<Redis.Redis, E, R>
  /** The first part of all keys. Deployments with different ones do not see each other. Default: `effect-ws`. */
  readonly prefix?: string | undefined
  /** Over how many live streams the topics are spread. The same on all nodes. Default: 64. */
  readonly shards?: number | undefined
  /** Entries of each live stream; a node that is behind by more reads the logs. Default: 1000. */
  readonly liveEntries?: number | undefined
  /** How long a command may take, connecting included. Default: 5 seconds. */
  readonly commandTimeout?: Duration.Input | undefined
  /** How long one blocking read waits for new entries. Default: 5 seconds. */
  readonly blockTimeout?: Duration.Input | undefined
  /** Maximum bytes of one blocking read. Default: 32 MiB. */
  readonly readBytes?: number | undefined
  /** How long the Layer waits for the first connection before it fails. Default: 10 seconds. */
  readonly startTimeout?: Duration.Input | undefined
  /** Whether an append without a connection fails at once, or waits up to `commandTimeout` for one. Default: "fail". */
  readonly whenUnavailable?: "fail" | "wait" | undefined
  /**
   * How many replicas must have an entry before its append succeeds; where they do not, it fails with `OutcomeUnknown`.
   * A failover may still lose it. Each such append has a connection of its own. Default: 0.
   */
  readonly waitReplicas?: number | undefined
}
