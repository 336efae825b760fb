/**
 * Looks for leaks where connections come and go: `node src/deflate-leak.ts [SERVER] [VISITS]` has a server (`fiber`)
 * visited 100 000 times, with a compressed message and windows that are kept, and prints its memory on the way. It ends
 * with 1 where memory still grew in the second half: allocators take a while to find their size.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { BenchError } from "./Child.ts"
import * as Load from "./Load.ts"
import * as Peer from "./Peer.ts"
import { rssKiB } from "./Proc.ts"
import * as Row from "./Row.ts"
import * as Sample from "./Sample.ts"

const steps = 10
const mostHeapKiB = 1024
const mostRssKiB = 16 * 1024

const program = Effect.gen(function* () {
  const [name = "fiber", visits = "100000"] = process.argv.slice(2)
  const [peer] = Peer.select(Peer.discover(), [name])
  const { child, port } = yield* Sample.startServer(peer!, Row.parse("idle-deflate-takeover"), undefined, [
    "--expose-gc"
  ])
  const measured: Array<{ readonly heap: number; readonly rss: number }> = []
  const count = Math.ceil(Number(visits) / steps)
  yield* Console.log(`${name}: visits, heap KiB, resident KiB`)
  for (let step = 1; step <= steps; step++) {
    yield* Effect.tryPromise({
      try: () => Load.visit({ port, pid: child.pid }, { count, atOnce: 32, compression: "takeover" }),
      catch: (error) => new BenchError({ message: String(error) })
    })
    yield* Effect.sleep("1 second")
    const heap = (yield* Sample.heapKiB(child)) ?? 0
    const rss = rssKiB(child.pid) ?? 0
    measured.push({ heap, rss })
    yield* Console.log(`${step * count}  ${Math.round(heap)}  ${rss}`)
  }
  const [early, late] = [measured[steps / 2 - 1]!, measured[steps - 1]!]
  if (late.heap - early.heap > mostHeapKiB || late.rss - early.rss > mostRssKiB) {
    return yield* new BenchError({ message: `memory grew in the last ${(steps / 2) * count} visits` })
  }
}).pipe(Effect.scoped)

program.pipe(Effect.provide(NodeServices.layer), NodeRuntime.runMain)
