/**
 * How a node hears of new entries: one reserved connection, and one blocking read over the live streams of all shards
 * in which it follows a topic. A stream of the node's own is read with them, so that a new shard is taken up at once.
 *
 * What this delivers may be doubled and may have holes; the feeds notice by the positions. What no position shows, a
 * lost last entry, is found by comparing heads: on every new connection, and where a live stream jumps.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Redis from "effect/persistence/Redis"
import type { Position } from "../Position.ts"
import type { LogUnavailable } from "../TopicLogError.ts"
import type { EntrySink } from "./Engine.ts"
import * as metrics from "./metrics.ts"
import { formatId, parseId, streamsOf, toLiveEntry } from "./RedisReplies.ts"
import type { Keys, RawEntry } from "./RedisScripts.ts"
import { command } from "./RedisSession.ts"
import type { CommandFailure, Session } from "./RedisSession.ts"

/** The settings of a follower. */
export interface FollowerSettings {
  readonly keys: Keys
  readonly commandTimeout: Duration.Duration
  readonly blockTimeout: Duration.Duration
  /** Maximum bytes of one blocking read. */
  readonly readBytes: number
  readonly maxEntryBytes: number
  readonly head: (topic: string) => Effect.Effect<Position, LogUnavailable>
}

interface Shard {
  readonly lag: ReturnType<typeof metrics.lagOf>
  readonly topics: Map<string, Set<EntrySink>>
  /** The last entry of the live stream that was read; `undefined` until the stream's head was asked for. */
  cursor: Position | undefined
}

export class RedisFollower {
  private readonly settings: FollowerSettings
  private readonly shards = new Map<number, Shard>()
  private readonly wakeKey: string
  private wakeCursor = "0-0"

  constructor(settings: FollowerSettings) {
    this.settings = settings
    this.wakeKey = settings.keys.wake(globalThis.crypto.randomUUID())
  }

  /** Registers a sink, and makes sure that what is appended after this is delivered to it. */
  add(sink: EntrySink, session: Session | undefined): Effect.Effect<void> {
    return Effect.suspend(() => {
      const number = this.settings.keys.shardOf(sink.topic)
      let shard = this.shards.get(number)
      if (shard === undefined) {
        shard = { lag: metrics.lagOf(number), topics: new Map(), cursor: undefined }
        this.shards.set(number, shard)
      }
      const sinks = shard.topics.get(sink.topic)
      if (sinks === undefined) shard.topics.set(sink.topic, new Set([sink]))
      else sinks.add(sink)
      // Without a connection the next one begins with all shards.
      if (shard.cursor !== undefined || session === undefined) return Effect.void
      const wake = session.redis.send("XADD", this.wakeKey, "MAXLEN", "1", "*", "w", "1")
      const expire = session.redis.send("PEXPIRE", this.wakeKey, "60000")
      return Effect.ignore(
        Effect.andThen(
          this.begin(session, number, shard),
          command(session, Effect.andThen(wake, expire), this.settings.commandTimeout)
        )
      )
    })
  }

  remove(sink: EntrySink): Effect.Effect<void> {
    return Effect.suspend(() => {
      const number = this.settings.keys.shardOf(sink.topic)
      const shard = this.shards.get(number)
      const sinks = shard?.topics.get(sink.topic)
      sinks?.delete(sink)
      if (sinks?.size === 0) shard?.topics.delete(sink.topic)
      if (shard === undefined || shard.topics.size > 0) return Effect.void
      this.shards.delete(number)
      return Metric.remove(shard.lag)
    })
  }

  /** Delivers until the connection fails. */
  run(session: Session): Effect.Effect<void, CommandFailure> {
    const { commandTimeout } = this.settings
    return Effect.gen({ self: this }, function* () {
      const connection = yield* command(session, session.redis.reserve, commandTimeout)
      const shards = [...this.shards]
      for (const [, shard] of shards) shard.cursor = undefined
      yield* Effect.forEach(shards, ([number, shard]) => this.begin(session, number, shard), {
        concurrency: 16,
        discard: true
      })
      yield* Effect.forEach(shards, ([, shard]) => this.compare(shard), { concurrency: 4, discard: true })
      return yield* Effect.forever(this.turn(session, connection))
    }).pipe(Effect.scoped)
  }

