import { assert, describe, it } from "@effect/vitest"
import { FrameLog } from "../src/internal/FrameLog.ts"
import { FrameScanner } from "../src/internal/FrameScanner.ts"

/** A frame as RFC 6455 5.2 lays it out. */
const encode = (first: number, payload: Uint8Array, key?: ReadonlyArray<number>): Uint8Array => {
  const { length } = payload
  const mask = key === undefined ? 0 : 0x80
  const size =
    length < 126
      ? [mask | length]
      : length < 65_536
        ? [mask | 126, length >> 8, length & 0xff]
        : [mask | 127, 0, 0, 0, 0, 0, length >> 16, (length >> 8) & 0xff, length & 0xff]
  const masked = key === undefined ? payload : payload.map((byte, at) => byte ^ key[at & 3]!)
  return Uint8Array.from([first, ...size, ...(key ?? []), ...masked])
}

const lengths = [0, 1, 125, 126, 127, 1000, 65_535, 65_536]
const key = [1, 2, 3, 250]
const payloadOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, at) => at * 7)

const frames = (masked: boolean): ReadonlyArray<readonly [first: number, payload: Uint8Array, bytes: Uint8Array]> =>
  [
    ...lengths.map((length) => [0x82, payloadOf(length)] as const),
    [0x01, payloadOf(5)] as const,
    [0x89, payloadOf(3)] as const,
    [0x80, payloadOf(6)] as const
  ].map(([first, payload]) => [first, payload, encode(first, payload, masked ? key : undefined)] as const)

const scan = (bytes: Uint8Array, cut: (at: number) => number) => {
  const bounds = { maxFrames: 100, maxBytes: 1 << 20, payloadBytes: 1 << 20 }
  const log = new FrameLog(bounds, true, () => 0)
  const scanner = new FrameScanner()
  scanner.visitor = log.incoming
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + cut(at))
    scanner.scan(bytes.slice(at, end))
    at = end
  }
  return { scanner, seen: log.from(0) }
}

describe("FrameScanner", () => {
  for (const masked of [true, false]) {
    it(`finds the same frames however the bytes are cut, ${masked ? "masked" : "not masked"}`, () => {
      const expected = frames(masked)
      const bytes = Buffer.concat(expected.map(([, , bytes]) => bytes))
      let seed = 1
      const random = (): number => (seed = (seed * 48_271) % 2_147_483_647)
      for (const cut of [
        () => bytes.length,
        () => 1,
        () => 2,
        () => 13,
        () => 1 + (random() % 200),
        () => 1 + (random() % 5)
      ]) {
        const { scanner, seen } = scan(bytes, cut)
        assert.strictEqual(scanner.bytes, bytes.length)
        assert.strictEqual(scanner.frames, expected.length)
        assert.strictEqual(scanner.messages, lengths.length + 1)
        assert.deepStrictEqual(
          seen.map(({ first, length, masked }) => [first, length, masked]),
          expected.map(([first, payload]) => [first, payload.length, masked])
        )
        for (const [at, { payload }] of seen.entries()) {
          assert.isTrue(Buffer.from(payload!).equals(expected[at]![1]), `payload ${at}`)
        }
      }
    })
  }

  it("takes nothing behind a close frame for frames", () => {
    const bytes = Buffer.concat([encode(0x88, payloadOf(2)), encode(0x82, payloadOf(20))])
    for (const cut of [() => 1, () => bytes.length]) {
      const { scanner } = scan(bytes, cut)
      assert.deepStrictEqual([scanner.frames, scanner.messages, scanner.bytes], [1, 0, bytes.length])
    }
  })

  it("begins in the middle of a frame", () => {
    const bytes = Buffer.concat([encode(0x82, payloadOf(1000)), encode(0x81, payloadOf(4))])
    const log = new FrameLog({ maxFrames: 10, maxBytes: 100, payloadBytes: 10 }, true, () => 0)
    const scanner = new FrameScanner()
    scanner.scan(bytes.subarray(0, 500))
    scanner.visitor = log.incoming
    scanner.scan(bytes.subarray(500))
    assert.deepStrictEqual(
      log.from(0).map(({ first, length }) => [first, length]),
      [[0x81, 4]]
    )
  })
})
