import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import * as CloseError from "../src/CloseError.ts"
import type { ExtensionInstance, MessagePart } from "../src/Extension.ts"
import * as Frame from "../src/Frame.ts"
import * as FrameGenerators from "../src/FrameGenerators.ts"
import type { Session } from "../src/Session.ts"
import { close, describeEvents, End, last, makeSession, more, ping, roles, runs, text } from "./fixtures/ends.ts"
import { checksum, failing, inflating, Slow, xor } from "./fixtures/toys.ts"
import { cuts } from "./fixtures/traffic.ts"
import { concat, hex, noise, split, utf8 } from "./fixtures/wire.ts"
import type { Wire } from "./fixtures/wire.ts"

const other = { client: "server", server: "client" } as const

const flipped = (text: string): Uint8Array => utf8(text).map((byte) => byte ^ 0x5a)

const encodePending = (session: Session, start: (pending: NonNullable<Session["pendingEncode"]>) => void): void => {
  const pending = session.pendingEncode
  if (pending !== undefined) start(pending)
}

describe.each(roles)("Session as %s, extensions", (role) => {
  it("transforms messages before they are cut, and marks the first frame", () => {
    const end = new End(role, { extensions: [xor()] })
    end.session.send("abc", { fragmentSize: 2 })
    end.session.send("abc", { compress: false })
    end.session.ping(utf8("abc"))
    const bytes = Buffer.from(flipped("abc")).toString("hex")
    const written = end.written()
    assert.deepStrictEqual(
      written.map(({ fin, opcode, payload, rsv }) => [fin, rsv, opcode, Buffer.from(payload).toString("hex")]),
      [
        [false, 4, 1, bytes.slice(0, 4)],
        [true, 0, 0, bytes.slice(4)],
        [true, 0, 1, "616263"],
        [true, 0, 9, "616263"]
      ]
    )
  })

  it("undoes it for marked messages only, also in pieces and before UTF-8 is checked", () => {
    const end = new End(role, { extensions: [xor()] })
    const payload = flipped("é水")
    assert.deepStrictEqual(
      describeEvents(
        end.receive(
          { opcode: 1, rsv: 4, payload },
          { opcode: 1, rsv: 4, payload: payload.subarray(0, 3), fin: false },
          ping("p"),
          last(payload.subarray(3)),
          text("plain")
        )
      ),
      ['text "é水"', "ping p", 'text "é水"', 'text "plain"']
    )
    end.session.setReadMode("fragment")
    assert.deepStrictEqual(
      describeEvents(
        end.receive({ opcode: 1, rsv: 4, payload: payload.subarray(0, 3), fin: false }, last(payload.subarray(3)))
      ),
      ['first Text "é"', 'next last Text "水"']
    )
    assert.deepStrictEqual(describeEvents(end.receive({ opcode: 1, rsv: 4, payload: Uint8Array.of(0xa5) })), [
      "fails 1007 InvalidUtf8"
    ])
  })

  it("delivers frames before message-level extensions, but after frame-level ones", () => {
    const messageLevel = new End(role, { extensions: [xor()] })
    messageLevel.session.setReadMode("frame")
    assert.deepStrictEqual(describeEvents(messageLevel.receive({ opcode: 1, rsv: 4, payload: flipped("a") })), [
      'frame TEXT r4 ";"'
    ])
    const frameLevel = new End(role, { extensions: [checksum()] })
    frameLevel.session.setReadMode("frame")
    assert.deepStrictEqual(
      describeEvents(
        frameLevel.receive(
          { opcode: 1, rsv: 2, payload: hex("61 61"), fin: false },
          { opcode: 0, rsv: 2, payload: hex("62 62") }
        )
      ),
      ['frame TEXT+ "a"', "frame CONT 62"]
    )
  })

  it("refuses bits and opcodes that no extension claims, and a message's bit behind its first frame", () => {
    const failure = (extension: ExtensionInstance, ...frames: ReadonlyArray<Wire>): string => {
      const end = new End(role, { extensions: [extension] })
      return describeEvents(end.receive(...frames)).at(-1)!
    }
    const refused = "fails 1002 UnnegotiatedRsvBit"
    assert.strictEqual(failure(xor(), { opcode: 1, rsv: 2 }), refused)
    assert.strictEqual(failure(xor(), { opcode: 1, rsv: 6 }), refused)
    assert.strictEqual(failure(xor(), { opcode: 9, rsv: 4 }), refused)
    assert.strictEqual(failure(xor(), { opcode: 1, rsv: 4, fin: false }, { opcode: 0, rsv: 4 }), refused)
    assert.strictEqual(failure(checksum(), { opcode: 9, rsv: 2 }), refused)
    assert.strictEqual(failure(checksum(), { opcode: 4 }), "fails 1002 ReservedOpcode")
    assert.strictEqual(failure(checksum(), { opcode: 11, fin: false }), "fails 1002 FragmentedControlFrame")
    assert.strictEqual(failure(checksum(), { opcode: 11, payload: noise(126, 1) }), "fails 1002 ControlFrameTooLong")
  })

  it("hands out frames with claimed opcodes, between messages and inside one", () => {
    const end = new End(role, { extensions: [checksum()] })
    assert.deepStrictEqual(
      describeEvents(
        end.receive(
          { opcode: 3, payload: hex("0102") },
          text("a", false),
          { opcode: 3, rsv: 2, payload: hex("01 02 03"), fin: false },
          { opcode: 11, payload: hex("05") },
          last("b"),
          text("c")
        )
      ),
      ["frame 3 0102", "frame 3+ 0102", "frame B 05", 'text "ab"', 'text "c"']
    )
    assert.isUndefined(end.session.sendFragment("Binary", hex("01"), false))
    assert.isUndefined(end.session.sendFrame(Frame.make(3, hex("0a"))))
    assert.isUndefined(end.session.sendFrame(Frame.make(11, hex("0b"))))
    assert.isUndefined(end.session.sendFragment("Binary", hex("02"), true))
    assert.deepStrictEqual(end.lines(), ["BIN+ r2 0101", "3 0a", "B 0b", "CONT r2 0202"])
  })

  it("closes with the code that an extension fails with, after what came before", () => {
    for (const delivery of ["message", "fragment", "frame"] as const) {
      const end = new End(role, { extensions: [checksum()] })
      end.session.setReadMode(delivery)
      const events = end.receive(ping("p"), { opcode: 2, rsv: 2, payload: hex("01 02") }, text("ignored"))
      assert.deepStrictEqual(describeEvents(events), ["ping p", "fails 1007 extension"])
      assert.isUndefined(end.session.closeInfo!.violation)
      end.session.answerClose()
      assert.deepStrictEqual(end.lines(), ["PONG 70", "CLOSE 1007"])
      assert.deepStrictEqual(end.session.closeInfo!.sent, { code: 1007, reason: "wrong checksum" })
      assert.strictEqual(end.session.closeInfo!.error._tag, "InvalidPayload")
    }
  })

  it("tells an extension how much it may make", () => {
    const end = new End(role, { extensions: [inflating()], limits: { maxMessageSize: 20 } })
    const events = end.receive({ opcode: 2, rsv: 4, payload: hex("01 02 03"), fin: false }, last(hex("04 05")), {
      opcode: 2,
      rsv: 4,
      payload: hex("01 02 03"),
      fin: false
    })
    assert.strictEqual(events.length, 1)
    assert.deepStrictEqual(describeEvents(end.receive(last(hex("04 05 06")))), ["fails 1009 extension"])
    end.session.answerClose()
    assert.deepStrictEqual(end.session.closeInfo!.sent, { code: 1009, reason: "limit 8" })
  })

  it("counts what extensions made of all fragments, and believes no extension", () => {
    const counted = new End(role, { extensions: [inflating()], limits: { maxMessageSize: 20 } })
    const parts = [{ opcode: 2, rsv: 4, payload: hex("01 02"), fin: false }, more(hex("03 04")), last(hex("05 06"))]
    assert.deepStrictEqual(describeEvents(counted.receive(...parts)), ["fails 1009 extension"])
    counted.session.answerClose()
    assert.strictEqual(counted.session.closeInfo!.sent!.reason, "limit 4")
    const careless = { ...inflating(), decode: (part: MessagePart) => void (part.payload = noise(11, 1)) }
    const believed = new End(role, { extensions: [careless], limits: { maxMessageSize: 20 } })
    assert.deepStrictEqual(describeEvents(believed.receive(...parts)), ["fails 1009 MessageTooBig"])
  })

  it("closes when a message cannot be encoded, and sends nothing of it", () => {
    for (const level of ["message", "frame"] as const) {
      const end = new End(role, { extensions: [failing(level)] })
      end.session.send("before")
      const failure = end.session.send(hex("ff"))
      assert.isTrue(failure?._tag === "InternalError")
      assert.isTrue(end.session.isClosed && end.session.shouldCloseTransport)
      assert.deepStrictEqual(end.lines(), ['TEXT "before"', "CLOSE 1011"])
      assert.strictEqual(end.session.closeInfo!.initiator, "local")
      assert.strictEqual(end.session.closeInfo!.error.code, 1011)
      assert.strictEqual(end.session.send("after"), end.session.closeInfo!.error)
    }
  })

  it("closes in the middle of a message that cannot be encoded to its end", () => {
    const end = new End(role, { extensions: [failing("frame")] })
    assert.strictEqual(end.session.send(hex("01 02 ff 03"), { fragmentSize: 1 })?._tag, "InternalError")
    assert.deepStrictEqual(end.lines(), ["BIN+ 01", "CONT+ 02", "CLOSE 1011"])
  })

  it("answers the peer's close when a last message cannot be encoded", () => {
    const end = new End(role, { extensions: [failing("message")] })
    end.receive(close(1000))
    assert.strictEqual(end.session.send(hex("ff"))?._tag, "InternalError")
    assert.isTrue(end.session.isClosed)
    assert.deepStrictEqual(end.lines(), ["CLOSE 1011"])
    assert.strictEqual(end.session.closeInfo!.initiator, "remote")
    const failed = new End(role, { extensions: [failing("message")] })
    failed.receive({ opcode: 3 })
    failed.session.send(hex("ff"))
    assert.deepStrictEqual(failed.lines(), ["CLOSE 1002"])
  })

  it.prop(
    "two extensions, on messages and on frames, undo each other in any order, pieces and split",
    {
      messages: Arbitrary.array(FrameGenerators.message, { minLength: 1, maxLength: 4 }),
      reversed: Arbitrary.schema(Schema.Boolean),
      size: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 }))),
      compress: Arbitrary.schema(Schema.Literals([true, false])),
      delivery: Arbitrary.schema(Schema.Literals(["message", "fragment"])),
      cuts
    },
    ({ compress, cuts, delivery, messages, reversed, size }) => {
      const extensions = (): Array<ExtensionInstance> => (reversed ? [checksum(), xor()] : [xor(), checksum()])
      const sender = makeSession(role, { extensions: extensions() })
      const receiver = makeSession(other[role], { extensions: extensions() })
      for (const [at, { data }] of messages.entries()) {
        sender.send(data, at % 2 === 0 ? { fragmentSize: size, compress } : { compress })
        sender.pong(Uint8Array.of(0x30 + at))
      }
      const whole: Array<string> = []
      let pieces: Array<string | Uint8Array> = []
      for (const chunk of split(concat(sender.output.take()), cuts)) {
        for (const event of [...receiver.setReadMode(delivery), ...receiver.receive(chunk)]) {
          if (event._tag === "Fragment") {
            pieces.push(event.data)
            if (!event.last) continue
            const data = event.type === "Text" ? pieces.join("") : concat(pieces.map((piece) => piece as Uint8Array))
            pieces = []
            whole.push(...describeEvents([{ _tag: event.type, data } as (typeof messages)[number]]))
          } else whole.push(...describeEvents([event]))
        }
      }
      assert.deepStrictEqual(
        whole,
        messages.flatMap((message, at) => [...describeEvents([message]), `pong ${at} answers undefined`])
      )
    },
    { timeout: 120_000, arbitrary: { runs: 1000, size: 40 } }
  )
})

