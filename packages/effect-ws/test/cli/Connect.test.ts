import { assert, describe, it } from "@effect/vitest"
import * as Program from "effect-ws/cli/Program"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import * as TestConsole from "effect/testing/TestConsole"
import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import type { IncomingMessage } from "node:http"
import type * as Net from "node:net"
import type { WebSocket } from "ws"
import * as Certificates from "../support/Certificates.ts"
import type { Ended } from "../support/Child.ts"
import * as ConnectProcess from "../support/ConnectProcess.ts"
import * as Peers from "../support/Peers.ts"
import * as ServeProcess from "../support/ServeProcess.ts"

const quick = ["--linger", "0.1"]

const echo = (socket: WebSocket): void => {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }))
}

/** The code and the reason that a server's end of a connection is closed with. */
const closeOf = (socket: WebSocket): Promise<string> =>
  new Promise((resolve) => {
    socket.on("close", (code, reason) => resolve(`${code} ${reason.toString()}`.trim()))
  })

/** Starts a server of `ws`, and tells of its first connection. */
const observed = Effect.fnUntraced(function* (onConnection: (socket: WebSocket) => void = echo) {
  const first = yield* Deferred.make<{ readonly request: IncomingMessage; readonly close: Promise<string> }>()
  const url = yield* Peers.ws(
    (socket, request) => {
      Deferred.doneUnsafe(first, Effect.succeed({ request, close: closeOf(socket) }))
      onConnection(socket)
    },
    { handleProtocols: (offered) => [...offered].at(-1) ?? false, perMessageDeflate: true }
  )
  return { url, first: Deferred.await(first) }
})

