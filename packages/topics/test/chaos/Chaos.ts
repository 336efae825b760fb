/**
 * Three nodes and one Redis as processes, clients in this one, and what can happen to them: a node is killed, Redis is
 * killed and started again, stopped for longer than all timeouts, loses a key, and is flushed. In the end every
 * subscriber has every acknowledged message exactly once, or gaps that cover what it lacks.
 *
 * A process that is killed loses nothing that it wrote to a file, whatever `appendfsync` says; a machine that is cut
 * off its power does. So with `everysec` the end of the append-only file is cut off before Redis is started again.
 */
import { freePort } from "@effect-ws/test-support/LocalPort"
import * as Client from "@effect-ws/client/Client"
import { Effect, Exit, Fiber, Schedule, Stream } from "effect"
import type { Scope } from "effect"
import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as Position from "../../src/Position.ts"
import * as TopicClient from "../../src/TopicClient.ts"
import type * as TopicLog from "../../src/TopicLog.ts"
import type { TopicItem } from "../../src/TopicLog.ts"
import { RedisServer } from "../support/redis.ts"

/** The size of a run. */
export interface ChaosOptions {
  readonly messages: number
  readonly topics: number
  readonly subscribers: number
  readonly publishers: number
  /** The setting of Redis. With `everysec` the newest part of its file is lost with the restart. */
  readonly appendfsync: "always" | "everysec"
  readonly report: (line: string) => void
}

/** What came of a run. */
export interface ChaosResult {
  readonly acknowledged: number
  /** Publishes whose outcome was unknown for a time, and that were sent again. */
  readonly retried: number
  readonly delivered: number
  /** Acknowledged messages that Redis lost in the restart, in the eviction and in the flush. */
  readonly lost: { readonly restart: number; readonly eviction: number; readonly flush: number }
  /** How many subscribers got all acknowledged messages that Redis did not lose. */
  readonly complete: number
  readonly gaps: ReadonlyArray<string>
  /** What must not be; empty where all holds. */
  readonly problems: ReadonlyArray<string>
}

interface Subscriber {
  readonly name: string
  readonly topic: string
  readonly start: { current: Position.Position | undefined }
  readonly items: Array<TopicItem>
}

const nodeFile = fileURLToPath(new URL("node.ts", import.meta.url))

class NodeProcess {
  readonly port: number
  private readonly url: string
  private child: ChildProcess | undefined = undefined

  constructor(port: number, url: string) {
    this.port = port
    this.url = url
  }

  readonly run: Effect.Effect<void, unknown> = Effect.callback((resume) => {
    const child = spawn(process.execPath, [nodeFile, String(this.port), this.url], {
      stdio: ["ignore", "pipe", "pipe"]
    })
    let output = ""
    this.child = child
    child.stderr.on("data", (chunk: Buffer) => void (output += chunk.toString()))
    child.stdout.once("data", () => resume(Effect.void))
    child.once("exit", () => resume(Effect.fail(new Error(`a node ended: ${output}`))))
  })

  readonly kill: Effect.Effect<void> = Effect.callback((resume) => {
    const { child } = this
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })
}

