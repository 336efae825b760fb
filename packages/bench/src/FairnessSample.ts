/**
 * One sample of fairness: 999 connections each send a message of 64 bytes every half second, spread evenly, and the
 * time to its echo is taken; first alone, then beside one connection that keeps 64 messages of 1 KiB under way. The
 * figure is how much longer the slowest hundredth takes then. Each half has a fresh server.
 */
import * as Effect from "effect/Effect"
import * as Child from "./Child.ts"
import type { Paced } from "./paced.ts"
import type { Peer } from "./Peer.ts"
import { pinned } from "./Pinning.ts"
import type { Row } from "./Row.ts"
import type { Conditions } from "./Conditions.ts"
import { startServer } from "./startServer.ts"

const answerSeconds = 60

const measure = Effect.fnUntraced(function* (peer: Peer, row: Row, busy: boolean, { pinning, window }: Conditions) {
  const server = yield* startServer(peer, row, pinning, [])
  const job = JSON.stringify({ port: server.port, pid: server.child.pid, core: pinning?.server, busy, ...window })
  const generator = yield* Child.spawn(
    "the generator",
    pinned(pinning?.generator, [process.execPath, Child.sourceFile("paced.ts"), job])
  )
  return JSON.parse(yield* generator.line(window.warmup + window.seconds + answerSeconds)) as Paced
}, Effect.scoped)

/** Takes one. */
export const fairness = Effect.fnUntraced(function* (peer: Peer, row: Row, conditions: Conditions) {
  const alone = yield* measure(peer, row, false, conditions)
  const beside = yield* measure(peer, row, true, conditions)
  return { value: beside.p99 / alone.p99, given: Math.min(alone.given ?? 1, beside.given ?? 1) }
})
