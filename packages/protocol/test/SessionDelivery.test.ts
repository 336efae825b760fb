import { assert, describe, it } from "@effect/vitest"
import type * as SessionEvent from "../src/SessionEvent.ts"
import type { ReadMode } from "../src/Session.ts"
import type { Session } from "../src/Session.ts"
import { binary, close, describeEvents, End, last, more, ping, roles, runs, text } from "./fixtures/ends.ts"
import { cuts, traffic } from "./fixtures/traffic.ts"
import { concat, hex, noise, split, utf8 } from "./fixtures/wire.ts"
import type { Wire } from "./fixtures/wire.ts"

// Joins pieces into messages, and leaves out those of a message that was not ended: how far it came is chance.
const joined = (events: ReadonlyArray<SessionEvent.SessionEvent>): Array<string> => {
  const whole: Array<SessionEvent.SessionEvent> = []
  let pieces: Array<SessionEvent.Fragment> = []
  for (const event of events) {
    if (event._tag !== "Fragment") {
      whole.push(event)
      continue
    }
    assert.strictEqual(event.first, pieces.length === 0)
    if (event.type === "Text") assert.isTrue(event.data.isWellFormed(), "no character is cut in half")
    pieces.push(event)
    if (!event.last) continue
    whole.push(
      event.type === "Text"
        ? { _tag: "Text", data: pieces.map(({ data }) => data).join("") }
        : { _tag: "Binary", data: concat(pieces.map(({ data }) => data as Uint8Array)) }
    )
    pieces = []
  }
  return describeEvents(whole)
}

// Text is checked as it arrives, so how much of a message was there when it failed is told by its rule alone.
const receiveAll = (
  session: Session,
  chunks: ReadonlyArray<Uint8Array>,
  delivery: ReadMode
): Array<SessionEvent.SessionEvent> =>
  chunks.flatMap((chunk) => {
    const before = session.setReadMode(delivery)
    return [...before, ...session.receive(chunk)]
  })

