/**
 * A route on Bun, whose `node:http` is not Node's. `BUN` names the program; it may also be on the `PATH`.
 */
import * as Executable from "@effect-ws/test-support/Executable"
import * as Tcp from "@effect-ws/transport/Tcp"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { join } from "node:path"
import * as RawPeer from "@effect-ws/test-peers/RawPeer"
import * as NetAddress from "effect/net/NetAddress"

const bun = process.env["BUN"] ?? Executable.find("bun")

const routes = Effect.gen(function* () {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(bun ?? "bun", [join(import.meta.dirname, "support/routeServer.ts")], { stdio: "pipe" })),
    (child) => Effect.sync(() => void child.kill("SIGKILL"))
  )
  let output = ""
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()))
  const port = yield* Effect.callback<number>((resume) => {
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString()
      const [, port] = /^port (\d+)$/m.exec(output) ?? []
      if (port !== undefined) resume(Effect.succeed(Number(port)))
    })
    child.once("error", (error) => resume(Effect.die(error)))
    child.once("exit", (code) => resume(Effect.die(new Error(`bun ended with ${code}: ${output}`))))
  })
  const address = NetAddress.inetAddressUnsafe(NetAddress.ipv4Loopback, port)
  return { port, address }
})

const ask = (address: NetAddress.SocketAddress, line: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const peer = yield* RawPeer.dial(address)
      yield* peer.send(RawPeer.requestHead({}, line))
      return yield* peer.response
    })
  )

describe("a route on Bun", { timeout: 60_000 }, () => {
  it.live.skipIf(!process.env["CI"] && bun === undefined)(
    "upgrades, and leaves the answer to middleware that gives up (needs BUN)",
    () =>
      Effect.gen(function* () {
        const { address, port } = yield* routes
        const peer = yield* RawPeer.dial(address)
        yield* peer.send(RawPeer.requestHead({}, "GET /echo HTTP/1.1"))
        assert.strictEqual((yield* peer.head).status, 101)
        yield* peer.send(RawPeer.text("hello"))
        assert.strictEqual(RawPeer.render(yield* peer.frame), "text hello")

        const answer = yield* ask(address, "GET /slow HTTP/1.1")
        assert.deepStrictEqual([answer.status, answer.body], [504, "too slow"])

        const page = yield* Effect.promise(async () => (await fetch(`http://127.0.0.1:${port}/`)).text())
        assert.strictEqual(page, "a page")
      }).pipe(Effect.scoped, Effect.provide(Tcp.layerDialer()))
  )
})
