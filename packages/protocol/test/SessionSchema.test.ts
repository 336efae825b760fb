import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { existsSync, readFileSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import * as CloseCode from "../src/CloseCode.ts"
import * as CloseError from "../src/CloseError.ts"
import * as ProtocolViolation from "../src/ProtocolViolation.ts"
import * as SendError from "../src/SendError.ts"
import * as SessionSchema from "../src/SessionSchema.ts"

const sources = resolve(import.meta.dirname, "../src")

/** The modules of effect that a module of protocol loads, each with the file that imports it. */
const loaded = (entry: string): ReadonlyMap<string, string> => {
  const effects = new Map<string, string>()
  const seen = new Set<string>()
  const visit = (file: string): void => {
    if (seen.has(file)) return
    seen.add(file)
    const source = readFileSync(file, "utf8")
    for (const [, specifier] of source.matchAll(/^(?:import|export) (?!type )[^"]*"([^"]+)"/gm)) {
      if (specifier!.startsWith(".")) visit(resolve(dirname(file), specifier!))
      else effects.set(specifier!, relative(sources, file))
    }
  }
  visit(join(sources, entry))
  return effects
}

describe("SessionSchema", () => {
  const json = Schema.toCodecJson(SessionSchema.CloseError)

  it.effect("takes every close error through JSON and back", () =>
    Effect.gen(function* () {
      for (const code of [...Object.values(CloseCode.registered), 3001, 4999]) {
        const error = CloseError.fromCode(code, "why")
        const wire = yield* Schema.encodeEffect(json)(error)
        const back = yield* Schema.decodeUnknownEffect(json)(JSON.parse(JSON.stringify(wire)))
        assert.strictEqual(back.constructor, error.constructor)
        assert.deepStrictEqual([back._tag, back.code, back.reason], [error._tag, code, "why"])
      }
    })
  )

  it.effect("puts the tag and the fields on the wire, and nothing else", () =>
    Effect.gen(function* () {
      const encode = Schema.encodeEffect(SessionSchema.CloseError)
      assert.deepStrictEqual(yield* encode(new CloseError.PolicyViolation({ reason: "no bots" })), {
        _tag: "PolicyViolation",
        reason: "no bots"
      })
      assert.deepStrictEqual(yield* encode(new CloseError.ApplicationClose({ code: 4000 })), {
        _tag: "ApplicationClose",
        code: 4000,
        reason: ""
      })
    })
  )

  it.effect("refuses an application code that is none, and 1006 where only sendable errors may be", () =>
    Effect.gen(function* () {
      const decode = Schema.decodeUnknownEffect(SessionSchema.SendableCloseError)
      assert.strictEqual((yield* decode({ _tag: "GoingAway", reason: "" })).code, 1001)
      yield* Effect.flip(decode({ _tag: "ApplicationClose", code: 2999, reason: "" }))
      yield* Effect.flip(decode({ _tag: "AbnormalClosure", reason: "" }))
      yield* Effect.flip(Schema.encodeUnknownEffect(SessionSchema.SendableCloseError)(new CloseError.AbnormalClosure()))
    })
  )

  it.effect("takes send errors and violations there and back", () =>
    Effect.gen(function* () {
      const sendError = SendError.make("FragmentedControlFrame", "sending a PING frame without FIN")
      const wire = yield* Schema.encodeEffect(SessionSchema.SendError)(sendError)
      assert.deepStrictEqual(wire, {
        _tag: "SendError",
        rule: "FragmentedControlFrame",
        attempted: "sending a PING frame without FIN"
      })
      assert.strictEqual(
        (yield* Schema.decodeEffect(SessionSchema.SendError)(wire)).message,
        "sending a PING frame without FIN: a control frame is not fragmented (RFC 6455 5.5)"
      )
      const violation = ProtocolViolation.make("InvalidUtf8", "byte 0xff in a text")
      const codec = SessionSchema.ProtocolViolation
      const back = yield* Schema.decodeEffect(codec)(yield* Schema.encodeEffect(codec)(violation))
      assert.deepStrictEqual([back.rule, back.closeCode, back.message], ["InvalidUtf8", 1007, violation.message])
    })
  )
})

describe("the modules of a session", () => {
  it("do without effect/Schema, which is larger than all of them", () => {
    assert.isTrue(existsSync(join(sources, "Session.ts")))
    assert.strictEqual(loaded("SessionSchema.ts").get("effect/Schema"), "SessionSchema.ts")
    for (const entry of ["Session.ts", "FrameParser.ts", "FrameWriter.ts", "PreparedMessage.ts", "CloseError.ts"]) {
      assert.deepStrictEqual(
        [...loaded(entry)].filter(([name]) => /Schema/.test(name)),
        [],
        entry
      )
    }
  })
})
