/**
 * Serves descriptor 3: tells each client its name. On SIGHUP it starts a successor on the same descriptor,
 * on SIGTERM it closes it.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"
import { SocketServer } from "effect/socket"
import { spawn } from "node:child_process"
import { formatAddress } from "../../src/Dialer.ts"
import * as Tcp from "../../src/Tcp.ts"
import * as Unix from "../../src/Unix.ts"

const [name, layer] = process.argv.slice(2)
const { layerServer } = layer === "Unix" ? Unix : Tcp

process.on("SIGHUP", () => {
  const child = spawn(process.execPath, [process.argv[1]!, "successor"], { stdio: ["ignore", "ignore", "inherit", 3] })
  child.once("exit", () => process.exit(1))
})
// The test is the only one who could still want something.
setTimeout(() => process.exit(1), 20_000).unref()

const main = Effect.gen(function* () {
  const server = yield* SocketServer.SocketServer
  yield* Effect.sync(() => process.stdout.write("listening\n"))
  return yield* server.run((socket) =>
    Effect.scoped(
      Effect.gen(function* () {
        yield* socket.reader
        const writer = yield* socket.writer
        yield* writer.write(`${name} ${process.pid} at ${formatAddress(server.address)}`)
      })
    )
  )
})

NodeRuntime.runMain(Effect.provide(main, layerServer({ fd: 3 })))
