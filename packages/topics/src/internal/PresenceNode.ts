/**
 * One node's part in presence: for each topic that it has members or watchers in, a fiber that reads what all nodes
 * tell and one that tells what changed here.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { TopicLog } from "../TopicLog.ts"
import type { TopicItem } from "./LogTypes.ts"
import { LimitExceeded } from "../TopicLogError.ts"
import type { LogUnavailable } from "../TopicLogError.ts"
import type { PresenceEvent, TopicPresenceService } from "./PresenceTypes.ts"
import { cutNames } from "./cutNames.ts"
import { sizeOf } from "./sizeOf.ts"
import { decodeMessage, PresenceState } from "./PresenceState.ts"
import type { PresenceChange, PresenceMessage } from "./PresenceState.ts"

/** The topics of presence in the log, which clients may not use. */
export const presencePrefix = "~presence:"

/** The options with their defaults. */
export interface PresenceSettings {
  readonly coalesce: Duration.Duration
  readonly lease: number
  readonly settleTime: Duration.Duration
  readonly maxMemberBytes: number
}

// Events that wait for a watcher; more are replaced by a snapshot.
const watcherBuffer = 256

type Watcher = Queue.Queue<PresenceEvent>

export class PresenceNode {
  private readonly log: TopicLog["Service"]
  private readonly settings: PresenceSettings
  private readonly id = globalThis.crypto.randomUUID()
  private readonly topics = new Map<string, PresenceTopic>()

  constructor(log: TopicLog["Service"], settings: PresenceSettings) {
    this.log = log
    this.settings = settings
  }

  readonly join: TopicPresenceService["join"] = (topic, member) =>
    Effect.suspend(() => {
      const { maxMemberBytes } = this.settings
      const actual = sizeOf(member)
      if (actual > maxMemberBytes) {
        return Effect.fail(new LimitExceeded({ limit: "maxMemberBytes", actual, maximum: maxMemberBytes }))
      }
      return Effect.flatMap(this.open(topic), (presence) =>
        Effect.acquireRelease(
          Effect.sync(() => presence.add(member)),
          () => Effect.sync(() => presence.remove(member))
        )
      )
    })

  readonly watch: TopicPresenceService["watch"] = (topic) =>
    Stream.unwrap(Effect.flatMap(this.open(topic), (presence) => presence.watch))

  /** Takes part in a topic until the Scope closes. */
  private open(topic: string): Effect.Effect<PresenceTopic, LimitExceeded | LogUnavailable, Scope.Scope> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen({ self: this }, function* () {
        let presence = this.topics.get(topic)
        const isNew = presence === undefined
        if (presence === undefined) {
          presence = new PresenceTopic(this.id, presencePrefix + topic, this.log, this.settings, yield* Scope.make())
          this.topics.set(topic, presence)
        }
        const opened = presence
        opened.users++
        yield* Effect.addFinalizer(() =>
          Effect.suspend(() => {
            if (--opened.users > 0) return Effect.void
            if (this.topics.get(topic) === opened) this.topics.delete(topic)
            return opened.close
          })
        )
        if (isNew) {
          const start = Effect.onExit(opened.start, (exit) => {
            if (Exit.isFailure(exit) && this.topics.get(topic) === opened) this.topics.delete(topic)
            return Deferred.done(opened.ready, exit)
          })
          yield* Effect.forkIn(start, opened.scope, { startImmediately: true })
        }
        yield* restore(Deferred.await(opened.ready))
        return opened
      })
    )
  }
}

class PresenceTopic {
  users = 0
  readonly ready = Deferred.makeUnsafe<void, LimitExceeded | LogUnavailable>()
  readonly scope: Scope.Closeable
  private readonly node: string
  private readonly topic: string
  private readonly log: TopicLog["Service"]
  private readonly settings: PresenceSettings
  private readonly state: PresenceState
  /** How often a member is here. */
  private readonly local = new Map<string, number>()
  /** What the other nodes were not told yet. */
  private readonly joined = new Set<string>()
  private readonly left = new Set<string>()
  private mustTellAll = true
  private mustAsk = true
  private readonly hasChanges = Latch.makeUnsafe(true)
  private readonly watchers = new Set<Watcher>()
  private readonly settled = Latch.makeUnsafe(false)

  constructor(
    node: string,
    topic: string,
    log: TopicLog["Service"],
    settings: PresenceSettings,
    scope: Scope.Closeable
  ) {
    this.node = node
    this.topic = topic
    this.log = log
    this.settings = settings
    this.state = new PresenceState(settings.lease)
    this.scope = scope
  }

  /** Begins to read, then to tell: what this node tells comes back to it as to every other. */
  get start(): Effect.Effect<void, LimitExceeded | LogUnavailable> {
    return Effect.gen({ self: this }, function* () {
      const reader = yield* Scope.provide(this.log.follow(this.topic), this.scope)
      const read = Effect.forever(
        Effect.flatMap(reader.pull, (items) => Effect.sync(() => items.forEach((item) => this.take(item))))
      )
      yield* Effect.forkIn(read, this.scope)
      yield* Effect.forkIn(this.tell, this.scope)
      const settle = Effect.andThen(Effect.sleep(this.settings.settleTime), this.settled.open)
      yield* Effect.forkIn(settle, this.scope)
    })
  }

