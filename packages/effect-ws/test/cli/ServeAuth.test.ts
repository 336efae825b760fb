import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile, spawnSync } from "node:child_process"
import * as Net from "node:net"
import * as Client from "../support/Client.ts"
import * as ServeProcess from "../support/ServeProcess.ts"

const isMissing = process.env.CI === undefined && spawnSync("curl", ["--version"]).status !== 0

const upgrade = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
].flatMap((header) => ["-H", header])

/** The statuses that curl saw, one after the other. */
const curl = (...args: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<number>> =>
  Effect.callback((resume) => {
    const child = execFile(
      "curl",
      ["-sSiN", "--noproxy", "*", "--max-time", "2", ...args],
      { encoding: "latin1" },
      (_, stdout) =>
        resume(Effect.succeed([...stdout.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status))))
    )
    return Effect.sync(() => child.kill())
  })

describe.skipIf(isMissing)("serve --auth, with curl (left out where curl is missing)", { timeout: 60_000 }, () => {
  it.live.each([
    ["basic", "fiber", [401], [101]],
    ["digest", "queue", [401], [401, 101]]
  ] as const)("%s, on the %s server", ([scheme, server, refused, accepted]) =>
    Effect.gen(function* () {
      const users = ["--auth", "alice:won:der", "--auth", "bob:builder", "--auth-scheme", scheme]
      const { address } = yield* ServeProcess.serve("--port", "0", "--server", server, ...users)
      const url = address.replace("ws:", "http:")
      const as = (user: string) => curl(`--${scheme}`, "-u", user, ...upgrade, url)
      assert.deepStrictEqual(yield* curl(...upgrade, url), refused)
      assert.deepStrictEqual(yield* as("alice:won:der"), accepted)
      assert.deepStrictEqual(yield* as("bob:builder"), accepted)
      assert.strictEqual((yield* as("bob:won:der")).at(-1), 401)
      assert.strictEqual((yield* as("carol:builder")).at(-1), 401)
      // The page asks too, as a browser shows a WebSocket only the password that it knows already.
      const page = (user: string) => curl(`--${scheme}`, "-u", user, url)
      assert.deepStrictEqual(yield* curl(url), [401])
      assert.strictEqual((yield* page("bob:builder")).at(-1), 200)
      assert.strictEqual((yield* page("bob:won:der")).at(-1), 401)
    })
  )

  it.live("refuses other paths before it asks for a password", () =>
    Effect.gen(function* () {
      const { address } = yield* ServeProcess.serve("--port", "0", "--auth", "alice:a", "--path", "/chat")
      const url = address.replace("ws:", "http:")
      assert.deepStrictEqual(yield* curl(...upgrade, `${url}/other`), [404])
      assert.deepStrictEqual(yield* curl(...upgrade, `${url}/chat`), [401])
      assert.deepStrictEqual(yield* curl("-u", "alice:a", ...upgrade, `${url}/other`), [404])
      assert.deepStrictEqual(yield* curl("-u", "alice:a", ...upgrade, `${url}/chat`), [101])
    })
  )
})

describe("serve --keepalive", { timeout: 60_000 }, () => {
  /** Opens a WebSocket and says nothing more; gives all that comes, until the server ends it. */
  const silent = (port: number): Effect.Effect<string> =>
    Client.exchange(Net.connect(port, "127.0.0.1"), Client.upgrade("/"))

  it.live("asks a silent client, and closes with 1011 where it does not answer; 0 lets it be", () =>
    Effect.gen(function* () {
      const eager = yield* ServeProcess.serve("--port", "0", "--keepalive", "0.2")
      const patient = yield* ServeProcess.serve("--port", "0", "--keepalive", "0")
      const left = silent(patient.port)
      const dropped = Effect.map(silent(eager.port), (received) => {
        const frames = Buffer.from(received.split("\r\n\r\n")[1]!, "latin1")
        assert.strictEqual(frames[0], 0x89, "a ping")
        const close = frames.subarray(2 + frames[1]!)
        assert.deepStrictEqual([close[0], close.readUInt16BE(2)], [0x88, 1011])
        return "dropped"
      })
      assert.strictEqual(yield* Effect.raceFirst(left, dropped), "dropped")
    })
  )
})
