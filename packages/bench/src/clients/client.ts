/** Ours, as docs/client.md writes it: a connection in a Scope, and a stream of messages that are sent back. */
import * as Client from "@effect-ws/client/Client"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import { endWithInput, job, url } from "./Control.ts"

const echo = Effect.flatMap(Client.connect(url), (connection) =>
  Stream.runForEach(connection.messages, (message) => connection.send(message))
).pipe(Effect.scoped)

const visits = Effect.forever(Effect.scoped(Client.connect(url)))

endWithInput()

Effect.all(
  Array.from({ length: job.connections }, () => (job.mode === "client-echo" ? echo : visits)),
  { concurrency: "unbounded", discard: true }
).pipe(Effect.provide(Client.layerDirect()), Effect.provideService(References.MinimumLogLevel, "None"), Effect.runFork)
