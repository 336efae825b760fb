import type * as NetAddress from "effect/net/NetAddress"
import { hostPort } from "../src/Dialer.ts"
import * as Memory from "../src/Memory.ts"
import { transportSuite } from "./transportSuite.ts"

transportSuite({
  name: "Memory",
  layer: Memory.layer({ port: 0 }),
  listenAgain: (address) => Memory.layerServer({ port: hostPort(address as NetAddress.InetAddress).port }),
  unused: { host: "127.0.0.1", port: 9 },
  resets: true,
  pushes: true,
  connects: 5000,
  transferBytes: 64 << 20
})
