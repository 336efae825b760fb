import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as SessionState from "../src/SessionState.ts"

const states = Object.keys(SessionState.transitions) as Array<SessionState.State>
const triggers: ReadonlyArray<SessionState.Trigger> = ["SendClose", "ReceiveClose", "Violation", "EndOfStream", "Abort"]

const documentPath = new URL("../../../docs/session-state.md", import.meta.url)

describe("SessionState", () => {
  it("has the transitions that the document lists", () => {
    assert.deepStrictEqual(
      states.map((state) => `${state}: ${triggers.map((trigger) => SessionState.next(state, trigger)).join(" ")}`),
      [
        "Open: Closing Answering Failing Closed Closed",
        "Closing: Closing Closed Closed Closed Closed",
        "Answering: Closed Answering Answering Answering Closed",
        "Failing: Closed Failing Failing Failing Closed",
        "Closed: Closed Closed Closed Closed Closed"
      ]
    )
  })

  it("never leads back: every way ends in Closed", () => {
    for (const state of states) {
      assert.strictEqual(SessionState.next(state, "Abort"), "Closed")
      for (const trigger of triggers) {
        const next = SessionState.next(state, trigger)
        if (next !== state) assert.notStrictEqual(next, "Open")
        if (state === "Closed") assert.strictEqual(next, "Closed")
        // A state that was left is never entered again.
        assert.isFalse(SessionState.canReceive(next) && !SessionState.canReceive(state))
        assert.isFalse(SessionState.canSend(next) && !SessionState.canSend(state))
      }
    }
  })

  it("answers questions about each state", () => {
    const where = (question: (state: SessionState.State) => boolean): Array<string> => states.filter(question)
    assert.deepStrictEqual(where(SessionState.canSend), ["Open", "Answering", "Failing"])
    assert.deepStrictEqual(where(SessionState.canReceive), ["Open", "Closing"])
    assert.deepStrictEqual(where(SessionState.owesClose), ["Answering", "Failing"])
  })

  it("sends at most one close frame: SendClose leads out of every state that may send", () => {
    for (const state of states) {
      assert.isFalse(SessionState.canSend(SessionState.next(state, "SendClose")), state)
    }
  })

  it("is drawn in the documentation as it is", () => {
    const document = readFileSync(documentPath, "utf8")
    const [, drawn] = /<!-- diagram:begin -->\n+```mermaid\n([^]*?)\n```\n+<!-- diagram:end -->/.exec(document) ?? []
    assert.strictEqual(
      drawn,
      SessionState.diagram(),
      "docs/session-state.md differs from SessionState.diagram(): copy what that returns between the markers"
    )
  })
})
