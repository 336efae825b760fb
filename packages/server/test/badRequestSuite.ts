/**
 * Every row of what a bad request for a WebSocket gets, against a peer that speaks bytes. After each, the server still
 * serves. A case provides a way to serve and a kind of server.
 */
import { assert, describe } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as Auth from "../src/Auth.ts"
import type * as WebSocketServer from "../src/WebSocketServer.ts"
import * as RawPeer from "@effect-ws/test-peers/RawPeer"
import { acceptFor, close, requestHead, sampleKey, text } from "@effect-ws/test-peers/RawPeer"
import { recording, stillServes } from "./support/recording.ts"
import { page } from "./support/ways.ts"
import type { Programs, Way } from "./support/ways.ts"

/** The answer to a request that is refused. */
interface Outcome {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: RegExp
  /**
   * Who answers in our place: the parser of Node, which refuses without a body, or the page of the HTTP server, for
   * which the request is an ordinary one.
   */
  readonly by?: "parser" | "page"
}

const authenticated = Auth.required(
  Auth.basic({ realm: "test", ...Auth.users([["alice", Redacted.make("wonderland")]]) })
)

const byParser = (status: number): Outcome => ({ status, by: "parser" })
const byPage: Outcome = { status: 200, by: "page" }

export const badRequestSuite = (way: Way, kind: keyof Programs): void => {
  const { serve, test } = recording(way, kind)

  describe(`a server over ${way.name}, ${kind}`, () => {
    describe("answers a request", () => {
      const get = "GET /chat HTTP/1.1"
      const refusals: ReadonlyArray<
        Outcome & {
          readonly name: string
          readonly request: string
          readonly options?: WebSocketServer.ServerOptions
          /** The only way to which it applies. Default: all. */
          readonly via?: Way["via"]
          /** The outcome where an HTTP server reads the request. */
          readonly upgrade?: Outcome
          readonly route?: Outcome
        }
      > = [
        {
          name: "that is no GET",
          request: requestHead({}, "POST /chat HTTP/1.1"),
          status: 405,
          headers: { allow: "GET" },
          body: /GET/
        },
        {
          name: "without Upgrade",
          request: requestHead({ Upgrade: undefined }),
          status: 426,
          upgrade: byPage,
          headers: { upgrade: "websocket", connection: "close, Upgrade" }
        },
        { name: "with another Upgrade", request: requestHead({ Upgrade: "h2c" }), status: 426, upgrade: byPage },
        {
          name: "without Connection",
          request: requestHead({ Connection: undefined }),
          status: 400,
          upgrade: byPage,
          route: { status: 426 }
        },
        {
          name: "whose Connection does not say Upgrade",
          request: requestHead({ Connection: "keep-alive" }),
          status: 400,
          upgrade: byPage,
          route: { status: 426 }
        },
        { name: "without a key", request: requestHead({ "Sec-WebSocket-Key": undefined }), status: 400, body: /Key/ },
        { name: "with two keys", request: requestHead({ "sec-websocket-key": sampleKey }), status: 400 },
        {
          name: "with a key of 15 bytes",
          request: requestHead({ "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAA" }),
          status: 400
        },
        {
          name: "with a key that is no base64",
          request: requestHead({ "Sec-WebSocket-Key": "?".repeat(24) }),
          status: 400
        },
        {
          name: "of version 8",
          request: requestHead({ "Sec-WebSocket-Version": "8" }),
          status: 426,
          headers: { "sec-websocket-version": "13", upgrade: "websocket" }
        },
        {
          name: "without a version",
          request: requestHead({ "Sec-WebSocket-Version": undefined }),
          status: 426,
          headers: { "sec-websocket-version": "13" }
        },
        { name: "without Host", request: requestHead({ Host: undefined }), status: 400, body: /Host/ },
        { name: "with two Hosts", request: requestHead({ host: "localhost" }), status: 400 },
        { name: "of HTTP/1.0", request: requestHead({}, "GET /chat HTTP/1.0"), status: 400 },
        { name: "of HTTP/2.0", request: requestHead({}, "GET /chat HTTP/2.0"), status: 505 },
        { name: "of a foreign origin", request: requestHead({ Origin: "https://evil.example" }), status: 403 },
        {
          name: "of a foreign origin where the program decides",
          request: requestHead({ Origin: "https://evil.example" }),
          status: 403,
          options: { decide: () => Effect.succeed({}) }
        },
        {
          name: "for an unknown path where the program decides",
          request: requestHead(),
          status: 404,
          options: { paths: ["/other"], decide: () => Effect.succeed({}) }
        },
        {
          name: "without credentials where they are asked for",
          request: requestHead(),
          status: 401,
          headers: { "www-authenticate": 'Basic realm="test", charset="UTF-8"' },
          body: /credentials/,
          options: { decide: authenticated }
        },
        {
          name: "with malformed credentials",
          request: requestHead({ Authorization: "Basic ???" }),
          status: 400,
          options: { decide: authenticated }
        },
        {
          name: "with an Origin that is twice there",
          request: requestHead({ Origin: "http://localhost", origin: "http://localhost" }),
          status: 400
        },
        {
          name: "for an unknown path",
          request: requestHead(),
          status: 404,
          options: { paths: ["/other"] }
        },
        {
          name: "with a subprotocol that is no token",
          request: requestHead({ "Sec-WebSocket-Protocol": "a b" }),
          status: 400
        },
        {
          name: "with a subprotocol twice",
          request: requestHead({ "Sec-WebSocket-Protocol": "chat, chat" }),
          status: 400
        },
        {
          name: "with a malformed extension header",
          request: requestHead({ "Sec-WebSocket-Extensions": "a; b=" }),
          status: 400
        },
        {
          name: "with a bare LF",
          request: `${get}\nHost: localhost\n\n`,
          status: 400,
          upgrade: byParser(400),
          route: byParser(400),
          body: /byte 18/
        },
        {
          name: "with a NUL",
          request: requestHead({ "X-Nul": "a\0b" }),
          status: 400,
          upgrade: byParser(400),
          route: byParser(400)
        },
        {
          name: "with a folded header",
          request: requestHead({ "X-Folded": "a\r\n b" }),
          status: 400,
          upgrade: byParser(400),
          route: byParser(400)
        },
        {
          name: "with a space before the colon",
          request: requestHead({ "X-Space ": "a" }),
          status: 400,
          upgrade: byParser(400),
          route: byParser(400)
        },
        {
          name: "with both Transfer-Encoding and Content-Length",
          request: requestHead({ "Transfer-Encoding": "chunked", "Content-Length": "5" }),
          status: 400,
          upgrade: byParser(400),
          route: byParser(400)
        },
        { name: "with a body", request: requestHead({ "Content-Length": "5" }) + "hello", status: 400 },
        {
          name: "that is no HTTP",
          request: "\u0016\u0003\u0001 TLS, perhaps\r\n\r\n",
          status: 400,
          upgrade: byParser(400),
          route: byParser(400)
        },
        {
          name: "with a target of more than 8 KiB",
          request: requestHead({}, `GET /${"x".repeat(8192)} HTTP/1.1`),
          status: 414
        },
        {
          name: "with more than 16 KiB of headers",
          request: requestHead({ "X-Long": "x".repeat(16_384) }),
          status: 431,
          upgrade: byParser(431),
          route: byParser(431)
        },
        {
          name: "with more than 128 headers",
          request: requestHead(Object.fromEntries(Array.from({ length: 124 }, (_, n) => [`X-${n}`, "x"]))),
          status: 431
        },
        {
          name: "with a header that never ends",
          request: `${get}\r\nX-Long: ${"x".repeat(32_000)}`,
          status: 431,
          upgrade: byParser(431),
          route: byParser(431)
        },
        {
          name: "with spaces that never end",
          request: `${get}\r\nX-Long: ${" ".repeat(32_000)}`,
          // The parser of Node does not count them; its `headersTimeout` ends the wait.
          via: "listener",
          status: 431
        }
      ]

      for (const { name, options, request, route, upgrade, via = way.via, ...own } of refusals) {
        if (via !== way.via) continue
        const outcome: Outcome = (way.via === "listener" ? undefined : way.via === "upgrade" ? upgrade : route) ?? own
        test(
          `${name} with ${outcome.status}, a body that says why, and the end of the stream`,
          Effect.gen(function* () {
            const server = yield* serve(options)
            const peer = yield* RawPeer.dial(server.address)
            yield* peer.send(request)
            const response = yield* peer.response
            assert.strictEqual(response.status, outcome.status, response.startLine)
            assert.match(response.startLine, /^HTTP\/1\.1 \d{3} [A-Z]/)
            for (const [name, value] of Object.entries(outcome.headers ?? {})) {
              assert.strictEqual(response.headers.get(name), value, name)
            }
            if (outcome.by === "page") return assert.strictEqual(response.body, page)
            assert.match(response.headers.get("connection") ?? "", /^close/)
            if (outcome.by === undefined) {
              assert.isAbove(response.body.trim().length, 10, "a sentence")
              assert.match(response.headers.get("content-type") ?? "", /^text\/plain/)
              if (outcome.body !== undefined) assert.match(response.body, outcome.body)
            }
            assert.strictEqual(yield* peer.ending, "end")
            if (options === undefined) yield* stillServes(server)
          })
        )
      }

      for (const [name, headers, expected] of [
        ["as it should be", {}, {}],
        ["whose Connection is a list", { Connection: "keep-alive, Upgrade" }, {}],
        ["in other letters", { Upgrade: "WebSocket", Connection: "upgrade" }, {}],
        [
          "with bad parameters of permessage-deflate, without the extension",
          { "Sec-WebSocket-Extensions": "permessage-deflate; server_max_window_bits=7" },
          { "sec-websocket-extensions": undefined }
        ],
        ["with an unknown extension", { "Sec-WebSocket-Extensions": 'x-unknown; a; b="c"' }, {}],
        ["from the same origin", { Origin: `${way.secure ? "https" : "http"}://localhost` }, {}]
      ] as const) {
        test(
          `${name} with 101`,
          Effect.gen(function* () {
            const server = yield* serve()
            const peer = yield* RawPeer.dial(server.address)
            yield* peer.send(requestHead(headers))
            const head = yield* peer.head
            assert.strictEqual(head.startLine, "HTTP/1.1 101 Switching Protocols")
            assert.deepStrictEqual(Object.fromEntries(head.headers), {
              upgrade: "websocket",
              connection: "Upgrade",
              "sec-websocket-accept": acceptFor(sampleKey),
              ...Object.fromEntries(Object.entries(expected).filter(([, value]) => value !== undefined))
            })
          })
        )
      }

      test(
        "that comes byte by byte with 101",
        Effect.gen(function* () {
          const server = yield* serve()
          const peer = yield* RawPeer.dial(server.address)
          for (const byte of Buffer.from(requestHead())) yield* peer.send(Uint8Array.of(byte))
          assert.strictEqual((yield* peer.head).status, 101)
        })
      )

      test(
        "and keeps the frames that came in the same packet",
        Effect.gen(function* () {
          const server = yield* serve()
          const peer = yield* RawPeer.dial(server.address)
          yield* peer.send(requestHead(), text("one"), text("two"), close(1000))
          assert.strictEqual((yield* peer.head).status, 101)
          assert.deepStrictEqual(yield* peer.rest, { frames: ["text one", "text two", "close 1000"], ending: "end" })
        })
      )

      for (const length of [1000, 10_000]) {
        test(
          `in time that grows no faster than its length: ${length} quotes, spaces and commas`,
          Effect.gen(function* () {
            const server = yield* serve()
            for (const filler of ['\\"', " ", ",", ";", "=", "\t"]) {
              const peer = yield* RawPeer.dial(server.address)
              yield* peer.send(
                requestHead({ "Sec-WebSocket-Extensions": `a; b="${filler.repeat(length / filler.length)}` })
              )
              const { status } = yield* peer.response
              assert.strictEqual(status, 400, JSON.stringify(filler))
            }
            yield* stillServes(server)
          })
        )
      }
    })
  })
}
