import * as Accept from "@effect-ws/connection/Accept"
import * as ClientAuth from "@effect-ws/protocol/ClientAuth"
import type { DigestAlgorithm } from "@effect-ws/protocol/DigestAuth"
import { HandshakeRejection } from "@effect-ws/protocol/HandshakeRejection"
import * as Auth from "@effect-ws/server/Auth"
import * as AuthNonces from "@effect-ws/server/AuthNonces"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Option, Redacted } from "effect"
import type { Scope } from "effect"
import { inspect } from "node:util"
import * as Client from "../src/Client.ts"
import { UnexpectedResponse } from "../src/UnexpectedResponse.ts"

const users = Auth.users([
  ["Aladdin", Redacted.make("open sesame")],
  ["Jäsøn", Redacted.make("pässwörd:")]
])

const basic = Auth.basic({ realm: "cave", verify: users.verify })

const digest = (algorithm: DigestAlgorithm): Auth.Policy<string, AuthNonces.AuthNonces> =>
  Auth.digest({ realm: "cave", lookup: users.lookup, algorithms: [algorithm] })

const bearer = Auth.bearer({
  realm: "cave",
  verify: (token) => Effect.succeed(Redacted.value(token) === "t0ken" ? Option.some("somebody") : Option.none())
})

/** Serves behind a policy; gives the `Authorization` of each request that came. */
const serve = Effect.fnUntraced(function* (
  policy: Auth.Policy<unknown, AuthNonces.AuthNonces>,
  decide: Accept.Decide = Accept.policy({})
) {
  const shown: Array<string | undefined> = []
  const required = Auth.required(policy, decide)
  yield* WebSocketServer.make((connection) => connection.closed, {
    decide: (request) => {
      shown.push(request.headers.find(({ name }) => name === "Authorization")?.value)
      return required(request)
    }
  })
  return shown
})

type Services = Dialer | Scope.Scope | AuthNonces.AuthNonces | Effect.Services<ReturnType<typeof serve>>

const test = (name: string, program: Effect.Effect<void, unknown, Services>): void => {
  it.effect(name, () => Effect.provide(program, Layer.merge(Memory.layer({ port: 80 }), AuthNonces.layer())), 5_000)
}

const schemes = (shown: ReadonlyArray<string | undefined>): ReadonlyArray<string | undefined> =>
  shown.map((value) => value?.split(" ")[0])

