/** Effect's own WebSocket client, `Socket.makeWebSocket`, which puts Effect's `Socket` over `ws`. */
import * as NodeWS from "@effect/platform-node/NodeWS"
import * as Effect from "effect/Effect"
import * as Socket from "effect/socket/Socket"
import { endWithInput, job, url } from "./Control.ts"

const echo = Effect.gen(function* () {
  const socket = yield* Socket.makeWebSocket(url)
  const { pull } = yield* socket.reader
  const writer = yield* socket.writer
  while (true) yield* writer.writeAll(yield* pull)
}).pipe(Effect.scoped)

const visit = Effect.gen(function* () {
  const socket = yield* Socket.makeWebSocket(url)
  yield* socket.reader
}).pipe(Effect.scoped)

endWithInput()

Effect.all(
  Array.from({ length: job.connections }, () => (job.mode === "client-echo" ? echo : Effect.forever(visit))),
  { concurrency: "unbounded", discard: true }
).pipe(Effect.provide(NodeWS.layerWebSocketConstructor), Effect.runFork)
