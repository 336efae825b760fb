import { assert, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Redacted } from "effect"
import { PassThrough } from "node:stream"
import { Dialer } from "../src/Dialer.ts"
import * as FaultInjection from "../src/FaultInjection.ts"
import * as Memory from "../src/Memory.ts"
import * as NodeDuplex from "../src/NodeDuplex.ts"
import * as Tcp from "../src/Tcp.ts"
import * as Tls from "../src/Tls.ts"
import * as Unix from "../src/Unix.ts"

const dial = (layer: Layer.Layer<Dialer>): Effect.Effect<unknown, unknown> =>
  Effect.gen(function* () {
    const dialer = yield* Dialer
    const socket = yield* dialer.dial({ host: "127.0.0.1", port: 1 })
    yield* socket.reader
  }).pipe(Effect.scoped, Effect.provide(layer))

const build = <A, E>(layer: () => Layer.Layer<A, E>): Effect.Effect<unknown, unknown> =>
  Effect.scoped(Effect.suspend(() => Layer.build(layer())))

const faulty = (options: FaultInjection.Options): Effect.Effect<unknown, unknown> =>
  Effect.scoped(Effect.suspend(() => FaultInjection.make(NodeDuplex.fromDuplex(new PassThrough()), options).reader))

const impossible: Readonly<Record<string, readonly [Effect.Effect<unknown, unknown>, string]>> = {
  "a TCP server's backlog": [build(() => Tcp.layerServer({ port: 0, backlog: -1 })), "backlog"],
  "a TCP server's maxPending": [build(() => Tcp.layerServer({ port: 0, maxPending: Number.NaN })), "maxPending"],
  "a TCP server's lingerTimeout": [build(() => Tcp.layerServer({ port: 0, lingerTimeout: -1 })), "lingerTimeout"],
  "a Unix server's readAhead": [build(() => Unix.layerServer({ path: "\0x", readAhead: -1 })), "readAhead"],
  "a TLS server's handshakeTimeout": [
    build(() => Tls.layerServer({ port: 0, key: Redacted.make(""), cert: "", handshakeTimeout: Number.NaN })),
    "handshakeTimeout"
  ],
  "a dialer's connectTimeout": [dial(Tcp.layerDialer({ connectTimeout: Number.NaN })), "connectTimeout"],
  "a duplex's readAhead": [
    Effect.sync(() => NodeDuplex.fromDuplex(new PassThrough(), { readAhead: Number.NaN })),
    "readAhead"
  ],
  "a memory network's pipeSize": [
    build(() => Layer.effectDiscard(Effect.sync(() => Memory.makeNetwork({ pipeSize: 0 })))),
    "pipeSize"
  ],
  "a faulty network's bandwidth": [faulty({ both: { bandwidth: Number.NaN } }), "bandwidth"],
  "a faulty network's chunk size": [faulty({ both: { chunkSize: 0 } }), "chunkSize"],
  "a faulty network's latency": [faulty({ both: { latency: -1 } }), "latency"],
  "a faulty network's pipeSize": [faulty({ pipeSize: 0 }), "pipeSize"]
}

for (const [name, [use, option]] of Object.entries(impossible)) {
  it.effect(`refuses ${name} that is out of range, by name`, () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(use)
      if (Exit.isSuccess(exit)) return assert.fail("expected a defect")
      assert.include(Cause.pretty(exit.cause), `${option}: expected`)
    })
  )
}
