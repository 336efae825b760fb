import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import * as Frame from "../src/Frame.ts"
import * as FrameGenerators from "../src/FrameGenerators.ts"
import type { SendFailure } from "../src/Session.ts"
import { close, describeEvents, End, makeSession, roles, text } from "./fixtures/ends.ts"
import { concat, hex, noise, utf8 } from "./fixtures/wire.ts"

const ruleOf = (failure: SendFailure | undefined): string | undefined =>
  failure?._tag === "SendError" ? failure.rule : failure?._tag

describe.each(roles)("Session as %s, sending", (role) => {
  it("sends text and binary in one frame each", () => {
    const end = new End(role)
    assert.isUndefined(end.session.send("é"))
    assert.isUndefined(end.session.send(hex("0102")))
    assert.isUndefined(end.session.send(""))
    assert.isUndefined(end.session.send(hex("")))
    assert.deepStrictEqual(end.lines(), ['TEXT "é"', "BIN 0102", "TEXT", "BIN"])
  })

  it("cuts a message by size", () => {
    const end = new End(role)
    end.session.send("abcdefg", { fragmentSize: 3 })
    end.session.send(hex("010203"), { fragmentSize: 3 })
    end.session.send("", { fragmentSize: 3 })
    end.session.send("水", { fragmentSize: 2 })
    assert.deepStrictEqual(end.lines(), [
      'TEXT+ "abc"',
      "CONT+ 646566",
      "CONT 67",
      "BIN 010203",
      "TEXT",
      'TEXT+ "\ufffd"',
      "CONT b4"
    ])
  })

  it("sends a message in pieces, with control frames between", () => {
    const end = new End(role)
    assert.isUndefined(end.session.sendFragment("Text", "ab", false))
    assert.isTrue(end.session.isSendingMessage)
    end.session.ping()
    assert.isUndefined(end.session.sendFragment("Binary", "cd", false))
    assert.isUndefined(end.session.sendFragment("Text", "", true))
    assert.isFalse(end.session.isSendingMessage)
    assert.isUndefined(end.session.sendFragment("Binary", hex("01"), true))
    assert.deepStrictEqual(end.lines(), ['TEXT+ "ab"', "PING 31", "CONT+ 6364", "CONT", "BIN 01"])
  })

  it("begins a message with its first piece that is not empty", () => {
    const end = new End(role)
    end.session.sendFragment("Text", "", false)
    end.session.sendFragment("Text", "a", false)
    end.session.sendFragment("Text", "", false)
    end.session.sendFragment("Text", "b", true)
    end.session.sendFragment("Text", "", false)
    end.session.sendFragment("Text", "", true)
    assert.deepStrictEqual(end.lines(), ['TEXT+ "a"', "CONT 62", "TEXT"])
  })

  it("keeps surrogate pairs together that are split between pieces", () => {
    const end = new End(role)
    const [high, low] = ["\ud83d", "\ude00"]
    end.session.sendFragment("Text", `a${high}`, false)
    end.session.sendFragment("Text", `${low}b${high}`, false)
    end.session.sendFragment("Text", "", false)
    end.session.sendFragment("Text", low, true)
    assert.strictEqual(Buffer.from(concat(end.written().map(({ payload }) => payload))).toString("utf8"), "a😀b😀")
    // A half that finds no other becomes U+FFFD, and is not kept for the next message.
    end.session.sendFragment("Text", high, false)
    end.session.sendFragment("Text", "x", true)
    end.session.sendFragment("Text", high, true)
    end.session.sendFragment("Text", high, false)
    end.session.sendFragment("Text", hex("41"), true)
    end.session.sendFragment("Text", low, true)
    assert.deepStrictEqual(end.lines(), ['TEXT "\ufffdx"', 'TEXT "\ufffd"', 'TEXT "A"', 'TEXT "\ufffd"'])
  })

  it("refuses a message in the middle of another", () => {
    const end = new End(role)
    end.session.sendFragment("Text", "a", false)
    assert.strictEqual(ruleOf(end.session.send("b")), "InterruptedMessage")
    assert.strictEqual(ruleOf(end.session.sendFrame(Frame.text("b"))), "InterruptedMessage")
    assert.strictEqual(ruleOf(end.session.sendFrame(Frame.continuation("b"))), "InterruptedMessage")
    end.session.sendFragment("Text", "c", true)
    assert.isUndefined(end.session.send("d"))
    assert.deepStrictEqual(end.lines(), ['TEXT+ "a"', "CONT 63", 'TEXT "d"'])
  })

  it("sends frames as they are", () => {
    const end = new End(role)
    const frames = [
      Frame.text("a", { fin: false }),
      Frame.ping("p"),
      Frame.continuation("b", { fin: false }),
      Frame.pong("q"),
      Frame.continuation("c"),
      Frame.binary(hex("01"))
    ]
    for (const frame of frames) assert.isUndefined(end.session.sendFrame(frame))
    assert.strictEqual(ruleOf(end.session.sendFrame(Frame.continuation("x"))), "UnexpectedContinuation")
    assert.deepStrictEqual(end.lines(), ['TEXT+ "a"', "PING 70", "CONT+ 62", "PONG 71", "CONT 63", "BIN 01"])
  })

  it("does not mix frames and pieces in one message", () => {
    const end = new End(role)
    end.session.sendFrame(Frame.text("a", { fin: false }))
    assert.strictEqual(ruleOf(end.session.sendFragment("Text", "b", true)), "InterruptedMessage")
    assert.strictEqual(ruleOf(end.session.send("b")), "InterruptedMessage")
    assert.isUndefined(end.session.sendFrame(Frame.continuation("c")))
    assert.isUndefined(end.session.sendFragment("Text", "d", true))
    assert.deepStrictEqual(end.lines(), ['TEXT+ "a"', "CONT 63", 'TEXT "d"'])
  })

  it("refuses frames that would break RFC 6455, and sends nothing of them", () => {
    const end = new End(role)
    const cases: ReadonlyArray<readonly [Frame.Frame, string]> = [
      [Frame.text("a", { rsv1: true }), "UnnegotiatedRsvBit"],
      [Frame.ping("", { rsv2: true }), "UnnegotiatedRsvBit"],
      [Frame.make(3), "ReservedOpcode"],
      [Frame.make(11), "ReservedOpcode"],
      [Frame.ping("", { fin: false }), "FragmentedControlFrame"],
      [Frame.pong(noise(126, 1)), "ControlFrameTooLong"],
      [Frame.continuation("a"), "UnexpectedContinuation"],
      [Frame.close(hex("03")), "TruncatedCloseCode"],
      [Frame.close(hex("03 ed")), "InvalidCloseCode"],
      [Frame.close(hex("03 e8 ff")), "InvalidCloseReason"],
      [Frame.close(noise(126, 1)), "ControlFrameTooLong"]
    ]
    for (const [frame, rule] of cases)
      assert.strictEqual(ruleOf(end.session.sendFrame(frame)), rule, Frame.render(frame))
    assert.deepStrictEqual(end.lines(), [])
    assert.isUndefined(end.session.closeInfo)
  })

  it("writes anything when it is told not to check", () => {
    const end = new End(role)
    for (const frame of [
      Frame.make(3, "a", { rsv1: true, fin: false }),
      Frame.continuation("x"),
      Frame.ping(noise(126, 1))
    ]) {
      assert.isUndefined(end.session.sendFrame(frame, { unchecked: true }))
    }
    assert.deepStrictEqual(
      end.written().map(({ fin, opcode, payload, rsv }) => [fin, rsv, opcode, payload.length]),
      [
        [false, 4, 3, 1],
        [true, 0, 0, 1],
        [true, 0, 9, 126]
      ]
    )
  })

  it("masks by its role: a client's frame with the given key, a server's never", () => {
    const end = new End(role)
    end.session.sendFrame(Frame.text("Hello", { maskingKey: hex("37 fa 21 3d") }))
    const [bytes] = end.session.output.take()
    assert.strictEqual(
      Buffer.from(bytes!).toString("hex"),
      role === "client" ? "818537fa213d7f9f4d5158" : "810548656c6c6f"
    )
  })

  it("closes with a close frame", () => {
    const end = new End(role)
    assert.isUndefined(end.session.sendFrame(Frame.close(hex("03 e9 62 79 65"))))
    assert.isTrue(end.session.isClosing)
    assert.deepStrictEqual(end.session.closeInfo!.sent, { code: 1001, reason: "bye" })
    assert.deepStrictEqual(end.lines(), ["CLOSE 1001"])
    const answer = new End(role)
    answer.receive(close(1000))
    assert.isUndefined(answer.session.sendFrame(Frame.close()))
    assert.isTrue(answer.session.isClosed && answer.session.closeInfo!.clean)
    assert.deepStrictEqual(answer.lines(), ["CLOSE"])
  })

  it("sends what it received on, frame by frame", () => {
    const end = new End(role)
    end.session.setReadMode("frame")
    for (const event of end.receive(text("a", false), { opcode: 0, payload: "b" })) {
      assert.isTrue(event._tag === "Frame" && end.session.sendFrame(event.frame) === undefined)
    }
    // `lines` checks the masks.
    assert.deepStrictEqual(end.lines(), ['TEXT+ "a"', "CONT 62"])
  })

  it.prop(
    "what one end sends, in whatever pieces, the other receives",
    {
      messages: Arbitrary.array(FrameGenerators.message, { maxLength: 5 }),
      how: Arbitrary.schema(Schema.Literals(["whole", "fragmentSize", "pieces"])),
      size: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 })))
    },
    ({ how, messages, size }) => {
      const sender = makeSession(role)
      const receiver = makeSession(role === "client" ? "server" : "client")
      for (const { data } of messages) {
        if (how === "pieces") {
          const type = typeof data === "string" ? "Text" : "Binary"
          for (let at = 0; at < data.length; at += size) {
            sender.sendFragment(type, data.slice(at, at + size), false)
          }
          sender.sendFragment(type, typeof data === "string" ? "" : utf8(""), true)
        } else {
          sender.send(data, how === "whole" ? undefined : { fragmentSize: size })
        }
      }
      const events = sender.output.take().flatMap((chunk) => receiver.receive(chunk.slice()))
      assert.deepStrictEqual(describeEvents(events), describeEvents(messages))
    },
    { timeout: 120_000, arbitrary: { runs: 1000, size: 40 } }
  )
})
