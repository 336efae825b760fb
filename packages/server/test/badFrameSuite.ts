/**
 * Every row of what bad frames, closes and compressed messages get at a server, against a peer that speaks bytes. After
 * each, the server still serves. A case provides a way to serve and a kind of server.
 */
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import * as Zlib from "node:zlib"
import * as RawPeer from "@effect-ws/test-peers/RawPeer"
import { close, frame, requestHead, text } from "@effect-ws/test-peers/RawPeer"
import { recording, stillServes } from "./support/recording.ts"
import type { Programs, Way } from "./support/ways.ts"

export const badFrameSuite = (way: Way, kind: keyof Programs): void => {
  const { serve, test } = recording(way, kind)

  describe(`a server over ${way.name}, ${kind}`, () => {
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
            const closeInfo = yield* server.closed
            assert.strictEqual(closeInfo.violation?.rule, rule)
            assert.strictEqual(closeInfo.initiator, "local")
            assert.strictEqual(closeInfo.sent?.code, code)
            assert.isFalse(closeInfo.clean)
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
            const closeInfo = yield* server.closed
            assert.isTrue(closeInfo.clean)
            assert.strictEqual(closeInfo.initiator, "remote")
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
          const closeInfo = yield* server.closed
          assert.deepStrictEqual(
            [closeInfo.error._tag, closeInfo.initiator, closeInfo.clean],
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
