import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import type { Rule } from "../src/ProtocolViolation.ts"
import {
  binary,
  close,
  describeEvents,
  End,
  last,
  makeSession,
  more,
  ping,
  roles,
  runs,
  text
} from "./fixtures/ends.ts"
import { concat, hex, noise, split, toHex } from "./fixtures/wire.ts"
import type { Wire } from "./fixtures/wire.ts"

interface Broken {
  readonly title: string
  readonly rule: Rule
  readonly code: 1002 | 1007 | 1008 | 1009
  /** The frames that break the rule, the last one with its last byte. */
  readonly frames: ReadonlyArray<Wire>
  /** Bytes that break it, where frames cannot. */
  readonly bytes?: string
}

const key = [1, 2, 3, 4]
const limits = { maxMessageSize: 1000, maxFrameSize: 600, maxFragments: 5 }

const header = (end: End, first: string, length: string): Uint8Array => {
  const bytes = hex(`${first} ${length}`)
  if (end.role === "client") return bytes
  bytes[1]! |= 0x80
  return concat([bytes, Uint8Array.from(key)])
}

const broken: ReadonlyArray<Broken> = [
  ...[1, 2, 4, 3, 5, 6, 7].flatMap((rsv): Array<Broken> =>
    [1, 2, 8, 9, 10].map((opcode) => ({
      title: `RSV bits ${rsv} on opcode ${opcode}`,
      rule: "UnnegotiatedRsvBit",
      code: 1002,
      frames: [{ opcode, rsv }]
    }))
  ),
  {
    title: "an RSV bit on a continuation",
    rule: "UnnegotiatedRsvBit",
    code: 1002,
    frames: [text("a", false), { opcode: 0, rsv: 4 }]
  },
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): Broken => ({
    title: `opcode ${opcode}`,
    rule: "ReservedOpcode",
    code: 1002,
    frames: [{ opcode }]
  })),
  ...[8, 9, 10].flatMap((opcode): Array<Broken> => [
    {
      title: `opcode ${opcode} without FIN`,
      rule: "FragmentedControlFrame",
      code: 1002,
      frames: [{ opcode, fin: false }]
    },
    {
      title: `opcode ${opcode} with 126 bytes`,
      rule: "ControlFrameTooLong",
      code: 1002,
      frames: [{ opcode, payload: noise(126, 1) }]
    }
  ]),
  {
    title: "a ping of 65536 bytes",
    rule: "ControlFrameTooLong",
    code: 1002,
    frames: [],
    bytes: "89 7f 00 00 00 00 00 01 00 00"
  },
  { title: "a continuation with nothing to continue", rule: "UnexpectedContinuation", code: 1002, frames: [last("a")] },
  {
    title: "a continuation without FIN with nothing to continue",
    rule: "UnexpectedContinuation",
    code: 1002,
    frames: [more("a")]
  },
  {
    title: "a text in a fragmented message",
    rule: "InterruptedMessage",
    code: 1002,
    frames: [binary(hex("01"), false), text("a")]
  },
  {
    title: "a binary in a fragmented message",
    rule: "InterruptedMessage",
    code: 1002,
    frames: [text("a", false), binary(hex("01"))]
  },
  { title: "16 bits of length for 125 bytes", rule: "NonMinimalLength", code: 1002, frames: [], bytes: "82 7e 00 7d" },
  { title: "16 bits of length for a ping", rule: "NonMinimalLength", code: 1002, frames: [], bytes: "89 7e 00 01" },
  {
    title: "64 bits of length for 65535 bytes",
    rule: "NonMinimalLength",
    code: 1002,
    frames: [],
    bytes: "82 7f 00 00 00 00 00 00 ff ff"
  },
  {
    title: "the top bit of a 64-bit length",
    rule: "LengthTopBitSet",
    code: 1002,
    frames: [],
    bytes: "82 7f 80 00 00 00 00 00 00 00"
  },
  {
    title: "a frame of 601 bytes by its header alone",
    rule: "FrameTooBig",
    code: 1009,
    frames: [],
    bytes: "82 7e 02 59"
  },
  {
    title: "a frame of 2^63-1 bytes",
    rule: "FrameTooBig",
    code: 1009,
    frames: [],
    bytes: "82 7f 7f ff ff ff ff ff ff ff"
  },
  {
    title: "a message of 600 and 401 bytes",
    rule: "MessageTooBig",
    code: 1009,
    frames: [binary(noise(600, 1), false), { opcode: 0, payload: noise(401, 1) }]
  },
  {
    title: "six fragments",
    rule: "TooManyFragments",
    code: 1008,
    frames: [text("a", false), more("b"), more("c"), more("d"), more("e"), last("f")]
  },
  {
    title: "six empty fragments",
    rule: "TooManyFragments",
    code: 1008,
    frames: [text("", false), more(""), more(""), more(""), more(""), more("")]
  },
  { title: "text that is not UTF-8", rule: "InvalidUtf8", code: 1007, frames: [text(hex("61 ff"))] },
  { title: "an overlong form", rule: "InvalidUtf8", code: 1007, frames: [text(hex("c0 af"))] },
  { title: "a surrogate", rule: "InvalidUtf8", code: 1007, frames: [text(hex("ed a0 80"))] },
  { title: "beyond U+10FFFF", rule: "InvalidUtf8", code: 1007, frames: [text(hex("f4 90 80 80"))] },
  { title: "text that is cut off", rule: "InvalidUtf8", code: 1007, frames: [text(hex("e6 b0"))] },
  {
    title: "fragmented text that is cut off",
    rule: "InvalidUtf8",
    code: 1007,
    frames: [text(hex("e6"), false), last(hex("b0"))]
  },
  {
    title: "a byte in a later fragment that cannot follow",
    rule: "InvalidUtf8",
    code: 1007,
    frames: [text(hex("e6"), false), more(hex("41"))]
  },
  {
    title: "a close payload of one byte",
    rule: "TruncatedCloseCode",
    code: 1002,
    frames: [{ opcode: 8, payload: hex("03") }]
  },
  ...[0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].map((code): Broken => ({
    title: `close code ${code}`,
    rule: "InvalidCloseCode",
    code: 1002,
    frames: [close(code)]
  })),
  {
    title: "a close reason that is not UTF-8",
    rule: "InvalidCloseReason",
    code: 1007,
    frames: [{ opcode: 8, payload: hex("03 e8 ff") }]
  }
]

