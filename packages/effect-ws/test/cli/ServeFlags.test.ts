import { assert, describe, it } from "@effect/vitest"
import * as Program from "effect-ws/cli/Program"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as TestConsole from "effect/testing/TestConsole"
import { writeFileSync } from "node:fs"
import * as Net from "node:net"
import * as Certificates from "../support/Certificates.ts"
import type { Ended } from "../support/Child.ts"
import * as ServeProcess from "../support/ServeProcess.ts"

/** What cannot be, and what the message must say: the flag, and what is allowed. */
const refused: ReadonlyArray<readonly [args: string, ...says: ReadonlyArray<string>]> = [
  ["--port 70000", "--port", "70000", "from 0 to 65535"],
  ["--port -1", "--port", "from 0 to 65535"],
  ["--port http", "--port", "http", "number"],
  ["--port", "--port", "integer"],
  ["--port 1 --port 2", "--port", "at most 1"],
  ["--host ", "--host", "a host name or an IP address"],
  ["--max-message-size 0", "--max-message-size", "1 or more"],
  ["--max-message-size -5", "--max-message-size", "1 or more"],
  ["--max-message-size 1.5", "--max-message-size", "integer"],
  ["--max-message-size 9007199254740993", "--max-message-size"],
  ["--server thread", "--server", "fiber", "queue"],
  ["--server queue --max-message-size 16777217", "--server queue", "--max-message-size", "16777216", "--server fiber"],
  ["--no-deflate=maybe", "--no-deflate", "maybe"],
  ["--deflate-frames", "--deflate-frames", "--deflate-frame"],
  ["--inspect 70000", "--inspect", "70000", "from 0 to 65535"],
  ["--inspect=http", "--inspect", "http", "number"],
  ["--inspect-read-only", "--inspect-read-only", "requires --inspect"],
  ["--drain -1", "--drain", "from 0 to 86400"],
  ["--drain Infinity", "--drain", "number"],
  ["--subprotocol two,names", "--subprotocol", "two,names", "a name without"],
  ["--subprotocol chat --subprotocol chat", "--subprotocol", "each value once"],
  ["--origin example.com", "--origin", "example.com", "https://example.com"],
  ["--origin any --origin https://example.com", "--origin", "either any, or origins"],
  ["--path chat", "--path", "chat", "begins with /"],
  ["--path /chat?room=1", "--path", "no query"],
  ["--log-level loud", "--log-level", `"debug"`],
  ["--prot 1", "--prot", "--port"],
  ["--user me:secret", "--user", "--host", "--drain"],
  ["--auth me", "--auth", "separated by a colon"],
  ["--auth me:a --auth me:b", "--auth", "each name once"],
  ["--auth me:a --auth-scheme bearer", "--auth-scheme", "basic", "digest"],
  ["--auth-scheme basic", "--auth-scheme", "requires --auth"],
  ["--keepalive -1", "--keepalive", "from 0 to 86400"],
  ["more", "more", "effect-ws serve --help"],
  ["--tls-cert cert.pem", "--tls-cert", "--tls-key"],
  ["--tls-key key.pem", "--tls-key", "--tls-cert"],
  ["--tls-client-ca ca.pem", "--tls-client-ca", "--tls-cert", "--tls-key"],
  ["--http2", "--http2", "--tls-cert", "--tls-key"],
  ["--unix /tmp/never.sock --port 8000", "--unix", "--port"],
  ["--unix /tmp/never.sock --host localhost", "--unix", "--host"],
  ["--unix /tmp/never.sock --tls-cert c --tls-key k", "--unix", "TLS"],
  ["--tls-cert /no/such/file --tls-key /no/such/file", "--tls-cert", "/no/such/file", "no such file"]
]

const assertRefused = (ended: Ended, says: ReadonlyArray<string>): void => {
  assert.include([1, 2], ended.code, ended.stderr)
  assertExplained(ended.stdout, ended.stderr, says)
}

const assertExplained = (stdout: string, stderr: string, says: ReadonlyArray<string>): void => {
  assert.strictEqual(stdout, "")
  for (const part of says) assert.include(stderr, part)
  // An explanation, not a crash.
  assert.notMatch(stderr, /^\s+at /m)
}

