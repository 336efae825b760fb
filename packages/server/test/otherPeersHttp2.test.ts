/**
 * Other implementations of HTTP/2 as clients: undici's WebSocket and fetch, curl, and nghttp. Chromium and haproxy
 * have tests of their own, and all other HTTP/2 tests use Node's client.
 *
 * curl and nghttp have no WebSockets over HTTP/2, so they request pages.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as CloseError from "@effect-ws/protocol/CloseError"
import * as Tcp from "@effect-ws/transport/Tcp"
import * as Tls from "@effect-ws/transport/Tls"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Redacted, Stream } from "effect"
import type { Scope } from "effect"
import type * as NetAddress from "effect/net/NetAddress"
import { execFile, spawnSync } from "node:child_process"
import * as Undici from "undici"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { certificate } from "./support/transports.ts"
import { start } from "./support/variants.ts"

const program = (connection: Connection): Effect.Effect<unknown, unknown> =>
  connection.request.path === "/closes"
    ? Effect.fail(new CloseError.TryAgainLater({ reason: "later, please" }))
    : Stream.runForEach(connection.messages, (message) => connection.send(message))

const options: WebSocketServer.ServerOptions = {
  subprotocols: ["v1"],
  origins: "any",
  respond: ({ target }) =>
    target === "/page"
      ? { status: 200, headers: [{ name: "Content-Type", value: "text/plain" }], body: Buffer.from("a page\n") }
      : undefined
}

const serve = (listen: typeof plain) =>
  Effect.map(start(WebSocketServer.layer(program, options).pipe(Layer.provide(listen))), (server) => ({
    server,
    host: `localhost:${(server.address as NetAddress.InetAddress).port}`
  }))

const secure = Layer.suspend((): typeof plain =>
  Tls.layerServer({ port: 0, cert: certificate.cert, key: Redacted.make(certificate.key), http2: true })
)

const test = (name: string, program: Effect.Effect<void, unknown, Scope.Scope>): void => {
  it.live(name, () => program.pipe(Effect.scoped, Effect.provide(Logger.layer([]))), 20_000)
}

/** The dispatcher of undici. By default undici uses HTTP/1.1. */
const agent = Effect.acquireRelease(
  Effect.sync(() => new Undici.Agent({ allowH2: true, connect: { ca: certificate.cert } })),
  (dispatcher) => Effect.promise(() => dispatcher.destroy())
)

const portOf = ({ peer }: Connection): number => (peer.remoteAddress as NetAddress.InetAddress).port

describe("undici over HTTP/2", () => {
  test(
    "echoes on sockets that share the session of a fetch, and is closed with code and reason",
    Effect.gen(function* () {
      const { host, server } = yield* serve(secure)
      const dispatcher = yield* agent
      const page = yield* Effect.promise(() => Undici.fetch(`https://${host}/page`, { dispatcher }))
      assert.strictEqual(yield* Effect.promise(() => page.text()), "a page\n")
      const open = (path: string) =>
        Effect.acquireRelease(
          Effect.sync(() => new Undici.WebSocket(`wss://${host}${path}`, { dispatcher, protocols: ["v0", "v1"] })),
          (socket) => Effect.sync(() => socket.close())
        )
      for (let at = 0; at < 3; at++) {
        const socket = yield* open("/echo")
        const large = "a".repeat(100_000)
        const echoed = yield* Effect.callback<ReadonlyArray<unknown>>((resume) => {
          const received: Array<unknown> = []
          socket.addEventListener("error", () => resume(Effect.die(new Error("the socket failed"))))
          socket.addEventListener("open", () => {
            socket.send("hello")
            socket.send(large)
          })
          socket.addEventListener("message", ({ data }) => {
            if (received.push(data) === 2) resume(Effect.succeed(received))
          })
        })
        assert.deepStrictEqual(echoed, ["hello", large])
        assert.strictEqual(socket.protocol, "v1")
      }
      const connections = yield* server.connections
      assert.deepStrictEqual(
        connections.map(({ request }) => request.version),
        ["HTTP/2", "HTTP/2", "HTTP/2"]
      )
      assert.strictEqual(new Set(connections.map(portOf)).size, 1)
      const closes = yield* open("/closes")
      const closed = yield* Effect.callback<readonly [number, string, boolean]>((resume) => {
        closes.addEventListener("close", ({ code, reason, wasClean }) =>
          resume(Effect.succeed([code, reason, wasClean]))
        )
      })
      assert.deepStrictEqual(closed, [1013, "later, please", true])
    })
  )
})

const isMissing = (command: string): boolean =>
  process.env.CI === undefined && spawnSync(command, ["--version"]).status !== 0

const run = (command: string, args: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.callback((resume) => {
    const child = execFile(command, [...args], { timeout: 10_000 }, (_, stdout) => resume(Effect.succeed(stdout)))
    return Effect.sync(() => child.kill())
  })

const plain = Tcp.layerServer({ port: 0, http2: true })

describe.skipIf(isMissing("curl"))("curl over HTTP/2 (left out where curl is missing)", () => {
  const curl = (...args: ReadonlyArray<string>) =>
    run("curl", ["-sSk", "--noproxy", "*", "--max-time", "10", "-w", "%{http_version} %{http_code}", ...args])

  for (const [name, listen, scheme, version] of [
    ["ALPN", secure, "https", "--http2"],
    ["prior knowledge", plain, "http", "--http2-prior-knowledge"]
  ] as const) {
    test(
      `asks for pages, by ${name}`,
      Effect.gen(function* () {
        const { host } = yield* serve(listen)
        const url = `${scheme}://${host}`
        assert.strictEqual(yield* curl(version, `${url}/page`), "a page\n2 200")
        assert.match(yield* curl(version, `${url}/echo`), /over HTTP\/2 expected an extended CONNECT [^]*2 400$/)
        assert.match(yield* curl(version, "-d", "a body", `${url}/page`), /2 405$/)
        assert.strictEqual(yield* curl("--http1.1", `${url}/page`), "a page\n1.1 200")
        // Without TLS, curl 7.88 fails on the second request of a session, even with a plain Node server.
        if (scheme === "http") return
        const two = yield* curl("-w", "%{num_connects} connects\n", version, `${url}/page`, `${url}/page`)
        assert.strictEqual(two, "a page\n1 connects\na page\n0 connects\n")
      })
    )
  }

  test(
    "is answered in HTTP/1.1 where it offers h2c by an upgrade",
    Effect.gen(function* () {
      const { host } = yield* serve(plain)
      assert.strictEqual(yield* curl("--http2", `http://${host}/page`), "a page\n1.1 200")
    })
  )
})

describe.skipIf(isMissing("nghttp"))("nghttp (left out where nghttp2-client is missing)", () => {
  test(
    "asks for pages on one session",
    Effect.gen(function* () {
      const { host } = yield* serve(secure)
      const output = yield* run("nghttp", ["-nv", `https://${host}/page`, `https://${host}/echo`])
      assert.include(output, "SETTINGS_ENABLE_CONNECT_PROTOCOL(0x08):1")
      assert.match(output, /recv \(stream_id=\d+\) :status: 200/)
      assert.match(output, /recv \(stream_id=\d+\) :status: 400/)
      assert.strictEqual(output.match(/ Connected/g)?.length, 1)
    })
  )
})
