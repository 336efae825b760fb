/**
 * A deploy: clients of an old node that resume at a new one. The old node is not ready any more, then drains at a pace
 * and asks each client to wait; the new node admits at a bounded rate.
 */
import type { Dialer } from "@effect-ws/transport/Dialer"
import type * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { Effect, Fiber, Metric, Stream } from "effect"
import type { Scope } from "effect"
import * as metrics from "../../src/internal/metrics.ts"
import * as TopicClient from "../../src/TopicClient.ts"
import type { TopicLog } from "../../src/TopicLog.ts"

/** A node that takes part. */
export interface DeployNode {
  readonly url: string
  readonly server: WebSocketServer.WebSocketServer["Service"]
  readonly log: TopicLog["Service"]
}

/** The size of a deploy, and the world in which it is. */
export interface DeployOptions {
  readonly old: DeployNode
  readonly next: DeployNode
  readonly clients: number
  readonly rooms: number
  readonly drain: WebSocketServer.DrainOptions
  /** Lets 100 ms pass. */
  readonly pass: Effect.Effect<void>
}

/** What came of a deploy. */
export interface DeployResult {
  /** Entries that each client should have, in order: 1 to this. */
  readonly published: number
  /** What each client has. */
  readonly got: ReadonlyArray<ReadonlyArray<number>>
  readonly gaps: ReadonlyArray<string>
  /** Connection attempts, beside the first of each client. */
  readonly attempts: number
  /** Pages that were read from the log for resuming clients. */
  readonly pageReads: number
  /** The most clients that the new node took in 100 ms. */
  readonly mostAtOnce: number
  /** Whether the old node closed a connection while it was only not ready. */
  readonly hasClosedEarly: boolean
  /** How many 100 ms it took from the beginning of the drain until the new node had all clients. */
  readonly turns: number
}

/** Runs it all. */
export const run = Effect.fnUntraced(function* (
  options: DeployOptions
): Effect.fn.Return<DeployResult, unknown, Dialer | Scope.Scope> {
  const { clients, next, old, pass, rooms } = options
  // A load balancer sends clients to the old node for as long as that is ready.
  const url = Effect.map(old.server.isReady, (isReady) => (isReady ? old.url : next.url))
  const got = Array.from({ length: clients }, (): Array<number> => [])
  const gaps: Array<string> = []
  let attempts = -clients
  yield* Effect.forEach(
    got,
    Effect.fnUntraced(function* (items, at) {
      const client = yield* TopicClient.make({ url: Effect.tap(url, () => Effect.sync(() => void attempts++)) })
      yield* Effect.forkScoped(
        Stream.runForEach(client.subscribe(`room ${at % rooms}`), (item) =>
          Effect.sync(() => (item._tag === "Entry" ? items.push(Number(item.data)) : gaps.push(item.reason)))
        )
      )
    }),
    { discard: true }
  )
  const countAt = (node: DeployNode) => Effect.map(node.server.connections, ({ length }) => length)
  let published = 0
  const publish = Effect.suspend(() => {
    published++
    return Effect.forEach(
      Array.from({ length: rooms }),
      (_, room) => next.log.append(`room ${room}`, String(published)),
      { discard: true }
    )
  })
  const everyoneHas = () => got.every(({ length }) => length === published)
  while ((yield* countAt(old)) < clients) yield* pass
  // Subscriptions follow the connections.
  yield* Effect.repeat(pass, { times: 20 })
  yield* publish
  while (!everyoneHas()) yield* pass
  const reads = Effect.map(Metric.value(metrics.pages), ({ count }) => Number(count))
  const readsBefore = yield* reads
  const drain = yield* Effect.forkChild(old.server.drain(options.drain), { startImmediately: true })
  let arrived = 0
  let mostAtOnce = 0
  let hasClosedEarly = false
  let turns = 0
  for (; turns < 1200 && arrived < clients; turns++) {
    yield* pass
    if (turns < 15 && (yield* countAt(old)) < clients) hasClosedEarly = true
    if (turns % 30 === 0) yield* publish
    const now = yield* countAt(next)
    mostAtOnce = Math.max(mostAtOnce, now - arrived)
    arrived = now
  }
  yield* Fiber.join(drain)
  yield* publish
  for (let more = 0; more < 600 && !everyoneHas(); more++) yield* pass
  const pageReads = (yield* reads) - readsBefore
  return { published, got, gaps, attempts, pageReads, mostAtOnce, hasClosedEarly, turns }
})