describe("connect, from a pipe", { timeout: 60_000 }, () => {
  it.live("sends each line, prints each answer and nothing else, and closes with 1000", () =>
    Effect.gen(function* () {
      const { address } = yield* ServeProcess.serve("--port", "0")
      const ended = yield* ConnectProcess.run("a\nGrüße\n\nc", address)
      assert.deepStrictEqual(ended, {
        code: 0,
        signal: null,
        stdout: "a\nGrüße\n\nc\n",
        stderr: "connected (permessage-deflate)\nclosed\n"
      })
    })
  )

  it.live("prints 100000 answers", () =>
    Effect.gen(function* () {
      const { address } = yield* ServeProcess.serve("--port", "0")
      const lines = Array.from({ length: 100_000 }, (_, index) => `${index}\n`).join("")
      const ended = yield* ConnectProcess.run(lines, address, ...quick)
      assert.strictEqual(ended.code, 0)
      assert.isTrue(ended.stdout === lines)
    })
  )

  it.live("waits for answers that are slow in coming, and prints what comes during the close", () =>
    Effect.gen(function* () {
      const { first, url } = yield* observed((socket) => {
        socket.on("message", (data) => setTimeout(() => socket.send(`${data.toString()} at last`), 400))
      })
      const ended = yield* ConnectProcess.run("a\n", url, "--linger", "2")
      assert.deepStrictEqual([ended.code, ended.stdout], [0, "a at last\n"])
      const { close } = yield* first
      assert.strictEqual(yield* Effect.promise(() => close), "1000")
    })
  )

  it.live("waits for a slow link to carry everything, however long that takes", () =>
    Effect.gen(function* () {
      let bytes = 0
      const { first, url } = yield* observed((socket) => {
        socket.on("message", (data) => (bytes += (data as Buffer).length + 1))
      })
      const input = `${"x".repeat(999)}\n`.repeat(2000)
      const slow = yield* Peers.slowLink(url, 130_000)
      const ended = yield* ConnectProcess.run(input, slow, "--no-deflate", ...quick)
      assert.deepStrictEqual([ended.code, ended.stderr], [0, "connected\nclosed\n"])
      assert.strictEqual(bytes, input.length)
      const { close } = yield* first
      assert.strictEqual(yield* Effect.promise(() => close), "1000")
    })
  )

  it.live("fails where the server does not read what it is sent", () =>
    Effect.gen(function* () {
      const { url } = yield* observed((socket) => void (socketOf(socket) as Net.Socket).pause())
      const ended = yield* ConnectProcess.run("a\n", url, "--pong-timeout", "0.5", "--close-timeout", "0")
      assert.strictEqual(ended.code, 28, ended.stderr)
      assert.include(ended.stderr, "the server did not confirm within 500ms that it has read everything")
    })
  )

  it.live("fails when the server closes with any code before everything was sent", () =>
    Effect.gen(function* () {
      const { url } = yield* observed((socket) => {
        ;(socketOf(socket) as Net.Socket).pause()
        setTimeout(() => socket.close(1000), 500)
      })
      const input = `${"x".repeat(9999)}\n`.repeat(5000)
      const ended = yield* ConnectProcess.run(input, url, "--no-deflate", ...quick)
      assert.strictEqual(ended.code, 4, ended.stderr)
      assert.include(ended.stderr, "the server closed with 1000 NormalClosure before everything was sent")
    })
  )

  it.live("sends what comes before /close first", () =>
    Effect.gen(function* () {
      const { first, url } = yield* observed((socket) => {
        const tcp = socketOf(socket) as Net.Socket
        tcp.pause()
        setTimeout(() => tcp.resume(), 2500)
      })
      const input = `${"x".repeat(9999)}\n`.repeat(500)
      const ended = yield* ConnectProcess.run(`${input}/close 4000\n`, url, "--no-deflate", "--commands", ...quick)
      assert.deepStrictEqual([ended.code, ended.stderr], [0, "connected\nclosed\n"])
      const { close } = yield* first
      assert.strictEqual(yield* Effect.promise(() => close), "4000")
    })
  )

  it.live("does not wait for ever for a server that never falls silent", () =>
    Effect.gen(function* () {
      const url = yield* Peers.ws((socket) => {
        const timer = setInterval(() => socket.send("tick"), 20)
        socket.on("close", () => clearInterval(timer))
      })
      const ended = yield* ConnectProcess.run("", url, ...quick)
      assert.strictEqual(ended.code, 0)
      assert.match(ended.stdout, /^(tick\n){10,}$/)
    })
  )

  it.live("sends the headers, the origin, the subprotocols and the token that it is given", () =>
    Effect.gen(function* () {
      const { first, url } = yield* observed()
      const flags = ["--header", "X-One: 1", "--header", "X-Two:2", "--origin", "https://example.com"]
      const more = ["--subprotocol", "v2", "--subprotocol", "v1", "--bearer", "t0ken", "--no-deflate"]
      const ended = yield* ConnectProcess.run("", url, ...flags, ...more, ...quick)
      assert.deepStrictEqual([ended.code, ended.stderr], [0, "connected (subprotocol v1)\nclosed\n"])
      const { headers } = (yield* first).request
      assert.deepStrictEqual(
        [headers["x-one"], headers["x-two"], headers.origin, headers["sec-websocket-protocol"], headers.authorization],
        ["1", "2", "https://example.com", "v2, v1", "Bearer t0ken"]
      )
      assert.isUndefined(headers["sec-websocket-extensions"])
    })
  )

  it.live("takes lines for messages, and with --commands for commands", () =>
    Effect.gen(function* () {
      const one = yield* observed()
      assert.strictEqual((yield* ConnectProcess.run("/ping\n", one.url, ...quick)).stdout, "/ping\n")
      const two = yield* observed()
      const script = "/hex 00 ff\n//slash\n/ping\n/ping x\n/help\n/close 4000 that was it\nnever sent\n"
      const ended = yield* ConnectProcess.run(script, two.url, "--commands", ...quick)
      assert.strictEqual(ended.code, 0, ended.stderr)
      assert.strictEqual(ended.stdout, "/hex 00 ff\n/slash\n")
      assert.match(ended.stderr, /(pong after [\d.]+ ms\n){2}a line +is sent/)
      const { close } = yield* two.first
      assert.strictEqual(yield* Effect.promise(() => close), "4000 that was it")
    })
  )

  it.live("goes no further where a command cannot be", () =>
    Effect.gen(function* () {
      const { url } = yield* observed()
      const ended = yield* ConnectProcess.run("/quit\nnever sent\n", url, "--commands", ...quick)
      assert.deepStrictEqual([ended.code, ended.stdout], [1, ""])
      assert.include(ended.stderr, "unknown command /quit: /help lists the commands")
    })
  )

  it.live("ends with exit code 0 when its output is closed", () =>
    Effect.gen(function* () {
      const { first, url } = yield* observed()
      const { child, ended, printed } = yield* ConnectProcess.start(url)
      child.stdin.write("a\n")
      yield* printed("stdout", /a\n/)
      child.stdout.destroy()
      child.stdin.write("b\nc\n")
      const { code, stderr } = yield* ended
      assert.deepStrictEqual([code, stderr], [0, "connected (permessage-deflate)\nclosed\n"])
      const { close } = yield* first
      assert.strictEqual(yield* Effect.promise(() => close), "1000")
    })
  )

  it.live("closes with 1001 upon SIGINT, and exits with 0", () =>
    Effect.gen(function* () {
      const { first, url } = yield* observed()
      const { child, ended, printed } = yield* ConnectProcess.start(url)
      yield* printed("stderr", /connected/)
      child.kill("SIGINT")
      assert.strictEqual((yield* ended).code, 0)
      const { close } = yield* first
      assert.strictEqual(yield* Effect.promise(() => close), "1001")
    })
  )
})

