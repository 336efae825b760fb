/** Starts a measured server in a process of its own and waits until it listens. */
import * as Effect from "effect/Effect"
import { isBroadcastLoad } from "./BroadcastRow.ts"
import { certificate } from "./certificate.ts"
import * as Child from "./Child.ts"
import type { Peer } from "./Peer.ts"
import { type Pinning, pinned } from "./Pinning.ts"
import { cpuSeconds } from "./Proc.ts"
import type { Row } from "./Row.ts"

const startSeconds = 15

/** Starts one; `startMillis` and `startCpuSeconds` are what it took until it listened. */
export const startServer = Effect.fnUntraced(function* (
  peer: Peer,
  row: Row,
  pinning: Pinning | undefined,
  flags: ReadonlyArray<string>
) {
  const file = `servers/${isBroadcastLoad(row.load) ? "broadcast/" : ""}${peer.file}`
  const command = [
    peer.program,
    ...flags,
    peer.source === undefined ? Child.sourceFile(file) : `${peer.source}/${file}`
  ]
  const compression = "compression" in row.load ? row.load.compression : undefined
  const secure = "secure" in row.load && row.load.secure === true
  const env = {
    ...peer.env,
    ...(compression === undefined ? {} : { BENCH_DEFLATE: compression }),
    ...(secure ? { BENCH_TLS: JSON.stringify(yield* Effect.promise(certificate)) } : {})
  }
  const begun = performance.now()
  const child = yield* Child.spawn(peer.name, pinned(pinning?.server, command), env)
  const line = yield* child.line(startSeconds)
  const startMillis = performance.now() - begun
  const port = Number(/^listening (?:on wss?:\/\/.*:)?(\d+)$/.exec(line)?.[1])
  if (Number.isNaN(port)) {
    return yield* new Child.BenchError({ message: `${peer.name} said ${JSON.stringify(line)}, not "listening PORT"` })
  }
  return { child, port, startMillis, startCpuSeconds: cpuSeconds(child.pid) }
})
