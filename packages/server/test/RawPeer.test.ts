/**
 * Every row of what bad input gets: the handshake, the frames and the close, against a peer that speaks bytes, over
 * memory and TCP, in both roles. After each, the server still serves.
 */
import * as Connect from "@effect-ws/connection/Connect"
import type { Connection } from "@effect-ws/connection/Connection"
import type { Closure } from "@effect-ws/protocol/Session"
import { Dialer } from "@effect-ws/transport/Dialer"
import { PushSocketServer } from "@effect-ws/transport/PushSocketServer"
import * as Memory from "@effect-ws/transport/Memory"
import type { Push } from "@effect-ws/transport"
import * as Tcp from "@effect-ws/transport/Tcp"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Queue, Stream } from "effect"
import type { Scope } from "effect"
import type { SocketServer } from "effect/socket"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { captureLogs, connect, echo, receiveText } from "./support/programs.ts"
import type { Entry } from "./support/programs.ts"
import * as RawPeer from "./support/RawPeer.ts"
import { acceptFor, close, frame, requestHead, sampleKey, text } from "./support/RawPeer.ts"
import { start } from "./support/variants.ts"

type Requirements = SocketServer.SocketServer | PushSocketServer | Dialer | Scope.Scope

const networks = [
  { name: "Memory", layer: Memory.layer({ port: 0 }) },
  { name: "Tcp", layer: Tcp.layer({ port: 0 }) }
] as const

const serve = (
  options?: WebSocketServer.ServerOptions,
  handler: (connection: Connection) => Effect.Effect<unknown, unknown> = echo
) => start(WebSocketServer.layer(handler, options))

/** A server that echoes and keeps the record of each close. */
const serveRecorded = Effect.fnUntraced(function* (options?: WebSocketServer.ServerOptions) {
  const closures = yield* Queue.unbounded<Closure>()
  const server = yield* serve(options, (connection) =>
    Effect.ensuring(
      echo(connection),
      Effect.forkDetach(Effect.flatMap(connection.closed, (closure) => Queue.offer(closures, closure)))
    )
  )
  return { server, closed: Queue.take(closures) }
})

/** Proves that a server still serves. */
const stillServes = Effect.fnUntraced(function* (server: WebSocketServer.WebSocketServer["Service"]) {
  const client = yield* connect(server)
  yield* client.send("alive")
  assert.strictEqual(yield* receiveText(client), "alive")
  yield* client.close()
}, Effect.scoped)