describe("connect, closed by the server", { timeout: 60_000 }, () => {
  const cases: ReadonlyArray<readonly [name: string, end: (socket: WebSocket) => void, code: number, says: string]> = [
    ["1000", (socket) => socket.close(1000, "bye"), 0, "the server closed with 1000 NormalClosure: bye\n"],
    ["no code", (socket) => socket.close(), 0, "the server closed with 1005"],
    ["4001", (socket) => socket.close(4001, "no\u001B[31m"), 4, "the server closed with 4001 "],
    ["a broken rule", (socket) => void socketOf(socket).write(Buffer.from("c100", "hex")), 4, "RSV"],
    ["a dropped connection", (socket) => socket.terminate(), 56, "connection lost: 1006"]
  ]
  it.live.each(cases)("%s", ([, end, code, says]) =>
    Effect.gen(function* () {
      const url = yield* Peers.ws(end, { perMessageDeflate: false })
      const { child, ended } = yield* ConnectProcess.start(url, "--no-deflate")
      const { code: found, stderr } = yield* ended
      assert.isFalse(child.stdin.writableEnded)
      assert.strictEqual(found, code, stderr)
      assert.include(stderr, says)
      assert.notInclude(stderr, "\u001B[31m")
    })
  )
})

const socketOf = (socket: WebSocket): NodeJS.WritableStream =>
  (socket as unknown as { readonly _socket: NodeJS.WritableStream })._socket

