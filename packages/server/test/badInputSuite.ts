/**
 * Every row of what bad input gets, at a server: the handshake, the frames and the close, against a peer that speaks
 * bytes. After each, the server still serves. A case provides a way to serve and a kind of server.
 */
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import type { Closure } from "@effect-ws/protocol/Session"
import type { Dialer } from "@effect-ws/transport/Dialer"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue, Redacted } from "effect"
import type { Scope } from "effect"
import type * as NetAddress from "effect/net/NetAddress"
import * as Zlib from "node:zlib"
import * as Auth from "../src/Auth.ts"
import type * as WebSocketServer from "../src/WebSocketServer.ts"
import { captureLogs, connect, echo, echoHandlers, receiveText } from "./support/programs.ts"
import * as RawPeer from "./support/RawPeer.ts"
import { acceptFor, close, frame, requestHead, sampleKey, text } from "./support/RawPeer.ts"
import { page } from "./support/ways.ts"
import type { Programs, Way } from "./support/ways.ts"

/** The answer to a request that is refused. */
interface Outcome {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: RegExp
  /**
   * Who answers in our place: the parser of Node, which refuses without a body, or the page of the HTTP server, for which
   * the request is an ordinary one.
   */
  readonly by?: "parser" | "page"
}

const authenticated = Auth.required(
  Auth.basic({ realm: "test", ...Auth.users([["alice", Redacted.make("wonderland")]]) })
)

const byParser = (status: number): Outcome => ({ status, by: "parser" })
const byPage: Outcome = { status: 200, by: "page" }

interface Server {
  readonly address: NetAddress.SocketAddress
  /** The record of the next close. */
  readonly closed: Effect.Effect<Closure>
  /** How many connections are open. */
  readonly open: () => number
}

/** Proves that a server still serves. */
const stillServes = Effect.fnUntraced(function* (server: Server) {
  const client = yield* connect(server)
  yield* client.send("alive")
  assert.strictEqual(yield* receiveText(client), "alive")
  yield* client.close()
}, Effect.scoped)

