import * as Accept from "@effect-ws/connection/Accept"
import * as Peer from "@effect-ws/connection/Peer"
import * as ClientAuth from "@effect-ws/protocol/ClientAuth"
import * as Authorization from "@effect-ws/protocol/Authorization"
import type { ClientHandshake } from "@effect-ws/protocol"
import * as DigestAuth from "@effect-ws/protocol/DigestAuth"
import { HandshakeRejection } from "@effect-ws/protocol/HandshakeRejection"
import * as Fields from "@effect-ws/protocol/HeaderFields"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Option, Redacted, References, Result, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import { TestClock } from "effect/testing"
import * as Auth from "../src/Auth.ts"
import * as AuthNonces from "../src/AuthNonces.ts"
import { hashes } from "../src/internal/hashes.ts"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { captureLogs, connect, receiveText } from "@effect-ws/test-peers/Programs"
import type { Entry } from "@effect-ws/test-peers/Programs"

const target = "/chat?room=1"

const request = (...authorization: ReadonlyArray<string>): Accept.HandshakeRequest => ({
  version: "HTTP/1.1",
  target,
  path: "/chat",
  query: "room=1",
  host: "localhost",
  origin: undefined,
  key: "",
  subprotocols: [],
  extensions: [],
  headers: authorization.map((value) => ({ name: "Authorization", value })),
  secure: undefined,
  peer: Peer.unknown,
  context: Context.empty()
})

const users = Auth.users([
  ["alice", Redacted.make("wonderland")],
  ["J\u00e4s\u00f8n Doe", Redacted.make("Secret, or not?")]
])

const alice = ClientAuth.password("alice", "wonderland")

/** What a policy says of a request: the identity, or status, reason and challenges. */
const outcome = Effect.fnUntraced(function* <R>(policy: Auth.Policy<unknown, R>, ...authorization: Array<string>) {
  const result = yield* Effect.result(policy(request(...authorization)))
  if (Result.isSuccess(result)) return { identity: result.success }
  const { headers, reason, status } = result.failure
  return { status, reason, challenges: Authorization.challengesOf(headers), headers }
})

const answerTo = (
  challenges: ReadonlyArray<Authorization.Challenge>,
  proof: ClientAuth.ClientCredentials,
  options?: Partial<ClientAuth.RespondOptions>
): string =>
  Option.getOrThrow(
    ClientAuth.respondToChallenge(challenges, proof, {
      method: "GET",
      uri: target,
      cnonce: "0a4f113b",
      hashes,
      ...options
    })
  )

/** Asks a policy for its challenges, and answers them. */
const signIn = Effect.fnUntraced(function* <R>(
  policy: Auth.Policy<unknown, R>,
  proof: ClientAuth.ClientCredentials,
  options?: Partial<ClientAuth.RespondOptions>
) {
  const { challenges = [] } = yield* outcome(policy)
  const header = answerTo(challenges, proof, options)
  return { header, ...(yield* outcome(policy, header)) }
})

const provideNonces = (options?: AuthNonces.AuthNoncesOptions) =>
  Effect.provideServiceEffect(
    AuthNonces.AuthNonces,
    Effect.provide(AuthNonces.make(options), SecureRandom.layerWebCrypto)
  )