/** Runs it all. */
export const run = Effect.fnUntraced(function* (
  options: ChaosOptions
): Effect.fn.Return<ChaosResult, unknown, Scope.Scope> {
  const redis = yield* RedisServer.start("--appendonly", "yes", "--appendfsync", options.appendfsync)
  const nodes = yield* Effect.forEach([0, 1, 2], () =>
    Effect.acquireRelease(
      Effect.map(freePort, (port) => new NodeProcess(port, redis.url)),
      (node) => node.kill
    )
  )
  yield* Effect.forEach(nodes, (node) => node.run, { concurrency: "unbounded" })
  options.report("three nodes are up")

  const makeClient = Effect.fnUntraced(function* (first: number) {
    let at = first
    return yield* Effect.provide(
      TopicClient.make({
        url: Effect.sync(() => `ws://127.0.0.1:${nodes[at++ % nodes.length]!.port}/`),
        schedule: Schedule.spaced("100 millis"),
        while: () => true,
        publishTimeout: "20 seconds"
      }),
      Client.layerDialer()
    )
  })

  const topics = Array.from({ length: options.topics }, (_, at) => `room {${at}}`)
  const subscribers: Array<Subscriber> = []
  for (let at = 0; at < options.subscribers; at++) {
    const client = yield* makeClient(at)
    const subscriber: Subscriber = {
      name: `subscriber ${at}`,
      topic: topics[at % topics.length]!,
      start: { current: undefined },
      items: []
    }
    subscribers.push(subscriber)
    yield* Effect.forkScoped(
      Stream.runForEach(client.subscribe(subscriber.topic, { after: "oldest" }), (item) =>
        Effect.sync(() => subscriber.items.push(item))
      )
    )
  }

  const acknowledged = new Map<string, { readonly topic: string; readonly position: Position.Position }>()
  let retried = 0
  const publishers = yield* Effect.forEach(Array.from({ length: options.publishers }), (_, at) => makeClient(at))

  /** Publishes until it is acknowledged; the id makes that safe. */
  const publish = Effect.fnUntraced(function* (client: TopicClient.TopicClient, data: string, topic: string) {
    let exit = yield* Effect.exit(client.publish(topic, data, { id: data }))
    while (Exit.isFailure(exit)) {
      retried++
      yield* Effect.sleep("100 millis")
      exit = yield* Effect.exit(client.publish(topic, data, { id: data }))
    }
    acknowledged.set(data, { topic, position: exit.value.position })
  })

  const publishPart = (from: number, to: number) =>
    Effect.forEach(
      publishers,
      (client, publisher) =>
        Effect.gen(function* () {
          for (let number = from + publisher; number < to; number += publishers.length) {
            yield* publish(client, String(number), topics[number % topics.length]!)
          }
        }),
      { concurrency: "unbounded", discard: true }
    )

  /** Publishes a sixth of all messages, and in the middle of it something happens. */
  const part = Effect.fnUntraced(function* (sixth: number, what: string, happens: Effect.Effect<void, unknown>) {
    const from = Math.floor((options.messages * sixth) / 6)
    const to = Math.floor((options.messages * (sixth + 1)) / 6)
    const fiber = yield* Effect.forkChild(publishPart(from, to), { startImmediately: true })
    while (acknowledged.size < from + (to - from) / 3) yield* Effect.sleep("5 millis")
    options.report(`${acknowledged.size} acknowledged: ${what}`)
    yield* happens
    yield* Fiber.join(fiber)
  })

  /** Reads all logs, and says how many acknowledged messages are in none, beside those that were lost before. */
  const gone = new Set<string>()
  const findLost = Effect.gen(function* () {
    const kept = new Set<string>()
    for (const topic of topics) {
      let after: TopicLog.After = "oldest"
      while (true) {
        const page: Omit<TopicLog.Page, "head"> = yield* publishers[0]!.history(topic, after, { maxEntries: 1000 })
        for (const item of page.items) if (item._tag === "Entry") kept.add(String(item.data))
        if (page.isLast) break
        after = page.next
      }
    }
    const lost = [...acknowledged.keys()].filter((data) => !kept.has(data) && !gone.has(data))
    for (const data of lost) gone.add(data)
    return lost.length
  })
  const missing = (subscriber: Subscriber): number => {
    const seen = new Set(subscriber.items.map((item) => (item._tag === "Entry" ? item.data : undefined)))
    let count = 0
    for (const [data, { topic }] of acknowledged) {
      if (topic === subscriber.topic && !gone.has(data) && !seen.has(data)) count++
    }
    return count
  }
  const arrives = Effect.gen(function* () {
    for (let turn = 0; turn < 1200 && subscribers.some((one) => missing(one) > 0); turn++)
      yield* Effect.sleep("50 millis")
  })
  const problems: Array<string> = []
  const noteGaps = (allowed: (subscriber: Subscriber, reason: string) => boolean, what: string) => {
    for (const one of subscribers) {
      for (const item of one.items) {
        if (item._tag === "Gap" && !allowed(one, item.reason))
          problems.push(`${one.name} got ${item.reason}, though ${what}`)
      }
    }
  }

  const isCut = options.appendfsync === "everysec"
  yield* part(0, "node 0 is killed", nodes[0]!.kill)
  yield* part(
    1,
    isCut ? "Redis is killed, and starts again without the end of its file" : "Redis is killed and started again",
    Effect.andThen(redis.kill, Effect.andThen(isCut ? redis.cutAppendOnlyFile(32 * 1024) : Effect.void, redis.run))
  )
  yield* part(2, "node 0 comes back, node 1 is killed", Effect.andThen(nodes[0]!.run, nodes[1]!.kill))
  yield* part(
    3,
    "Redis is stopped for 4 seconds, with timeouts of 1 second",
    Effect.andThen(redis.signal("SIGSTOP"), Effect.andThen(Effect.sleep("4 seconds"), redis.signal("SIGCONT")))
  )
  const restart = yield* findLost
  yield* arrives
  if (restart > 0 && !isCut) problems.push(`Redis lost ${restart} acknowledged messages`)
  noteGaps((_, reason) => isCut && reason === "RolledBack", "nothing else was lost")

  const evicted = topics[0]!
  const evict = redis.command("EVAL", "redis.call('DEL', unpack(redis.call('KEYS', ARGV[1])))", "0", `*:log:${evicted}`)
  yield* part(4, `the stream of ${evicted} is evicted`, Effect.asVoid(evict))
  yield* Effect.forEach(topics, (topic, at) => publish(publishers[0]!, `after the eviction ${at}`, topic))
  const eviction = yield* findLost
  yield* arrives
  noteGaps(
    (one, reason) => (isCut && reason === "RolledBack") || (one.topic === evicted && reason === "Recreated"),
    "only one topic was lost"
  )

  yield* part(5, "Redis is flushed", Effect.asVoid(redis.command("FLUSHALL")))
  yield* Effect.forEach(topics, (topic, at) => publish(publishers[0]!, `after the flush ${at}`, topic))
  const flush = yield* findLost
  yield* arrives
  const complete = subscribers.filter((one) => missing(one) === 0).length
  for (const subscriber of subscribers) problems.push(...judge(subscriber, acknowledged))
  return {
    acknowledged: acknowledged.size,
    retried,
    delivered: subscribers.reduce((sum, { items }) => sum + items.filter((item) => item._tag === "Entry").length, 0),
    lost: { restart, eviction, flush },
    complete,
    gaps: subscribers.flatMap(({ items, name }) =>
      items.flatMap((item) =>
        item._tag === "Gap"
          ? [
              `${name}: ${item.reason} after ${Position.format(item.after)}, resumes at ${Position.format(item.resumesAt)}`
            ]
          : []
      )
    ),
    problems
  }
})