describe("connect refuses, or fails, and says why", { timeout: 60_000 }, () => {
  const fails = (ended: Ended, code: number, ...says: ReadonlyArray<string>): void => {
    assert.strictEqual(ended.code, code, ended.stderr)
    assert.strictEqual(ended.stdout, "")
    for (const part of says) assert.include(ended.stderr, part)
    // An explanation, not a crash.
    assert.notMatch(ended.stderr, /^\s+at /m)
  }

  const refused: ReadonlyArray<readonly [args: string, code: number, ...says: ReadonlyArray<string>]> = [
    [":8000", 3, "a URL such as wss://host/path"],
    ["8000", 3, "a URL such as wss://host/path"],
    ["mailto:someone", 3, "scheme ws, wss, http, https", "mailto:"],
    ["ftp://localhost", 3, "scheme ws, wss, http, https", "ftp:"],
    ["ws://localhost/#part", 3, "without a fragment"],
    ["ws://no-such-name.invalid/", 6, "no-such-name.invalid"],
    ["ws+unix:/no/such/socket:/", 7, "/no/such/socket"],
    ["", 1, "url"],
    ["ws://localhost --header Cookie", 1, "--header", "Cookie: a=b"],
    ["ws://localhost --subprotocol a,b", 1, "--subprotocol", "without spaces, commas"],
    ["ws://localhost --origin example.com", 1, "--origin", "https://example.com"],
    ["ws://localhost --user alice", 1, "--user", "separated by a colon"],
    ["ws://localhost --user a:b --bearer c", 1, "--user", "--bearer"],
    ["ws://localhost --insecure --ca ca.pem", 1, "--insecure", "--ca"],
    ["ws://localhost --proxy-insecure", 1, "--proxy-insecure", "--proxy https://HOST:PORT"],
    ["ws://localhost --proxy http://p --proxy-ca ca.pem", 1, "--proxy-ca", "--proxy https://HOST:PORT"],
    ["ws://localhost --proxy https://p --proxy-insecure --proxy-ca ca.pem", 1, "--proxy-insecure", "--proxy-ca"],
    ["ws://localhost --cert cert.pem", 1, "--cert", "--key"],
    ["ws://localhost --key key.pem", 1, "--key", "--cert"],
    ["ws://localhost --ca /no/such/file", 1, "--ca", "/no/such/file", "no such file"],
    ["ws://localhost --proxy ftp://host", 1, "--proxy", "socks5://"],
    ["ws://localhost --connect-timeout 0", 1, "--connect-timeout", "0.001"],
    ["ws://localhost --linger -1", 1, "--linger", "from 0 to 86400"]
  ]
  for (const [args, code, ...says] of refused) {
    it.effect(`connect ${args}`, () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(Program.run("0.0.0", ["connect", ...args.split(" ").filter(Boolean)]))
        const [out, err] = [yield* TestConsole.logLines, yield* TestConsole.errorLines]
        assert.isTrue(Exit.isFailure(exit))
        const ended = Exit.isFailure(exit) ? Runtime.getErrorExitCode(Cause.squash(exit.cause)) : 0
        fails({ code: ended, signal: null, stdout: out.join("\n"), stderr: err.join("\n") }, code, ...says)
      })
    )
  }

  it.live("a header that is not for users to set", () =>
    Effect.gen(function* () {
      const address = yield* Peers.tcp(() => {})
      const ended = yield* ConnectProcess.run("", `ws://${address}`, "--header", "Upgrade: h2c")
      fails(ended, 1, "Upgrade", "set by the handshake")
    })
  )

  it.live("a port where no server listens", () =>
    Effect.gen(function* () {
      const address = yield* Effect.scoped(Peers.tcp(() => {}))
      fails(yield* ConnectProcess.run("", `ws://${address}`), 7, address, "ECONNREFUSED")
    })
  )

  it.live.each([
    [404, {}, "nothing is here\n", "404"],
    [401, { "WWW-Authenticate": "Basic realm=x" }, "sign in first\u001B[2J", "sign in first\\x1b[2J"],
    [426, { "Sec-WebSocket-Version": "8" }, "version 8 it is", "version 8 it is"],
    [500, {}, "x".repeat(1000), `${"x".repeat(300)} ...`]
  ] as const)("an answer of %s, with the start of its body", ([status, headers, body, says]) =>
    Effect.gen(function* () {
      const address = yield* Peers.http(status, headers, body)
      const ended = yield* ConnectProcess.run("", `ws://${address}/path?token=secret`)
      fails(ended, 22, `ws://${address}/path opened no WebSocket`, String(status), says)
      assert.notInclude(ended.stderr, "secret")
      assert.strictEqual(ended.stderr.includes("--user USER:PASSWORD"), status === 401)
    })
  )

  it.live("redirects that lead nowhere", () =>
    Effect.gen(function* () {
      const address = yield* Peers.http(302, { Location: "/again" }, "")
      fails(yield* ConnectProcess.run("", `ws://${address}`), 47, "10 redirects")
    })
  )

  it.live("what is not HTTP", () =>
    Effect.gen(function* () {
      const address = yield* Peers.tcp((socket) => socket.end("220 smtp.example ESMTP\r\n"))
      fails(yield* ConnectProcess.run("", `ws://${address}`), 8, "HTTP")
    })
  )

  it.live("a connection that breaks off in the handshake", () =>
    Effect.gen(function* () {
      const address = yield* Peers.tcp((socket) => socket.once("data", () => socket.resetAndDestroy()))
      fails(
        yield* ConnectProcess.run("", `ws://${address}`),
        56,
        `${address} closed the connection in place of an answer to the handshake: read ECONNRESET`
      )
    })
  )

  it.live("a plain server where TLS is asked for, and the other way round", () =>
    Effect.gen(function* () {
      const plain = yield* Peers.http(200, {}, "")
      const ended = yield* ConnectProcess.run("", `wss://${plain}`)
      fails(ended, 35, "the peer does not speak TLS; if the server does not use TLS, use ws:// or http://")
      assert.notInclude(ended.stderr, "--insecure")
      const { certFile, keyFile } = yield* Certificates.make
      const { address } = yield* ServeProcess.serve("--port", "0", "--tls-cert", certFile, "--tls-key", keyFile)
      const refused = yield* ConnectProcess.run("", address.replace("wss:", "ws:"))
      fails(refused, 22, "the server seems to speak TLS on this port: use wss:// or https://")
    })
  )

  it.live("a server that says nothing", () =>
    Effect.gen(function* () {
      const address = yield* Peers.tcp(() => {})
      fails(yield* ConnectProcess.run("", `ws://${address}`, "--handshake-timeout", "0.2"), 28, "200ms")
      fails(yield* ConnectProcess.run("", `wss://${address}`, "--connect-timeout", "0.2"), 28, "200ms")
    })
  )

  it.live("a proxy that refuses, whose password it keeps to itself", () =>
    Effect.gen(function* () {
      const address = yield* Peers.http(403, {}, "")
      const ended = yield* ConnectProcess.run("", "ws://example.com", "--proxy", `http://me:pass@${address}`)
      fails(ended, 97, address, "example.com:80", "403")
      assert.notInclude(ended.stderr, "pass")
    })
  )

  it.live("a line that is not UTF-8", () =>
    Effect.gen(function* () {
      const { first, url } = yield* observed()
      fails(yield* ConnectProcess.run(new Uint8Array([0xff, 10]), url), 1, "line 1", "not UTF-8")
      const { close } = yield* first
      assert.strictEqual(yield* Effect.promise(() => close), "1001")
    })
  )
})

