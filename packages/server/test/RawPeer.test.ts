/**
 * Every row of what bad input gets, at a client: the handshake, the frames and the close, against a server that speaks
 * bytes, over memory and TCP. `badInput.test.ts` is the same for servers.
 */
import * as Connect from "@effect-ws/connection/Connect"
import { Dialer } from "@effect-ws/transport/Dialer"
import { PushSocketServer } from "@effect-ws/transport/PushSocketServer"
import * as Memory from "@effect-ws/transport/Memory"
import type { Push } from "@effect-ws/transport"
import * as Tcp from "@effect-ws/transport/Tcp"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Stream } from "effect"
import type { Scope } from "effect"
import type { SocketServer } from "effect/socket"
import { captureLogs, receiveText } from "@effect-ws/test-peers/Programs"
import type { Entry } from "@effect-ws/test-peers/Programs"
import * as RawPeer from "@effect-ws/test-peers/RawPeer"
import { acceptFor, close, frame, sampleKey, text } from "@effect-ws/test-peers/RawPeer"

type Requirements = SocketServer.SocketServer | PushSocketServer | Dialer | Scope.Scope

const networks = [
  { name: "Memory", layer: Memory.layer({ port: 0 }) },
  { name: "Tcp", layer: Tcp.layer({ port: 0 }) }
] as const

for (const network of networks) {
  const test = (name: string, program: Effect.Effect<void, unknown, Requirements>): void => {
    const logs: Array<Entry> = []
    it.live(name, () => program.pipe(Effect.scoped, Effect.provide([Layer.fresh(network.layer), captureLogs(logs)])))
  }

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
      ["another status", () => "HTTP/1.1 404 Not Found\r\nX-Why: gone\r\n\r\n", "HandshakeError", "BadStatus"],
      ["HTTP/1.0", (key: string) => accept(key).replace("HTTP/1.1", "HTTP/1.0"), "HandshakeError", "BadHttpVersion"],
      ["a wrong accept", () => accept(sampleKey), "HandshakeError", "WrongAccept"],
      [
        "no accept",
        (key: string) => accept(key).replace(/Sec-WebSocket-Accept.*\r\n/, ""),
        "HandshakeError",
        "MissingAccept"
      ],
      ["no Upgrade", (key: string) => accept(key).replace(/Upgrade: .*\r\n/, ""), "HandshakeError", "MissingUpgrade"],
      ["another Upgrade", (key: string) => accept(key).replace("websocket", "h2c"), "HandshakeError", "WrongUpgrade"],
      [
        "no Connection",
        (key: string) => accept(key).replace(/Connection: .*\r\n/, ""),
        "HandshakeError",
        "MissingConnection"
      ],
      [
        "another Connection",
        (key: string) => accept(key).replace("n: Upgrade", "n: close"),
        "HandshakeError",
        "WrongConnection"
      ],
      [
        "an extension that was not offered",
        (key: string) => accept(key, "Sec-WebSocket-Extensions: x\r\n"),
        "HandshakeError",
        "UnofferedExtension"
      ],
      [
        "a malformed extension",
        (key: string) => accept(key, "Sec-WebSocket-Extensions: x;;\r\n"),
        "HandshakeError",
        "MalformedExtensions"
      ],
      [
        "a subprotocol that was not offered",
        (key: string) => accept(key, "Sec-WebSocket-Protocol: x\r\n"),
        "HandshakeError",
        "UnofferedSubprotocol"
      ],
      [
        "two subprotocols",
        (key: string) => accept(key, "Sec-WebSocket-Protocol: x\r\nSec-WebSocket-Protocol: y\r\n"),
        "HandshakeError",
        "DuplicateSubprotocol"
      ],
      ["what is no HTTP", () => "SSH-2.0-OpenSSH_9.7\r\n\r\n", "HttpHeadError", "InvalidVersion"],
      ["endless headers", () => `HTTP/1.1 101 OK\r\nX: ${"x".repeat(20_000)}`, "HttpHeadError", "HeadersTooLarge"]
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
