import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import { runInNewContext } from "node:vm"
import * as Argument from "../src/Argument.ts"
import * as Frame from "../src/Frame.ts"
import * as FrameParser from "../src/FrameParser.ts"
import { HeadParser } from "../src/http/HeadParser.ts"
import * as Limits from "../src/Limits.ts"
import * as PreparedMessage from "../src/PreparedMessage.ts"
import { Session } from "../src/Session.ts"
import { SlabPool } from "../src/Slab.ts"

const messageOf = (call: () => unknown): string => {
  try {
    call()
  } catch (error) {
    assert.instanceOf(error, Error)
    return `${(error as Error).name}: ${(error as Error).message}`
  }
  return assert.fail("expected an error")
}

describe("bytes", () => {
  it("are a Uint8Array of any realm", () => {
    const foreign = runInNewContext("new Uint8Array(3)")
    assert.isFalse(foreign instanceof Uint8Array)
    for (const value of [new Uint8Array(1), Buffer.from("x"), foreign]) {
      assert.strictEqual(Argument.bytes("payload", value), value)
    }
  })

  it("are nothing else, however alike", () => {
    const others = ["x", 5, null, undefined, [1], {}, new ArrayBuffer(1), new DataView(new ArrayBuffer(1))]
    const forged = [{ [Symbol.toStringTag]: "Uint8Array" }, new Uint8ClampedArray(1), new Int8Array(1)]
    for (const value of [...others, ...forged]) assert.isFalse(Argument.isBytes(value))
  })

  it("are refused with what was given, and how to convert it", () => {
    assert.strictEqual(
      messageOf(() => Argument.bytes("payload", new ArrayBuffer(1))),
      "TypeError: payload: expected a Uint8Array, found an ArrayBuffer: wrap it in `new Uint8Array(...)`"
    )
    assert.strictEqual(
      messageOf(() => Argument.bytes("payload", "x".repeat(1000))),
      `TypeError: payload: expected a Uint8Array, found the string "${"x".repeat(40)}..."`
    )
  })
})

describe("numbers", () => {
  it("are whole numbers from a minimum on, or Infinity for a limit", () => {
    for (const value of [0, 1, 2 ** 40, Infinity]) assert.strictEqual(Argument.limit("size", value), value)
    for (const value of [-1, 0.5, Number.NaN, -Infinity]) {
      assert.strictEqual(
        messageOf(() => Argument.limit("size", value)),
        `RangeError: size: expected an integer of at least 0, or Infinity, found ${value}`
      )
    }
    assert.strictEqual(
      messageOf(() => Argument.limit("size", "5", 1)),
      'TypeError: size: expected an integer of at least 1, or Infinity, found the string "5"'
    )
    assert.strictEqual(
      messageOf(() => Argument.integer("level", Infinity, 0, 9)),
      "RangeError: level: expected an integer from 0 to 9, found Infinity"
    )
  })
})

describe("durations", () => {
  it("are every input that Effect takes, and not negative", () => {
    for (const value of [0, 5, 5n, "5 millis", [0, 5], { millis: 5 }, Duration.millis(5), "Infinity"] as const) {
      assert.isTrue(Duration.isDuration(Argument.duration("timeout", value)))
    }
    for (const value of [-1, -1n, "-5 seconds", [-1, 0], { seconds: -1 }, Duration.seconds(-1), "-Infinity"]) {
      assert.match(
        messageOf(() => Argument.duration("timeout", value)),
        /^RangeError: timeout: expected a duration/
      )
    }
    for (const value of [Number.NaN, [Number.NaN, 0], { seconds: Number.NaN }]) {
      assert.match(
        messageOf(() => Argument.duration("timeout", value)),
        /^RangeError: timeout: expected a duration/
      )
    }
    for (const value of ["5 parsecs", "soon", true, null, undefined]) {
      assert.match(
        messageOf(() => Argument.duration("timeout", value)),
        /^TypeError: timeout: expected a duration/
      )
    }
  })
})

describe("every function that takes a value of the program", () => {
  const session = new Session({ role: "server" })
  const bad = (value: unknown): never => value as never
  const calls: Readonly<Record<string, readonly [() => unknown, string]>> = {
    "Session.send": [() => session.send(bad(5)), "message: expected a string"],
    "Session.send, fragment size": [() => session.send("x", { fragmentSize: Number.NaN }), "fragmentSize"],
    "Session.sendFragment": [() => session.sendFragment("Text", bad([1]), true), "piece of a message"],
    "Session.sendPrepared, fragment size": [
      () => session.sendPrepared(PreparedMessage.make("x"), { fragmentSize: -5 }),
      "fragmentSize"
    ],
    "Session.ping": [() => session.ping(bad(5)), "ping"],
    "Session.pong": [() => session.pong(bad("x")), "pong"],
    "Session.close, code": [() => session.close(bad("1000")), "close code: expected a number"],
    "Session.close, reason": [() => session.close(1000, bad(5)), "close reason: expected a string"],
    "Session.sendFrame": [() => session.sendFrame(bad({ opcode: 1, fin: true })), "frame payload"],
    "PreparedMessage.make": [() => PreparedMessage.make(bad({ _tag: "Text", data: 5 })), "message: expected"],
    "Frame.fragment": [() => Frame.fragment(Frame.text("hello"), 0), "size"],
    "Limits.make": [() => Limits.make({ maxMessageSize: Number.NaN }), "maxMessageSize"],
    "Limits.make of all": [
      () => Limits.make({ maxMessageSize: 1, maxFrameSize: -1, maxFragments: 1, maxPendingPings: 1 }),
      "maxFrameSize"
    ],
    "Limits.make, no fragments": [() => Limits.make({ maxFragments: 0 }), "maxFragments"],
    Session: [() => new Session({ role: "server", limits: { maxMessageSize: Number.NaN } }), "maxMessageSize"],
    FrameParser: [() => new FrameParser.FrameParser({ maxFrameSize: Number.NaN }), "maxFrameSize"],
    HeadParser: [() => new HeadParser("request", { maxHeaderBytes: Number.NaN }), "maxHeaderBytes"],
    SlabPool: [() => new SlabPool({ slabSize: 0 }), "slabSize"]
  }
  for (const [name, [call, expected]] of Object.entries(calls)) {
    it(`is checked: ${name}`, () => assert.include(messageOf(call), expected))
  }

  it("leaves a session as it was", () => {
    assert.isTrue(session.canSend)
    assert.isFalse(session.isSendingMessage)
    assert.strictEqual(session.output.pendingBytes, 0)
  })
})