  /** Ends the fibers. First publishes that its members leave, as far as that is possible without waiting. */
  get close(): Effect.Effect<void> {
    const leave = Effect.suspend(() =>
      this.left.size === 0 ? Effect.void : Effect.ignore(Effect.timeoutOption(this.append(this.deltas()), "1 second"))
    )
    return Effect.andThen(Scope.close(this.scope, Exit.void), Effect.asVoid(Effect.forkDetach(leave)))
  }

  add(member: string): void {
    const count = this.local.get(member) ?? 0
    this.local.set(member, count + 1)
    if (count > 0) return
    if (!this.left.delete(member)) this.joined.add(member)
    this.hasChanges.openUnsafe()
  }

  remove(member: string): void {
    const count = this.local.get(member) ?? 0
    if (count > 1) return void this.local.set(member, count - 1)
    this.local.delete(member)
    if (!this.joined.delete(member)) this.left.add(member)
    this.hasChanges.openUnsafe()
  }

  get watch(): Effect.Effect<Stream.Stream<PresenceEvent>, never, Scope.Scope> {
    const open = Effect.gen({ self: this }, function* () {
      yield* this.settled.await
      const events: Watcher = yield* Queue.unbounded<PresenceEvent>()
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          Queue.offerUnsafe(events, { _tag: "Snapshot", members: this.state.members })
          this.watchers.add(events)
        }),
        () => Effect.sync(() => this.watchers.delete(events))
      )
      return Stream.fromQueue(events)
    })
    return open
  }

  // -- what comes in --------------------------------------------------------------------------------------------------

  private take(item: TopicItem): void {
    if (item._tag === "Gap") {
      // What is missing is not known: everyone is asked again.
      this.mustAsk = true
      this.mustTellAll = true
      this.hasChanges.openUnsafe()
      return
    }
    const decoded = decodeMessage(item.data)
    // Nothing that another program or version appends may end presence on this node.
    if (Result.isFailure(decoded)) return
    const message = decoded.success
    const { change, gone } = this.state.receive(message, item.at)
    // A query of another node; or this one was silent for so long that all nodes took it for gone, itself included.
    if ((message._tag === "Query" && message.node !== this.node) || gone.has(this.node)) {
      this.mustTellAll = true
      this.hasChanges.openUnsafe()
    }
    this.notify(change)
  }

  private notify({ joined, left }: PresenceChange): void {
    if (joined.size === 0 && left.size === 0) return
    const event: PresenceEvent = { _tag: "Changed", joined: [...joined], left: [...left] }
    for (const watcher of this.watchers) {
      if (Queue.sizeUnsafe(watcher) < watcherBuffer) Queue.offerUnsafe(watcher, event)
      else {
        while (Queue.takeUnsafe(watcher) !== undefined);
        Queue.offerUnsafe(watcher, { _tag: "Snapshot", members: this.state.members })
      }
    }
  }

  // -- what goes out --------------------------------------------------------------------------------------------------

  /** Tells what is new, and every third of the lease that this node is there. */
  private get tell(): Effect.Effect<never> {
    const changed = Effect.timeoutOption(this.hasChanges.await, Duration.millis(this.settings.lease / 3))
    const turn = Effect.flatMap(changed, (awaited) =>
      awaited._tag === "None"
        ? Effect.ignore(this.append([{ _tag: "Beat", node: this.node }]))
        : Effect.andThen(Effect.sleep(this.settings.coalesce), this.tellChanges)
    )
    return Effect.forever(turn)
  }

  private get tellChanges(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.hasChanges.closeUnsafe()
      const messages: Array<PresenceMessage> = []
      if (this.mustAsk) messages.push({ _tag: "Query", node: this.node })
      if (this.mustTellAll) messages.push(...this.full())
      else messages.push(...this.deltas())
      this.mustAsk = false
      this.mustTellAll = false
      this.joined.clear()
      this.left.clear()
      return Effect.catch(this.append(messages), () => {
        // Telling all again is right whether or not some of it was appended.
        this.mustAsk = true
        this.mustTellAll = true
        this.hasChanges.openUnsafe()
        return Effect.sleep("500 millis")
      })
    })
  }

  private append(messages: ReadonlyArray<PresenceMessage>): Effect.Effect<void, unknown> {
    return Effect.forEach(messages, (message) => this.log.append(this.topic, JSON.stringify(message)), {
      discard: true
    })
  }

  private full(): ReadonlyArray<PresenceMessage> {
    const parts = this.parts([...this.local.keys()])
    return parts.map((members, at) => ({
      _tag: "Full",
      node: this.node,
      members,
      isFirst: at === 0,
      isLast: at === parts.length - 1
    }))
  }

  private deltas(): ReadonlyArray<PresenceMessage> {
    const delta = (joined: ReadonlyArray<string>, left: ReadonlyArray<string>): PresenceMessage => ({
      _tag: "Delta",
      node: this.node,
      joined,
      left
    })
    return [
      ...this.parts([...this.left]).map((left) => delta([], left)),
      ...this.parts([...this.joined]).map((joined) => delta(joined, []))
    ].filter((message) => message._tag === "Delta" && message.joined.length + message.left.length > 0)
  }

  /** Cuts names into parts that fit into an entry. */
  private parts(names: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> {
    return cutNames(names, this.log.maxEntryBytes - 256)
  }
}
