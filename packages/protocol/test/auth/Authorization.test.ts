import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { TestSchema } from "effect/testing"
import * as Authorization from "../../src/auth/Authorization.ts"
import { fastest } from "../fixtures/bytes.ts"

type Param = readonly [name: string, value: string, form?: "quoted"]

const challenge = (scheme: string, ...params: ReadonlyArray<Param>): Authorization.Challenge => ({
  scheme,
  token68: undefined,
  params: params.map(([name, value, form]) => ({ name, value, quoted: form === "quoted" }))
})

const token = (scheme: string, token68: string): Authorization.Challenge => ({ scheme, token68, params: [] })

const parseChallenges = (value: string): unknown =>
  Result.getOrElse(Authorization.parseChallenges(value), (error) => error.message)

const parseCredentials = (value: string): unknown =>
  Result.getOrElse(Authorization.parseCredentials(value), (error) => error.message)

const pieces = Schema.Array(
  Schema.Literals([
    "a",
    "Digest",
    "bc",
    " ",
    "\t",
    ",",
    "=",
    '"',
    "\\",
    "/",
    "+",
    "\xe9",
    "\0",
    "\u20ac",
    'a="b"',
    "c=d"
  ])
)

describe("Authorization", () => {
  describe("challenges", () => {
    it.each([
      ["Basic", [challenge("Basic")]],
      ["Basic ", [challenge("Basic")]],
      ['Basic realm="a b"', [challenge("Basic", ["realm", "a b", "quoted"])]],
      ["Basic realm=a", [challenge("Basic", ["realm", "a"])]],
      ["Basic realm = \t a", [challenge("Basic", ["realm", "a"])]],
      ['Basic realm="a\\"b\\\\c\\d"', [challenge("Basic", ["realm", 'a"b\\cd', "quoted"])]],
      ['Basic realm=""', [challenge("Basic", ["realm", "", "quoted"])]],
      ['Basic realm="a, Digest nonce=b"', [challenge("Basic", ["realm", "a, Digest nonce=b", "quoted"])]],
      ["NTLM TlRMTVNTUAAC==", [token("NTLM", "TlRMTVNTUAAC==")]],
      ["X realm", [token("X", "realm")]],
      ["X a=", [token("X", "a=")]],
      ["Negotiate, NTLM", [challenge("Negotiate"), challenge("NTLM")]],
      ["X a==, Y b==", [token("X", "a=="), token("Y", "b==")]],
      [
        'Newauth realm="apps", type=1, title="Login to \\"apps\\"", Basic realm="simple"',
        [
          challenge("Newauth", ["realm", "apps", "quoted"], ["type", "1"], ["title", 'Login to "apps"', "quoted"]),
          challenge("Basic", ["realm", "simple", "quoted"])
        ]
      ],
      [", ,X a=b,, c=d , ,Y,", [challenge("X", ["a", "b"], ["c", "d"]), challenge("Y")]],
      ["X , a=b", [challenge("X", ["a", "b"])]],
      ["X a=b, Y c=d", [challenge("X", ["a", "b"]), challenge("Y", ["c", "d"])]],
      ["X a=b, Y = c", [challenge("X", ["a", "b"], ["Y", "c"])]],
      ["__proto__ constructor=1", [challenge("__proto__", ["constructor", "1"])]],
      ['X a="\xe9\t"', [challenge("X", ["a", "\xe9\t", "quoted"])]]
    ])("parses %j", (value, challenges) => {
      assert.deepStrictEqual(parseChallenges(value), challenges)
    })

    it.each([
      ["", 0, "the name of a scheme", "the end"],
      [" ,", 2, "the name of a scheme", "the end"],
      ['"a"', 0, "the name of a scheme", '"""'],
      ["X/Y", 1, 'a space, "," or the end', '"/"'],
      ["X a b", 2, "a token or a parameter", '"a"'],
      ["X a=b c=d", 6, '"," or the end', '"c"'],
      ["X a=b, a=c", 7, "each parameter once", '"a"'],
      ["X a=b, A=c", 7, "each parameter once", '"A"'],
      ["X a=b, c=", 9, "the value of a parameter", "the end"],
      ['X a="b', 6, "the end of a quoted string", "the end"],
      ['X a="b\\', 7, "the end of a quoted string", "the end"],
      ['X a="b\\"', 8, "the end of a quoted string", "the end"],
      ['X a="\0"', 5, "the end of a quoted string", "0x00"],
      ['X a="\u20ac"', 5, "the end of a quoted string", "0x20ac"],
      ['X a="b"c', 7, '"," or the end', '"c"'],
      ["X a==b", 4, "the value of a parameter", '"="']
    ])("refuses %j", (value, offset, expected, found) => {
      assert.strictEqual(
        parseChallenges(value),
        `malformed WWW-Authenticate at character ${offset}: expected ${expected}, found ${found}`
      )
    })

    it("are read from all field lines, and a malformed line hides no other", () => {
      const headers = [
        { name: "WWW-Authenticate", value: 'Digest realm="a' },
        { name: "www-authenticate", value: "X a=b, Y" },
        { name: "Proxy-Authenticate", value: "Z" },
        { name: "WWW-AUTHENTICATE", value: "Basic realm=c" }
      ]
      const schemes = (name?: string): ReadonlyArray<string> =>
        Authorization.challengesOf(headers, name).map(({ scheme }) => scheme)
      assert.deepStrictEqual(schemes(), ["X", "Y", "Basic"])
      assert.deepStrictEqual(schemes("Proxy-Authenticate"), ["Z"])
    })

    it.effect("ChallengesFromString survives a round trip", () =>
      new TestSchema.Asserts(Authorization.ChallengesFromString).verifyRoundTripEffect({ runs: 1000 })
    )

    it.prop(
      "garbage never throws, and what is parsed is valid and stays the same",
      [pieces],
      ([parts]) => {
        const parsed = Authorization.parseChallenges(parts.join(""))
        if (Result.isFailure(parsed)) return
        assert.isTrue(Schema.is(Schema.Array(Authorization.Challenge))(parsed.success))
        assert.deepStrictEqual(parseChallenges(parsed.success.map(Authorization.render).join(", ")), parsed.success)
      },
      { arbitrary: { runs: 2000 } }
    )
  })

  describe("credentials", () => {
    it.each([
      ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", token("Basic", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==")],
      ["Bearer  a.b-c_d~e+f/g", token("Bearer", "a.b-c_d~e+f/g")],
      ['Digest username="a", nc=00000001', challenge("Digest", ["username", "a", "quoted"], ["nc", "00000001"])],
      ["Digest a=b,", challenge("Digest", ["a", "b"])],
      ["X", challenge("X")]
    ])("parses %j", (value, credentials) => {
      assert.deepStrictEqual(parseCredentials(value), credentials)
    })

    it.each([
      ["", 0, "the name of a scheme", "the end"],
      ["Basic c2VjcmV0, Basic c2VjcmV0", 14, "the end", "something else"],
      ["Digest a=b, Basic c2VjcmV0", 12, "a parameter", "something else"],
      ["Basic c2Vj cmV0", 6, "a token or a parameter", "something else"],
      ["Bearer s\xe9cret", 7, "a token or a parameter", "something else"],
      ['Digest response="secret', 23, "the end of a quoted string", "the end"]
    ])("refuses %j, and tells nothing of what it holds", (value, offset, expected, found) => {
      assert.strictEqual(
        parseCredentials(value),
        `malformed Authorization at character ${offset}: expected ${expected}, found ${found}`
      )
    })

    it.effect("CredentialsFromString survives a round trip", () =>
      new TestSchema.Asserts(Authorization.CredentialsFromString).verifyRoundTripEffect({ runs: 1000 })
    )

    it("CredentialsFromString keeps the value out of its error", () => {
      const result = Schema.decodeUnknownResult(Authorization.CredentialsFromString)("Bearer my secret")
      assert.isTrue(Result.isFailure(result))
      if (Result.isFailure(result)) assert.notInclude(String(result.failure), "secret")
    })

    it.prop(
      "garbage never throws, and what is parsed is one challenge",
      [pieces],
      ([parts]) => {
        const parsed = Authorization.parseCredentials(parts.join(""))
        if (Result.isSuccess(parsed)) {
          assert.deepStrictEqual(parseChallenges(parts.join("")), [parsed.success])
          assert.deepStrictEqual(parseCredentials(Authorization.render(parsed.success)), parsed.success)
        }
      },
      { arbitrary: { runs: 2000 } }
    )
  })

  it.each([" ", "\t", ",", "=", '"', "\\", "\\a", ",a", " a", "a=", ", a=b", ", a", ", X a=b", "a, ", '"\\'])(
    "32 000 characters of %j cost no more than letters",
    (filler) => {
      const cost = (text: string): number => {
        const long = text.repeat(32_000 / text.length)
        return fastest(() => {
          for (const value of [long, `X ${long}`, `X a="${long}`, `X a=${long}`, `X a=b${long}`, `X, ${long}b`]) {
            Authorization.parseChallenges(value)
            Authorization.parseCredentials(value)
          }
        })
      }
      assert.isBelow(cost(filler), 30 * cost("a") + 5)
    }
  )
})
