/**
 * The engine in memory: the logs of all topics, and the failures that a test asks for.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Engine, EntrySink } from "./Engine.ts"
import type { LogState, Segment } from "./Lineage.ts"
import { positionAt } from "./Lineage.ts"
import type { Limits } from "./LogNode.ts"
import { sizeOf } from "./sizeOf.ts"
import type { Position } from "../Position.ts"
import type { Appended, Entry } from "./LogTypes.ts"
import { LogUnavailable, OutcomeUnknown } from "../TopicLogError.ts"

interface Log {
  segments: Array<Segment>
  /** The run of the engine in which the newest segment began. */
  run: number
  offset: number
  expired: number
  entries: Array<Entry>
  touched: number
  readonly ids: Map<string, { readonly position: Position; readonly until: number }>
}

// Enough to distinguish the rollbacks that a reader can still ask about; older positions get `Recreated`.
const maxSegments = 32

/**
 * Logs in memory, shared by all nodes that are given the same engine.
 *
 * @category models
 * @since 0.1.0
 */
export interface MemoryEngine {
  /** Makes the engine unreachable, or reachable again. */
  setAvailable(isAvailable: boolean): void
  /** Loses the answers to the next appends, whose entries are written: `OutcomeUnknown`. */
  loseNextAnswers(count: number): void
  /** Does not tell the nodes of the next appends, as where a connection breaks and nothing else is heard of it. */
  loseNextDeliveries(count: number): void
  /** Comes back without the newest entries of each topic, as after a crash between two writes to disk. */
  restart(lost?: number): void
  /** Forgets everything. */
  flush(): void
  /** Forgets one topic. */
  evict(topic: string): void
}

export class MemoryLogs implements MemoryEngine {
  private logs = new Map<string, Log>()
  private readonly sinks = new Map<string, Set<EntrySink>>()
  private run = 1
  private epoch = 0
  private swept = 0
  private isAvailable = true
  private loseAnswers = 0
  private loseDeliveries = 0

  setAvailable(isAvailable: boolean): void {
    this.isAvailable = isAvailable
  }

  loseNextAnswers(count: number): void {
    this.loseAnswers = count
  }

  loseNextDeliveries(count: number): void {
    this.loseDeliveries = count
  }

  restart(lost = 0): void {
    this.run++
    for (const log of this.logs.values()) {
      const gone = Math.min(lost, log.entries.length)
      if (gone === 0) continue
      const removed = log.entries.splice(log.entries.length - gone)
      log.offset = removed[0]!.position.offset - 1
      while (log.segments.length > 1 && log.segments.at(-1)!.start >= log.offset) log.segments.pop()
      for (const [key, { position }] of log.ids) if (position.offset > log.offset) log.ids.delete(key)
    }
    this.compareAll()
  }

  flush(): void {
    this.logs = new Map()
    this.compareAll()
  }

  evict(topic: string): void {
    this.logs.delete(topic)
    this.compareAll()
  }

