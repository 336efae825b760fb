import { assert, describe, it } from "@effect/vitest"
import * as Opcode from "../src/Opcode.ts"

const all = Array.from({ length: 16 }, (_, opcode) => opcode)

describe("Opcode", () => {
  it("knows control frames by the high bit", () => {
    assert.deepStrictEqual(all.filter(Opcode.isControl), [8, 9, 10, 11, 12, 13, 14, 15])
  })

  it("knows what RFC 6455 11.8 leaves unassigned", () => {
    assert.deepStrictEqual(all.filter(Opcode.isReserved), [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
  })

  it("names every opcode", () => {
    assert.strictEqual(
      all.map(Opcode.name).join(" "),
      "CONTINUATION TEXT BINARY 0x3 0x4 0x5 0x6 0x7 CLOSE PING PONG 0xB 0xC 0xD 0xE 0xF"
    )
  })
})