describe("Auth", () => {
  describe("basic", () => {
    const policy = Auth.basic({ realm: "chat", ...users })

    it.effect("takes who has the password", () =>
      Effect.gen(function* () {
        assert.deepInclude(yield* signIn(policy, alice), { identity: "alice" })
        const doe = ClientAuth.password("J\u00e4s\u00f8n Doe", "Secret, or not?")
        assert.deepInclude(yield* signIn(policy, doe), { identity: "J\u00e4s\u00f8n Doe" })
      })
    )

    it.effect("refuses others with 401, and gives all the same answer", () =>
      Effect.gen(function* () {
        for (const [username, password] of [
          ["alice", "Wonderland"],
          ["alice", ""],
          ["bob", "wonderland"],
          ["", ""]
        ] as const) {
          const { challenges, reason, status } = yield* signIn(policy, ClientAuth.password(username, password))
          assert.strictEqual(status, 401)
          assert.strictEqual(reason, "wrong user name or password")
          assert.deepStrictEqual(challenges?.map(Authorization.render), ['Basic realm="chat", charset="UTF-8"'])
        }
      })
    )

    it.effect("refuses with 401 where there are none, or of another scheme", () =>
      Effect.gen(function* () {
        for (const header of [[], ["Bearer abc"], ["Digest a=b"], ["X"]]) {
          assert.deepInclude(yield* outcome(policy, ...header), { status: 401, reason: "expected Basic credentials" })
        }
      })
    )

    it.effect.each([
      [["Basic YTpi", "Basic YTpi"], "expected one Authorization header, found 2"],
      [["Basic !"], "malformed Authorization at character 6: expected a token or a parameter, found something else"],
      [[""], "malformed Authorization at character 0: expected the name of a scheme, found the end"],
      [["Basic YTpi, Basic YTpi"], "malformed Authorization at character 10: expected the end, found something else"],
      [["Basic YQ=="], "malformed Basic credentials: expected a colon between user name and password"],
      [["Basic a"], "malformed Basic credentials: expected base64"],
      [["basic a=b"], "malformed Basic credentials: expected base64"]
    ] as const)("refuses %j with 400", ([headers, reason]) =>
      Effect.gen(function* () {
        assert.deepInclude(yield* outcome(policy, ...headers), { status: 400, reason, challenges: [] })
      })
    )

    it.effect("the verifier may refuse in its own way", () =>
      Effect.gen(function* () {
        const limited = Auth.basic({
          realm: "chat",
          verify: () => Effect.fail(new HandshakeRejection({ status: 429, reason: "too many attempts" }))
        })
        assert.deepInclude(yield* signIn(limited, alice), { status: 429, reason: "too many attempts" })
      })
    )
  })

  describe("bearer", () => {
    const policy = Auth.bearer({
      realm: "chat",
      scope: "read",
      verify: (token) =>
        Effect.succeed(Auth.sameSecret(token, Redacted.make("abc")) ? Option.some("service") : Option.none())
    })

    it.effect("takes who has the token, and says what is wrong with another", () =>
      Effect.gen(function* () {
        assert.deepInclude(yield* signIn(policy, ClientAuth.token("abc")), { identity: "service" })
        const challenges = (header?: string) =>
          Effect.map(outcome(policy, ...(header === undefined ? [] : [header])), ({ challenges, status }) => [
            status,
            ...(challenges ?? []).map(Authorization.render)
          ])
        assert.deepStrictEqual(yield* challenges(), [401, 'Bearer realm="chat", scope="read"'])
        assert.deepStrictEqual(yield* challenges("Bearer abd"), [
          401,
          'Bearer realm="chat", scope="read", error="invalid_token"'
        ])
        assert.deepStrictEqual(yield* challenges("Bearer a=b"), [400])
      })
    )
  })

  describe("digest", () => {
    const policy = Auth.digest({ realm: "chat", ...users })

    it.effect("challenges for each algorithm, one line each, the strongest first", () =>
      Effect.gen(function* () {
        const all = Auth.digest({ realm: "chat", ...users, algorithms: ["MD5", "MD5-sess", "SHA-256", "SHA-512-256"] })
        const { headers = [], status } = yield* outcome(all)
        assert.strictEqual(status, 401)
        const lines = Fields.getAll(headers, "WWW-Authenticate")
        const nonce = /nonce="([^"]*)"/.exec(lines[0]!)![1]
        assert.deepStrictEqual(
          lines,
          ["SHA-512-256", "SHA-256", "MD5", "MD5-sess"].map(
            (algorithm) => `Digest realm="chat", qop="auth", algorithm=${algorithm}, nonce="${nonce}", charset=UTF-8`
          )
        )
      }).pipe(provideNonces())
    )

    it.effect.each(DigestAuth.algorithms)("takes who knows the password, by %s", (algorithm) =>
      Effect.gen(function* () {
        const one = Auth.digest({ realm: "chat", ...users, algorithms: [algorithm] })
        assert.deepInclude(yield* signIn(one, alice), { identity: "alice" })
        const doe = ClientAuth.password("J\u00e4s\u00f8n Doe", "Secret, or not?")
        assert.deepInclude(yield* signIn(one, doe), { identity: "J\u00e4s\u00f8n Doe" })
        for (const [username, password] of [
          ["alice", "Wonderland"],
          ["bob", "wonderland"]
        ] as const) {
          const refused = yield* signIn(one, ClientAuth.password(username, password))
          assert.deepInclude(refused, { status: 401, reason: "wrong user name or password" })
          assert.isFalse(ClientAuth.isStale(refused.challenges ?? []))
        }
      }).pipe(provideNonces())
    )

    it.effect("refuses a replay, and takes the next count of the same nonce", () =>
      Effect.gen(function* () {
        const { challenges = [] } = yield* outcome(policy)
        const first = answerTo(challenges, alice)
        assert.deepInclude(yield* outcome(policy, first), { identity: "alice" })
        const replay = yield* outcome(policy, first)
        assert.deepInclude(replay, { status: 401, reason: "nonce count already used" })
        assert.isTrue(ClientAuth.isStale(replay.challenges ?? []))
        assert.deepInclude(yield* outcome(policy, answerTo(challenges, alice, { nc: 2 })), { identity: "alice" })
        assert.deepInclude(yield* outcome(policy, answerTo(replay.challenges ?? [], alice)), { identity: "alice" })
      }).pipe(provideNonces())
    )

    it.effect("of a thousand copies that come at once, takes one", () =>
      Effect.gen(function* () {
        const { challenges = [] } = yield* outcome(policy)
        const header = answerTo(challenges, alice)
        const outcomes = yield* Effect.all(
          Array.from({ length: 1000 }, () => outcome(policy, header)),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(outcomes.filter((result) => "identity" in result).length, 1)
      }).pipe(provideNonces())
    )

    it.effect("says that a nonce is stale only to who knows the password", () =>
      Effect.gen(function* () {
        const { challenges = [] } = yield* outcome(policy)
        yield* TestClock.adjust("5 minutes")
        const late = yield* outcome(policy, answerTo(challenges, alice))
        assert.deepInclude(late, { status: 401, reason: "stale nonce" })
        assert.isTrue(ClientAuth.isStale(late.challenges ?? []))
        assert.deepInclude(yield* outcome(policy, answerTo(late.challenges ?? [], alice)), { identity: "alice" })
        const wrong = yield* outcome(policy, answerTo(challenges, ClientAuth.password("alice", "x")))
        assert.isFalse(ClientAuth.isStale(wrong.challenges ?? []))
      }).pipe(provideNonces())
    )

    it.effect("a wrong password uses up no count", () =>
      Effect.gen(function* () {
        const { challenges = [] } = yield* outcome(policy)
        const wrong = yield* outcome(policy, answerTo(challenges, ClientAuth.password("alice", "x")))
        assert.strictEqual(wrong.status, 401)
        assert.deepInclude(yield* outcome(policy, answerTo(challenges, alice)), { identity: "alice" })
      }).pipe(provideNonces())
    )

    it.effect("finds a nonce stale that it made up itself, or another server", () =>
      Effect.gen(function* () {
        const { challenges = [] } = yield* Effect.provide(outcome(policy), Layer.fresh(AuthNonces.layer()))
        const foreign = yield* outcome(policy, answerTo(challenges, alice))
        assert.deepInclude(foreign, { status: 401, reason: "stale nonce" })
      }).pipe(provideNonces())
    )

    it.effect("holds for the target that was asked for", () =>
      Effect.gen(function* () {
        const { reason, status } = yield* signIn(policy, alice, { uri: "/chat" })
        assert.strictEqual(status, 400)
        assert.strictEqual(reason, "expected the Digest uri to be the request target")
      }).pipe(provideNonces())
    )

    it.effect("holds for its realm and its algorithms", () =>
      Effect.gen(function* () {
        const elsewhere = Auth.digest({ realm: "mail", ...users, algorithms: ["MD5"] })
        const { header } = yield* signIn(elsewhere, alice)
        assert.strictEqual((yield* outcome(policy, header)).status, 401)
        const stronger = Auth.digest({ realm: "mail", ...users, algorithms: ["SHA-256"] })
        assert.strictEqual((yield* outcome(stronger, header)).status, 401)
      }).pipe(provideNonces())
    )

    it.effect("refuses malformed credentials with 400", () =>
      Effect.gen(function* () {
        for (const header of ["Digest", "Digest abc==", "Digest username=alice", 'Digest username="a']) {
          assert.strictEqual((yield* outcome(policy, header)).status, 400, header)
        }
        const { header } = yield* signIn(policy, alice)
        for (const bad of [
          header.replace("qop=auth, ", ""),
          header.replace("nc=00000001", "nc=1"),
          `${header}, nc=00000002`,
          `${header}, userhash=true`
        ]) {
          assert.strictEqual((yield* outcome(policy, bad)).status, 400, bad)
        }
      }).pipe(provideNonces())
    )

    it.effect("takes hashed names where it can look them up, and hashes in place of passwords", () =>
      Effect.gen(function* () {
        const user = (algorithm: DigestAuth.DigestAlgorithm) => {
          const hash = hashes[DigestAuth.hashName(algorithm)]
          const options = { username: "alice", realm: "chat", password: Redacted.make("wonderland"), hash }
          const secret: DigestAuth.DigestSecret = { _tag: "HashedPassword", hash: DigestAuth.hashPassword(options) }
          return { identity: 7, username: "alice", secret, hashed: DigestAuth.hashUsername(options) }
        }
        const hashing = Auth.digest({
          realm: "chat",
          lookup: () => Effect.die("expected a hashed name"),
          lookupHashed: (hash, algorithm) =>
            Effect.succeed(Option.filter(Option.some(user(algorithm)), ({ hashed }) => hashed === hash))
        })
        const signed = yield* signIn(hashing, alice)
        assert.notInclude(signed.header, "alice")
        assert.deepInclude(signed, { identity: 7 })
        assert.strictEqual((yield* signIn(hashing, ClientAuth.password("bob", "wonderland"))).status, 401)
      }).pipe(provideNonces())
    )
  })

  it.effect.prop(
    "whatever stands in Authorization, a policy takes it or refuses it with 400 or 401",
    [
      Schema.Array(
        Schema.Literals([
          "Basic",
          "Digest",
          "Bearer",
          " ",
          ",",
          "=",
          '"',
          "\\",
          "YTpi",
          'username="a", realm="chat", nonce="n", uri="/chat?room=1", cnonce="c", qop=auth, nc=00000001',
          `response="${"0".repeat(64)}"`,
          "algorithm=SHA-256",
          "userhash=true",
          "username*=UTF-8''%e4",
          "\xe9",
          "\0"
        ])
      )
    ],
    ([parts]) =>
      Effect.gen(function* () {
        const policy = Auth.anyOf(
          Auth.digest({ realm: "chat", ...users }),
          Auth.bearer({ realm: "chat", verify: () => Effect.succeedNone }),
          Auth.basic({ realm: "chat", ...users })
        )
        const { status } = yield* outcome(policy, parts.join(""))
        assert.include([400, 401], status)
      }).pipe(provideNonces()),
    { arbitrary: { runs: 1000 } }
  )

  describe("anyOf", () => {
    it.effect("accepts what any of the policies accepts, and otherwise gives all challenges in order", () =>
      Effect.gen(function* () {
        const policy = Auth.anyOf(
          Auth.digest({ realm: "chat", ...users }),
          Auth.bearer({ realm: "chat", verify: () => Effect.succeedSome(7) }),
          Auth.basic({ realm: "chat", ...users })
        )
        const { challenges = [], reason, status } = yield* outcome(policy)
        assert.strictEqual(status, 401)
        assert.deepStrictEqual(
          challenges.map(({ scheme }) => scheme),
          ["Digest", "Digest", "Bearer", "Basic"]
        )
        assert.strictEqual(reason, "expected Digest credentials; expected a Bearer token; expected Basic credentials")
        assert.deepInclude(yield* signIn(policy, alice), { identity: "alice" })
        assert.deepInclude(yield* signIn(policy, alice, { schemes: ["Basic"] }), { identity: "alice" })
        assert.deepInclude(yield* signIn(policy, ClientAuth.token("x")), { identity: 7 })
        assert.deepInclude(yield* outcome(policy, "Basic !"), { status: 400 })
      }).pipe(provideNonces())
    )
  })

  describe("required", () => {
    class User extends Context.Service<User, string>()("test/User") {}

    const decide = Auth.required(
      Auth.anyOf(Auth.digest({ realm: "chat", ...users }), Auth.basic({ realm: "chat", ...users })),
      Accept.policy({ paths: ["/chat"], subprotocols: ["v1"] }),
      { as: User }
    )

    const serve = WebSocketServer.layer(
      (connection) => Effect.flatMap(Auth.identity(connection, User), (user) => connection.send(`hello ${user}`)),
      { decide }
    )

    const refusalOf = (exit: Exit.Exit<unknown, unknown>): ClientHandshake.HandshakeError => {
      const error = Option.getOrThrow(Exit.findErrorOption(exit))
      assert.propertyVal(error, "_tag", "HandshakeError")
      return error as ClientHandshake.HandshakeError
    }

    const network = Layer.provideMerge(serve, [Memory.layer({ port: 0 }), AuthNonces.layer()])

    it.live("lets in who signs in, and tells the handler who it is", () => {
      const logs: Array<Entry> = []
      return Effect.gen(function* () {
        const server = yield* WebSocketServer.WebSocketServer
        const dial = (target: string, ...headers: ReadonlyArray<string>) =>
          connect(server, {
            target,
            subprotocols: ["v1"],
            headers: headers.map((value) => ({ name: "Authorization", value }))
          })
        const refused = refusalOf(yield* Effect.exit(dial("/chat")))
        assert.strictEqual(refused.status, 401)
        const challenges = Authorization.challengesOf(refused.headers)
        const header = answerTo(challenges, alice, { uri: "/chat" })
        const connection = yield* dial("/chat", header)
        assert.strictEqual(connection.subprotocol, "v1")
        assert.strictEqual(yield* receiveText(connection), "hello alice")
        assert.isTrue(Option.isNone(Context.getOption(connection.context, User)))
        assert.strictEqual(refusalOf(yield* Effect.exit(dial("/chat", header))).status, 401)
        // Who may not connect learns nothing of the paths; who may is told.
        assert.strictEqual(refusalOf(yield* Effect.exit(dial("/nowhere"))).status, 401)
        const basic = "Basic YWxpY2U6d29uZGVybGFuZA=="
        assert.strictEqual(refusalOf(yield* Effect.exit(dial("/nowhere", basic))).status, 404)
        assert.strictEqual(yield* receiveText(yield* dial("/chat", basic)), "hello alice")
        const logged = logs.map(({ cause, message }) => `${message} ${String(cause)}`).join("\n")
        assert.match(logged, /Rejected a handshake.* with 401: /)
        for (const secret of ["wonderland", "YWxpY2U6d29uZGVybGFuZA", "response="]) assert.notInclude(logged, secret)
      }).pipe(
        Effect.scoped,
        Effect.provide(Layer.fresh(network)),
        Effect.provide([captureLogs(logs), Layer.succeed(References.MinimumLogLevel, "Debug")])
      )
    })

    it.live("dies for an identity that no policy stored", () =>
      Effect.gen(function* () {
        const server = yield* WebSocketServer.WebSocketServer
        const connection = yield* connect(server)
        const exit = yield* Effect.exit(Auth.identity(connection, User))
        assert.include(String(Exit.isFailure(exit) && exit.cause), "no identity under test/User")
      }).pipe(
        Effect.scoped,
        Effect.provide(
          Layer.fresh(
            Layer.provideMerge(
              WebSocketServer.layer(() => Effect.void),
              Memory.layer({ port: 0 })
            )
          )
        )
      )
    )
  })

  it("sameSecret compares", () => {
    const same = (a: string, b: string): boolean => Auth.sameSecret(Redacted.make(a), Redacted.make(b))
    assert.isTrue(same("", ""))
    assert.isTrue(same("\u00e4", "\u00e4"))
    assert.isFalse(same("a", "b"))
    assert.isFalse(same("a", "ab"))
  })
})
