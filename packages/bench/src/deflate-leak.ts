/**
 * Looks for leaks where connections come and go: `node src/deflate-leak.ts [SERVER] [VISITS]` has a server (`fiber`)
 * visited 100 000 times, with a compressed message and windows that are kept, and prints its memory on the way. It ends
 * with 1 where the second half of the visits took more than the first: by 20 bytes of heap a visit, or by more resident
 * memory than comes and goes by itself. A compressor that is not released takes 256 KiB.
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
import { median } from "./Statistics.ts"

const steps = 10
const mostHeapKiB = 1024
const mostRssKiB = 32 * 1024

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
  const growth = (of: (at: (typeof measured)[number]) => number): number =>
    median(measured.slice(steps / 2).map(of))! - median(measured.slice(0, steps / 2).map(of))!
  if (growth(({ heap }) => heap) > mostHeapKiB || growth(({ rss }) => rss) > mostRssKiB) {
    return yield* new BenchError({ message: "memory grew from the first half to the second" })
  }
}).pipe(Effect.scoped)

program.pipe(Effect.provide(NodeServices.layer), NodeRuntime.runMain)