  /** Returns the engine as one node sees it. */
  connect(limits: Limits): Engine {
    const unavailable = Effect.suspend(
      () => new LogUnavailable({ detail: "the engine in memory was made unreachable" })
    )
    const at = <A>(use: (now: number) => A): Effect.Effect<A, LogUnavailable> =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => (this.isAvailable ? Effect.sync(() => use(now)) : unavailable))
    return {
      append: ({ data, id, publisher, topic }) =>
        Effect.flatMap(
          at((now): Appended => {
            const log = this.open(topic, now, limits)
            const key = `${publisher.length} ${publisher}${id}`
            const known = log.ids.get(key)
            if (known !== undefined) return { position: known.position, isDuplicate: true }
            return { position: this.append(log, topic, data, id, key, now, limits), isDuplicate: false }
          }),
          (appended: Appended): Effect.Effect<Appended, OutcomeUnknown> => {
            if (this.loseAnswers === 0) return Effect.succeed(appended)
            this.loseAnswers--
            return Effect.fail(new OutcomeUnknown({ topic, id, detail: "the answer was lost" }))
          }
        ),
      head: (topic) => at((now) => headOf(this.open(topic, now, limits))),
      read: (topic, after, page) => at((now) => stateOf(this.open(topic, now, limits), after, page)),
      follow: (sink) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            const sinks = this.sinks.get(sink.topic)
            if (sinks === undefined) this.sinks.set(sink.topic, new Set([sink]))
            else sinks.add(sink)
          }),
          () =>
            Effect.sync(() => {
              const sinks = this.sinks.get(sink.topic)
              sinks?.delete(sink)
              if (sinks?.size === 0) this.sinks.delete(sink.topic)
            })
        )
    }
  }

  private append(
    log: Log,
    topic: string,
    data: string | Uint8Array,
    id: string,
    key: string,
    now: number,
    limits: Limits
  ): Position {
    if (log.run !== this.run) {
      log.run = this.run
      log.segments.push({ epoch: this.nextEpoch(now), start: log.offset })
      if (log.segments.length > maxSegments) log.segments.shift()
    }
    log.offset++
    const position = headOf(log)
    // The caller may write to its bytes again.
    const kept = typeof data === "string" ? data : data.slice()
    const entry: Entry = { _tag: "Entry", topic, position, data: kept, id, at: now, size: sizeOf(kept) }
    log.entries.push(entry)
    if (log.entries.length > limits.maxEntries) log.entries.splice(0, log.entries.length - limits.maxEntries)
    log.ids.set(key, { position, until: now + Duration.toMillis(limits.idWindow) })
    if (this.loseDeliveries > 0) this.loseDeliveries--
    else for (const sink of this.sinks.get(topic) ?? []) sink.deliver(entry)
    return position
  }

  /** Returns a topic's log without what is too old, and creates it where there is none. */
  private open(topic: string, now: number, limits: Limits): Log {
    this.sweep(now, limits)
    let log = this.logs.get(topic)
    if (log !== undefined && now - log.touched > Duration.toMillis(limits.keepEmpty)) log = undefined
    if (log === undefined) {
      const segments = [{ epoch: this.nextEpoch(now), start: 0 }]
      log = { segments, run: this.run, offset: 0, expired: 0, entries: [], touched: now, ids: new Map() }
      this.logs.set(topic, log)
      return log
    }
    log.touched = now
    expire(log, now, limits)
    return log
  }

  /** Frees what topics that are not used any more still hold. */
  private sweep(now: number, limits: Limits): void {
    if (now - this.swept < 60_000) return
    this.swept = now
    for (const [topic, log] of this.logs) {
      if (now - log.touched > Duration.toMillis(limits.keepEmpty)) this.logs.delete(topic)
      else expire(log, now, limits)
    }
  }

  private nextEpoch(now: number): number {
    this.epoch = Math.max(now * 1000, this.epoch + 1)
    return this.epoch
  }

  private compareAll(): void {
    for (const [topic, sinks] of this.sinks) {
      const log = this.logs.get(topic)
      // A topic that is gone has a head again when it is asked for; until then readers only need to look.
      const head = log === undefined ? { epoch: this.epoch + 1, offset: 0 } : headOf(log)
      for (const sink of sinks) sink.compare(head)
    }
  }
}

const expire = (log: Log, now: number, limits: Limits): void => {
  const oldest = now - Duration.toMillis(limits.maxAge)
  let expired = 0
  while (expired < log.entries.length && log.entries[expired]!.at < oldest) expired++
  if (expired > 0) {
    log.expired = log.entries[expired - 1]!.position.offset
    log.entries.splice(0, expired)
  }
  // In the order in which they were set, which is that of their ends.
  for (const [key, { until }] of log.ids) {
    if (until > now) break
    log.ids.delete(key)
  }
}

const headOf = ({ offset, segments }: Log): Position => positionAt(segments, offset)

const stateOf = (log: Log, after: Position, page: { readonly entries: number; readonly bytes: number }): LogState => {
  const first = log.entries[0]?.position.offset ?? log.offset + 1
  const entries: Array<Entry> = []
  let bytes = 0
  for (let at = Math.max(0, after.epoch === 0 ? 0 : after.offset + 1 - first); at < log.entries.length; at++) {
    const entry = log.entries[at]!
    bytes += entry.size
    if (entries.length === page.entries || (bytes > page.bytes && entries.length > 0)) break
    entries.push(entry)
  }
  return { head: headOf(log), segments: [...log.segments], first, expired: log.expired, entries }
}