/** Says what is wrong with what a subscriber got: a hole, a double, or an acknowledged message that no gap covers. */
const judge = (
  { items, name, topic }: Subscriber,
  acknowledged: ReadonlyMap<string, { readonly topic: string; readonly position: Position.Position }>
): ReadonlyArray<string> => {
  const problems: Array<string> = []
  const seen = new Map<string, string>()
  // The lowest offset of each epoch that came.
  const lowest = new Map<number, number>()
  let at: Position.Position | undefined
  for (const item of items) {
    if (item._tag === "Gap") {
      if (at !== undefined && !Position.equals(item.after, at))
        problems.push(`${name}: a gap that does not begin where it was`)
      at = item.resumesAt
      continue
    }
    if (at !== undefined && item.position.offset !== at.offset + 1) {
      problems.push(`${name}: ${item.position.offset} follows ${at.offset}`)
    }
    if (seen.has(String(item.data))) problems.push(`${name}: ${String(item.data)} came twice`)
    seen.set(String(item.data), Position.format(item.position))
    if (!lowest.has(item.position.epoch)) lowest.set(item.position.epoch, item.position.offset)
    at = item.position
  }
  const end = at
  for (const [data, { position, topic: its }] of acknowledged) {
    if (its !== topic) continue
    const place = seen.get(data)
    if (place === undefined) {
      // The log lost it where a later epoch begins at or below it. Who had it or could have, was told so by a gap.
      const isLost = [...lowest].some(([epoch, offset]) => epoch > position.epoch && offset <= position.offset)
      if (!isLost) problems.push(`${name}: ${data} is missing, and no gap covers it`)
    } else if (place !== Position.format(position)) {
      problems.push(`${name}: ${data} came at ${place} and was acknowledged at ${Position.format(position)}`)
    }
  }
  if (end === undefined) problems.push(`${name} got nothing`)
  return problems
}
