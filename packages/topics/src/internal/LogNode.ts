/**
 * The log of one node: checks what is appended, and reads for its subscribers, from the feed of a topic where that
 * leads on from their position and otherwise from the engine, in pages. Equal reads are shared, and only so many go on
 * at a time.
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as Position from "../Position.ts"
import { LimitExceeded } from "../TopicLogError.ts"
import type { LogUnavailable } from "../TopicLogError.ts"
import type { Entry, Page, ReadOptions, TopicItem, TopicLogOptions, TopicReader, TopicLogService } from "./LogTypes.ts"
import type { Engine } from "./Engine.ts"
import { gapAfter, positionAt } from "./Lineage.ts"
import * as metrics from "./metrics.ts"
import { sizeOf } from "./sizeOf.ts"
import { TopicFeed } from "./TopicFeed.ts"

/** The options with their defaults. */
export interface Limits {
  readonly maxEntries: number
  readonly maxAge: Duration.Duration
  readonly keepEmpty: Duration.Duration
  readonly idWindow: Duration.Duration
  readonly maxTopicBytes: number
  readonly maxEntryBytes: number
  readonly maxIdBytes: number
  readonly pageEntries: number
  readonly pageBytes: number
  readonly recentEntries: number
  readonly recentBytes: number
  readonly maxFollowedTopics: number
  readonly maxPageReads: number
}

/** Checks the options and adds the defaults. */
export const toLimits = (options: TopicLogOptions): Limits => ({
  maxEntries: Argument.limit("maxEntries", options.maxEntries ?? 1000, 1),
  maxAge: Argument.duration("maxAge", options.maxAge ?? "1 hour"),
  keepEmpty: Argument.duration("keepEmpty", options.keepEmpty ?? "7 days"),
  idWindow: Argument.duration("idWindow", options.idWindow ?? "2 minutes"),
  maxTopicBytes: Argument.limit("maxTopicBytes", options.maxTopicBytes ?? 256, 1),
  maxEntryBytes: Argument.limit("maxEntryBytes", options.maxEntryBytes ?? 64 * 1024, 1),
  maxIdBytes: Argument.limit("maxIdBytes", options.maxIdBytes ?? 128, 1),
  pageEntries: Argument.limit("pageEntries", options.pageEntries ?? 128, 1),
  pageBytes: Argument.limit("pageBytes", options.pageBytes ?? 256 * 1024, 1),
  recentEntries: Argument.limit("recentEntries", options.recentEntries ?? 256, 1),
  recentBytes: Argument.limit("recentBytes", options.recentBytes ?? 1024 * 1024, 1),
  maxFollowedTopics: Argument.limit("maxFollowedTopics", options.maxFollowedTopics ?? 10_000, 1),
  maxPageReads: Argument.limit("maxPageReads", options.maxPageReads ?? 16, 1)
})

/** What a reader starts with where it wants everything that is kept. */
const beforeAll: Position.Position = { epoch: 0, offset: 0 }

// A reader that found nothing although the feed said so looks again after this, whatever the feed hears.
const lookAgain = Duration.seconds(1)

interface Followed {
  readonly feed: TopicFeed
  readonly scope: Scope.Closeable
  readonly ready: Deferred.Deferred<void, LogUnavailable>
}

export class LogNode {
  private readonly engine: Engine
  private readonly limits: Limits
  private readonly followed = new Map<string, Followed>()
  private readonly reading = new Map<string, Deferred.Deferred<Page, LogUnavailable>>()
  private readonly reads: Semaphore.Semaphore

  readonly service: TopicLogService

  constructor(engine: Engine, limits: Limits) {
    this.engine = engine
    this.limits = limits
    this.reads = Semaphore.makeUnsafe(limits.maxPageReads)
    const follow: TopicLogService["follow"] = (topic, options) =>
      this.checked(topic, this.follow(topic, options?.after))
    this.service = {
      idWindow: this.limits.idWindow,
      maxEntryBytes: this.limits.maxEntryBytes,
      append: (topic, data, options = {}) =>
        Effect.suspend(() => {
          const id = options.id ?? randomId()
          const problem = this.check(topic, data, id)
          if (problem !== undefined) return Effect.fail(problem)
          const request = { topic, data, id, publisher: options.publisher ?? "" }
          return Effect.tap(this.engine.append(request), Metric.update(metrics.appended, 1))
        }),
      head: (topic) => this.checked(topic, this.engine.head(topic)),
      heads: (topics) =>
        Effect.map(
          Effect.forEach(topics, (topic) => this.checked(topic, this.engine.head(topic)), { concurrency: 16 }),
          (heads) => new Map(topics.map((topic, at) => [topic, heads[at]!]))
        ),
      read: (topic, after, options) => this.checked(topic, this.page(topic, this.start(after), options)),
      follow,
      subscribe: (topic, options) =>
        Stream.unwrap(
          Effect.map(follow(topic, options), ({ pull }) =>
            Stream.fromPull(Effect.succeed(pull as Effect.Effect<readonly [TopicItem, ...Array<TopicItem>]>))
          )
        )
    }
  }

