import * as CloseError from "@effect-ws/protocol/CloseError"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "tstyche"

declare const failing: Effect.Effect<number, CloseError.CloseError>

describe("CloseError", () => {
  it("has the code of each class as a literal", () => {
    expect(new CloseError.PolicyViolation({ reason: "" }).code).type.toBe<1008>()
    expect(new CloseError.NormalClosure({}).code).type.toBe<1000>()
    expect(new CloseError.ApplicationClose({ code: 4000, reason: "" }).code).type.toBe<number>()
  })

  it("is caught by its tag", () => {
    const caught = Effect.catchTag(failing, "PolicyViolation", (error) => {
      expect(error).type.toBe<CloseError.PolicyViolation>()
      return Effect.succeed("caught" as const)
    })
    expect(caught).type.toBe<
      Effect.Effect<number | "caught", Exclude<CloseError.CloseError, CloseError.PolicyViolation>>
    >()
  })

  it("keeps 1005, 1006 and 1015 apart from what can be sent", () => {
    expect<CloseError.SendableCloseError>().type.toBeAssignableFrom<CloseError.GoingAway>()
    expect<CloseError.SendableCloseError>().type.not.toBeAssignableFrom<CloseError.NoStatusReceived>()
    expect<CloseError.SendableCloseError>().type.not.toBeAssignableFrom<CloseError.AbnormalClosure>()
    expect<CloseError.SendableCloseError>().type.not.toBeAssignableFrom<CloseError.TlsHandshakeFailed>()
    expect<CloseError.CloseError>().type.toBeAssignableFrom<CloseError.SendableCloseError>()
  })

  it("narrows what it guards", () => {
    const error: unknown = undefined
    if (CloseError.isSendable(error)) expect(error).type.toBe<CloseError.SendableCloseError>()
  })
})