describe("connect, to serve", { timeout: 60_000 }, () => {
  it.live("takes HOST:PORT for ws://HOST:PORT", () =>
    Effect.gen(function* () {
      const { address } = yield* ServeProcess.serve("--port", "0")
      const host = address.replace("ws://", "").replace(/\/$/, "")
      assert.strictEqual((yield* ConnectProcess.run("in\n", host, ...quick)).stdout, "in\n")
      const named = `${host.replace("127.0.0.1", "localhost")}/path?query`
      assert.strictEqual((yield* ConnectProcess.run("in\n", named, ...quick)).stdout, "in\n")
    })
  )

  it.live.each(["basic", "digest"])("signs in by %s, by a flag or by the URL", (scheme) =>
    Effect.gen(function* () {
      const { address } = yield* ServeProcess.serve("--port", "0", "--auth", "alice:a:b", "--auth-scheme", scheme)
      assert.strictEqual((yield* ConnectProcess.run("in\n", address, "--user", "alice:a:b", ...quick)).stdout, "in\n")
      const withUser = address.replace("ws://", "ws://alice:a%3Ab@")
      assert.strictEqual((yield* ConnectProcess.run("in\n", withUser, ...quick)).stdout, "in\n")
      const ended = yield* ConnectProcess.run("in\n", address, "--user", "alice:wrong")
      assert.deepStrictEqual([ended.code, ended.stdout], [22, ""])
      assert.include(ended.stderr, "wrong user name or password")
      assert.notInclude(ended.stderr, "wrong:")
    })
  )

  it.live("trusts whom it is told to, over TLS", () =>
    Effect.gen(function* () {
      const { caFile, certFile, client, directory, keyFile } = yield* Certificates.make
      const identity = ["client.pem", "client.key"].map((name) => `${directory}/${name}`)
      writeFileSync(identity[0]!, client.cert)
      writeFileSync(identity[1]!, client.key, { mode: 0o600 })
      const tls = ["--tls-cert", certFile, "--tls-key", keyFile]
      const { address } = yield* ServeProcess.serve("--port", "0", ...tls, "--tls-client-ca", caFile)
      const show = ["--cert", identity[0]!, "--key", identity[1]!, ...quick]
      assert.strictEqual((yield* ConnectProcess.run("in\n", address, "--ca", caFile, ...show)).stdout, "in\n")
      assert.strictEqual((yield* ConnectProcess.run("in\n", address, "--insecure", ...show)).stdout, "in\n")
      const unknown = yield* ConnectProcess.run("", address, ...show)
      assert.strictEqual(unknown.code, 35)
      assert.include(unknown.stderr, "--ca FILE trusts another authority, and --insecure skips verification")
    })
  )

  it.live("speaks HTTP/2 with a server that does, and says what is missing where it does not", () =>
    Effect.gen(function* () {
      const { caFile, certFile, keyFile } = yield* Certificates.make
      const tls = ["--tls-cert", certFile, "--tls-key", keyFile]
      const over = ["--http2", "--ca", caFile, ...quick]
      const { address } = yield* ServeProcess.serve("--port", "0", "--http2", ...tls)
      assert.strictEqual((yield* ConnectProcess.run("in\n", address, ...over)).stdout, "in\n")
      assert.strictEqual((yield* ConnectProcess.run("in\n", address, "--ca", caFile, ...quick)).stdout, "in\n")
      const old = yield* ServeProcess.serve("--port", "0", ...tls)
      const refused = yield* ConnectProcess.run("in\n", old.address, ...over)
      assert.notStrictEqual(refused.code, 0)
      assert.include(refused.stderr, "no WebSocket over HTTP/2")
    })
  )

  it.live("goes through a proxy in TLS, trusted apart from the server", () =>
    Effect.gen(function* () {
      const { caFile, certFile, keyFile } = yield* Certificates.make
      const tls = ["--tls-cert", certFile, "--tls-key", keyFile]
      const { address } = yield* ServeProcess.serve("--port", "0", ...tls)
      const port = yield* Peers.httpsProxy(certFile, keyFile)
      const through = ["--proxy", `https://me:pass@localhost:${port}`, "--ca", caFile, ...quick]
      assert.strictEqual((yield* ConnectProcess.run("in\n", address, "--proxy-ca", caFile, ...through)).stdout, "in\n")
      assert.strictEqual((yield* ConnectProcess.run("in\n", address, "--proxy-insecure", ...through)).stdout, "in\n")
      const unknown = yield* ConnectProcess.run("", address, ...through)
      assert.strictEqual(unknown.code, 97)
      assert.include(
        unknown.stderr,
        "--proxy-ca FILE trusts another authority, and --proxy-insecure skips verification"
      )
      assert.notInclude(unknown.stderr, "pass")
    })
  )

  it.live("finds a server behind a path", () =>
    Effect.gen(function* () {
      const path = `${yield* Certificates.directory}/echo.sock`
      yield* ServeProcess.serve("--unix", path)
      assert.strictEqual((yield* ConnectProcess.run("in\n", `ws+unix:${path}:/`, ...quick)).stdout, "in\n")
    })
  )
})

