/**
 * The fuzzer finds faults: each of these sessions breaks one rule, which ours keeps.
 */
import { Zlib } from "@effect-ws/extensions"
import { CloseError, Frame, Opcode } from "@effect-ws/protocol"
import type { SessionEvent } from "@effect-ws/protocol/SessionEvent"
import { Session } from "@effect-ws/protocol/Session"
import type { SendFailure } from "@effect-ws/protocol/Session"
import { assert, describe, it } from "@effect/vitest"
import * as Fuzzer from "../src/Fuzzer.ts"
import type { MakeSession } from "../src/Peers.ts"
import * as Replay from "../src/Replay.ts"
import { report } from "../src/Report.ts"
import type { Target } from "../src/Target.ts"
import * as Conversation from "../src/targets/conversation.ts"
import * as Header from "../src/targets/headers.ts"
import * as Heads from "../src/targets/heads.ts"
import * as Roundtrip from "../src/targets/roundtrip.ts"
import * as SessionTarget from "../src/targets/session.ts"
import * as ZlibTarget from "../src/targets/zlib.ts"

const timeout = 120_000

const run = (targets: ReadonlyArray<Target>, inputs: number): Promise<Fuzzer.Outcome> =>
  Fuzzer.fuzz(targets, { seed: 1, until: (count) => count >= inputs, patience: 1000 })

class IgnoresRsvBits extends Session {
  override receive(chunk: Uint8Array): Array<SessionEvent> {
    if (chunk.length > 0) chunk[0]! &= 0xcf
    return super.receive(chunk)
  }
}

class SaysProtocolError extends Session {
  override receive(chunk: Uint8Array): Array<SessionEvent> {
    return super
      .receive(chunk)
      .map((event) =>
        event._tag === "Failed" && event.error.code === 1007
          ? { ...event, error: new CloseError.ProtocolError({ reason: "" }) }
          : event
      )
  }
}

class AnswersNoEmptyPing extends Session {
  override receive(chunk: Uint8Array): Array<SessionEvent> {
    return super.receive(chunk).filter((event) => event._tag !== "Ping" || event.data.length > 0)
  }
}

class LosesAByteBetweenChunks extends Session {
  private isFirst = true
  override receive(chunk: Uint8Array): Array<SessionEvent> {
    const rest = this.isFirst || chunk.length < 3 ? chunk : chunk.subarray(1)
    this.isFirst = false
    return super.receive(rest)
  }
}

class ThrowsAtCloseReason extends Session {
  override receive(chunk: Uint8Array): Array<SessionEvent> {
    return super.receive(chunk).map((event) => {
      if (event._tag === "CloseReceived" && event.reason.length > 0) throw new TypeError("reason is not what it was")
      return event
    })
  }
}

class ReceivesForEver extends Session {
  override get canReceive(): boolean {
    return true
  }
}

class LooksAtEverythingAgain extends Session {
  private readonly chunks: Array<Uint8Array> = []
  override receive(chunk: Uint8Array): Array<SessionEvent> {
    this.chunks.push(chunk.slice())
    let sum = 0
    for (let round = 0; round < 20; round++) for (const each of this.chunks) for (const byte of each) sum += byte
    if (sum < 0) throw new Error("not a sum of bytes")
    return super.receive(chunk)
  }
}

class KeepsEveryChunk extends Session {
  readonly chunks: Array<Uint8Array> = []
  override receive(chunk: Uint8Array): Array<SessionEvent> {
    this.chunks.push(Buffer.allocUnsafeSlow(64 * 1024))
    return super.receive(chunk)
  }
}

const faults: ReadonlyArray<readonly [name: string, make: MakeSession, kind: string]> = [
  ["ignores RSV bits", (options) => new IgnoresRsvBits(options), "split"],
  ["closes with 1002 for text that is not UTF-8", (options) => new SaysProtocolError(options), "reference"],
  ["reports no empty ping", (options) => new AnswersNoEmptyPing(options), "reference"],
  ["loses a byte between two chunks", (options) => new LosesAByteBetweenChunks(options), "split"],
  ["throws at a close reason", (options) => new ThrowsAtCloseReason(options), "throws"],
  ["says that it receives after the end", (options) => new ReceivesForEver(options), "state"],
  ["accepts what the other role sends", (options) => new Session({ ...options, role: "client" }), "reference"]
]

const costs: ReadonlyArray<readonly [name: string, make: MakeSession, problem: RegExp]> = [
  ["takes time for all chunks at each", (options) => new LooksAtEverythingAgain(options), /^time: /],
  ["keeps memory for each chunk", (options) => new KeepsEveryChunk(options), /^memory: /]
]

class NeverWaitsForTheAnswer extends Session {
  override get isClosing(): boolean {
    return false
  }
}

class ForgetsThatAMessageGoesOn extends Session {
  override sendFragment(type: "Text" | "Binary", data: string | Uint8Array, last: boolean): SendFailure | undefined {
    if (!last || this.isSendingMessage) return super.sendFragment(type, data, last)
    return this.sendFrame(Frame.make(Opcode.Continuation, new Uint8Array(1)), { unchecked: true })
  }
}

