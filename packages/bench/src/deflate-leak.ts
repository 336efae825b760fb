/**
 * Looks for leaks where connections compress, come and go: `node src/deflate-leak.ts [SERVER] [VISITS]` has a server
 * (`fiber`) visited 100 000 times, with a compressed message and windows that are kept. A compressor that is not
 * released takes 256 KiB.
 */
import * as Effect from "effect/Effect"
import { runMain } from "./Leak.ts"
import * as Load from "./Load.ts"
import * as Peer from "./Peer.ts"
import * as Row from "./Row.ts"
import { startServer } from "./startServer.ts"

const [name = "fiber", visits = "100000"] = process.argv.slice(2)
const [peer] = Peer.select(Peer.discover(), [name])

runMain({
  name,
  visits: Number(visits),
  start: Effect.suspend(() => startServer(peer!, Row.parse("idle-deflate-takeover"), undefined, ["--expose-gc"])),
  visit: (target, count) => Load.visit(target, { count, atOnce: 32, compression: "takeover" })
})
