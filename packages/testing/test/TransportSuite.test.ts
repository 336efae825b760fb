/** The transports of effect-ws pass the suite. */
import * as Certificates from "@effect-ws/test-support/Certificates"
import { hostPort } from "@effect-ws/transport/Dialer"
import * as FaultInjection from "@effect-ws/transport/FaultInjection"
import * as Memory from "@effect-ws/transport/Memory"
import * as Tcp from "@effect-ws/transport/Tcp"
import * as Tls from "@effect-ws/transport/Tls"
import * as Unix from "@effect-ws/transport/Unix"
import { describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import type * as NetAddress from "effect/net/NetAddress"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as TransportSuite from "../src/TransportSuite.ts"

const transportSuite = <R = never>(transport: TransportSuite.Transport<R> & { readonly name: string }): void => {
  describe(transport.name, () => {
    for (const { name, run, timeout } of TransportSuite.cases(transport)) it.live(name, () => run, timeout)
  })
}

transportSuite({
  name: "Tcp",
  layer: Tcp.layer({ port: 0 }),
  listenAgain: (address) => Tcp.layerServer(hostPort(address as NetAddress.InetAddress)),
  // The discard port of the loopback: privileged, and unused.
  unused: { host: "127.0.0.1", port: 9 },
  resets: true,
  pushes: true,
  connects: 2000,
  transferBytes: 64 << 20
})

const { cert, key } = await Certificates.makeSelfSigned({ name: "server", ...Certificates.localhost })
const identity: Tls.Identity = { cert, key: Redacted.make(key) }

transportSuite({
  name: "Tls",
  layer: Tls.layer({ server: { ...identity, port: 0 }, dialer: { ca: cert } }),
  listenAgain: (address) => Tls.layerServer({ ...identity, ...hostPort(address as NetAddress.InetAddress) }),
  unused: { host: "127.0.0.1", port: 9 },
  resets: false,
  pushes: true,
  connects: 300,
  transferBytes: 32 << 20
})

const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-ws-"))
process.once("exit", () => Fs.rmSync(directory, { recursive: true, force: true }))
let count = 0
const freshPath = (): string => Path.join(directory, `${++count}.sock`)

transportSuite({
  name: "Unix",
  layer: Layer.unwrap(Effect.sync(() => Unix.layer({ path: freshPath() }))),
  listenAgain: (address) => Unix.layerServer({ path: "path" in address ? address.path : "" }),
  unused: { path: Path.join(directory, "unused.sock") },
  resets: false,
  pushes: true,
  connects: 2000,
  transferBytes: 16 << 20
})

transportSuite<Memory.MemoryNetwork>({
  name: "Memory",
  layer: Memory.layer({ port: 0 }),
  listenAgain: (address) => Memory.layerServer({ port: hostPort(address as NetAddress.InetAddress).port }),
  unused: { host: "127.0.0.1", port: 9 },
  resets: true,
  pushes: true,
  connects: 5000,
  transferBytes: 64 << 20
})

const memory = Memory.layer({ port: 0 })

for (const chunkSize of [1, [1, 700]] as const) {
  transportSuite<Memory.MemoryNetwork>({
    name: `Faulty (pieces of ${chunkSize}) over Memory`,
    layer: FaultInjection.layer({ both: { chunkSize } }).pipe(Layer.provideMerge(memory)),
    listenAgain: (address) => Memory.layerServer({ port: hostPort(address as NetAddress.InetAddress).port }),
    unused: { host: "127.0.0.1", port: 9 },
    resets: true,
    pushes: true,
    connects: 300,
    transferBytes: chunkSize === 1 ? 1 << 20 : 4 << 20
  })
}

transportSuite({
  name: "Faulty (pieces of 1 to 5000) over Tcp",
  layer: FaultInjection.layer({ both: { chunkSize: [1, 5000] } }).pipe(Layer.provide(Tcp.layer({ port: 0 }))),
  listenAgain: (address) => Tcp.layerServer(hostPort(address as NetAddress.InetAddress)),
  unused: { host: "127.0.0.1", port: 9 },
  resets: true,
  pushes: true,
  connects: 300,
  transferBytes: 32 << 20
})
