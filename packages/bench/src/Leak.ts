/**
 * A search for leaks where connections come and go: a server is visited many times, and its memory is printed on the
 * way. The process ends with 1 where the second half of the visits took more than the first: by 20 bytes of heap a
 * visit, or by more resident memory than comes and goes by itself.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import { BenchError } from "./Child.ts"
import type { Child } from "./Child.ts"
import type { Target } from "./Load.ts"
import { rssKiB } from "./Proc.ts"
import * as Sample from "./Sample.ts"
import { median } from "./Statistics.ts"

/** What is searched. */
export interface Search {
  readonly name: string
  readonly visits: number
  /** Starts the server, with `--expose-gc`. */
  readonly start: Effect.Effect<
    { readonly child: Child; readonly port: number },
    BenchError,
    ChildProcessSpawner.ChildProcessSpawner | Scope.Scope
  >
  /** Pays so many visits. */
  readonly visit: (target: Target, count: number) => Promise<void>
}

const steps = 10
const mostHeapKiB = 1024
const mostRssKiB = 32 * 1024

const search = ({ name, start, visit, visits }: Search) =>
  Effect.gen(function* () {
    const { child, port } = yield* start
    const measured: Array<{ readonly heap: number; readonly rss: number }> = []
    const count = Math.ceil(visits / steps)
    yield* Console.log(`${name}: visits, heap KiB, resident KiB`)
    for (let step = 1; step <= steps; step++) {
      yield* Effect.tryPromise({
        try: () => visit({ port, pid: child.pid }, count),
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

/** Searches, and ends the process. */
export const runMain = (of: Search): void => search(of).pipe(Effect.provide(NodeServices.layer), NodeRuntime.runMain)
