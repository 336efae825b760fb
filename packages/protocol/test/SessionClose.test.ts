import { assert, describe, it } from "@effect/vitest"
import type { Session } from "../src/Session.ts"
import type { Role } from "../src/SessionState.ts"
import { binary, close, describeEvents, End, last, ping, roles, text } from "./fixtures/ends.ts"
import { noise } from "./fixtures/wire.ts"

const allowed = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]

// How a session ended, in one line.
const ending = (session: Session): string => {
  const { clean, error, initiator, received, sent } = session.closeInfo!
  const frame = (close: typeof sent): string =>
    close === undefined ? "none" : `${close.code ?? "empty"}${close.reason === "" ? "" : ` ${close.reason}`}`
  return `${initiator}, sent ${frame(sent)}, received ${frame(received)}, ${clean ? "clean" : "not clean"}, ${error.message}`
}

const endsFirst = (role: Role): boolean => role === "server"

describe.each(roles)("Session as %s, closing", (role) => {
  it("begins, and is done when the peer answers", () => {
    const end = new End(role)
    assert.isUndefined(end.session.closeInfo)
    assert.isUndefined(end.session.close(1001, "bye"))
    assert.deepStrictEqual(end.lines(), ["CLOSE 1001"])
    assert.isTrue(
      end.session.isClosing && !end.session.canSend && end.session.canReceive && !end.session.mustAnswerClose
    )
    assert.deepStrictEqual(describeEvents(end.receive(close(1001))), ['peer closes 1001 ""'])
    assert.isTrue(end.session.isClosed && !end.session.canReceive && !end.session.mustAnswerClose)
    assert.strictEqual(ending(end.session), "local, sent 1001 bye, received 1001, clean, 1001 GoingAway: bye")
    assert.strictEqual(end.session.shouldCloseTransport, endsFirst(role))
    assert.deepStrictEqual(end.lines(), [])
  })

  it("still receives after its own close frame, but answers no ping", () => {
    const end = new End(role)
    end.session.close()
    end.lines()
    assert.deepStrictEqual(describeEvents(end.receive(text("late"), ping("p"), binary(noise(1, 1), false), last(""))), [
      'text "late"',
      "ping p",
      `binary ${Buffer.from(noise(1, 1)).toString("hex")}`
    ])
    assert.deepStrictEqual(end.lines(), [])
    assert.isTrue(end.session.isClosing)
  })

  it("answers the peer's close with its code, after what the application still sends", () => {
    const end = new End(role)
    assert.deepStrictEqual(describeEvents(end.receive(text("q"), close(3456, "done"), text("ignored"), close(1000))), [
      'text "q"',
      'peer closes 3456 "done"'
    ])
    assert.isTrue(
      end.session.mustAnswerClose && end.session.canSend && !end.session.canReceive && !end.session.isClosed
    )
    assert.deepStrictEqual(end.receive(text("ignored")), [])
    assert.isUndefined(end.session.send("a"))
    end.session.answerClose()
    assert.deepStrictEqual(end.lines(), ['TEXT "a"', "CLOSE 3456"])
    assert.isTrue(end.session.isClosed)
    assert.strictEqual(end.session.shouldCloseTransport, endsFirst(role))
    assert.strictEqual(
      ending(end.session),
      "remote, sent 3456 done, received 3456 done, clean, 3456 ApplicationClose: done"
    )
  })

  it("answers a close without code without one", () => {
    const end = new End(role)
    assert.deepStrictEqual(describeEvents(end.receive(close())), ['peer closes undefined ""'])
    end.session.answerClose()
    assert.deepStrictEqual(end.lines(), ["CLOSE"])
    assert.strictEqual(ending(end.session), "remote, sent empty, received empty, clean, 1005 NoStatusReceived")
  })

  it("may answer with a code of its own", () => {
    const end = new End(role)
    end.receive(close(1000))
    assert.isUndefined(end.session.close(4000, "mine"))
    assert.deepStrictEqual(end.lines(), ["CLOSE 4000"])
    assert.strictEqual(ending(end.session), "remote, sent 4000 mine, received 1000, clean, 1000 NormalClosure")
    end.session.answerClose()
    assert.deepStrictEqual(end.lines(), [])
  })

  it("takes the peer's close for the answer when both begin at once", () => {
    const end = new End(role)
    end.session.close(1000, "ours")
    assert.deepStrictEqual(describeEvents(end.receive(close(1001, "theirs"))), ['peer closes 1001 "theirs"'])
    assert.deepStrictEqual(end.lines(), ["CLOSE 1000"])
    assert.strictEqual(
      ending(end.session),
      "local, sent 1000 ours, received 1001 theirs, clean, 1000 NormalClosure: ours"
    )
  })

  it("lets every allowed code pass, with reasons of up to 123 bytes", () => {
    const reason = `${"é".repeat(61)}a`
    for (const code of allowed) {
      const end = new End(role)
      assert.deepStrictEqual(describeEvents(end.receive(close(code, reason))), [`peer closes ${code} "${reason}"`])
      assert.strictEqual(end.session.closeInfo!.error.code, code)
      end.session.answerClose()
      assert.deepStrictEqual(end.lines(), [`CLOSE ${code}`])
      const ours = new End(role)
      assert.isUndefined(ours.session.close(code, reason))
      assert.deepStrictEqual(
        ours.written().map(({ payload }) => payload.length),
        [125]
      )
    }
  })

  it("refuses to send what may not stand in a close frame, and goes on", () => {
    const end = new End(role)
    for (const code of [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 1000.5, NaN]) {
      const failure = end.session.close(code)
      assert.isTrue(failure?._tag === "SendError" && failure.rule === "InvalidCloseCode", String(code))
    }
    const failure = end.session.close(1000, "é".repeat(62))
    assert.isTrue(failure?._tag === "SendError" && failure.rule === "CloseReasonTooLong")
    assert.isUndefined(end.session.closeInfo)
    assert.isUndefined(end.session.send("still open"))
    assert.deepStrictEqual(end.lines(), ['TEXT "still open"'])
  })

  it("answers a close in the middle of a fragmented message, on either side", () => {
    const end = new End(role)
    end.session.sendFragment("Text", "half", false)
    assert.deepStrictEqual(describeEvents(end.receive(text("half", false), close(1000))), ['peer closes 1000 ""'])
    end.session.answerClose()
    assert.deepStrictEqual(end.lines(), ['TEXT+ "half"', "CLOSE 1000"])
    assert.isFalse(end.session.isSendingMessage)
  })

  it("sends nothing after its close frame, whatever is asked", () => {
    const ends = [new End(role), new End(role), new End(role)] as const
    ends[0].session.close(1000)
    ends[1].receive(close(1000))
    ends[1].session.answerClose()
    ends[2].receive({ opcode: 3 })
    ends[2].session.answerClose()
    for (const end of ends) {
      end.lines()
      const { session } = end
      session.setWritable(false)
      session.setWritable(true)
      const failures = [
        session.send("a"),
        session.send(noise(20_000, 1), { fragmentSize: 7 }),
        session.sendFragment("Text", "a", false),
        session.sendFrame({ fin: true, rsv1: false, rsv2: false, rsv3: false, opcode: 9, payload: noise(1, 1) }),
        session.sendFrame(
          { fin: true, rsv1: false, rsv2: false, rsv3: false, opcode: 9, payload: noise(1, 1) },
          { unchecked: true }
        ),
        session.ping(),
        session.pong(noise(1, 1)),
        session.close(1001)
      ]
      for (const failure of failures) assert.isTrue(typeof failure === "object" && failure._tag !== "SendError")
      session.answerClose()
      end.receive(ping("p"), close(1000))
      session.answerClose()
      assert.deepStrictEqual(end.lines(), [])
    }
  })

  it("is 1006 when the stream ends without a close frame", () => {
    const end = new End(role)
    end.receive(text("half", false))
    end.session.receiveEnd()
    assert.isTrue(end.session.isClosed && !end.session.canSend && end.session.shouldCloseTransport)
    assert.strictEqual(
      ending(end.session),
      "transport, sent none, received none, not clean, 1006 AbnormalClosure: the stream broke off without a close frame"
    )
    assert.strictEqual(end.session.bufferedBytes, 0)
    assert.strictEqual(end.session.send("a"), end.session.closeInfo!.error)
    assert.deepStrictEqual(end.receive(text("late")), [])
  })

  it("is 1006 when the peer does not answer our close, with the reason that was given", () => {
    for (const give of [
      (session: Session) => session.abort("it took too long"),
      (session: Session) => session.receiveEnd()
    ]) {
      const end = new End(role)
      end.session.close(1000, "bye")
      // Asking early does not settle the answer.
      assert.strictEqual(end.session.closeInfo!.error.code, 1000)
      give(end.session)
      assert.match(
        ending(end.session),
        /^local, sent 1000 bye, received none, not clean, 1006 AbnormalClosure: (it took too long|the stream broke off)/
      )
      assert.isTrue(end.session.shouldCloseTransport)
    }
  })

  it("cuts the reason that an abort gives to what an error takes", () => {
    const end = new End(role)
    end.session.abort("é".repeat(100))
    assert.strictEqual(end.session.closeInfo!.error.reason, "é".repeat(61))
  })

  it("shares the error with sessions that were lost for the same reason, and with no others", () => {
    const errorOf = (why: string) => {
      const { session } = new End(role)
      session.abort(why)
      return session.closeInfo!.error
    }
    const first = errorOf("read ECONNRESET")
    assert.strictEqual(errorOf("read ECONNRESET"), first)
    const other = errorOf("it took too long")
    assert.deepStrictEqual(
      [first.message, other.message],
      ["1006 AbnormalClosure: read ECONNRESET", "1006 AbnormalClosure: it took too long"]
    )
  })

  it("still answers a close when the peer's stream ended behind it", () => {
    const end = new End(role)
    end.receive(close(1000))
    end.session.receiveEnd()
    assert.isTrue(end.session.mustAnswerClose)
    end.session.send("reply")
    end.session.answerClose()
    assert.deepStrictEqual(end.lines(), ['TEXT "reply"', "CLOSE 1000"])
    assert.strictEqual(ending(end.session), "remote, sent 1000, received 1000, clean, 1000 NormalClosure")
  })

  it("still says why it failed when the peer's stream ended behind the violation", () => {
    const end = new End(role)
    end.receive({ opcode: 3 })
    end.session.receiveEnd()
    end.session.answerClose()
    assert.deepStrictEqual(end.lines(), ["CLOSE 1002"])
    assert.strictEqual(end.session.closeInfo!.error.code, 1002)
  })

  it("gives up an unanswered close on abort, and keeps what the peer said", () => {
    const end = new End(role)
    end.receive(close(1001, "bye"))
    end.session.abort("gone")
    assert.isTrue(end.session.isClosed && end.session.closeInfo!.sent === undefined)
    assert.strictEqual(ending(end.session), "remote, sent none, received 1001 bye, not clean, 1001 GoingAway: bye")
    end.session.answerClose()
    assert.deepStrictEqual(end.lines(), [])
  })

  it("keeps its own code when the peer breaks a rule instead of answering", () => {
    const end = new End(role)
    end.session.close(1000)
    assert.deepStrictEqual(describeEvents(end.receive({ opcode: 3 })), ["fails 1002 ReservedOpcode"])
    assert.isTrue(end.session.isClosed && end.session.shouldCloseTransport)
    assert.deepStrictEqual(end.lines(), ["CLOSE 1000"])
    assert.strictEqual(end.session.closeInfo!.violation!.rule, "ReservedOpcode")
    assert.strictEqual(end.session.closeInfo!.error.code, 1000)
  })

  it("tells the violation's code even when the program closes with another", () => {
    const end = new End(role)
    end.receive({ opcode: 3 })
    assert.isUndefined(end.session.close(1000))
    assert.deepStrictEqual(end.lines(), ["CLOSE 1002"])
  })
})