describe.each(roles)("Session as %s, delivery", (role) => {
  it("delivers the next message in pieces as they arrive, and whole ones after it", () => {
    const end = new End(role)
    assert.deepStrictEqual(end.session.setReadMode("fragment"), [])
    const bytes = end.bytes(text("abc", false), last("def"), text("next"))
    const events = [
      ...end.session.receive(bytes.slice(0, bytes.length - 4 - 14)),
      ...end.session.receive(bytes.slice(bytes.length - 4 - 14))
    ]
    assert.strictEqual(describeEvents(events)[0], 'first Text "abc"')
    assert.strictEqual(describeEvents(events).at(-1), 'text "next"')
    assert.deepStrictEqual(joined(events), ['text "abcdef"', 'text "next"'])
  })

  it("marks the piece that is first and last, and delivers empty ones", () => {
    const end = new End(role)
    const pieces: Array<string> = []
    for (const frames of [[text("one")], [text("")], [binary(hex("01"), false), more(""), last("")]]) {
      end.session.setReadMode("fragment")
      pieces.push(...describeEvents(end.receive(...frames)))
    }
    assert.deepStrictEqual(pieces, [
      'first last Text "one"',
      'first last Text ""',
      "first Binary 01",
      "next Binary ",
      "next last Binary "
    ])
  })

  it("holds back the bytes of a character that is not complete", () => {
    const end = new End(role)
    const bytes = utf8("é水😀")
    end.session.setReadMode("fragment")
    const events = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)).flatMap((byte, at) =>
      end.receive(at === 0 ? text(byte, false) : at === bytes.length - 1 ? last(byte) : more(byte))
    )
    assert.deepStrictEqual(
      events.map((event) => (event._tag === "Fragment" ? event.data : event._tag)),
      ["", "é", "", "", "水", "", "", "", "😀"]
    )
  })

  it("hands out a message that is being collected when asked to in its middle, inside a character", () => {
    const end = new End(role)
    assert.deepStrictEqual(end.receive(text(hex("61 e6 b0"), false)), [])
    assert.deepStrictEqual(describeEvents(end.session.setReadMode("fragment")), ['first Text "a"'])
    assert.strictEqual(end.session.bufferedBytes, 0)
    assert.deepStrictEqual(describeEvents(end.receive(ping("p"), more(hex("b4")), last("z"))), [
      "ping p",
      'next Text "水"',
      'next last Text "z"'
    ])
    assert.deepStrictEqual(describeEvents(end.receive(text("whole"))), ['text "whole"'])
  })

  it("checks UTF-8 in pieces too, across the switch", () => {
    const end = new End(role)
    end.receive(text(hex("e6 b0"), false))
    end.session.setReadMode("fragment")
    assert.deepStrictEqual(describeEvents(end.receive(more(hex("41")))), ["fails 1007 InvalidUtf8"])
    const cut = new End(role)
    cut.session.setReadMode("fragment")
    assert.deepStrictEqual(describeEvents(cut.receive(text(hex("61 e6")))), ["fails 1007 InvalidUtf8"])
  })

  it("bounds a message that is delivered in pieces", () => {
    const end = new End(role, { limits: { maxMessageSize: 10 } })
    end.session.setReadMode("fragment")
    assert.deepStrictEqual(
      describeEvents(end.receive(binary(noise(6, 1), false), last(noise(5, 1)))).at(-1),
      "fails 1009 MessageTooBig"
    )
  })

  it("delivers frames as they are", () => {
    const end = new End(role)
    end.session.setReadMode("frame")
    const bytes = end.bytes(text("a", false), ping("p"), last("b"), binary(hex("0102")))
    for (const chunks of [[bytes], Array.from(bytes, (byte) => Uint8Array.of(byte))]) {
      const fresh = new End(role)
      fresh.session.setReadMode("frame")
      assert.deepStrictEqual(
        describeEvents(chunks.map((chunk) => chunk.slice()).flatMap((chunk) => fresh.session.receive(chunk))),
        ['frame TEXT+ "a"', "ping p", "frame CONT 62", "frame BIN 0102"]
      )
    }
    const events = end.session.receive(bytes)
    assert.isTrue(events[0]?._tag === "Frame" && (events[0].frame.maskingKey !== undefined) === (role === "server"))
    end.session.setReadMode("message")
    assert.deepStrictEqual(describeEvents(end.receive(text("whole"))), ['text "whole"'])
  })

  it("checks frames like messages: order, size, UTF-8", () => {
    const failure = (...frames: ReadonlyArray<Wire>): string | undefined => {
      const end = new End(role, { limits: { maxMessageSize: 10 } })
      end.session.setReadMode("frame")
      return describeEvents(end.receive(...frames)).at(-1)
    }
    assert.strictEqual(failure(text("a", false), text("b")), "fails 1002 InterruptedMessage")
    assert.strictEqual(failure(text("a"), last("b")), "fails 1002 UnexpectedContinuation")
    assert.strictEqual(failure(binary(noise(6, 1), false), last(noise(5, 1))), "fails 1009 MessageTooBig")
    assert.strictEqual(failure(text(hex("e6 b0"), false), last(hex("41"))), "fails 1007 InvalidUtf8")
    assert.strictEqual(failure(text(hex("e6 b0"), false), last(hex("b4"))), "frame CONT b4")
  })

  it("does not switch a message that is delivered as frames", () => {
    const end = new End(role)
    end.session.setReadMode("frame")
    end.receive(text("a", false))
    assert.deepStrictEqual(end.session.setReadMode("fragment"), [])
    assert.deepStrictEqual(describeEvents(end.receive(last("b"), text("c"))), ["frame CONT 62", 'first last Text "c"'])
  })

  it("keeps quiet about the rest of a message when a close comes in its middle", () => {
    const end = new End(role)
    end.session.setReadMode("fragment")
    assert.deepStrictEqual(describeEvents(end.receive(text("a", false), close(1000))), [
      'first Text "a"',
      'peer closes 1000 ""'
    ])
    assert.deepStrictEqual(end.session.setReadMode("fragment"), [])
  })

  it.prop(
    "any split of the bytes gives the same events, however they are delivered",
    { frames: traffic, cuts },
    ({ cuts, frames }) => {
      const limits = { maxMessageSize: 1500, maxFrameSize: 1400 }
      const run = (
        delivery: ReadMode,
        chunks: (bytes: Uint8Array) => Array<Uint8Array>
      ): [Array<string>, Array<string>] => {
        const end = new End(role, { limits })
        const events = receiveAll(end.session, chunks(end.bytes(...frames)), delivery)
        if (end.session.mustAnswerClose) end.session.answerClose()
        return [joined(events), end.lines()]
      }
      const expected = run("message", (bytes) => [bytes])
      assert.deepStrictEqual(
        run("message", (bytes) => split(bytes, cuts)),
        expected
      )
      assert.deepStrictEqual(
        run("fragment", (bytes) => split(bytes, cuts)),
        expected
      )
      assert.deepStrictEqual(
        run("fragment", (bytes) => Array.from(bytes, (byte) => Uint8Array.of(byte))),
        expected
      )
      assert.deepStrictEqual(
        run("frame", (bytes) => split(bytes, cuts)),
        run("frame", (bytes) => [bytes])
      )
    },
    { timeout: 120_000, arbitrary: { runs, size: 40 } }
  )
})
