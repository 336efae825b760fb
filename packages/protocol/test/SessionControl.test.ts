import { assert, describe, it } from "@effect/vitest"
import { Session } from "../src/Session.ts"
import { close, describeEvents, End, ping, pong, roles, text } from "./fixtures/ends.ts"
import { noise, toHex, utf8 } from "./fixtures/wire.ts"

describe.each(roles)("Session as %s, pings and pongs", (role) => {
  it("answers each ping with its payload, in order with what else is sent", () => {
    const end = new End(role)
    const payload = noise(125, 1)
    assert.deepStrictEqual(describeEvents(end.receive(ping("a"), text("t"), ping())), ["ping a", 'text "t"', "ping "])
    end.session.send("reply")
    end.receive(ping(payload))
    assert.deepStrictEqual(end.lines(), [
      "PONG 61",
      "PONG",
      'TEXT "reply"',
      `PONG ${Buffer.from(payload).toString("hex")}`
    ])
  })

  it("answers only the newest ping while the transport is backed up", () => {
    const end = new End(role)
    end.receive(ping("0"))
    end.session.setWritable(false)
    assert.strictEqual(end.receive(ping("1"), ping("2"), ping("3")).length, 3)
    assert.deepStrictEqual(end.lines(), ["PONG 30"])
    end.session.setWritable(false)
    assert.deepStrictEqual(end.lines(), [])
    end.session.setWritable(true)
    assert.deepStrictEqual(end.lines(), ["PONG 33"])
    end.session.setWritable(true)
    end.receive(ping("4"))
    assert.deepStrictEqual(end.lines(), ["PONG 34"])
  })

  it("keeps an owed pong as it was, also when the chunk is a Node Buffer that is used again", () => {
    const end = new End(role)
    end.session.setWritable(false)
    const chunk = Buffer.from(end.bytes(ping("keep")))
    end.session.receive(chunk)
    chunk.fill(0)
    end.session.setWritable(true)
    assert.deepStrictEqual(end.lines(), [`PONG ${Buffer.from("keep").toString("hex")}`])
  })

  it("sends an owed pong before its own close frame, and none after", () => {
    const end = new End(role)
    end.session.setWritable(false)
    end.receive(ping("1"))
    end.session.close(1000)
    end.session.setWritable(true)
    end.receive(ping("2"))
    assert.deepStrictEqual(end.lines(), ["PONG 31", "CLOSE 1000"])
  })

  it("sends an owed pong when a violation follows the ping", () => {
    const end = new End(role)
    end.session.setWritable(false)
    end.receive(ping("1"), { opcode: 3 })
    end.session.answerClose()
    assert.deepStrictEqual(end.lines(), ["PONG 31", "CLOSE 1002"])
  })

  it("drops an owed pong with the connection", () => {
    const end = new End(role)
    end.session.setWritable(false)
    end.receive(ping("1"))
    end.session.abort()
    end.session.setWritable(true)
    assert.deepStrictEqual(end.lines(), [])
  })

  it("matches a pong to the newest ping it can answer, and takes older ones for answered", () => {
    const end = new End(role)
    const numbers = [
      end.session.ping(),
      end.session.ping(utf8("same")),
      end.session.ping(utf8("same")),
      end.session.ping()
    ]
    assert.deepStrictEqual(numbers, [1, 2, 3, 4])
    assert.deepStrictEqual(end.lines(), ["PING 31", "PING 73616d65", "PING 73616d65", "PING 34"])
    assert.deepStrictEqual(describeEvents(end.receive(pong("same"), pong("same"), pong("1"), pong("4"), pong("4"))), [
      "pong same answers 3",
      "pong same answers undefined",
      "pong 1 answers undefined",
      "pong 4 answers 4",
      "pong 4 answers undefined"
    ])
  })

  it("takes an unsolicited pong", () => {
    const end = new End(role)
    assert.deepStrictEqual(describeEvents(end.receive(pong("x"), pong())), [
      "pong x answers undefined",
      "pong  answers undefined"
    ])
    assert.deepStrictEqual(end.lines(), [])
    assert.isUndefined(end.session.closeInfo)
  })

  it("forgets the oldest ping above the limit", () => {
    const end = new End(role, { limits: { maxPendingPings: 2 } })
    for (let at = 0; at < 3; at++) end.session.ping()
    assert.deepStrictEqual(describeEvents(end.receive(pong("1"), pong("2"), pong("3"))), [
      "pong 1 answers undefined",
      "pong 2 answers 2",
      "pong 3 answers 3"
    ])
  })

  it("keeps a ping's payload when the caller changes it, also in a Node Buffer", () => {
    for (const payload of [utf8("abc"), Buffer.from("abc")]) {
      const end = new End(role)
      const id = end.session.ping(payload)
      payload.fill(0)
      assert.deepStrictEqual(describeEvents(end.receive(pong("abc"))), [`pong abc answers ${String(id)}`])
    }
  })

  it("takes 125 bytes in a control frame, and not one more", () => {
    const end = new End(role)
    assert.strictEqual(end.session.ping(noise(125, 1)), 1)
    assert.isUndefined(end.session.pong(noise(125, 1)))
    for (const failure of [end.session.ping(noise(126, 1)), end.session.pong(noise(126, 1))]) {
      assert.isTrue(
        typeof failure === "object" && failure._tag === "SendError" && failure.rule === "ControlFrameTooLong"
      )
    }
    assert.strictEqual(end.lines().length, 2)
    assert.strictEqual(end.session.ping(), 2)
  })

  it("sends no ping or pong once a close was sent or received", () => {
    const sent = new End(role)
    sent.session.close(1000)
    const received = new End(role)
    received.receive(close(1001, "bye"))
    for (const [end, code] of [
      [sent, 1000],
      [received, 1001]
    ] as const) {
      end.lines()
      for (const failure of [end.session.ping(), end.session.pong(noise(1, 1))]) {
        assert.isTrue(typeof failure === "object" && failure._tag !== "SendError" && failure.code === code)
      }
      assert.deepStrictEqual(end.lines(), [])
    }
  })

  it("keeps the bytes of a sent ping apart from the pool", () => {
    const end = new End(role)
    end.session.ping(utf8("p"))
    const chunks = end.session.output.take()
    const before = toHex(chunks[0]!)
    end.session.output.release(false)
    end.session.send("x".repeat(100))
    assert.strictEqual(toHex(chunks[0]!), before)
  })
})

describe("Session", () => {
  it("needs a source of masking keys as a client, and none as a server", () => {
    assert.throws(() => new Session({ role: "client" }).send("a"), /masking keys: option maskingKey/)
    assert.isUndefined(new Session({ role: "server" }).send("a"))
  })
})
