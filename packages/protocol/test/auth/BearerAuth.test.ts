import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import * as Authorization from "../../src/auth/Authorization.ts"
import * as BearerAuth from "../../src/auth/BearerAuth.ts"

const encode = (token: string): string =>
  Result.match(BearerAuth.encode(Redacted.make(token)), {
    onSuccess: Authorization.render,
    onFailure: (error) => error.message
  })

const decode = (value: string): string =>
  Result.match(BearerAuth.decode(Result.getOrThrow(Authorization.parseCredentials(value))), {
    onSuccess: Redacted.value,
    onFailure: (error) => error.message
  })

describe("BearerAuth", () => {
  it.each(["mF_9.B5f-4.1JqM", "a", "a+/~==", "eyJhbGciOiJub25lIn0.e30."])("%j survives a round trip", (token) => {
    assert.strictEqual(encode(token), `Bearer ${token}`)
    assert.strictEqual(decode(`Bearer ${token}`), token)
  })

  it.each(["", "=", "a b", "a\r\nX: y", "a=b", '"a"', "\xe9"])("does not send %j, nor show it", (token) => {
    assert.strictEqual(
      encode(token),
      "malformed Bearer credentials: the token has a character other than letters, digits and -._~+/="
    )
  })

  it.each(["Bearer", "Bearer a=b"])("refuses %j", (value) => {
    assert.strictEqual(decode(value), "malformed Bearer credentials: expected a token")
  })

  // RFC 6750 3
  it("renders its challenge", () => {
    const render = (options: BearerAuth.BearerChallenge): string => Authorization.render(BearerAuth.challenge(options))
    assert.strictEqual(render({ realm: "example" }), 'Bearer realm="example"')
    assert.strictEqual(
      render({
        realm: "example",
        scope: "chat:read chat:write",
        error: "invalid_token",
        errorDescription: "The access token expired"
      }),
      'Bearer realm="example", scope="chat:read chat:write", error="invalid_token", ' +
        'error_description="The access token expired"'
    )
  })
})
