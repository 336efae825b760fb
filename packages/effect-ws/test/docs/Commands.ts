/** Tests of the commands that the page on the command line shows. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import * as Certificates from "../support/Certificates.ts"
import * as Child from "../support/Child.ts"
import * as ConnectProcess from "../support/ConnectProcess.ts"
import * as Pages from "../support/Pages.ts"
import * as ServeProcess from "../support/ServeProcess.ts"

const missing = spawnSync("openssl", ["version"]).status !== 0 && process.env["CI"] === undefined

export const covers: Pages.Covers = {
  "cli-1": Pages.run(
    "is what serve prints",
    Effect.gen(function* () {
      const server = yield* ServeProcess.serve("--port", "0")
      yield* server.signal("SIGTERM")
      const { stderr, stdout } = yield* server.ended
      assert.strictEqual(stdout.replace(String(server.port), "8000"), Pages.block("cli-1").code)
      assert.include(stderr, "Stopped")
    })
  ),
  "cli-2": missing
    ? Pages.shown("left out, there is no openssl here")
    : Pages.run(
        "makes a certificate, with which serve speaks TLS and whom connect trusts",
        Effect.gen(function* () {
          const directory = yield* Certificates.directory
          const made = spawnSync("sh", ["-c", `cd '${directory}' && ${Pages.command("cli-2", 0)}`], {
            encoding: "utf8"
          })
          assert.strictEqual(made.status, 0, made.stderr)
          const server = yield* Pages.startCommand(`${Pages.command("cli-2", 1)} --port 0`, directory)
          const [, address] = yield* server.find("stdout", /^listening on (wss:\/\/127\.0\.0\.1:\d+)\n/)
          const { stdout } = yield* ConnectProcess.run("hello\n", address!, "--ca", `${directory}/cert.pem`)
          assert.strictEqual(stdout, "hello\n")
          server.child.kill("SIGTERM")
          assert.strictEqual((yield* server.ended).code, 0)
        })
      ),
  "cli-3": Pages.run(
    "connects",
    Effect.gen(function* () {
      const { address } = yield* ServeProcess.serve("--port", "0")
      const connected = yield* Pages.startCommand(Pages.command("cli-3", 0, [["ws://127.0.0.1:8000", address]]))
      connected.child.stdin.end("hello\n")
      const { code, stdout } = yield* connected.ended
      assert.deepStrictEqual([code, stdout], [0, "hello\n"])
    })
  ),
  "cli-4": Pages.run(
    "sends the lines of a pipe",
    Effect.gen(function* () {
      const { address } = yield* ServeProcess.serve("--port", "0")
      const line = Pages.command("cli-4", 0, [["ws://127.0.0.1:8000", address]])
      const { code, stdout } = yield* (yield* Child.launch("sh", ["-c", line])).ended
      assert.deepStrictEqual([code, stdout], [0, "a\nb\n"])
    })
  )
}