describe("authentication", () => {
  for (const [name, username, password] of [
    ["a password", "Aladdin", "open sesame"],
    ["a password that is not ASCII", "Jäsøn", "pässwörd:"]
  ] as const) {
    const userInfo = `${encodeURIComponent(username)}:${encodeURIComponent(password)}`
    const credentials = ClientAuth.password(username, password)

    for (const algorithm of [
      "MD5",
      "MD5-sess",
      "SHA-256",
      "SHA-256-sess",
      "SHA-512-256",
      "SHA-512-256-sess"
    ] as const) {
      test(
        `by Digest with ${algorithm} and ${name}, asked by 401`,
        Effect.gen(function* () {
          const shown = yield* serve(digest(algorithm))
          yield* Client.connect("ws://host/path?query", { credentials })
          yield* Client.connect(`ws://${userInfo}@host/path?query`)
          assert.deepStrictEqual(schemes(shown), [undefined, "Digest", undefined, "Digest"])
        })
      )
    }

    test(
      `by Basic and ${name}, asked or at once`,
      Effect.gen(function* () {
        const shown = yield* serve(basic)
        yield* Client.connect("ws://host/", { credentials })
        yield* Client.connect(`ws://${userInfo}@host/`)
        yield* Client.connect("ws://host/", { credentials, sendCredentials: "preemptive" })
        assert.deepStrictEqual(schemes(shown), [undefined, "Basic", undefined, "Basic", "Basic"])
      })
    )
  }

  test(
    "by Bearer, at once or asked",
    Effect.gen(function* () {
      const shown = yield* serve(bearer)
      const credentials = ClientAuth.token("t0ken")
      yield* Client.connect("ws://host/", { credentials })
      yield* Client.connect("ws://host/", { credentials, sendCredentials: "on-challenge" })
      assert.deepStrictEqual(schemes(shown), ["Bearer", undefined, "Bearer"])
    })
  )

  test(
    "takes the strongest of several challenges, of those that are allowed",
    Effect.gen(function* () {
      const shown = yield* serve(Auth.anyOf(basic, digest("MD5"), digest("SHA-256")))
      const credentials = ClientAuth.password("Aladdin", "open sesame")
      yield* Client.connect("ws://host/", { credentials })
      assert.match(shown[1]!, /^Digest .*algorithm=SHA-256/)
      yield* Client.connect("ws://host/", { credentials, authSchemes: ["Basic"] })
      assert.match(shown[3]!, /^Basic /)
      yield* Client.connect("ws://host/", { credentials, sendCredentials: "preemptive" })
      assert.match(shown[4]!, /^Basic /)
    })
  )

  test(
    "gives a nonce that is too old up for the new one",
    Effect.gen(function* () {
      let count = 0
      const stale: Auth.Policy<string, AuthNonces.AuthNonces> = (request) =>
        ++count === 2
          ? Effect.mapError(digest("SHA-256")({ ...request, headers: [] }), (refusal) => {
              const headers = refusal.headers.map(({ name, value }) => ({ name, value: `${value}, stale=true` }))
              return new HandshakeRejection({ status: 401, reason: "stale", headers })
            })
          : digest("SHA-256")(request)
      const shown = yield* serve(stale)
      yield* Client.connect("ws://host/", { credentials: ClientAuth.password("Aladdin", "open sesame") })
      assert.deepStrictEqual(schemes(shown), [undefined, "Digest", "Digest"])
      const nonces = shown.slice(1).map((value) => /nonce="([^"]*)"/.exec(value!)?.[1])
      assert.notStrictEqual(nonces[0], nonces[1])
    })
  )

  test(
    "uses a nonce again, and counts it, after a redirect on the same origin",
    Effect.gen(function* () {
      const shown = yield* serve(digest("SHA-256-sess"), (request) =>
        request.path === "/"
          ? Effect.fail(
              new HandshakeRejection({ status: 307, reason: "on", headers: [{ name: "Location", value: "/next?x" }] })
            )
          : Effect.succeed({})
      )
      yield* Client.connect("ws://host/", { credentials: ClientAuth.password("Aladdin", "open sesame") })
      assert.deepStrictEqual(schemes(shown), [undefined, "Digest", "Digest"])
      assert.match(shown[1]!, /nc=00000001/)
      assert.match(shown[2]!, /nc=00000002/)
      assert.match(shown[2]!, /uri="\/next\?x"/)
    })
  )

  for (const [name, policy, requests] of [
    ["Basic", basic, 2],
    ["Digest", digest("SHA-256"), 2],
    ["Bearer", bearer, 1]
  ] as const) {
    test(
      `that fails by ${name} is reported after ${requests} requests, and no secret shows anywhere`,
      Effect.gen(function* () {
        const logged: Array<unknown> = []
        const logger = Logger.layer([Logger.make((entry) => logged.push(entry.message, entry.cause))])
        const shown = yield* serve(policy)
        const credentials =
          name === "Bearer" ? ClientAuth.token("pa55word") : ClientAuth.password("Aladdin", "pa55word")
        const url = name === "Bearer" ? "ws://host/" : "ws://Aladdin:pa55word@host/"
        const options = name === "Bearer" ? { credentials } : {}
        const error = yield* Effect.flip(Client.connect(url, options)).pipe(Effect.provide(logger))
        assert.instanceOf(error, UnexpectedResponse)
        assert.strictEqual(error.status, 401)
        assert.strictEqual(shown.length, requests)
        const told = inspect([error, error.message, error.stack, JSON.stringify(error), logged, credentials], {
          depth: 20,
          showHidden: true
        })
        assert.notInclude(told, "pa55word")
        assert.notInclude(told, Buffer.from("Aladdin:pa55word").toString("base64"))
      })
    )
  }

  test(
    "without credentials is not tried",
    Effect.gen(function* () {
      const shown = yield* serve(basic)
      const error = yield* Effect.flip(Client.connect("ws://host/"))
      assert.instanceOf(error, UnexpectedResponse)
      assert.strictEqual(shown.length, 1)
      assert.deepInclude(error.headers, { name: "WWW-Authenticate", value: 'Basic realm="cave", charset="UTF-8"' })
    })
  )
})
