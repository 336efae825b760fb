import { assert, describe, it } from "@effect/vitest"
import { inflateRawSync, constants } from "node:zlib"
import {
  checkAnswer,
  type Compression,
  type Cycle,
  CycleWriter,
  DeflatedReader,
  makeCycle,
  makeJson
} from "../src/Deflated.ts"

const mask = Uint8Array.of(0, 0, 0, 0)
const tail = Buffer.from("0000ffff", "hex")

/** The compressed payloads of what a writer gives, as an echo server without compression of its own would see them. */
const payloads = (writer: CycleWriter, count: number): ReadonlyArray<Buffer> =>
  Array.from({ length: count }, () => {
    const parts: Array<Uint8Array> = []
    writer.next(1, (bytes) => parts.push(bytes))
    const frame = Buffer.concat(parts)
    assert.strictEqual(frame[0], 0xc1)
    const short = frame[1]! & 0x7f
    return frame.subarray((short < 126 ? 2 : 4) + 4)
  })

const echoOf = (payload: Buffer): Buffer =>
  payload.length < 126
    ? Buffer.concat([Buffer.from([0xc1, payload.length]), payload])
    : Buffer.concat([Buffer.from([0xc1, 126, payload.length >> 8, payload.length & 0xff]), payload])

describe("makeJson", () => {
  it("makes text of the length asked for, the same each time, and another for each seed", () => {
    for (const length of [0, 1, 64, 1024, 16_384]) assert.strictEqual(makeJson(length, 3).length, length)
    assert.deepStrictEqual(makeJson(500, 3), makeJson(500, 3))
    assert.notDeepEqual(makeJson(500, 3), makeJson(500, 4))
  })

  it("compresses about as well as JSON does", () => {
    const [cycle, kept] = [makeCycle(1024, "each", mask), makeCycle(1024, "takeover", mask)]
    const ratio = (bytes: number): number => bytes / cycle.plain.length
    assert.isAbove(ratio(cycle.later.bytes.length), 0.3)
    assert.isBelow(ratio(cycle.later.bytes.length), 0.6)
    // With the window of the messages before it is smaller, but no mere reference to the same message.
    assert.isBelow(ratio(kept.later.bytes.length), ratio(cycle.later.bytes.length) * 0.9)
    assert.isAbove(ratio(kept.later.bytes.length), 0.2)
  })
})

describe("CycleWriter", () => {
  const rounds = 3

  it("without takeover, each message stands alone", () => {
    const cycle = makeCycle(700, "each", mask)
    const plain = payloads(new CycleWriter(cycle), cycle.count * rounds).map((payload) =>
      inflateRawSync(Buffer.concat([payload, tail]), { finishFlush: constants.Z_SYNC_FLUSH })
    )
    assert.deepStrictEqual(Buffer.concat(plain), Buffer.concat(Array<Uint8Array>(rounds).fill(cycle.plain)))
  })

  for (const length of [700, 16_384]) {
    it(`with takeover, the rounds are one stream for ever (${length} bytes)`, () => {
      const cycle = makeCycle(length, "takeover", mask)
      const stream = Buffer.concat(
        payloads(new CycleWriter(cycle), cycle.count * rounds).flatMap((each) => [each, tail])
      )
      const plain = inflateRawSync(stream, { finishFlush: constants.Z_SYNC_FLUSH })
      assert.isTrue(plain.equals(Buffer.concat(Array<Uint8Array>(rounds).fill(cycle.plain))))
    })
  }

  it("gives the same bytes in whatever steps it is asked for them", () => {
    const cycle = makeCycle(1024, "takeover", mask)
    const collect = (steps: ReadonlyArray<number>): Buffer => {
      const writer = new CycleWriter(cycle)
      const parts: Array<Uint8Array> = []
      for (const step of steps) writer.next(step, (bytes) => parts.push(bytes))
      return Buffer.concat(parts)
    }
    const total = cycle.count * 2 + 5
    assert.isTrue(collect([total]).equals(collect(Array<number>(total).fill(1))))
    assert.isTrue(collect([total]).equals(collect([7, cycle.count, total - cycle.count - 7])))
  })
})

describe("DeflatedReader", () => {
  const echoes = (cycle: Cycle, count: number): Buffer =>
    Buffer.concat(payloads(new CycleWriter(cycle), count).map(echoOf))

  for (const compression of ["each", "takeover"] satisfies ReadonlyArray<Compression>) {
    it(`counts messages in any chunks (${compression})`, () => {
      const cycle = makeCycle(1024, compression, mask)
      const bytes = echoes(cycle, cycle.count + 10)
      for (const step of [1, 2, 3, 100, 1000, bytes.length]) {
        const reader = new DeflatedReader(cycle)
        let count = 0
        for (let at = 0; at < bytes.length; at += step) {
          const chunk = bytes.subarray(at, at + step)
          count += reader.read(chunk, chunk.length)
        }
        assert.strictEqual(count, cycle.count + 10)
      }
    })
  }

  it("refuses what is not the echo", () => {
    const cycle = makeCycle(1024, "each", mask)
    const bytes = echoes(cycle, cycle.count)
    const other = echoes(makeCycle(1023, "each", mask), cycle.count)
    assert.throws(() => new DeflatedReader(cycle).read(other, other.length), /differ/)
    assert.throws(
      () => new DeflatedReader(cycle).read(Buffer.from([0x81, 1, 0]), 3),
      /expected a compressed text message/
    )
    assert.throws(() => new DeflatedReader(cycle).read(Buffer.from([0xc1, 126, 0xff, 0xff]), 4), /65535 bytes/)
    assert.strictEqual(new DeflatedReader(cycle).read(bytes, bytes.length), cycle.count)
  })
})

describe("checkAnswer", () => {
  const head = (answer: string): string => `HTTP/1.1 101 x\r\nSec-WebSocket-Extensions: ${answer}\r\n\r\n`

  it("wants what the row asks for", () => {
    checkAnswer(head("permessage-deflate"), "takeover")
    checkAnswer(head("permessage-deflate; server_no_context_takeover; client_no_context_takeover"), "each")
    assert.throws(() => checkAnswer("HTTP/1.1 101 x\r\n\r\n", "each"), /does not compress/)
    assert.throws(() => checkAnswer(head("permessage-deflate; client_no_context_takeover"), "takeover"), /keep/)
    assert.throws(() => checkAnswer(head("permessage-deflate; client_max_window_bits=9"), "each"), /narrower/)
  })
})