const withoutTerminal = process.env.CI === undefined && spawnSync("script", ["--version"]).status !== 0

describe.skipIf(withoutTerminal)(
  "connect, at a terminal (left out where script is missing)",
  { timeout: 60_000 },
  () => {
    const talk = Effect.fnUntraced(function* (environment: Readonly<Record<string, string>>) {
      const { first, url } = yield* observed((socket) => {
        echo(socket)
        socket.send("esc \u001B[2J")
      })
      const { child, ended, printed } = yield* ConnectProcess.onTerminal(environment, url)
      yield* printed("stdout", /< esc \\x1b\[2J/)
      child.stdin.write("hello\n")
      yield* printed("stdout", /< hello/)
      child.stdin.write("/hex 0aff\n")
      yield* printed("stdout", /< \/hex 0a ff/)
      child.stdin.write("/nonsense\n")
      yield* printed("stdout", /unknown command \/nonsense/)
      child.stdin.write("/ping\n")
      yield* printed("stdout", /pong after/)
      child.stdin.write("\u0004")
      const { code, stdout } = yield* ended
      assert.strictEqual(code, 0)
      const { close } = yield* first
      assert.strictEqual(yield* Effect.promise(() => close), "1000")
      return stdout
    })

    it.live("shows messages in colour and what a stranger sends as text, and takes commands", () =>
      Effect.map(talk({}), (stdout) => {
        assert.include(stdout, "\u001B[36m< hello\u001B[0m")
        assert.include(stdout, "\u001B[33m< /hex 0a ff\u001B[0m")
        assert.notInclude(stdout, "\u001B[2J")
      })
    )

    it.live("shows no colours where NO_COLOR is set", () =>
      Effect.map(talk({ NO_COLOR: "1" }), (stdout) => assert.notInclude(stdout, "\u001B[36m"))
    )

    it.live("Ctrl-C closes with 1001", () =>
      Effect.gen(function* () {
        const { first, url } = yield* observed()
        const { child, ended, printed } = yield* ConnectProcess.onTerminal({}, url)
        yield* printed("stdout", /connected.*\/help[^]*> /)
        child.stdin.write("\u0003")
        assert.strictEqual((yield* ended).code, 0)
        const { close } = yield* first
        assert.strictEqual(yield* Effect.promise(() => close), "1001")
      })
    )
  }
)
