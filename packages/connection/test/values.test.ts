/**
 * What a program hands to a connection is checked in the fiber that hands it in: a value of the wrong type is a defect
 * there and closes that connection with 1011, and nothing of it reaches the flush that all connections share.
 */
import * as Frame from "@effect-ws/protocol/Frame"
import * as Message from "@effect-ws/protocol/Message"
import * as PreparedMessage from "@effect-ws/protocol/PreparedMessage"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Logger, Stream } from "effect"
import { runInNewContext } from "node:vm"
import type { Connection } from "../src/Connection.ts"
import type { ConnectionImpl } from "../src/internal/ConnectionImpl.ts"
import { open } from "./support/StubSocket.ts"

const wrong: Readonly<Record<string, { readonly value: unknown; readonly found: string }>> = {
  "a number": { value: 5, found: "found 5" },
  NaN: { value: Number.NaN, found: "found NaN" },
  true: { value: true, found: "true" },
  undefined: { value: undefined, found: "undefined" },
  null: { value: null, found: "null" },
  "a symbol": { value: Symbol("s"), found: "Symbol(s)" },
  "an object": { value: {}, found: "an object" },
  "an array": { value: [1], found: "an Array" },
  "what looks like an array": { value: { length: 300 }, found: "an object" },
  "an ArrayBuffer": { value: new ArrayBuffer(8), found: "an ArrayBuffer: wrap it" },
  "a DataView": { value: new DataView(new ArrayBuffer(8)), found: "a DataView: wrap it" },
  "a Float32Array": { value: new Float32Array(8), found: "a Float32Array: wrap it" },
  "a forged view": { value: { [Symbol.toStringTag]: "Uint8Array", length: 300 }, found: "a Uint8Array" },
  "a text message with a number": { value: { _tag: "Text", data: 5 }, found: 'with _tag the string "Text" and data' },
  "a text message with bytes": { value: { _tag: "Text", data: new Uint8Array(1) }, found: "and data a Uint8Array" },
  "a binary message with text": { value: { _tag: "Binary", data: "x" }, found: 'and data the string "x"' },
  "a message of another kind": { value: { _tag: "Ping", data: "x" }, found: 'with _tag the string "Ping"' },
  "a forged prepared message": { value: { _tag: "PreparedMessage" }, found: "PreparedMessage" }
}

const defectOf = (exit: Exit.Exit<unknown, unknown>): unknown => {
  assert.isTrue(Exit.isFailure(exit), "expected a defect, found a success")
  if (Exit.isSuccess(exit)) return undefined
  assert.isTrue(Cause.hasDies(exit.cause), Cause.pretty(exit.cause))
  return Cause.squash(exit.cause)
}

const opcodeClose = 8

const diesAndCloses = Effect.fnUntraced(function* (
  act: (connection: ConnectionImpl) => Effect.Effect<unknown, unknown>,
  expected: string
) {
  const { connection, socket } = yield* open()
  const defect = defectOf(yield* Effect.exit(act(connection)))
  yield* Effect.yieldNow
  assert.instanceOf(defect, Error)
  assert.include((defect as Error).message, expected)
  assert.strictEqual(socket.opcodes.at(-1), opcodeClose)
  // The code is 1011, and the reason says nothing of the cause.
  assert.deepStrictEqual([...socket.written.at(-1)!], [0x88, 2, 1011 >> 8, 1011 & 0xff])
})

describe("send", () => {
  for (const [name, { found, value }] of Object.entries(wrong)) {
    it.effect(`dies of ${name} and closes with 1011`, () =>
      diesAndCloses((connection) => connection.send(value as string), found)
    )
  }

  for (const [name, value] of Object.entries({
    "a string": "x",
    "a String of another realm": runInNewContext('"x"'),
    "a Uint8Array": new Uint8Array(3),
    "a Buffer": Buffer.from("abc"),
    "a Uint8Array of another realm": runInNewContext("new Uint8Array(3)"),
    "bytes in shared memory": new Uint8Array(new SharedArrayBuffer(3)),
    "a text message": Message.text("x"),
    "a binary message": Message.binary(new Uint8Array(3)),
    "a binary message of another realm": Message.binary(runInNewContext("new Uint8Array(3)")),
    "a prepared message": PreparedMessage.make("x")
  })) {
    it.effect(`sends ${name}`, () =>
      Effect.gen(function* () {
        const { connection, socket } = yield* open()
        yield* connection.send(value)
        yield* Effect.yieldNow
        assert.strictEqual(socket.opcodes.length, 1)
        assert.include([1, 2], socket.opcodes[0])
      })
    )
  }

  for (const fragmentSize of [0, -5, 0.5, Number.NaN, "5", null, {}]) {
    it.effect(`dies of the fragment size ${typeof fragmentSize} ${String(fragmentSize)}`, () =>
      diesAndCloses(
        (connection) => connection.send("hello", { fragmentSize: fragmentSize as number }),
        "fragmentSize: expected an integer of at least 1"
      )
    )
  }
})

