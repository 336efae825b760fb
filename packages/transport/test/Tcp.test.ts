import type * as NetAddress from "effect/net/NetAddress"
import { hostPort } from "../src/Dialer.ts"
import * as Tcp from "../src/Tcp.ts"
import { transportSuite } from "./transportSuite.ts"

transportSuite({
  name: "Tcp",
  layer: Tcp.layer({ port: 0 }),
  listenAgain: (address) => Tcp.layerServer(hostPort(address as NetAddress.InetAddress)),
  // The discard port of the loopback: privileged, and nobody's.
  unused: { host: "127.0.0.1", port: 9 },
  resets: true,
  pushes: true,
  connects: 2000,
  transferBytes: 64 << 20
})