describe("serve refuses, and says what is allowed", { timeout: 30_000 }, () => {
  for (const [args, ...says] of refused) {
    it.effect(`serve ${args}`, () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(Program.run("0.0.0", ["serve", ...args.split(" ")]))
        assert.isTrue(Exit.isFailure(exit))
        const [out, err] = [yield* TestConsole.logLines, yield* TestConsole.errorLines]
        assertExplained(out.join("\n"), err.join("\n"), says)
      })
    )
  }

  for (const [args, ...says] of refused.slice(0, 2).concat(refused.slice(-1))) {
    it.live(`serve ${args}, as a process`, () =>
      Effect.map(ServeProcess.run("serve", ...args.split(" ")), (ended) => assertRefused(ended, says))
    )
  }

  it.effect("on one line, without the help", () =>
    Effect.gen(function* () {
      for (const args of [["serve", "--port", "x"], ["serve", "--no-such-flag"], ["connect"], ["conect"]]) {
        const before = (yield* TestConsole.errorLines).length
        assert.isTrue(Exit.isFailure(yield* Effect.exit(Program.run("0.0.0", args))))
        const said = (yield* TestConsole.errorLines).slice(before).join("\n")
        assert.match(said, /^effect-ws[^\n]+ \(see [^\n]+ --help\)$/)
      }
    })
  )

  it.live("a file that is no PEM", () =>
    Effect.gen(function* () {
      const { certFile, directory } = yield* Certificates.make
      const path = `${directory}/text`
      writeFileSync(path, "not a key")
      const ended = yield* ServeProcess.run("serve", "--port", "0", "--tls-cert", certFile, "--tls-key", path)
      assertRefused(ended, ["--tls-key", path, "PEM"])
    })
  )

  it.live("a key of another certificate", () =>
    Effect.gen(function* () {
      const { certFile, directory, stranger } = yield* Certificates.make
      const path = `${directory}/other.pem`
      writeFileSync(path, stranger.key)
      const ended = yield* ServeProcess.run("serve", "--port", "0", "--tls-cert", certFile, "--tls-key", path)
      assertRefused(ended, ["127.0.0.1:0", "key values mismatch"])
    })
  )

  it.live("a port in use, which it names with its host", () =>
    Effect.gen(function* () {
      const other = yield* Effect.acquireRelease(
        Effect.callback<Net.Server>((resume) => {
          const server = Net.createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => void server.close())
      )
      const { port } = other.address() as Net.AddressInfo
      const ended = yield* ServeProcess.run("serve", "--port", String(port))
      assertRefused(ended, [`cannot listen on 127.0.0.1:${port}`, "address already in use"])
    })
  )

  it.live("a path that is taken by another file", () =>
    Effect.gen(function* () {
      const path = `${yield* Certificates.directory}/file`
      writeFileSync(path, "")
      assertRefused(yield* ServeProcess.run("serve", "--unix", path), [path, "not a socket"])
    })
  )
})

describe("effect-ws", { timeout: 30_000 }, () => {
  it.live("names its subcommands when asked for another", () =>
    Effect.map(ServeProcess.run("srve"), (ended) => assertRefused(ended, ["srve", "serve", "connect"]))
  )

  it.live("--version is that of the package", () =>
    Effect.gen(function* () {
      const { default: manifest } = yield* Effect.promise(
        () => import("effect-ws/package.json", { with: { type: "json" } })
      )
      const ended = yield* ServeProcess.run("--version")
      assert.strictEqual(ended.code, 0)
      assert.include(ended.stdout, manifest.version)
    })
  )

  it.live("serve --help lists every flag on standard output", () =>
    Effect.gen(function* () {
      const ended = yield* ServeProcess.run("serve", "--help")
      assert.strictEqual(ended.code, 0)
      assert.deepStrictEqual(
        [...ended.stdout.split("GLOBAL FLAGS")[0]!.matchAll(/^ {2}--([a-z0-9-]+) /gm)].map((match) => match[1]),
        ["host", "port", "unix", "server", "tls-cert", "tls-key", "tls-client-ca"].concat([
          "http2",
          "no-deflate",
          "deflate-frame",
          "max-message-size",
          "subprotocol",
          "origin",
          "path",
          "auth",
          "auth-scheme",
          "keepalive",
          "inspect",
          "inspect-read-only",
          "drain"
        ])
      )
    })
  )
})