for (const network of networks) {
  const test = (name: string, program: Effect.Effect<void, unknown, Requirements>): void => {
    const logs: Array<Entry> = []
    it.live(name, () => program.pipe(Effect.scoped, Effect.provide([Layer.fresh(network.layer), captureLogs(logs)])))
  }

  describe(`a server over ${network.name}`, () => {
    describe("answers a request", () => {
      const get = "GET /chat HTTP/1.1"
      const refusals: ReadonlyArray<{
        readonly name: string
        readonly request: string
        readonly status: number
        readonly headers?: Readonly<Record<string, string>>
        readonly body?: RegExp
        readonly options?: WebSocketServer.ServerOptions
      }> = [
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
          headers: { upgrade: "websocket", connection: "close, Upgrade" }
        },
        { name: "with another Upgrade", request: requestHead({ Upgrade: "h2c" }), status: 426 },
        { name: "without Connection", request: requestHead({ Connection: undefined }), status: 400 },
        {
          name: "whose Connection does not say Upgrade",
          request: requestHead({ Connection: "keep-alive" }),
          status: 400
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
        { name: "with a bare LF", request: `${get}\nHost: localhost\n\n`, status: 400, body: /byte 18/ },
        { name: "with a NUL", request: requestHead({ "X-Nul": "a\0b" }), status: 400 },
        { name: "with a folded header", request: requestHead({ "X-Folded": "a\r\n b" }), status: 400 },
        { name: "with a space before the colon", request: requestHead({ "X-Space ": "a" }), status: 400 },
        {
          name: "with both Transfer-Encoding and Content-Length",
          request: requestHead({ "Transfer-Encoding": "chunked", "Content-Length": "5" }),
          status: 400
        },
        { name: "with a body", request: requestHead({ "Content-Length": "5" }) + "hello", status: 400 },
        { name: "that is no HTTP", request: "\u0016\u0003\u0001 TLS, perhaps\r\n\r\n", status: 400 },
        {
          name: "with a target of more than 8 KiB",
          request: requestHead({}, `GET /${"x".repeat(8192)} HTTP/1.1`),
          status: 414
        },
        {
          name: "with more than 16 KiB of headers",
          request: requestHead({ "X-Long": "x".repeat(16_384) }),
          status: 431
        },
        {
          name: "with more than 128 headers",
          request: requestHead(Object.fromEntries(Array.from({ length: 124 }, (_, n) => [`X-${n}`, "x"]))),
          status: 431
        },
        {
          name: "with a header that never ends",
          request: `${get}\r\nX-Long: ${" ".repeat(32_000)}`,
          status: 431
        }
      ]

      for (const { body, headers, name, options, request, status } of refusals) {
        test(
          `${name} with ${status}, a body that says why, and the end of the stream`,
          Effect.gen(function* () {
            const server = yield* serve(options)
            const peer = yield* RawPeer.dial(server.address)
            yield* peer.send(request)
            const response = yield* peer.response
            assert.strictEqual(response.status, status, response.startLine)
            assert.match(response.startLine, /^HTTP\/1\.1 \d{3} [A-Z]/)
            assert.isAbove(response.body.trim().length, 10, "a sentence")
            assert.match(response.headers.get("content-type") ?? "", /^text\/plain/)
            assert.match(response.headers.get("connection") ?? "", /^close/)
            for (const [name, value] of Object.entries(headers ?? {})) {
              assert.strictEqual(response.headers.get(name), value, name)
            }
            if (body !== undefined) assert.match(response.body, body)
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
        ["from the same origin", { Origin: "http://localhost" }, {}]
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
            const { closed, server } = yield* serveRecorded()
            const peer = yield* RawPeer.upgrade(server.address)
            yield* peer.send(text("one"), frame({ opcode: 9, payload: "two" }), text("three"), bytes, text("ignored"))
            const { ending, frames } = yield* peer.rest
            assert.deepStrictEqual(frames.slice(0, -1).toSorted(), ["pong two", "text one", "text three"])
            assert.match(frames.at(-1)!, new RegExp(`^close ${code} .{10,123}$`))
            assert.strictEqual(ending, "end")
            const closure = yield* closed
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
          const { server } = yield* serveRecorded()
          const peer = yield* RawPeer.upgrade(server.address)
          yield* peer.send(frame({ opcode: 1, payload: Buffer.from([0xe2]), announced: 3 }))
          yield* peer.send(Buffer.from([0x41 ^ 0xfa]))
          assert.match((yield* peer.rest).frames[0]!, /^close 1007 /)
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
            const { closed, server } = yield* serveRecorded()
            const peer = yield* RawPeer.upgrade(server.address)
            yield* peer.send(text("one"), bytes)
            // The server ends the stream; this peer does nothing for it.
            assert.deepStrictEqual(yield* peer.rest, { frames: ["text one", answer], ending: "end" })
            const closure = yield* closed
            assert.isTrue(closure.clean)
            assert.strictEqual(closure.initiator, "remote")
          })
        )
      }

      test(
        "by the end of the stream alone: 1006, typed",
        Effect.gen(function* () {
          const { closed, server } = yield* serveRecorded()
          const peer = yield* RawPeer.upgrade(server.address)
          yield* peer.send(text("one"))
          yield* peer.frame
          yield* peer.shutdown
          assert.deepStrictEqual(yield* peer.rest, { frames: [], ending: "end" })
          const closure = yield* closed
          assert.deepStrictEqual(
            [closure.error._tag, closure.initiator, closure.clean],
            ["AbnormalClosure", "transport", false]
          )
        })
      )

      test(
        "by a close frame and the end of the stream right behind it, and still answers",
        Effect.gen(function* () {
          const { server } = yield* serveRecorded()
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
              yield* Effect.repeat(server.connections, { until: (connections) => connections.length === 0 })
            })
          )
        }
      }
    })
  })

  describe(`a client over ${network.name}`, () => {
    /** Our client against a server that answers with what the test says. */
    const against = Effect.fnUntraced(function* (
      answer: (key: string) => string | Uint8Array,
      options?: Connect.ConnectOptions
    ) {
      const server = yield* PushSocketServer
      const accepted = yield* Deferred.make<RawPeer.RawPeer>()
      yield* Effect.forkScoped(
        server.accept((socket: Push.PushSocket) => {
          Deferred.doneUnsafe(accepted, Effect.succeed(new RawPeer.RawPeer(socket.readerUnsafe, socket.writerUnsafe)))
        })
      )
      const dialer = yield* Dialer
      const socket = yield* dialer.dial(server.address)
      const connecting = yield* Effect.forkScoped(Connect.connect(socket, "ws://localhost/chat", options))
      const peer = yield* Deferred.await(accepted)
      const { headers, startLine } = yield* peer.head
      yield* peer.send(answer(headers.get("sec-websocket-key")!))
      return { peer, startLine, headers, connecting }
    })

    const accept = (key: string, extra = ""): string =>
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptFor(key)}\r\n${extra}\r\n`

    const opened = (frames: Uint8Array = Buffer.alloc(0)) =>
      Effect.gen(function* () {
        const { connecting, peer } = yield* against((key) => Buffer.concat([Buffer.from(accept(key)), frames]))
        return { peer, connection: yield* Fiber.join(connecting) }
      })

    test(
      "asks as RFC 6455 wants it, with a new key each time",
      Effect.gen(function* () {
        const { headers, startLine } = yield* against((key) => accept(key))
        assert.strictEqual(startLine, "GET /chat HTTP/1.1")
        assert.strictEqual(headers.get("host"), "localhost")
        assert.strictEqual(headers.get("upgrade"), "websocket")
        assert.strictEqual(headers.get("connection"), "Upgrade")
        assert.strictEqual(headers.get("sec-websocket-version"), "13")
        assert.strictEqual(Buffer.from(headers.get("sec-websocket-key")!, "base64").length, 16)
      })
    )

    for (const [name, answer, tag, rule] of [
      ["another status", () => "HTTP/1.1 404 Not Found\r\nX-Why: gone\r\n\r\n", "HandshakeFailure", "BadStatus"],
      ["HTTP/1.0", (key: string) => accept(key).replace("HTTP/1.1", "HTTP/1.0"), "HandshakeFailure", "BadHttpVersion"],
      ["a wrong accept", () => accept(sampleKey), "HandshakeFailure", "WrongAccept"],
      [
        "no accept",
        (key: string) => accept(key).replace(/Sec-WebSocket-Accept.*\r\n/, ""),
        "HandshakeFailure",
        "MissingAccept"
      ],
      ["no Upgrade", (key: string) => accept(key).replace(/Upgrade: .*\r\n/, ""), "HandshakeFailure", "MissingUpgrade"],
      ["another Upgrade", (key: string) => accept(key).replace("websocket", "h2c"), "HandshakeFailure", "WrongUpgrade"],
      [
        "no Connection",
        (key: string) => accept(key).replace(/Connection: .*\r\n/, ""),
        "HandshakeFailure",
        "MissingConnection"
      ],
      [
        "another Connection",
        (key: string) => accept(key).replace("n: Upgrade", "n: close"),
        "HandshakeFailure",
        "WrongConnection"
      ],
      [
        "an extension that was not offered",
        (key: string) => accept(key, "Sec-WebSocket-Extensions: x\r\n"),
        "HandshakeFailure",
        "UnofferedExtension"
      ],
      [
        "a malformed extension",
        (key: string) => accept(key, "Sec-WebSocket-Extensions: x;;\r\n"),
        "HandshakeFailure",
        "MalformedExtensions"
      ],
      [
        "a subprotocol that was not offered",
        (key: string) => accept(key, "Sec-WebSocket-Protocol: x\r\n"),
        "HandshakeFailure",
        "UnofferedSubprotocol"
      ],
      [
        "two subprotocols",
        (key: string) => accept(key, "Sec-WebSocket-Protocol: x\r\nSec-WebSocket-Protocol: y\r\n"),
        "HandshakeFailure",
        "DuplicateSubprotocol"
      ],
      ["what is no HTTP", () => "SSH-2.0-OpenSSH_9.7\r\n\r\n", "HeadError", "InvalidVersion"],
      ["endless headers", () => `HTTP/1.1 101 OK\r\nX: ${"x".repeat(20_000)}`, "HeadError", "HeadersTooLarge"]
    ] as const) {
      test(
        `refuses ${name}, typed`,
        Effect.gen(function* () {
          const { connecting } = yield* against(answer)
          const error = (yield* Effect.flip(Fiber.join(connecting))) as { _tag: string; rule: string; status?: number }
          assert.deepStrictEqual([error._tag, error.rule], [tag, rule])
          if (rule === "BadStatus") assert.strictEqual(error.status, 404)
        })
      )
    }

    test(
      "fails, typed, where the server hangs up before it has answered",
      Effect.gen(function* () {
        for (const how of ["reset", "shutdown"] as const) {
          yield* Effect.gen(function* () {
            const { connecting, peer } = yield* against(() => "HTTP/1.1 101 Switching")
            yield* peer[how]
            const error = yield* Effect.flip(Fiber.join(connecting))
            assert.strictEqual(error._tag, "SocketError")
          }).pipe(Effect.scoped)
        }
      })
    )

    test(
      "keeps the frames that came in the same packet, and masks what it sends, each frame with another key",
      Effect.gen(function* () {
        const { connection, peer } = yield* opened(text("early", { masked: false }))
        assert.strictEqual(yield* receiveText(connection), "early")
        yield* connection.send("one")
        yield* connection.send("one")
        const [first, second] = [yield* peer.frame, yield* peer.frame]
        assert.deepStrictEqual(
          [first.masked, RawPeer.render(first), RawPeer.render(second)],
          [true, "text one", "text one"]
        )
      })
    )

    for (const [name, bytes, code, rule] of [
      ["a masked frame", text("x"), 1002, "MaskedServerFrame"],
      ["RSV1", text("x", { masked: false, rsv: 4 }), 1002, "UnnegotiatedRsvBit"],
      ["a reserved opcode", frame({ opcode: 3, masked: false }), 1002, "ReservedOpcode"],
      ["a fragmented ping", frame({ opcode: 9, fin: false, masked: false }), 1002, "FragmentedControlFrame"],
      ["a long ping", frame({ opcode: 9, payload: "x".repeat(126), masked: false }), 1002, "ControlFrameTooLong"],
      ["a continuation of nothing", frame({ opcode: 0, masked: false }), 1002, "UnexpectedContinuation"],
      [
        "a message inside a message",
        Buffer.concat([text("a", { masked: false, fin: false }), text("b", { masked: false })]),
        1002,
        "InterruptedMessage"
      ],
      ["a length too long for itself", text("x", { masked: false, lengthBytes: 8 }), 1002, "NonMinimalLength"],
      [
        "a length with the top bit set",
        text("", { masked: false, announced: 1n << 63n, lengthBytes: 8 }),
        1002,
        "LengthTopBitSet"
      ],
      ["a frame that is too big", text("", { masked: false, announced: 1 << 30 }), 1009, "FrameTooBig"],
      [
        "text that is not UTF-8",
        frame({ opcode: 1, masked: false, payload: Buffer.from([0xff]) }),
        1007,
        "InvalidUtf8"
      ],
      ["a close code that may not be sent", close(1005, "", { masked: false }), 1002, "InvalidCloseCode"],
      ["a close payload of one byte", frame({ opcode: 8, payload: "x", masked: false }), 1002, "TruncatedCloseCode"],
      [
        "a close reason that is not UTF-8",
        close(1000, Buffer.from([0xff]), { masked: false }),
        1007,
        "InvalidCloseReason"
      ]
    ] as const) {
      test(
        `fails the connection for ${name} with ${code}, after what came before`,
        Effect.gen(function* () {
          const { connection, peer } = yield* opened()
          yield* peer.send(text("before", { masked: false }), bytes)
          assert.strictEqual(yield* receiveText(connection), "before")
          assert.strictEqual((yield* Effect.flip(connection.receive)).code, code)
          assert.match(RawPeer.render(yield* peer.frame), new RegExp(`^close ${code} `))
          const { clean, violation } = yield* connection.closed
          assert.deepStrictEqual([violation?.rule, clean], [rule, false])
        })
      )
    }

    test(
      "answers the server's close and leaves the end of the stream to it",
      Effect.gen(function* () {
        const { connection, peer } = yield* opened()
        yield* peer.send(close(4001, "bye", { masked: false }))
        assert.strictEqual((yield* Effect.flip(connection.receive)).message, "4001 ApplicationClose: bye")
        assert.strictEqual(RawPeer.render(yield* peer.frame), "close 4001 bye")
        yield* peer.shutdown
        assert.deepStrictEqual(yield* peer.rest, { frames: [], ending: "end" })
        assert.isTrue((yield* connection.closed).clean)
      })
    )

    test(
      "sees 1006 where the server just goes",
      Effect.gen(function* () {
        for (const how of ["reset", "shutdown"] as const) {
          yield* Effect.gen(function* () {
            const { connection, peer } = yield* opened()
            yield* peer[how]
            assert.strictEqual((yield* Effect.flip(Stream.runDrain(connection.messages)))._tag, "AbnormalClosure")
          }).pipe(Effect.scoped)
        }
      })
    )
  })
}
