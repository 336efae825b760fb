import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { FlushTracker } from "../src/internal/send/FlushTracker.ts"

const textsOf = (messages: ReturnType<FlushTracker["take"]>): ReadonlyArray<string> | undefined =>
  messages?.map(({ data }) => (typeof data === "string" ? data : Buffer.from(data).toString()))

const Step = Schema.Struct({
  kind: Schema.Literals(["Whole", "Pieces", "Encode", "Encoded", "Write"]),
  size: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 50 }))
})

describe("FlushTracker", () => {
  it("gives a message when the transport has handed on all of it, and once", () => {
    const tracker = new FlushTracker()
    tracker.add("one", 10)
    tracker.add("two", 20)
    assert.isUndefined(tracker.take(9))
    assert.deepStrictEqual(textsOf(tracker.take(10)), ["one"])
    assert.isUndefined(tracker.take(19))
    assert.deepStrictEqual(textsOf(tracker.take(100)), ["two"])
    assert.isUndefined(tracker.take(100))
  })

  it("gives a message of pieces whole, after its last piece, as text or binary", () => {
    const tracker = new FlushTracker()
    tracker.addPiece("Text", "a", false, 5)
    tracker.addPiece("Text", "b", false, 10)
    assert.isUndefined(tracker.take(100))
    tracker.addPiece("Text", "", true, 12)
    tracker.addPiece("Binary", Uint8Array.of(1), false, 14)
    tracker.addPiece("Binary", Uint8Array.of(2), true, 16)
    assert.isUndefined(tracker.take(11))
    const [text, binary] = tracker.take(16)!
    assert.deepStrictEqual([text!._tag, text!.data], ["Text", "ab"])
    assert.deepStrictEqual([binary!._tag, binary!.data], ["Binary", Uint8Array.of(1, 2)])
  })

  it("gives no message on which an extension works, nor one behind it", () => {
    const tracker = new FlushTracker()
    tracker.add("before", 10)
    tracker.add("worked on", Infinity)
    tracker.add("behind", Infinity)
    assert.deepStrictEqual(textsOf(tracker.take(1000)), ["before"])
    tracker.encoded(30)
    assert.isUndefined(tracker.take(29))
    assert.deepStrictEqual(textsOf(tracker.take(30)), ["worked on", "behind"])
  })

  it.prop(
    "gives every message once, in order, and never more bytes than were written",
    { steps: Arbitrary.array(Arbitrary.schema(Step), { maxLength: 60 }) },
    ({ steps }) => {
      const tracker = new FlushTracker()
      const sent: Array<string> = []
      const given: Array<string> = []
      // Where what was encoded ends, and how much of it was written.
      let encoded = 0
      let written = 0
      // The bytes on which an extension works, if one does.
      let working: number | undefined = undefined
      const end = (size: number): number => {
        if (working === undefined) return (encoded += size)
        working += size
        return Infinity
      }
      const finish = (): void => {
        if (working === undefined) return
        encoded += working
        working = undefined
        tracker.encoded(encoded)
      }
      const take = (): void => {
        given.push(...(textsOf(tracker.take(written)) ?? []))
        assert.isAtMost(given.join("").length, written)
        assert.deepStrictEqual(given, sent.slice(0, given.length))
      }
      for (const [at, { kind, size }] of steps.entries()) {
        const data = `${at}`.padEnd(size, "x")
        if (kind === "Whole") {
          sent.push(data)
          tracker.add(data, end(data.length))
        } else if (kind === "Pieces") {
          sent.push(data)
          for (const piece of data) tracker.addPiece("Text", piece, false, end(piece.length))
          tracker.addPiece("Text", "", true, end(0))
        } else if (kind === "Encode") working ??= 0
        else if (kind === "Encoded") finish()
        else {
          written = Math.min(encoded, written + size)
          take()
        }
      }
      finish()
      written = encoded
      take()
      assert.deepStrictEqual(given, sent)
    },
    { arbitrary: { runs: 500 } }
  )
})