  private check(topic: string, data?: string | Uint8Array, id?: string): LimitExceeded | undefined {
    const { maxEntryBytes, maxIdBytes, maxTopicBytes } = this.limits
    const topicBytes = sizeOf(topic)
    if (topicBytes > maxTopicBytes) {
      return new LimitExceeded({ limit: "maxTopicBytes", actual: topicBytes, maximum: maxTopicBytes })
    }
    const size = data === undefined ? 0 : sizeOf(data)
    if (size > maxEntryBytes) return new LimitExceeded({ limit: "maxEntryBytes", actual: size, maximum: maxEntryBytes })
    const idBytes = id === undefined ? 0 : sizeOf(id)
    if (idBytes > maxIdBytes) return new LimitExceeded({ limit: "maxIdBytes", actual: idBytes, maximum: maxIdBytes })
    return undefined
  }

  private checked<A, E, R>(topic: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | LimitExceeded, R> {
    return Effect.suspend((): Effect.Effect<A, E | LimitExceeded, R> => {
      const problem = this.check(topic)
      return problem === undefined ? effect : Effect.fail(problem)
    })
  }

  private start(after: Position.Position | "oldest"): Position.Position {
    return after === "oldest" ? beforeAll : after
  }

  // -- pages ----------------------------------------------------------------------------------------------------------

  // Reads are shared within a generation of the feed: a read from before it began does not know what began it.
  private page(
    topic: string,
    after: Position.Position,
    options: ReadOptions = {},
    generation = 0
  ): Effect.Effect<Page, LogUnavailable> {
    return Effect.suspend(() => {
      const limits = {
        entries: Math.min(Argument.limit("maxEntries", options.maxEntries ?? this.limits.pageEntries, 1), 10_000),
        bytes: Argument.limit("maxBytes", options.maxBytes ?? this.limits.pageBytes, 1)
      }
      const key = `${generation} ${limits.entries} ${limits.bytes} ${Position.format(after)} ${topic}`
      const shared = this.reading.get(key)
      if (shared !== undefined) return Deferred.await(shared)
      const result = Deferred.makeUnsafe<Page, LogUnavailable>()
      this.reading.set(key, result)
      const read = this.reads
        .withPermits(1)(this.readPage(topic, after, limits))
        .pipe(
          Effect.tap(Metric.update(metrics.pages, 1)),
          Effect.onExit((exit) => {
            this.reading.delete(key)
            return Deferred.done(result, exit)
          })
        )
      // The fiber that reads for others is not interrupted with the reader that came first.
      return Effect.andThen(Effect.forkDetach(read, { startImmediately: true }), Deferred.await(result))
    })
  }

  private readonly readPage = Effect.fnUntraced(function* (
    this: LogNode,
    topic: string,
    after: Position.Position,
    limits: { readonly entries: number; readonly bytes: number }
  ): Effect.fn.Return<Page, LogUnavailable> {
    let state = yield* this.engine.read(topic, after, limits)
    const gap = after.epoch === 0 ? undefined : gapAfter(after, state)
    const from = gap?.resumesAt ?? after
    // The same offset may have been reached in another epoch than the position says. Then what lies behind that is not
    // what was read.
    const canonical = positionAt(state.segments, from.offset)
    if (from.epoch !== 0 && !Position.equals(canonical, after)) {
      state = yield* this.engine.read(topic, canonical, limits)
      const again = gapAfter(canonical, state)
      if (again !== undefined) {
        // The log changed in between: one gap from where the reader is to where it can go on.
        const merged = gap ?? again
        return page(topic, [{ ...merged, after, resumesAt: again.resumesAt, lost: "unknown" }], state.head)
      }
    }
    return page(topic, gap === undefined ? state.entries : [gap, ...state.entries], state.head, gap?.resumesAt ?? after)
  })

  // -- followers ------------------------------------------------------------------------------------------------------

  private readonly follow = Effect.fnUntraced(function* (
    this: LogNode,
    topic: string,
    after: Position.Position | "oldest" | undefined
  ): Effect.fn.Return<TopicReader, LogUnavailable | LimitExceeded, Scope.Scope> {
    const feed = yield* this.attach(topic)
    const start = after === undefined ? feed.position! : this.start(after)
    return new Reader(feed, start, (position) => this.page(topic, position, {}, feed.generation))
  })

  private attach(topic: string): Effect.Effect<TopicFeed, LogUnavailable | LimitExceeded, Scope.Scope> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen({ self: this }, function* () {
        let followed = this.followed.get(topic)
        const isNew = followed === undefined
        if (followed === undefined) {
          const { maxFollowedTopics } = this.limits
          if (this.followed.size >= maxFollowedTopics) {
            return yield* new LimitExceeded({
              limit: "maxFollowedTopics",
              actual: this.followed.size + 1,
              maximum: maxFollowedTopics
            })
          }
          const feed = new TopicFeed(topic, this.limits)
          followed = { feed, scope: yield* Scope.make(), ready: Deferred.makeUnsafe() }
          this.followed.set(topic, followed)
        }
        const { feed, ready, scope } = followed
        feed.readers++
        yield* Effect.addFinalizer(() =>
          Effect.suspend(() => {
            if (--feed.readers > 0) return Effect.void
            if (this.followed.get(topic)?.feed === feed) this.followed.delete(topic)
            return Scope.close(scope, Exit.void)
          })
        )
        if (isNew) {
          const open = Effect.onExit(this.open(feed), (exit) => {
            // The next caller tries again.
            if (Exit.isFailure(exit) && this.followed.get(topic)?.feed === feed) this.followed.delete(topic)
            return Deferred.done(ready, exit)
          })
          yield* Effect.forkIn(Scope.provide(open, scope), scope, { startImmediately: true })
        }
        yield* restore(Deferred.await(ready))
        return feed
      })
    )
  }

  private readonly open = Effect.fnUntraced(function* (
    this: LogNode,
    feed: TopicFeed
  ): Effect.fn.Return<void, LogUnavailable, Scope.Scope> {
    yield* this.engine.follow(feed)
    const head = yield* this.engine.head(feed.topic)
    const { pageEntries } = this.limits
    const start = { epoch: head.epoch, offset: Math.max(0, head.offset - pageEntries) }
    const recent = yield* this.page(feed.topic, start)
    feed.begin(
      head,
      recent.items.filter((item): item is Entry => item._tag === "Entry")
    )
  })
}