const bytesOf = (end: End, { bytes, frames }: Broken): Uint8Array =>
  bytes === undefined ? end.bytes(...frames) : header(end, bytes.slice(0, 2), bytes.slice(2))

describe.each(roles)("Session as %s", (role) => {
  it.each(broken)("fails with $rule ($code) for $title", ({ code, rule, ...rest }) => {
    const chunkings: ReadonlyArray<(bytes: Uint8Array) => Array<Uint8Array>> = [
      (bytes) => [bytes],
      (bytes) => Array.from(bytes, (byte) => Uint8Array.of(byte))
    ]
    for (const chunked of chunkings) {
      const end = new End(role, { limits })
      const bytes = concat([end.bytes(text("before"), ping("p")), bytesOf(end, { code, rule, ...rest })])
      const events = chunked(bytes).flatMap((chunk) => end.session.receive(chunk))
      assert.deepStrictEqual(describeEvents(events), ['text "before"', "ping p", `fails ${code} ${rule}`])

      // What came before is still answered, and what comes after ignored.
      assert.isTrue(end.session.mustAnswerClose)
      assert.isTrue(end.session.canSend)
      assert.isFalse(end.session.canReceive)
      assert.deepStrictEqual(end.receive(text("after"), close(1000)), [])
      assert.isUndefined(end.session.send("reply"))
      assert.deepStrictEqual(end.lines(), ["PONG 70", 'TEXT "reply"'])
      end.session.answerClose()
      const [frame] = end.written()
      assert.strictEqual((frame!.payload[0]! << 8) | frame!.payload[1]!, code)
      assert.isAtMost(frame!.payload.length, 125)

      // The close frame says which rule was broken.
      const closeInfo = end.session.closeInfo!
      assert.isTrue(closeInfo.violation!.message.startsWith(new TextDecoder().decode(frame!.payload.subarray(2))))
      assert.strictEqual(closeInfo.violation!.rule, rule)
      assert.strictEqual(closeInfo.violation!.closeCode, code)
      assert.strictEqual(closeInfo.error.code, code)
      assert.strictEqual(closeInfo.sent!.code, code)
      assert.strictEqual(closeInfo.initiator, "local")
      assert.isFalse(closeInfo.clean)
      assert.isTrue(end.session.isClosed)
      assert.isTrue(end.session.shouldCloseTransport)
      end.session.answerClose()
      assert.deepStrictEqual(end.lines(), [])
    }
  })

  it("fails at a wrong mask bit, whatever the frame", () => {
    for (const frame of [text("a"), binary(noise(3, 1)), ping(), close(1000)]) {
      const end = new End(role)
      const events = end.session.receive(end.bytes({ ...frame, key: role === "server" ? undefined : key }))
      assert.deepStrictEqual(describeEvents(events), [
        role === "server" ? "fails 1002 UnmaskedClientFrame" : "fails 1002 MaskedServerFrame"
      ])
    }
  })

  it("refuses a frame by its header, before any of its payload arrives", () => {
    for (const frame of [
      { opcode: 3, payload: noise(100, 1) },
      { opcode: 9, payload: noise(200, 1) },
      binary(noise(700, 1))
    ]) {
      const end = new End(role, { limits })
      const bytes = end.bytes(frame)
      const size = bytes.length - frame.payload!.length
      assert.deepStrictEqual(end.session.receive(bytes.slice(0, size - 1)), [])
      assert.strictEqual(end.session.receive(bytes.slice(size - 1, size))[0]?._tag, "Failed")
    }
  })

  it("refuses text at the first byte that cannot be UTF-8, inside a frame and across chunks", () => {
    const bytes = hex("61 e6 b0 b4 f0 9f 41 61 61 61 61")
    for (const cuts of [[], [1], [2, 3], [5, 6]]) {
      const end = new End(role)
      const wire = end.bytes(text(bytes))
      const start = wire.length - bytes.length
      const chunks = split(
        wire,
        cuts.map((cut) => cut + start)
      )
      // All that is missing is the last byte of the frame: it is not waited for.
      chunks[chunks.length - 1] = chunks.at(-1)!.subarray(0, -1)
      const events = chunks.flatMap((chunk) => end.session.receive(chunk))
      assert.deepStrictEqual(describeEvents(events), ["fails 1007 InvalidUtf8"])
      assert.match(end.session.closeInfo!.violation!.received, /byte 0x41/)
    }
  })

  it("passes U+0000, U+FEFF and non-characters", () => {
    const odd = "\0\uFEFF\uFFFE\uFFFF\u{1FFFE}\u{10FFFF}"
    const end = new End(role)
    const events = end.receive(text(odd), text(odd.slice(0, 2), false), last(odd.slice(2)))
    assert.deepStrictEqual(
      events.map((event) => (event._tag === "Text" ? event.data : event._tag)),
      [odd, odd]
    )
  })

  it("allocates nothing for bytes that have not arrived", () => {
    const end = new End(role, { limits: { maxMessageSize: 2 ** 40 } })
    const announced = header(end, "82", "7f 00 00 00 ff 00 00 00 00")
    assert.deepStrictEqual(end.session.receive(announced), [])
    assert.deepStrictEqual(end.session.receive(noise(1000, 1)), [])
    assert.strictEqual(end.session.bufferedBytes, 1000)
  })

  it("takes messages up to the limits", () => {
    const end = new End(role, { limits })
    const events = end.receive(
      binary(noise(600, 1), false),
      last(noise(400, 2)),
      text("a", false),
      more(""),
      more(""),
      more("b"),
      last("")
    )
    assert.deepStrictEqual(
      events.map((event) => (event._tag === "Binary" || event._tag === "Text" ? event.data.length : event._tag)),
      [1000, 2]
    )
  })

  it("joins fragments, with control frames between them", () => {
    const end = new End(role)
    const events = end.receive(text("a", false), ping("1"), more("é"), { opcode: 10 }, more(""), ping("2"), last("水"))
    assert.deepStrictEqual(describeEvents(events), ["ping 1", "pong  answers undefined", "ping 2", 'text "aé水"'])
    assert.deepStrictEqual(end.lines(), ["PONG 31", "PONG 32"])
    assert.strictEqual(end.session.bufferedBytes, 0)
  })

  it("takes no continuation behind the last fragment", () => {
    const end = new End(role)
    const events = end.receive(text("a", false), last("b"), last("c"))
    assert.deepStrictEqual(describeEvents(events), ['text "ab"', "fails 1002 UnexpectedContinuation"])
  })

  it("delivers empty messages", () => {
    const end = new End(role)
    const events = end.receive(text(""), binary(hex("")), text("", false), last(""))
    assert.deepStrictEqual(describeEvents(events), ['text ""', "binary ", 'text ""'])
  })

  it("counts what it has of a message that is not complete", () => {
    const end = new End(role)
    const bytes = end.bytes(binary(noise(20, 1), false), last(noise(100, 2)))
    end.session.receive(bytes.subarray(0, bytes.length - 70))
    assert.strictEqual(end.session.bufferedBytes, 50)
    // An eighth is missing: there is memory for it.
    end.session.receive(bytes.subarray(bytes.length - 70, bytes.length - 12))
    assert.strictEqual(end.session.bufferedBytes, 120)
    end.session.receive(bytes.subarray(bytes.length - 12))
    assert.strictEqual(end.session.bufferedBytes, 0)
  })

  it.prop(
    "neither throws nor runs on at any bytes",
    { seed: Schema.Int, prefix: Schema.Uint8Array },
    ({ prefix, seed }) => {
      const end = new End(role)
      for (const chunk of split(concat([prefix, noise(200, seed)]), [seed >>> 1, seed >>> 3, seed >>> 5])) {
        end.session.receive(chunk)
      }
      if (end.session.mustAnswerClose) end.session.answerClose()
      const written = end.written()
      assert.isTrue(end.session.closeInfo === undefined || written.filter(({ opcode }) => opcode === 8).length === 1)
    },
    { timeout: 120_000, arbitrary: { runs } }
  )
})

describe("Session", () => {
  it("asks for masking keys where it needs them, and masks each frame with another", () => {
    const client = makeSession("client")
    client.send("same")
    client.send("same")
    const [bytes] = client.output.take()
    assert.notStrictEqual(toHex(bytes!.subarray(2, 6)), toHex(bytes!.subarray(12, 16)))
  })
})