const conversations: ReadonlyArray<readonly [name: string, make: MakeSession, problem: RegExp]> = [
  ["is in no state after its close frame", (options) => new NeverWaitsForTheAnswer(options), /^state: /],
  ["continues what it did not begin", (options) => new ForgetsThatAMessageGoesOn(options), /^output: 1002/]
]

describe("the fuzzer", () => {
  for (const [name, make, kind] of faults) {
    it(
      `finds a session that ${name}`,
      async () => {
        const { finding } = await run([SessionTarget.make(make)], 20_000)
        assert.strictEqual(finding?.problem.slice(0, finding.problem.indexOf(":")), kind, finding?.problem)
        // What it prints runs again, fails again, and is no problem of ours.
        const { input, target } = Replay.parse(Replay.format(finding!))!
        assert.deepStrictEqual({ input, target }, { input: finding!.input, target: "session" })
        assert.isDefined(await Fuzzer.examine(SessionTarget.make(make), input))
        assert.isUndefined(await Fuzzer.examine(SessionTarget.make(), input))
      },
      timeout
    )
  }

  for (const [name, make, problem] of costs) {
    it(
      `finds a session that ${name}`,
      async () => {
        // Many short frames, which a server may send.
        const bytes = new Uint8Array(Buffer.alloc(12_000, Uint8Array.of(0x8a, 0x01, 0x61)))
        const input = { setup: "client/none/message", bytes }
        assert.match((await Fuzzer.examine(SessionTarget.make(make), input)) ?? "nothing", problem)
        assert.isUndefined(await Fuzzer.examine(SessionTarget.make(), input))
      },
      timeout
    )
  }

  it(
    "makes what fails small",
    async () => {
      const { finding } = await run([SessionTarget.make((options) => new IgnoresRsvBits(options))], 20_000)
      assert.isAtMost(finding!.input.bytes.length, 16)
    },
    timeout
  )

  for (const [name, make, problem] of conversations) {
    it(
      `finds a session that ${name}`,
      async () => {
        const { finding } = await run([Conversation.make(make)], 2000)
        assert.match(finding?.problem ?? "nothing", problem)
        assert.isUndefined(await Fuzzer.examine(Conversation.make(), finding!.input))
      },
      timeout
    )
  }

  it(
    "finds a message that does not arrive as it was sent",
    async () => {
      const { finding } = await run([Roundtrip.make((options) => new LosesAByteBetweenChunks(options))], 2000)
      assert.match(finding!.problem, /^roundtrip: /)
    },
    timeout
  )

  it(
    "finds a decompressor that takes the end of a message on trust",
    async () => {
      const native = Zlib.make()
      const trusting: Zlib.Service = {
        ...native,
        inflater: (options) => {
          const inflater = native.inflater(options)
          return {
            ...inflater,
            close: () => inflater.close(),
            inflate: (input, last, limit) => {
              const output = inflater.inflate(input, last, limit)
              return output === "InvalidData" ? new Uint8Array(0) : output
            }
          }
        }
      }
      const { finding } = await run([ZlibTarget.make({ trusting })], 2000)
      assert.match(finding!.problem, /^inflate: 0 bytes/)
    },
    timeout
  )

  it(
    "finds nothing in what there is, in a few inputs, and says so in a line that is no total of tests",
    async () => {
      const targets = [
        SessionTarget.make(),
        Roundtrip.make(),
        Conversation.make(),
        ...Heads.targets,
        Header.target,
        ZlibTarget.make()
      ]
      const outcome = await run(targets, 350)
      assert.isUndefined(outcome.finding, outcome.finding?.problem)
      assert.strictEqual(
        [...outcome.tallies.values()].reduce((sum, { inputs }) => sum + inputs, 0),
        350
      )
      assert.strictEqual(report(outcome, 1, 1).split("\n").at(-1), "fuzz: 1 seconds with seed 1, no problem found")
    },
    timeout
  )

  it("lets a stream with a distance beyond a small window fail in pieces, and nothing else", async () => {
    const input = Replay.parse(
      "session:client/deflate-small/message:420a72751d0000000000ffff007e00d8ecc5370100300c0330acdefc191445bfe8110000000000" +
        "00000000000000f0e500000000000000000000000000000000000000000000000000c14f00ae0000793100d4ab00005d0000ef9a00009700" +
        "00b80000cc1500002f000000f20000785300000000003cf5003b00"
    )!.input
    assert.isUndefined(await SessionTarget.make().check(input))
    assert.match(
      (await SessionTarget.make((options) => new SaysProtocolError(options)).check(input))!,
      /^split: event 0/
    )
  })

  it("refuses a replay that is none", () => {
    for (const text of ["", "session", "session:server/none/message:0", "a:b:00:00", "a:b:GG"]) {
      assert.isUndefined(Replay.parse(text), text)
    }
  })
})
