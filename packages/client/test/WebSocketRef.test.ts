/**
 * Node's protocol of `process.ref` and `process.unref`: whether an open socket keeps the process alive.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Scope } from "effect"
import { spawn } from "node:child_process"
import type { AddressInfo } from "node:net"
import { WebSocketServer } from "ws"

const program = `${import.meta.dirname}/support/refable.ts`

/** A server that says hello after a second, and closes. */
const server: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.callback<WebSocketServer>((resume) => {
    const server: WebSocketServer = new WebSocketServer({ host: "127.0.0.1", port: 0 }, () =>
      resume(Effect.succeed(server))
    )
    server.on("connection", (socket) => {
      const timer = setTimeout(() => {
        socket.send("hello")
        socket.close()
      }, 1000)
      socket.on("error", () => {}).on("close", () => clearTimeout(timer))
    })
  }),
  (server) => Effect.sync(() => void server.close())
).pipe(Effect.map((server) => `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`))

const run = (args: ReadonlyArray<string>): Effect.Effect<{ readonly code: number | null; readonly output: string }> =>
  Effect.callback((resume) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "inherit"] })
    let output = ""
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
    child.once("close", (code) => resume(Effect.succeed({ code, output })))
    return Effect.sync(() => void child.kill("SIGKILL"))
  })

describe("a socket", { timeout: 30_000 }, () => {
  it.live.each([
    ["keeps the process alive", ["after"], "hello\n"],
    ["does not when it is open and no longer referenced", ["after", "unref"], ""],
    ["does again when it is referenced again", ["after", "unref", "ref"], "hello\n"],
    ["does not when it opens, if it was told so before", ["before", "unref"], ""]
  ] as const)("%s", ([, args, output]) =>
    Effect.gen(function* () {
      const url = yield* server
      assert.deepStrictEqual(yield* run([url, ...args]), { code: 0, output })
    })
  )
})
