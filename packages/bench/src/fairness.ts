/**
 * Whether one busy connection makes the others wait: `node src/fairness.ts [--peers a,b] [--rounds N] [--seconds S]`.
 *
 * 999 connections each send a message of 64 bytes every half second, spread evenly, and the time to its echo is taken;
 * first alone, then beside one connection that keeps 64 messages of 1 KiB under way. Each figure is from a fresh server.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Child from "./Child.ts"
import * as Peer from "./Peer.ts"
import * as Pinning from "./Pinning.ts"
import type { Paced } from "./paced.ts"
import * as Row from "./Row.ts"
import * as Sample from "./Sample.ts"
import { interleave, median } from "./Statistics.ts"

const found = Peer.discover()

const measure = Effect.fnUntraced(function* (peer: Peer.Peer, busy: boolean, seconds: number) {
  const pinning = Pinning.find()
  const at = typeof pinning === "string" ? undefined : pinning
  const server = yield* Sample.startServer(peer, Row.parse("1000x1x64"), at, [])
  const job = JSON.stringify({ port: server.port, pid: server.child.pid, busy, seconds })
  const generator = yield* Child.spawn(
    "the generator",
    Pinning.pinned(at?.generator, [process.execPath, Child.sourceFile("paced.ts"), job])
  )
  return JSON.parse(yield* generator.line(seconds + 60)) as Paced
}, Effect.scoped)

const fairness = Command.make(
  "fairness",
  {
    peers: Flag.String("peers").pipe(Flag.withDefault("fiber,queue,ws")),
    rounds: Flag.Int("rounds").pipe(Flag.withDefault(3)),
    seconds: Flag.Finite("seconds").pipe(Flag.withDefault(3))
  },
  Effect.fnUntraced(function* ({ peers, rounds, seconds }) {
    const selected = Peer.select(found, peers.split(","))
    const results = new Map(selected.map(({ name }) => [name, { alone: [], beside: [] } as Results]))
    for (let round = 0; round < rounds; round++) {
      for (const peer of interleave(selected, round)) {
        const of = results.get(peer.name)!
        of.alone.push(yield* measure(peer, false, seconds))
        of.beside.push(yield* measure(peer, true, seconds))
      }
    }
    yield* Console.log("server  p50 alone  p99 alone  p50 beside  p99 beside (us)  p99 ratio  busy one's messages/s")
    for (const [name, { alone, beside }] of results) {
      const of = (list: ReadonlyArray<Paced>, key: keyof Paced): number => median(list.map((one) => one[key]))!
      const ratio = of(beside, "p99") / of(alone, "p99")
      const figures = [of(alone, "p50"), of(alone, "p99"), of(beside, "p50"), of(beside, "p99")].map(Math.round)
      yield* Console.log([name, ...figures, ratio.toFixed(2), Math.round(of(beside, "busyPerSecond"))].join("  "))
    }
  })
)

interface Results {
  readonly alone: Array<Paced>
  readonly beside: Array<Paced>
}

fairness.pipe(Command.run({ version: "0.0.0" }), Effect.provide(NodeServices.layer), NodeRuntime.runMain)