describe.each(roles)("Session as %s, extensions that take their time", (role) => {
  const finish = (slow: Slow, end: End, failure?: CloseError.SendableCloseError): void => {
    const done = slow.started.shift()!
    done(failure)
    encodePending(end.session, (pending) => pending.start((failure) => void end.session.resumeSend(failure)))
  }
  const start = (end: End): void =>
    encodePending(end.session, (pending) => pending.start((failure) => void end.session.resumeSend(failure)))

  it("keeps what is sent in order, lets control frames pass, and counts what waits", () => {
    const slow = new Slow()
    const end = new End(role, { extensions: [slow.instance] })
    end.session.send("a")
    start(end)
    end.session.send("bb")
    end.session.sendFragment("Text", "c", false)
    end.session.sendFragment("Text", "d", true)
    assert.strictEqual(end.session.queuedBytes, 4)
    end.session.ping(utf8("p"))
    assert.deepStrictEqual(end.lines(), ["PING 70"])
    finish(slow, end)
    assert.strictEqual(end.session.queuedBytes, 2)
    while (slow.started.length > 0) finish(slow, end)
    assert.strictEqual(end.session.queuedBytes, 0)
    const written = end.written()
    assert.deepStrictEqual(
      written.map(({ payload }) => Buffer.from(payload.map((byte) => byte ^ 0x5a)).toString()),
      ["a", "bb", "c", "d"]
    )
    assert.deepStrictEqual(
      written.map(({ fin, opcode, rsv }) => [fin, rsv, opcode]),
      [
        [true, 4, 1],
        [true, 4, 1],
        [false, 4, 1],
        [true, 0, 0]
      ]
    )
  })

  it("does not let a raw frame cut into a message that is being encoded", () => {
    const slow = new Slow("frame")
    const end = new End(role, { extensions: [slow.instance] })
    end.session.send(hex("01 02"), { fragmentSize: 1 })
    start(end)
    assert.isUndefined(end.session.sendFrame(Frame.binary(hex("09"))))
    assert.strictEqual(end.session.queuedBytes, 1)
    assert.isUndefined(end.session.sendFrame(Frame.ping("p")))
    while (slow.started.length > 0) finish(slow, end)
    assert.deepStrictEqual(end.lines(), ["PING 70", "BIN+ r4 5b", "CONT r4 58", "BIN 09"])
    assert.strictEqual(end.session.queuedBytes, 0)
  })

  it("sends its close frame behind what is being encoded, from either call, and nothing after", () => {
    for (const send of [
      (session: Session) => session.close(1000),
      (session: Session) => session.sendFrame(Frame.close(hex("03 e8")))
    ]) {
      const slow = new Slow()
      const end = new End(role, { extensions: [slow.instance] })
      end.session.send(hex("01"))
      start(end)
      end.session.send(hex("02"))
      assert.isUndefined(send(end.session))
      assert.isTrue(end.session.isClosing)
      assert.strictEqual(end.session.send("late")?._tag, "NormalClosure")
      assert.deepStrictEqual(end.lines(), [])
      while (slow.started.length > 0) finish(slow, end)
      assert.deepStrictEqual(end.lines(), ["BIN r4 5b", "BIN r4 58", "CLOSE 1000"])
    }
  })

  it("still writes what it has and its answer for a peer that ended its stream", () => {
    const slow = new Slow()
    const end = new End(role, { extensions: [slow.instance] })
    end.session.send(hex("01"))
    start(end)
    end.receive(close(1000))
    end.session.receiveEnd()
    end.session.answerClose()
    end.session.receiveEnd()
    assert.isTrue(end.session.isClosed && !end.session.shouldCloseTransport)
    finish(slow, end)
    assert.deepStrictEqual(end.lines(), ["BIN r4 5b", "CLOSE 1000"])
    assert.strictEqual(end.session.shouldCloseTransport, role === "server")
  })

  it("drops what is being encoded on abort, and hears nothing of it later", () => {
    const slow = new Slow()
    const end = new End(role, { extensions: [slow.instance] })
    end.session.send(hex("01"))
    start(end)
    end.session.send(hex("02"))
    end.session.abort("gone")
    assert.isUndefined(end.session.pendingEncode)
    slow.started.shift()!()
    assert.deepStrictEqual(end.lines(), [])
    assert.strictEqual(end.session.closeInfo!.error.code, 1006)
  })

  it("closes when pending work fails, and drops what waits behind it", () => {
    const slow = new Slow()
    const end = new End(role, { extensions: [slow.instance] })
    end.session.send(hex("01"))
    start(end)
    end.session.send(hex("02"))
    end.session.sendFrame(Frame.binary(hex("03")))
    finish(slow, end, new CloseError.InternalError({ reason: "no memory" }))
    assert.deepStrictEqual(end.lines(), ["CLOSE 1011"])
    assert.strictEqual(end.session.queuedBytes, 0)
    assert.isTrue(end.session.isClosed)
  })

  it("sends the close that waits when the work before it fails", () => {
    const slow = new Slow()
    const end = new End(role, { extensions: [slow.instance] })
    end.session.send(hex("01"))
    start(end)
    end.session.send(hex("02"))
    end.session.close(1001)
    finish(slow, end, new CloseError.InternalError({}))
    assert.deepStrictEqual(end.lines(), ["CLOSE 1001"])
    assert.strictEqual(end.session.closeInfo!.sent!.code, 1001)
  })

  it("receives in order behind pending work, the end of the stream too", () => {
    const slow = new Slow()
    const end = new End(role, { extensions: [slow.instance] })
    const pending = (): void =>
      end.session.pendingDecode!.start((failure) => {
        events.push(...describeEvents(end.session.resumeReceive(failure)))
      })
    const events: Array<string> = []
    events.push(
      ...describeEvents(end.receive(ping("1"), { opcode: 1, rsv: 4, payload: flipped("slow") }, text("fast")))
    )
    pending()
    assert.deepStrictEqual(end.receive(text("held"), { opcode: 2, rsv: 4, payload: hex("5b") }), [])
    assert.deepStrictEqual(end.receive(close(1000)), [])
    end.session.receiveEnd()
    assert.isFalse(end.session.isClosed)
    slow.started.shift()!()
    pending()
    assert.deepStrictEqual(events, ["ping 1", 'text "slow"', 'text "fast"', 'text "held"'])
    slow.started.shift()!()
    assert.deepStrictEqual(events.slice(4), ["binary 01", 'peer closes 1000 ""'])
    assert.isTrue(end.session.mustAnswerClose)
    end.session.answerClose()
    assert.isTrue(end.session.closeInfo!.clean)
  })

  it("is 1006 when the stream ended behind pending work, once that is done", () => {
    const slow = new Slow()
    const end = new End(role, { extensions: [slow.instance] })
    end.receive({ opcode: 1, rsv: 4, payload: flipped("last words") })
    const events: Array<string> = []
    end.session.pendingDecode!.start((failure) => {
      events.push(...describeEvents(end.session.resumeReceive(failure)))
    })
    end.session.receiveEnd()
    assert.isUndefined(end.session.closeInfo)
    slow.started.shift()!()
    assert.deepStrictEqual(events, ['text "last words"'])
    assert.strictEqual(end.session.closeInfo!.error.code, 1006)
  })

  it("forgets what is being decoded on abort, and hears nothing of it later", () => {
    const slow = new Slow()
    const end = new End(role, { extensions: [slow.instance] })
    end.receive({ opcode: 1, rsv: 4, payload: flipped("a") }, text("behind"))
    let events: ReadonlyArray<unknown> | undefined = undefined
    end.session.pendingDecode!.start((failure) => {
      events = end.session.resumeReceive(failure)
    })
    end.session.abort("gone")
    assert.isUndefined(end.session.pendingDecode)
    slow.started.shift()!()
    assert.deepStrictEqual(events, [])
  })

  it("fails with what pending work comes to", () => {
    const slow = new Slow()
    const end = new End(role, { extensions: [slow.instance] })
    end.receive({ opcode: 1, rsv: 4, payload: flipped("a") }, text("behind"))
    const failure = new CloseError.MessageTooBig({ reason: "a bomb" })
    assert.deepStrictEqual(describeEvents(end.session.resumeReceive(failure)), ["fails 1009 extension"])
    assert.isUndefined(end.session.pendingDecode)
    end.session.answerClose()
    assert.deepStrictEqual(end.lines(), ["CLOSE 1009"])
  })

  it.prop(
    "any order of sending, finishing and delivering keeps all messages in order",
    {
      steps: Arbitrary.array(
        Arbitrary.schema(
          Schema.Literals(["send", "send", "pieces", "encoded", "encoded", "decoded", "deliver", "ping"])
        ),
        { maxLength: 30 }
      ),
      level: Arbitrary.schema(Schema.Literals(["message", "frame"]))
    },
    ({ level, steps }) => {
      const encoding = new Slow(level)
      const decoding = new Slow(level)
      const sender = makeSession(role, { extensions: [encoding.instance] })
      const receiver = makeSession(other[role], { extensions: [decoding.instance] })
      const events: Array<string> = []
      const sent: Array<string> = []
      let inDecode = false
      const startEncode = (): void => {
        if (encoding.started.length === 0) {
          encodePending(sender, (pending) => pending.start((failure) => void sender.resumeSend(failure)))
        }
      }
      const startDecode = (): void => {
        if (inDecode || receiver.pendingDecode === undefined) return
        inDecode = true
        receiver.pendingDecode.start((failure) => {
          inDecode = false
          events.push(...describeEvents(receiver.resumeReceive(failure)))
        })
      }
      const step = (name: (typeof steps)[number], at: number): void => {
        if (name === "send") {
          sender.send(`m${at}`, at % 2 === 0 ? { fragmentSize: 1 } : undefined)
          sent.push(`text "m${at}"`)
        } else if (name === "pieces") {
          sender.sendFragment("Text", `p${at}`, false)
          sender.sendFragment("Text", "z", true)
          sent.push(`text "p${at}z"`)
        } else if (name === "ping") sender.ping()
        else if (name === "encoded") encoding.started.shift()?.()
        else if (name === "decoded") decoding.started.shift()?.()
        else {
          const chunk = concat(sender.output.take())
          sender.output.release(false)
          events.push(...describeEvents(receiver.receive(chunk)))
        }
        startEncode()
        startDecode()
      }
      for (const [at, name] of steps.entries()) step(name, at)
      for (let round = 0; round < 200; round++) {
        for (const name of ["encoded", "deliver", "decoded"] as const) step(name, -1)
      }
      assert.deepStrictEqual(
        events.filter((event) => !event.startsWith("ping")),
        sent
      )
      assert.strictEqual(sender.queuedBytes, 0)
    },
    { timeout: 120_000, arbitrary: { runs, size: 30 } }
  )
})