  private turn(session: Session, connection: Redis.Connection): Effect.Effect<void, CommandFailure> {
    return Effect.suspend(() => {
      const { blockTimeout, commandTimeout, keys, maxEntryBytes, readBytes } = this.settings
      const followed = [...this.shards].filter(([, { cursor }]) => cursor !== undefined)
      // Base64 makes four bytes of three, and names and ids come with them.
      const count = Math.max(1, Math.floor(readBytes / (maxEntryBytes * 1.5) / Math.max(1, followed.length)))
      const read = connection.send(
        "XREAD",
        "COUNT",
        String(count),
        "BLOCK",
        String(Duration.toMillis(blockTimeout)),
        "STREAMS",
        this.wakeKey,
        ...followed.map(([number]) => keys.live(number)),
        this.wakeCursor,
        ...followed.map(([, { cursor }]) => formatId(cursor!))
      )
      return Effect.flatMap(command(session, read, Duration.sum(blockTimeout, commandTimeout)), (reply) => {
        const streams = streamsOf(reply)
        if (streams.length === 0) return this.check(session)
        const byKey = new Map(followed.map(([number, shard]) => [keys.live(number), shard]))
        const jumped: Array<Shard> = []
        const newest = new Map<Shard, number>()
        for (const [key, entries] of streams) {
          if (key === this.wakeKey) {
            this.wakeCursor = entries.at(-1)![0]
            continue
          }
          const shard = byKey.get(key)
          if (shard === undefined) continue
          for (const entry of entries) newest.set(shard, this.deliver(shard, entry, jumped))
        }
        const lag = Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.forEach(
            newest,
            // A shard that is not followed any more has no lag.
            ([shard, at]) => (shard.topics.size === 0 ? Effect.void : Metric.update(shard.lag, Math.max(0, now - at))),
            { discard: true }
          )
        )
        return Effect.andThen(
          lag,
          Effect.forEach(jumped, (shard) => this.compare(shard), { discard: true })
        )
      })
    })
  }

  private deliver(shard: Shard, raw: RawEntry, jumped: Array<Shard>): number {
    const id = parseId(raw[0])
    const { cursor } = shard
    if (cursor !== undefined && (id.epoch !== cursor.epoch || id.offset !== cursor.offset + 1)) jumped.push(shard)
    shard.cursor = id
    const entry = toLiveEntry(raw)
    for (const sink of shard.topics.get(entry.topic) ?? []) sink.deliver(entry)
    return entry.at
  }

  // Never "$": what is appended between two reads would be lost.
  private begin(session: Session, number: number, shard: Shard): Effect.Effect<void, CommandFailure> {
    return Effect.map(this.liveHead(session, number), (head) => {
      shard.cursor ??= head
    })
  }

  private liveHead(session: Session, number: number): Effect.Effect<Position, CommandFailure> {
    const newest = session.redis.send<ReadonlyArray<RawEntry>>(
      "XREVRANGE",
      this.settings.keys.live(number),
      "+",
      "-",
      "COUNT",
      "1"
    )
    return Effect.map(command(session, newest, this.settings.commandTimeout), (entries) =>
      entries.length === 0 ? { epoch: 0, offset: 0 } : parseId(entries[0]![0])
    )
  }

  /** In a quiet moment: a live stream that is behind its cursor was made anew by a clock that went back. */
  private check(session: Session): Effect.Effect<void, CommandFailure> {
    return Effect.forEach(
      [...this.shards],
      ([number, shard]) =>
        Effect.flatMap(this.liveHead(session, number), (head) => {
          const { cursor } = shard
          const isBehind =
            cursor !== undefined &&
            (head.epoch < cursor.epoch || (head.epoch === cursor.epoch && head.offset < cursor.offset))
          // Nothing came for a while, so nothing is on the way.
          if (!isBehind) return Metric.update(shard.lag, 0)
          shard.cursor = head
          return this.compare(shard)
        }),
      { discard: true }
    )
  }

  private compare(shard: Shard): Effect.Effect<void, CommandFailure> {
    return Effect.forEach(
      [...shard.topics],
      ([topic, sinks]) =>
        Effect.matchEffect(this.settings.head(topic), {
          onFailure: ({ detail }) => Effect.fail<CommandFailure>({ _tag: "Lost", detail }),
          onSuccess: (head) =>
            Effect.sync(() => {
              for (const sink of sinks) sink.compare(head)
            })
        }),
      { concurrency: 16, discard: true }
    )
  }
}
