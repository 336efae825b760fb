import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Redacted, Result, Schema } from "effect"
import * as Authorization from "../../src/auth/Authorization.ts"
import * as DigestAuth from "../../src/auth/DigestAuth.ts"
import { fastest } from "../fixtures/bytes.ts"
import { equals, hashes } from "../fixtures/hashes.ts"

interface Vector {
  readonly name: string
  readonly challenge: string
  readonly username: string
  readonly password: string
  readonly uri: string
  readonly cnonce: string
  readonly credentials: ReadonlyArray<string>
}

const mufasa = (algorithm: string, response: string): Vector => ({
  name: `RFC 7616 3.9.1 with ${algorithm}`,
  challenge:
    'Digest realm="http-auth@example.org", qop="auth, auth-int", ' +
    `algorithm=${algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", ` +
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
  username: "Mufasa",
  password: "Circle of Life",
  uri: "/dir/index.html",
  cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
  credentials: [
    'username="Mufasa"',
    'realm="http-auth@example.org"',
    'uri="/dir/index.html"',
    `algorithm=${algorithm}`,
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"',
    "nc=00000001",
    'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"',
    "qop=auth",
    `response="${response}"`,
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
  ]
})

// The hashes are those of erratum 4897: the RFC as printed cut SHA-512 short in place of computing SHA-512/256.
const doe = (userhash: boolean): Vector => ({
  name: `RFC 7616 3.9.2, ${userhash ? "with a hashed name" : "with username*"}`,
  challenge:
    'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, ' +
    'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", ' +
    `opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8${userhash ? ", userhash=true" : ""}`,
  username: "J\u00e4s\u00f8n Doe",
  password: "Secret, or not?",
  uri: "/doe.json",
  cnonce: "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
  credentials: [
    userhash
      ? 'username="793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"'
      : "username*=UTF-8''J%C3%A4s%C3%B8n%20Doe",
    'realm="api@example.org"',
    'uri="/doe.json"',
    "algorithm=SHA-512-256",
    'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK"',
    "nc=00000001",
    'cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v"',
    "qop=auth",
    'response="3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"',
    'opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS"',
    ...(userhash ? ["userhash=true"] : [])
  ]
})