const randomId = (): string => globalThis.crypto.randomUUID()

const page = (
  topic: string,
  items: ReadonlyArray<TopicItem>,
  head: Position.Position,
  after?: Position.Position
): Page => {
  const last = items.at(-1)
  const next = last === undefined ? after! : last._tag === "Entry" ? last.position : last.resumesAt
  return { topic, items, next, head, isLast: next.offset >= head.offset }
}

/** One reader of a topic: all that it holds is where it is. */
class Reader implements TopicReader {
  readonly position: Position.Position
  private at: Position.Position
  private generation = -1
  private readonly feed: TopicFeed
  private readonly read: (after: Position.Position) => Effect.Effect<Page, LogUnavailable>

  constructor(
    feed: TopicFeed,
    position: Position.Position,
    read: (after: Position.Position) => Effect.Effect<Page, LogUnavailable>
  ) {
    this.feed = feed
    this.position = position
    this.at = position
    this.read = read
  }

  readonly pull: Effect.Effect<ReadonlyArray<TopicItem>> = Effect.suspend(() => this.step())

  private step(): Effect.Effect<ReadonlyArray<TopicItem>> {
    const step = this.feed.next(this.at, this.generation)
    if (step === "wait") return Effect.flatMap(this.more, () => this.step())
    if (step === "read") return this.readLog()
    this.at = step[step.length - 1]!.position
    return Effect.succeed(step)
  }

  private readLog(): Effect.Effect<ReadonlyArray<TopicItem>> {
    const { generation } = this.feed
    return Effect.matchEffect(this.read(this.at), {
      // Subscriptions outlive the engine's absence: nothing is lost by waiting.
      onFailure: () => Effect.flatMap(this.moreOrLater, () => this.step()),
      onSuccess: ({ items, next }) => {
        const isFirst = this.generation !== generation
        this.generation = generation
        this.at = next
        if (items.length > 0) return Effect.succeed(items)
        return isFirst ? this.step() : Effect.flatMap(this.moreOrLater, () => this.step())
      }
    })
  }

  private readonly more: Effect.Effect<void> = Effect.callback((resume) => {
    const cancel = this.feed.onceMore(() => resume(Effect.void))
    return Effect.sync(cancel)
  })

  private readonly moreOrLater: Effect.Effect<unknown> = Effect.suspend(() =>
    Effect.timeoutOption(this.more, lookAgain)
  )
}