const bytesOf = new ArrayBuffer(4)

describe("every other call that takes a value", () => {
  const calls: Readonly<
    Record<string, readonly [(connection: Connection) => Effect.Effect<unknown, unknown>, string]>
  > = {
    "close(1000, 5)": [(connection) => connection.close(1000, 5 as never), "close reason: expected a string"],
    'close("1000")': [(connection) => connection.close("1000" as never), "close code: expected a number"],
    "close(null)": [(connection) => connection.close(null as never), "close code: expected a number, found null"],
    'drain("1000")': [(connection) => connection.drain("1000" as never), "close code: expected a number"],
    "drain(1000, {})": [(connection) => connection.drain(1000, {} as never), "close reason: expected a string"],
    "ping(text)": [(connection) => connection.ping("x" as never), "ping: expected a Uint8Array"],
    "ping(5)": [(connection) => connection.ping(5 as never), "ping: expected a Uint8Array"],
    "pong(ArrayBuffer)": [(connection) => connection.pong(bytesOf as never), "pong: expected a Uint8Array"],
    "sendFrame(5)": [(connection) => connection.sendFrame(5 as never), "frame: expected"],
    "sendFrame with text": [
      (connection) => connection.sendFrame({ ...Frame.text("x"), payload: "x" as never }),
      "frame payload: expected a Uint8Array"
    ],
    "sendFrame unchecked with an array": [
      (connection) => connection.sendFrame({ ...Frame.text("x"), payload: [1] as never }, { unchecked: true }),
      "frame payload: expected a Uint8Array"
    ],
    "sendFrame with an opcode of 300": [
      (connection) => connection.sendFrame({ ...Frame.text("x"), opcode: 300 as never }, { unchecked: true }),
      "frame opcode: expected an integer from 0 to 15"
    ],
    "sendStream of numbers": [
      (connection) => connection.sendStream({ _tag: "Text", chunks: Stream.make(5 as never) }),
      "expected a string, found 5"
    ],
    "sendStream of bytes as text": [
      (connection) => connection.sendStream({ _tag: "Text", chunks: Stream.make(new Uint8Array(1) as never) }),
      "expected a string, found a Uint8Array"
    ],
    "sendStream of text as bytes": [
      (connection) => connection.sendStream({ _tag: "Binary", chunks: Stream.make("x" as never) }),
      "expected a Uint8Array"
    ],
    "sendStream of nothing": [(connection) => connection.sendStream(undefined as never), "message: expected"],
    "sendStream with a fragment size of 0": [
      (connection) => connection.sendStream({ _tag: "Text", chunks: Stream.make("x") }, { fragmentSize: 0 }),
      "fragmentSize: expected"
    ]
  }
  for (const [name, [act, expected]] of Object.entries(calls)) {
    it.effect(`dies of ${name} and closes with 1011`, () => diesAndCloses(act, expected))
  }

  it.effect("goes on after a misuse, which is a typed error", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open()
      assert.strictEqual((yield* Effect.flip(connection.close(1005)))._tag, "SendError")
      assert.strictEqual((yield* Effect.flip(connection.ping(new Uint8Array(126))))._tag, "SendError")
      yield* connection.send("still here")
      yield* Effect.yieldNow
      assert.deepStrictEqual(socket.opcodes, [1])
    })
  )
})

describe("the flush that all connections share", () => {
  it.effect("aborts and logs the connection that throws, and writes the others", () => {
    const logs: Array<string> = []
    const capture = Logger.layer([
      Logger.make(({ cause, logLevel, message }) => void logs.push(`${logLevel} ${message} ${Cause.pretty(cause)}`))
    ])
    return Effect.gen(function* () {
      const before = yield* open()
      const broken = yield* open()
      const after = yield* open()
      broken.socket.writeUnsafe = () => {
        throw new Error("the transport is broken")
      }
      for (const { connection } of [before, broken, after]) yield* connection.send("x")
      yield* Effect.yieldNow
      assert.deepStrictEqual(before.socket.opcodes, [1])
      assert.deepStrictEqual(after.socket.opcodes, [1])
      assert.isTrue(broken.socket.isDestroyed)
      const closeInfo = yield* broken.connection.closed
      assert.strictEqual(closeInfo.error.code, 1006)
      assert.strictEqual(logs.length, 1)
      assert.include(logs[0]!, "Error")
      assert.include(logs[0]!, "the transport is broken")
      // The next flush goes as ever.
      yield* after.connection.send("y")
      yield* Effect.yieldNow
      assert.deepStrictEqual(after.socket.opcodes, [1, 1])
    }).pipe(Effect.provide(capture))
  })
})