export const badInputSuite = (way: Way, kind: keyof Programs): void => {
  /** A server that echoes and keeps the record of each close. */
  const serve = Effect.fnUntraced(function* (
    options?: WebSocketServer.ServerOptions
  ): Effect.fn.Return<Server, unknown, Scope.Scope> {
    const closures = yield* Queue.unbounded<Closure>()
    let open = 0
    const begin = Effect.sync(() => void open++)
    const end = (closure: Closure) =>
      Effect.sync(() => {
        open--
        Queue.offerUnsafe(closures, closure)
      })
    const programs: Programs = {
      fiber: (connection) =>
        Effect.andThen(begin, echo(connection)).pipe(
          Effect.ensuring(Effect.forkDetach(Effect.flatMap(connection.closed, end)))
        ),
      queue: { ...echoHandlers, onOpen: () => begin, onClose: (_, closure) => end(closure) }
    }
    return { address: yield* way.serve(kind, programs, options), closed: Queue.take(closures), open: () => open }
  })

  const test = (name: string, program: Effect.Effect<void, unknown, Dialer | Scope.Scope>): void => {
    it.live(name, () => program.pipe(Effect.scoped, Effect.provide([way.dialer, captureLogs([])])), 10_000)
  }

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
          /** What comes of it where an HTTP server reads the request. */
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
          options: { locations: ["/other"], decide: () => Effect.succeed({}) }
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
          options: { locations: ["/other"] }
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
        ["with an extension that nobody knows", { "Sec-WebSocket-Extensions": 'x-unknown; a; b="c"' }, {}],
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

    describe("fails a connection, after the replies to what came before,", () => {
      const tooLong = 16 * 1024 * 1024 + 1
      const violations: ReadonlyArray<readonly [name: string, bytes: Buffer, code: number, rule: string]> = [
        ["for a frame without a mask", text("x", { masked: false }), 1002, "UnmaskedClientFrame"],
        ["for RSV1", text("x", { rsv: 4 }), 1002, "UnnegotiatedRsvBit"],
        ["for RSV2", text("x", { rsv: 2 }), 1002, "UnnegotiatedRsvBit"],
        ["for RSV3 on a ping", frame({ opcode: 9, rsv: 1 }), 1002, "UnnegotiatedRsvBit"],
        ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(
          (opcode) => [`for opcode ${opcode}`, frame({ opcode, payload: "x" }), 1002, "ReservedOpcode"] as const
        ),
        ["for a ping without FIN", frame({ opcode: 9, fin: false }), 1002, "FragmentedControlFrame"],
        ["for a close without FIN", close(1000, "", { fin: false }), 1002, "FragmentedControlFrame"],
        ["for a ping of 126 bytes", frame({ opcode: 9, payload: "x".repeat(126) }), 1002, "ControlFrameTooLong"],
        ["for a close of 126 bytes", close(1000, "x".repeat(124)), 1002, "ControlFrameTooLong"],
        ["for a continuation of nothing", frame({ opcode: 0, payload: "x" }), 1002, "UnexpectedContinuation"],
        [
          "for a text inside a message",
          Buffer.concat([text("a", { fin: false }), text("b")]),
          1002,
          "InterruptedMessage"
        ],
        ["for a length of 2 bytes where 1 will do", text("x", { lengthBytes: 2 }), 1002, "NonMinimalLength"],
        [
          "for a length of 8 bytes where 2 will do",
          text("x".repeat(200), { lengthBytes: 8 }),
          1002,
          "NonMinimalLength"
        ],
        [
          "for a length with the top bit set",
          text("", { announced: 1n << 63n, lengthBytes: 8 }),
          1002,
          "LengthTopBitSet"
        ],
        ["for a header that announces too much", text("", { announced: tooLong }), 1009, "FrameTooBig"],
        ["for a header that announces 2^62", text("", { announced: 1n << 62n }), 1009, "FrameTooBig"],
        [
          "for fragments that add up to too much",
          Buffer.concat([
            frame({ opcode: 2, payload: Buffer.alloc(20), fin: false }),
            frame({ opcode: 0, announced: tooLong - 1 })
          ]),
          1009,
          "MessageTooBig"
        ],
        ["for text that is not UTF-8", frame({ opcode: 1, payload: Buffer.from([0xc0, 0xaf]) }), 1007, "InvalidUtf8"],
        [
          "for a surrogate in text",
          frame({ opcode: 1, payload: Buffer.from([0xed, 0xa0, 0x80]) }),
          1007,
          "InvalidUtf8"
        ],
        ["for text cut short", frame({ opcode: 1, payload: Buffer.from([0xe2, 0x82]) }), 1007, "InvalidUtf8"],
        [
          "for text that goes wrong, before its frame is complete",
          frame({ opcode: 1, payload: Buffer.from([0x61, 0xff]), announced: 1000 }),
          1007,
          "InvalidUtf8"
        ],
        [
          "for text that goes wrong across fragments",
          Buffer.concat([
            frame({ opcode: 1, payload: Buffer.from([0xe2, 0x82]), fin: false }),
            frame({ opcode: 0, payload: Buffer.from([0x41]) })
          ]),
          1007,
          "InvalidUtf8"
        ],
        [
          "for a close payload of one byte",
          frame({ opcode: 8, payload: Buffer.from([3]) }),
          1002,
          "TruncatedCloseCode"
        ],
        ...[0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535].map(
          (code) => [`for close code ${code}`, close(code), 1002, "InvalidCloseCode"] as const
        ),
        ["for a close reason that is not UTF-8", close(1000, Buffer.from([0xff])), 1007, "InvalidCloseReason"]
      ]

      for (const [name, bytes, code, rule] of violations) {
        test(
          `${name} with ${code}`,
          Effect.gen(function* () {
            const server = yield* serve()
            const peer = yield* RawPeer.upgrade(server.address)
            yield* peer.send(text("one"), frame({ opcode: 9, payload: "two" }), text("three"), bytes, text("ignored"))
            const { ending, frames } = yield* peer.rest
            assert.deepStrictEqual(frames.slice(0, -1).toSorted(), ["pong two", "text one", "text three"])
            assert.match(frames.at(-1)!, new RegExp(`^close ${code} .{10,123}$`))
            assert.strictEqual(ending, "end")
            const closure = yield* server.closed
            assert.strictEqual(closure.violation?.rule, rule)
            assert.strictEqual(closure.initiator, "local")
            assert.strictEqual(closure.sent?.code, code)
            assert.isFalse(closure.clean)
            yield* stillServes(server)
          })
        )
      }

      test(
        "for text that goes wrong, at the byte, while the rest is on its way",
        Effect.gen(function* () {
          const server = yield* serve()
          const peer = yield* RawPeer.upgrade(server.address)
          yield* peer.send(frame({ opcode: 1, payload: Buffer.from([0xe2]), announced: 3 }))
          yield* peer.send(Buffer.from([0x41 ^ 0xfa]))
          assert.match((yield* peer.rest).frames[0]!, /^close 1007 /)
        })
      )
    })

    describe("inflates, where permessage-deflate is agreed on,", () => {
      const limit = 64 * 1024
      const compressed = (payload: Uint8Array, fields?: Partial<RawPeer.FrameFields>): Buffer =>
        frame({ opcode: 1, rsv: 4, payload, ...fields })
      /** Without the four bytes that RFC 7692 7.2.1 leaves out. */
      const deflated = (data: string | Uint8Array): Buffer =>
        Zlib.deflateRawSync(data, { finishFlush: Zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4)
      const opened = Effect.gen(function* () {
        const server = yield* Effect.provide(serve({ maxMessageSize: limit }), PermessageDeflate.layer())
        const peer = yield* RawPeer.dial(server.address)
        yield* peer.send(requestHead({ "Sec-WebSocket-Extensions": "permessage-deflate" }))
        assert.match((yield* peer.head).headers.get("sec-websocket-extensions") ?? "", /^permessage-deflate/)
        return { server, peer }
      })

      for (const [name, bytes, code] of [
        ["garbage: 1007", compressed(Buffer.from([0xff, 0xff, 0xff, 0xff])), 1007],
        ["a message that ends inside a block: 1007", compressed(deflated("hello").subarray(0, 3)), 1007],
        ["text that is not UTF-8: 1007", compressed(deflated(Buffer.from([0x61, 0xff]))), 1007],
        ["more than a message may have: 1009", compressed(deflated(Buffer.alloc(16 * limit)), { opcode: 2 }), 1009],
        ["RSV1 on a ping: 1002", frame({ opcode: 9, rsv: 4 }), 1002],
        [
          "RSV1 on a continuation: 1002",
          Buffer.concat([text("a", { fin: false }), frame({ opcode: 0, rsv: 4, payload: "b" })]),
          1002
        ]
      ] as const) {
        test(
          name,
          Effect.gen(function* () {
            const { peer, server } = yield* opened
            yield* peer.send(text("one"), bytes)
            const { ending, frames } = yield* peer.rest
            assert.strictEqual(frames[0], "text one")
            assert.match(frames.at(-1)!, new RegExp(`^close ${code} `))
            assert.deepStrictEqual([frames.length, ending], [2, "end"])
            assert.strictEqual((yield* server.closed).sent?.code, code)
          })
        )
      }

      test(
        "final blocks and empty messages, and goes on",
        Effect.gen(function* () {
          const { peer } = yield* opened
          yield* peer.send(
            // RFC 7692 7.2.3.5: a block with BFINAL; 7.2.3.6: an empty message
            compressed(Buffer.concat([Zlib.deflateRawSync("final"), Buffer.from([0])])),
            compressed(Buffer.from([0])),
            compressed(deflated("more")),
            text("plain")
          )
          const payloads: Array<string> = []
          while (payloads.length < 4) payloads.push((yield* peer.frame).payload.toString())
          assert.deepStrictEqual(payloads, ["final", "", "more", "plain"])
        })
      )
    })

    describe("passes", () => {
      test(
        "U+0000, U+FEFF, non-characters and characters cut by fragments",
        Effect.gen(function* () {
          const server = yield* serve()
          const peer = yield* RawPeer.upgrade(server.address)
          const payload = Buffer.from("\u0000\uFEFF\uFFFE\uFFFF\u{1FFFE}\u{10FFFF}€")
          yield* peer.send(
            ...Array.from(payload, (_, at) =>
              frame({ opcode: at === 0 ? 1 : 0, payload: payload.subarray(at, at + 1), fin: at === payload.length - 1 })
            )
          )
          assert.strictEqual(RawPeer.render(yield* peer.frame), `text ${payload.toString()}`)
        })
      )

      test(
        "a ping inside a fragmented message, and its pong comes first",
        Effect.gen(function* () {
          const server = yield* serve()
          const peer = yield* RawPeer.upgrade(server.address)
          yield* peer.send(
            text("a", { fin: false }),
            frame({ opcode: 9, payload: "between" }),
            frame({ opcode: 10, payload: "nobody asked" }),
            frame({ opcode: 0, payload: "b" })
          )
          assert.deepStrictEqual(
            [RawPeer.render(yield* peer.frame), RawPeer.render(yield* peer.frame)],
            ["pong between", "text ab"]
          )
        })
      )

      test(
        "what it sends without a mask, in the shortest form",
        Effect.gen(function* () {
          const server = yield* serve()
          const peer = yield* RawPeer.upgrade(server.address)
          yield* peer.send(text("x".repeat(200)))
          const { fin, masked, opcode, payload, rsv } = yield* peer.frame
          assert.deepStrictEqual([fin, masked, opcode, payload.length, rsv], [true, false, 1, 200, 0])
        })
      )
    })

    describe("is closed", () => {
      for (const [name, bytes, answer] of [
        ["without a code: the answer has none", close(), "close"],
        ["with 1000", close(1000), "close 1000"],
        ["with a reason, which comes back", close(1001, "bye"), "close 1001 bye"],
        ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999].map(
          (code) => [`with ${code}`, close(code), `close ${code}`] as const
        ),
        ["with a reason of 123 bytes", close(1000, "ü".repeat(61) + "x"), `close 1000 ${"ü".repeat(61)}x`],
        [
          "inside a fragmented message",
          Buffer.concat([text("a", { fin: false }), close(1000), frame({ opcode: 0, payload: "b" })]),
          "close 1000"
        ],
        ["and ignores what follows", Buffer.concat([close(1000), text("late"), close(1002)]), "close 1000"]
      ] as const) {
        test(
          name,
          Effect.gen(function* () {
            const server = yield* serve()
            const peer = yield* RawPeer.upgrade(server.address)
            yield* peer.send(text("one"), bytes)
            // The server ends the stream; this peer does nothing for it.
            assert.deepStrictEqual(yield* peer.rest, { frames: ["text one", answer], ending: "end" })
            const closure = yield* server.closed
            assert.isTrue(closure.clean)
            assert.strictEqual(closure.initiator, "remote")
          })
        )
      }

      test(
        "by the end of the stream alone: 1006, typed",
        Effect.gen(function* () {
          const server = yield* serve()
          const peer = yield* RawPeer.upgrade(server.address)
          yield* peer.send(text("one"))
          yield* peer.frame
          yield* peer.shutdown
          assert.deepStrictEqual(yield* peer.rest, { frames: [], ending: "end" })
          const closure = yield* server.closed
          assert.deepStrictEqual(
            [closure.error._tag, closure.initiator, closure.clean],
            ["AbnormalClosure", "transport", false]
          )
        })
      )

      test(
        "by a close frame and the end of the stream right behind it, and still answers",
        Effect.gen(function* () {
          const server = yield* serve()
          const peer = yield* RawPeer.upgrade(server.address)
          yield* peer.send(text("one"), close(1000))
          yield* peer.shutdown
          assert.deepStrictEqual(yield* peer.rest, { frames: ["text one", "close 1000"], ending: "end" })
        })
      )
    })

    describe("survives", () => {
      const frames = Buffer.concat([text("one"), text("two".repeat(1000))])
      for (const [phase, prepare] of [
        ["before a byte was sent", () => Effect.void],
        ["in the middle of the head", (peer: RawPeer.RawPeer) => peer.send(requestHead().slice(0, 40))],
        ["between the head and the response", (peer: RawPeer.RawPeer) => peer.send(requestHead())],
        [
          "in the middle of a frame",
          (peer: RawPeer.RawPeer) =>
            Effect.andThen(peer.send(requestHead()), Effect.andThen(peer.head, peer.send(frames.subarray(0, -5))))
        ],
        [
          "in the middle of a close frame",
          (peer: RawPeer.RawPeer) =>
            Effect.andThen(peer.send(requestHead()), Effect.andThen(peer.head, peer.send(close(1000).subarray(0, 3))))
        ],
        [
          "after a close frame",
          (peer: RawPeer.RawPeer) =>
            Effect.andThen(peer.send(requestHead()), Effect.andThen(peer.head, peer.send(close(1000))))
        ],
        [
          "after a violation",
          (peer: RawPeer.RawPeer) =>
            Effect.andThen(peer.send(requestHead()), Effect.andThen(peer.head, peer.send(frame({ opcode: 3 }))))
        ]
      ] as const) {
        for (const how of ["reset", "shutdown"] as const) {
          test(
            `a ${how} ${phase}`,
            Effect.gen(function* () {
              const server = yield* serve()
              for (let n = 0; n < 10; n++) {
                const peer = yield* RawPeer.dial(server.address)
                yield* prepare(peer)
                yield* peer[how]
              }
              yield* stillServes(server)
              yield* Effect.repeat(Effect.delay(Effect.sync(server.open), "1 millis"), { until: (open) => open === 0 })
            })
          )
        }
      }
    })
  })
}
