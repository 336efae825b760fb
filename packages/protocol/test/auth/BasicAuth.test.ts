import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result, Schema } from "effect"
import * as Authorization from "../../src/auth/Authorization.ts"
import * as BasicAuth from "../../src/auth/BasicAuth.ts"

const decode = (value: string): unknown => {
  const credentials = Result.getOrThrow(Authorization.parseCredentials(value))
  return Result.match(BasicAuth.decode(credentials), {
    onSuccess: ({ password, username }) => [username, Redacted.value(password)],
    onFailure: (error) => error.message
  })
}

const encode = (username: string, password: string): string =>
  Result.match(BasicAuth.encode({ username, password: Redacted.make(password) }), {
    onSuccess: Authorization.render,
    onFailure: (error) => error.message
  })

describe("BasicAuth", () => {
  // RFC 7617 2 and 2.1
  it.each([
    ["Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="],
    ["test", "123\u00a3", "Basic dGVzdDoxMjPCow=="],
    ["", "", "Basic Og=="],
    ["a", "b:c", "Basic YTpiOmM="]
  ])("%j and %j are %j, both ways", (username, password, value) => {
    assert.strictEqual(encode(username, password), value)
    assert.deepStrictEqual(decode(value), [username, password])
  })

  it("asks for UTF-8", () => {
    assert.strictEqual(
      Authorization.render(BasicAuth.challenge({ realm: 'the "WallyWorld"' })),
      'Basic realm="the \\"WallyWorld\\"", charset="UTF-8"'
    )
  })

  it.each([
    ["Basic", "expected base64"],
    ["Basic realm=a", "expected base64"],
    ["Basic YWI", "expected base64"],
    ["Basic a-_~", "expected base64"],
    ["Basic YWI=", "expected a colon between user name and password"],
    ["Basic YToAYg==", "expected no control characters"],
    ["Basic YTr/", "expected UTF-8"]
  ])("refuses %j", (value, detail) => {
    assert.strictEqual(decode(value), `malformed Basic credentials: ${detail}`)
  })

  it("refuses names and passwords that cannot be sent", () => {
    assert.strictEqual(encode("a:b", "c"), "malformed Basic credentials: the user name contains a colon")
    for (const [username, password] of [
      ["a\n", "b"],
      ["a", "b\r\nX: y"],
      ["a", "\x7f"]
    ] as const) {
      assert.strictEqual(
        encode(username, password),
        "malformed Basic credentials: the user name or the password contains a control character"
      )
    }
  })

  it.prop(
    "whatever can be encoded comes back",
    [Schema.String, Schema.String],
    ([username, password]) => {
      const value = encode(username, password)
      if (value.startsWith("Basic ")) {
        assert.deepStrictEqual(decode(value), [username.toWellFormed(), password.toWellFormed()])
      } else assert.match(username + password, /[:\p{Cc}]/u)
    },
    { arbitrary: { runs: 1000 } }
  )

  it("shows no password", () => {
    const credentials = Result.getOrThrow(
      BasicAuth.decode(Result.getOrThrow(Authorization.parseCredentials("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")))
    )
    assert.notInclude(JSON.stringify(credentials), "sesame")
    assert.notInclude(String(credentials.password), "sesame")
  })
})
