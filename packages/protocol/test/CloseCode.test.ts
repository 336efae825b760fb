import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as CloseCode from "../src/CloseCode.ts"
import * as SessionSchema from "../src/SessionSchema.ts"

describe("CloseCode", () => {
  it("lets stand in a close frame what the IANA registry and RFC 6455 7.4 allow, of all 65536 codes", () => {
    const sendable: Array<readonly [number, number]> = []
    for (let code = 0; code < 65536; code++) {
      if (!CloseCode.isSendable(code)) continue
      const previous = sendable.at(-1)
      if (previous !== undefined && previous[1] === code - 1) sendable[sendable.length - 1] = [previous[0], code]
      else sendable.push([code, code])
    }
    assert.deepStrictEqual(sendable, [
      [1000, 1003],
      [1007, 1014],
      [3000, 4999]
    ])
  })

  it("refuses what is no code at all", () => {
    for (const code of [1000.5, NaN, Infinity, -1000]) assert.isFalse(CloseCode.isSendable(code))
  })

  it("names registered codes", () => {
    assert.strictEqual(CloseCode.name(1000), "NormalClosure")
    assert.strictEqual(CloseCode.name(1006), "AbnormalClosure")
    assert.strictEqual(CloseCode.name(3008), "Timeout")
    assert.isUndefined(CloseCode.name(4000))
    assert.isUndefined(CloseCode.name(1004))
  })

  it("has schemas that agree", () => {
    const isSendable = Schema.is(SessionSchema.SendableCode)
    const isApplication = Schema.is(SessionSchema.ApplicationCode)
    for (const code of [999, 1000, 1004, 1005, 1014, 1015, 2999, 3000, 4999, 5000, 3000.5]) {
      assert.strictEqual(isSendable(code), CloseCode.isSendable(code), String(code))
      assert.strictEqual(isApplication(code), Number.isInteger(code) && code >= 3000 && code <= 4999, String(code))
    }
  })
})