const vectors: ReadonlyArray<Vector> = [
  mufasa("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
  mufasa("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
  doe(true),
  doe(false),
  {
    name: "RFC 2617 3.5",
    challenge:
      'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", ' +
      'opaque="5ccc069c403ebaf9f0171e9517f40e41"',
    username: "Mufasa",
    password: "Circle Of Life",
    uri: "/dir/index.html",
    cnonce: "0a4f113b",
    credentials: [
      'username="Mufasa"',
      'realm="testrealm@host.com"',
      'uri="/dir/index.html"',
      "algorithm=MD5",
      'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"',
      "nc=00000001",
      'cnonce="0a4f113b"',
      "qop=auth",
      'response="6629fae49393a05397450978507c4ef1"',
      'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    ]
  }
]

const challengeOf = (value: string): DigestAuth.DigestChallenge =>
  Result.getOrThrow(DigestAuth.decodeChallenge(Result.getOrThrow(Authorization.parseChallenges(value))[0]!))

const credentialsOf = (value: string): DigestAuth.DigestCredentials =>
  Result.getOrThrow(DigestAuth.decodeCredentials(Result.getOrThrow(Authorization.parseCredentials(value))))

const secretOf = (password: string): DigestAuth.DigestSecret => ({
  _tag: "Password",
  password: Redacted.make(password)
})

const verify = (
  credentials: DigestAuth.DigestCredentials,
  username: string,
  secret: DigestAuth.DigestSecret,
  method: string = "GET"
): boolean =>
  DigestAuth.verify(credentials, {
    method,
    username,
    secret,
    hash: hashes[DigestAuth.hashName(credentials.algorithm)],
    equals
  })

const Text = Schema.String.check(Schema.isPattern(/^[^\p{Cc}\p{Cs}]*$/u))
const Algorithm = Schema.Literals(DigestAuth.algorithms)

describe("DigestAuth", () => {
  describe.each(vectors)("$name", ({ challenge, cnonce, credentials, password, uri, username }) => {
    it("as a client", () => {
      const decoded = challengeOf(challenge)
      const answer = DigestAuth.answer(decoded, {
        username,
        secret: secretOf(password),
        method: "GET",
        uri,
        cnonce,
        nc: 1,
        hash: hashes[DigestAuth.hashName(decoded.algorithm)]
      })
      assert.strictEqual(Authorization.render(answer), `Digest ${credentials.join(", ")}`)
    })

    it("as a server", () => {
      const decoded = credentialsOf(`Digest ${credentials.join(", ")}`)
      assert.isTrue(verify(decoded, username, secretOf(password)))
      const { realm } = decoded
      const hash = hashes[DigestAuth.hashName(decoded.algorithm)]
      const kept = DigestAuth.hashPassword({ username, realm, password: Redacted.make(password), hash })
      assert.isTrue(verify(decoded, username, { _tag: "HashedPassword", hash: kept }))
      if (decoded.userhash) assert.strictEqual(decoded.username, DigestAuth.hashUsername({ username, realm, hash }))
      else assert.strictEqual(decoded.username, username)
    })

    it("nothing that is hashed can be changed", () => {
      const decoded = credentialsOf(`Digest ${credentials.join(", ")}`)
      assert.isFalse(verify(decoded, username, secretOf(`${password} `)))
      assert.isFalse(verify(decoded, `${username}x`, secretOf(password)))
      assert.isFalse(verify(decoded, username, secretOf(password), "POST"))
      for (const changed of [{ realm: "x" }, { nonce: "x" }, { uri: "/x" }, { cnonce: "x" }, { nc: 2 }]) {
        assert.isFalse(verify({ ...decoded, ...changed }, username, secretOf(password)), JSON.stringify(changed))
      }
      const response = (decoded.response[0] === "0" ? "1" : "0") + decoded.response.slice(1)
      assert.isFalse(verify({ ...decoded, response }, username, secretOf(password)))
    })
  })

  it.each(["MD5-sess", "SHA-256-sess", "SHA-512-256-sess"] as const)(
    "%s binds the password to both nonces",
    (algorithm) => {
      const hash = hashes[DigestAuth.hashName(algorithm)]
      const hex = (text: string): string => Buffer.from(hash(Buffer.from(text))).toString("hex")
      // RFC 7616 3.4.2, written out
      const expected = hex(`${hex(`${hex("u:r:p")}:n:c`)}:n:0000000a:c:auth:${hex("GET:/x")}`)
      const options = { username: "u", realm: "r", nonce: "n", cnonce: "c", nc: 10, method: "GET", uri: "/x", hash }
      assert.strictEqual(DigestAuth.response({ ...options, secret: secretOf("p"), algorithm }), expected)
    }
  )

  it.prop(
    "whatever a client answers, a server understands and takes, and no other password does",
    [Text, Text, Text, Text, Algorithm, Schema.Boolean, Schema.Boolean, Schema.Int],
    ([username, password, realm, nonce, algorithm, userhash, utf8, count]) => {
      const nc = 1 + (Math.abs(count) % 0xffff_ffff)
      const hash = hashes[DigestAuth.hashName(algorithm)]
      const challenge = { realm, nonce, algorithm, opaque: undefined, stale: false, userhash, utf8 }
      const header = Authorization.render(
        DigestAuth.answer(challengeOf(Authorization.render(DigestAuth.encodeChallenge(challenge))), {
          username,
          secret: secretOf(password),
          method: "GET",
          uri: "/chat?a=b",
          cnonce: "c",
          nc,
          hash
        })
      )
      const credentials = credentialsOf(header)
      assert.strictEqual(credentials.username, userhash ? DigestAuth.hashUsername({ username, realm, hash }) : username)
      assert.deepInclude(credentials, { realm, nonce, algorithm, userhash, nc, uri: "/chat?a=b" })
      assert.isTrue(verify(credentials, username, secretOf(password)))
      assert.isFalse(verify(credentials, username, secretOf(`${password}x`)))
    },
    { arbitrary: { runs: 1000 } }
  )

  it.prop(
    "challenges survive a round trip",
    [
      Arbitrary.schema(
        Schema.Struct({
          realm: Text,
          nonce: Text,
          algorithm: Algorithm,
          opaque: Schema.UndefinedOr(Text),
          stale: Schema.Boolean,
          userhash: Schema.Boolean,
          utf8: Schema.Boolean
        })
      )
    ],
    ([challenge]) => {
      assert.deepStrictEqual(challengeOf(Authorization.render(DigestAuth.encodeChallenge(challenge))), challenge)
    },
    { arbitrary: { runs: 1000 } }
  )

  describe("challenges", () => {
    const decode = (params: string): string =>
      Result.match(
        DigestAuth.decodeChallenge(Result.getOrThrow(Authorization.parseChallenges(`Digest ${params}`))[0]!),
        {
          onSuccess: ({ algorithm, stale, userhash }) => [algorithm, stale && "stale", userhash && "hashed"].join(" "),
          onFailure: (error) => error.message
        }
      )

    it.each([
      ['realm="r", nonce="n", qop="auth"', "MD5 false false"],
      ["realm=r, nonce=n, qop=auth, algorithm=sha-256-SESS", "SHA-256-sess false false"],
      ['realm="r", nonce="n", qop="auth-int , AUTH", algorithm="MD5", stale=TRUE, userhash="True"', "MD5 stale hashed"],
      ['realm="r", nonce="n", qop="auth", stale=1', "MD5 false false"]
    ])("understands %j", (params, summary) => {
      assert.strictEqual(decode(params), summary)
    })

    it.each([
      ['nonce="n", qop="auth"', "expected a realm and a nonce, in UTF-8"],
      ['realm="r", qop="auth"', "expected a realm and a nonce, in UTF-8"],
      ['realm="\xff", nonce="n", qop="auth"', "expected a realm and a nonce, in UTF-8"],
      ['realm="r", nonce="n"', "expected the quality of protection auth"],
      ['realm="r", nonce="n", qop="auth-int"', "expected the quality of protection auth"],
      [
        'realm="r", nonce="n", qop="auth", algorithm=SHA-1',
        `expected one of the algorithms ${DigestAuth.algorithms.join(", ")}`
      ]
    ])("does not answer %j", (params, detail) => {
      assert.strictEqual(decode(params), `malformed Digest challenge: ${detail}`)
    })
  })

  describe("credentials", () => {
    const response = "0".repeat(32)
    const good = `username="u", realm="r", nonce="n", uri="/", cnonce="c", nc=00000001, qop=auth, response="${response}"`
    const decode = (params: string): string =>
      Result.match(
        DigestAuth.decodeCredentials(Result.getOrThrow(Authorization.parseCredentials(`Digest ${params}`))),
        { onSuccess: ({ username }) => username, onFailure: (error) => error.message }
      )
    const without = (name: string): string =>
      good
        .split(", ")
        .filter((param) => !param.startsWith(`${name}=`))
        .join(", ")

    it.each([
      [good, "u"],
      [`${good}, algorithm="md5"`, "u"],
      [good.replace("qop=auth", 'qop="auth"'), "u"],
      [good.replace('username="u"', "username*=utf-8'de'%e4%BD%A0!"), "\u4f60!"],
      [good.replace('username="u"', 'username="J\xc3\xa4s"'), "J\u00e4s"]
    ])("understands %j", (params, username) => {
      assert.strictEqual(decode(params), username)
    })

    it.each([
      [without("username"), "expected one of username and username*, in UTF-8"],
      [`${good}, username*=UTF-8''u`, "expected one of username and username*, in UTF-8"],
      [`${without("username")}, username*=UTF-8''u, userhash=true`, "expected one of username and username*, in UTF-8"],
      [`${without("username")}, username*=u`, "expected one of username and username*, in UTF-8"],
      [`${without("username")}, username*=UTF-8''%`, "expected one of username and username*, in UTF-8"],
      [`${without("username")}, username*=UTF-8''%ff`, "expected one of username and username*, in UTF-8"],
      [`${without("username")}, username="\xe4"`, "expected one of username and username*, in UTF-8"],
      [without("realm"), "expected realm, nonce, uri and cnonce, in UTF-8"],
      [without("nonce"), "expected realm, nonce, uri and cnonce, in UTF-8"],
      [without("uri"), "expected realm, nonce, uri and cnonce, in UTF-8"],
      [without("cnonce"), "expected realm, nonce, uri and cnonce, in UTF-8"],
      [without("qop"), "expected the quality of protection auth"],
      [good.replace("qop=auth", "qop=auth-int"), "expected the quality of protection auth"],
      [without("nc"), "expected a count of eight hexadecimal digits in nc"],
      [good.replace("00000001", "00000000"), "expected a count of eight hexadecimal digits in nc"],
      [good.replace("00000001", "1"), "expected a count of eight hexadecimal digits in nc"],
      [good.replace("00000001", "0000000A"), "expected a count of eight hexadecimal digits in nc"],
      [without("response"), "expected a response of MD5 in hexadecimal"],
      [good.replace(response, `${response}0`), "expected a response of MD5 in hexadecimal"],
      [`${good}, algorithm=SHA-256`, "expected a response of SHA-256 in hexadecimal"],
      [`${good}, algorithm=SHA-1`, `expected one of the algorithms ${DigestAuth.algorithms.join(", ")}`],
      [`${good}, opaque="\xe4"`, "expected UTF-8"]
    ])("refuses %j", (params, detail) => {
      assert.strictEqual(decode(params), `malformed Digest credentials: ${detail}`)
    })

    it.each(["%", "%2", "%20", "'", "a"])(
      "32 000 characters of %j in username* cost no more than letters",
      (filler) => {
        const cost = (text: string): number => {
          const value = `Digest username*=UTF-8''${text.repeat(32_000 / text.length)}, ${without("username")}`
          const credentials = Result.getOrThrow(Authorization.parseCredentials(value))
          return fastest(() => DigestAuth.decodeCredentials(credentials))
        }
        assert.isBelow(cost(filler), 60 * cost("a") + 10)
      }
    )
  })

  it("sends a name outside of ASCII as bare UTF-8 to a server that does not speak of charsets", () => {
    const options = {
      username: "J\u00e4s",
      secret: secretOf("p"),
      method: "GET",
      uri: "/",
      cnonce: "c",
      nc: 1,
      hash: hashes.MD5
    }
    const render = (challenge: string): string =>
      Authorization.render(DigestAuth.answer(challengeOf(challenge), options))
    const challenge = 'Digest realm="r", nonce="n", qop="auth"'
    assert.include(render(challenge), 'username="J\xc3\xa4s"')
    assert.include(render(`${challenge}, charset=utf-8`), "username*=UTF-8''J%C3%A4s")
  })
})
