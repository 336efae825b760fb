import * as ClientAuth from "@effect-ws/protocol/ClientAuth"
import * as Memory from "@effect-ws/transport/Memory"
import type { Dialer } from "@effect-ws/transport/Dialer"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer, Redacted, Result } from "effect"
import type { Scope } from "effect"
import type { Socket } from "effect/socket"
import { SocketServer } from "effect/socket"
import { inspect } from "node:util"
import * as Client from "../src/Client.ts"
import * as FailureKind from "../src/FailureKind.ts"
import * as HttpProxy from "../src/HttpProxy.ts"
import { ProxyError } from "../src/ProxyError.ts"
import { accepting, readRequest, site } from "./support/web.ts"

const describeProxy = (proxy: ReturnType<HttpProxy.Policy>): string | undefined => {
  if (proxy === undefined) return undefined
  if (proxy instanceof HttpProxy.InvalidProxy) return proxy.message
  const { credentials, host, kind, port } = proxy
  const user =
    credentials?._tag === "Password" ? `${credentials.username}:${Redacted.value(credentials.password)}@` : ""
  return `${kind} ${user}${host} ${port}`
}

const test = (
  name: string,
  program: Effect.Effect<void, unknown, Memory.MemoryNetwork | Dialer | Scope.Scope>
): void => {
  it.effect(name, () => Effect.provide(program, Layer.provideMerge(Memory.layerDialer, Memory.layerNetwork())), 5_000)
}

describe("Proxy", () => {
  describe("is parsed from", () => {
    const good: ReadonlyArray<readonly [string, string]> = [
      ["http://proxy:3128", "http proxy 3128"],
      ["http://proxy", "http proxy 80"],
      ["proxy:3128", "http proxy 3128"],
      ["proxy", "http proxy 80"],
      ["user:pa%40ss@proxy:3128", "http user:pa@ss@proxy 3128"],
      ["https://proxy:8443", "https proxy 8443"],
      ["https://proxy", "https proxy 443"],
      ["socks5://proxy", "socks5 proxy 1080"],
      ["socks5h://u@[::1]:1", "socks5 u:@::1 1"],
      [" http://proxy/path ", "http proxy 80"]
    ]
    for (const [text, expected] of good) {
      it(`"${text}"`, () => assert.strictEqual(describeProxy(Result.getOrThrow(HttpProxy.parse(text))), expected))
    }
    for (const text of [
      "ftp://u:pa55@proxy",
      "socks4://proxy",
      "http://",
      "http://u:pa55@pro xy",
      "http://%zz:pa55@x",
      ""
    ]) {
      it(`"${text}" not, and says so without repeating it`, () => {
        const error = Result.getOrThrow(Result.flip(HttpProxy.parse(text, "https_proxy")))
        assert.include(error.message, "https_proxy")
        assert.notInclude(inspect(error), "pa55")
      })
    }
  })

  describe("is chosen by the environment:", () => {
    const cases: ReadonlyArray<
      readonly [Readonly<Record<string, string>>, plain: string | undefined, secure: string | undefined]
    > = [
      [{}, undefined, undefined],
      [{ http_proxy: "a:1" }, "http a 1", undefined],
      [{ HTTP_PROXY: "a:1" }, "http a 1", undefined],
      [{ HTTP_PROXY: "a:1", REQUEST_METHOD: "GET" }, undefined, undefined],
      [{ http_proxy: "a:1", REQUEST_METHOD: "GET" }, "http a 1", undefined],
      [{ https_proxy: "a:1" }, undefined, "http a 1"],
      [{ HTTPS_PROXY: "a:1", https_proxy: "b:1" }, undefined, "http b 1"],
      [{ HTTPS_PROXY: "a:1", https_proxy: "" }, undefined, "http a 1"],
      [{ all_proxy: "socks5://a" }, "socks5 a 1080", "socks5 a 1080"],
      [{ ALL_PROXY: "socks5://a", http_proxy: "b:1" }, "http b 1", "socks5 a 1080"],
      [{ ws_proxy: "w:1", http_proxy: "a:1", https_proxy: "b:1" }, "http w 1", "http b 1"],
      [{ wss_proxy: "w:1", http_proxy: "a:1", https_proxy: "b:1" }, "http a 1", "http w 1"],
      [{ WS_PROXY: "w:1", WSS_PROXY: "x:1", ALL_PROXY: "a:1" }, "http w 1", "http x 1"],
      [{ ws_proxy: "", all_proxy: "a:1" }, "http a 1", "http a 1"],
      [{ ALL_PROXY: "a:1", NO_PROXY: "example" }, undefined, undefined],
      [{ ALL_PROXY: "a:1", NO_PROXY: "example:443" }, "http a 1", undefined],
      [{ ALL_PROXY: "a:1", NO_PROXY: "example", no_proxy: "other" }, "http a 1", "http a 1"]
    ]
    for (const [env, plain, secure] of cases) {
      it.effect(inspect(env), () =>
        Effect.gen(function* () {
          const policy = yield* HttpProxy.fromEnvironment
          const host = "www.example"
          assert.strictEqual(describeProxy(policy({ secure: false, host, port: 80 })), plain)
          assert.strictEqual(describeProxy(policy({ secure: true, host, port: 443 })), secure)
        }).pipe(Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env })))
      )
    }

    test(
      "one that is invalid is named, and breaks only the connections that would use it",
      Effect.gen(function* () {
        const env = { ALL_PROXY: "gopher://u:pa55@a", http_proxy: "http://proxy:3128", no_proxy: "direct" }
        const environment = yield* Layer.build(HttpProxy.layerEnvironment).pipe(
          Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
        )
        const error = yield* Effect.flip(Client.connect("wss://host/")).pipe(Effect.provide(environment))
        assert.instanceOf(error, HttpProxy.InvalidProxy)
        assert.include(error.message, "ALL_PROXY")
        assert.notInclude(inspect(error), "pa55")
        assert.isFalse(FailureKind.isTransient(error))
        yield* tunnel(3128, "HTTP/1.1 200 OK\r\n\r\n")
        const through = yield* Client.connect("ws://host/").pipe(Effect.provide(environment))
        assert.strictEqual((yield* through.receive).data, "hello")
        for (const [url, options] of [
          ["wss://direct/", {}],
          ["wss://host/", { proxy: "none" }]
        ] as const) {
          const direct = yield* Effect.flip(Client.connect(url, options)).pipe(Effect.provide(environment))
          assert.match(direct.message, /^cannot connect to/)
        }
      })
    )
  })

  describe("over HTTP", () => {
    test(
      "connects by CONNECT, says who we are to the proxy alone, and hides the rest in the tunnel",
      Effect.gen(function* () {
        const asked = yield* tunnel(3128, "HTTP/1.1 200 OK\r\n\r\n")
        const connection = yield* Client.connect("ws://user:pass@host:8080/path", {
          proxy: Result.getOrThrow(HttpProxy.parse("http://me:secret@proxy:3128")),
          sendCredentials: "preemptive"
        })
        assert.strictEqual((yield* connection.receive).data, "hello")
        assert.deepStrictEqual(
          asked.map(({ headers, method, target }) => [method, target, ...headers.map(({ name }) => name)]),
          [
            ["CONNECT", "host:8080", "Host", "Proxy-Authorization"],
            [
              "GET",
              "/path",
              "Host",
              "Upgrade",
              "Connection",
              "Sec-WebSocket-Key",
              "Sec-WebSocket-Version",
              "Authorization"
            ]
          ]
        )
      })
    )

    test(
      "is taken as the policy in the context says, unless the options say otherwise",
      Effect.gen(function* () {
        const asked = yield* tunnel(3128, "HTTP/1.0 200 OK\r\n\r\n")
        yield* site("direct", 80, accepting("direct"))
        const policy: HttpProxy.Policy = ({ host }) =>
          host === "direct" ? undefined : { kind: "http", host: "proxy", port: 3128 }
        const hear = (url: string, options?: Client.ClientOptions) =>
          Effect.flatMap(Client.connect(url, options), (connection) => connection.receive).pipe(
            Effect.map(({ data }) => data),
            Effect.provideService(HttpProxy.CurrentPolicy, policy)
          )
        assert.strictEqual(yield* hear("ws://host/"), "hello")
        assert.strictEqual(asked.length, 2)
        assert.strictEqual(yield* hear("ws://direct/"), "direct")
        const refused = yield* Effect.flip(Client.connect("ws://host/", { proxy: "none" })).pipe(
          Effect.provideService(HttpProxy.CurrentPolicy, policy)
        )
        assert.match(refused.message, /^cannot connect to host:80/)
      })
    )

    const answers: ReadonlyArray<readonly [answer: string, rule: ProxyError["rule"], status: number | undefined]> = [
      ["HTTP/1.1 403 Forbidden\r\nX: y\r\n\r\n", "Refused", 403],
      ["HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\n\r\n", "Refused", 302],
      ["HTTP/1.1 101 Switching Protocols\r\n\r\n", "Refused", 101],
      ["HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "AuthenticationFailed", 407],
      ["SSH-2.0\r\n", "Malformed", undefined],
      ["HTTP/1.1 200 OK\r\n" + "X: y\r\n".repeat(200) + "\r\n", "Malformed", 200],
      ["HTTP/1.1 503 Service Unavailable\n\n", "Malformed", 503],
      ["HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n", "UnexpectedBytes", 200],
      ["HTTP/1.1 200", "BrokenOff", undefined],
      ["", "BrokenOff", undefined]
    ]
    for (const [answer, rule, status] of answers) {
      test(
        `fails with ${rule} on ${JSON.stringify(answer.slice(0, 50))}`,
        Effect.gen(function* () {
          yield* tunnel(3128, answer)
          const error = yield* Effect.flip(
            Client.connect("ws://host/", { proxy: { kind: "http", host: "proxy", port: 3128 } })
          )
          assert.instanceOf(error, ProxyError)
          assert.strictEqual(error.rule, rule)
          assert.strictEqual(error.status, status)
          assert.match(error.message, /^proxy proxy:3128 opened no tunnel to host:80: /)
        })
      )
    }
  })

  describe("asks again", () => {
    const challenge = (header: string): string =>
      `HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: ${header}\r\nContent-Length: 3\r\n\r\nno!`
    const digest = 'Digest realm="p", qop="auth", algorithm=SHA-256, nonce="n1"'
    const open = "HTTP/1.1 200 OK\r\n\r\n"

    /** What the client says it is, request by request, to a proxy that gives one answer on each connection. */
    const conversation = Effect.fnUntraced(function* (answers: ReadonlyArray<string>, proxy: Partial<HttpProxy.Proxy>) {
      const said: Array<string | undefined> = []
      const server = yield* listenAt(3128)
      yield* server
        .run((socket) =>
          Effect.gen(function* () {
            const reader = yield* socket.reader
            const writer = yield* socket.writer
            const head = yield* readRequest(reader)
            const answer = answers[said.length] ?? "HTTP/1.1 500 Too often\r\n\r\n"
            said.push(head.headers.find(({ name }) => name === "Proxy-Authorization")?.value)
            yield* writer.write(answer)
            if (answer.endsWith(open)) yield* serveHello(reader, writer, [])
          }).pipe(Effect.scoped, Effect.ignore)
        )
        .pipe(Effect.forkScoped({ startImmediately: true }))
      const credentials = ClientAuth.password("me", "se:cret")
      const outcome = yield* Effect.result(
        Client.connect("ws://host/", { proxy: { kind: "http", host: "proxy", port: 3128, credentials, ...proxy } })
      )
      return { outcome, said }
    })

    const ruleOf = (outcome: Result.Result<unknown, unknown>): unknown =>
      Result.isFailure(outcome) && outcome.failure instanceof ProxyError ? outcome.failure.rule : outcome

    const cases: ReadonlyArray<
      readonly [
        name: string,
        answers: ReadonlyArray<string>,
        proxy: Partial<HttpProxy.Proxy>,
        said: ReadonlyArray<RegExp | undefined>
      ]
    > = [
      ["by Digest where Basic was not enough", [challenge(digest), open], {}, [/^Basic /, /^Digest .*uri="host:80"/]],
      [
        "only then where it is told to wait",
        [challenge('Basic realm="p"'), open],
        { sendCredentials: "on-challenge" },
        [undefined, /^Basic /]
      ],
      [
        "and never by Basic where that is not to be",
        [challenge(`Basic realm="p", ${digest}`), open],
        { authSchemes: ["Digest"] },
        [undefined, /^Digest /]
      ],
      [
        "once more where the nonce was too old",
        [challenge(digest), challenge(digest.replace("n1", "n2") + ", stale=true"), open],
        { sendCredentials: "on-challenge" },
        [undefined, /nonce="n1"/, /nonce="n2".*nc=00000001/]
      ],
      [
        "behind responses that are not the answer",
        [
          `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n${challenge(digest)}`,
          `HTTP/1.1 102 Wait\r\n\r\n${open}`
        ],
        { sendCredentials: "on-challenge" },
        [undefined, /^Digest /]
      ]
    ]
    for (const [name, answers, proxy, said] of cases) {
      test(
        name,
        Effect.gen(function* () {
          const result = yield* conversation(answers, proxy)
          assert.isTrue(Result.isSuccess(result.outcome), inspect(result.outcome))
          assert.strictEqual(result.said.length, said.length)
          for (const [index, pattern] of said.entries()) {
            if (pattern === undefined) assert.isUndefined(result.said[index])
            else assert.match(result.said[index]!, pattern)
          }
        })
      )
    }

    const refusals: ReadonlyArray<
      readonly [name: string, answers: ReadonlyArray<string>, proxy: Partial<HttpProxy.Proxy>, requests: number]
    > = [
      ["the answer is refused", [challenge(digest), challenge(digest)], {}, 2],
      ["nonces are always too old", Array.from({ length: 9 }, () => challenge(`${digest}, stale=true`)), {}, 3],
      ["Basic is all it takes, and that is not to be", [challenge('Basic realm="p"')], { authSchemes: ["Digest"] }, 1],
      ["there are no credentials", [challenge(digest)], { credentials: undefined }, 1]
    ]
    for (const [name, answers, proxy, requests] of refusals) {
      test(
        `no more where ${name}`,
        Effect.gen(function* () {
          const { outcome, said } = yield* conversation(answers, proxy)
          assert.strictEqual(ruleOf(outcome), "AuthenticationFailed")
          assert.strictEqual(said.length, requests)
          assert.notInclude(inspect(outcome, { depth: 9 }), "se:cret")
        })
      )
    }
  })

  describe("over SOCKS5", () => {
    const dialogues: ReadonlyArray<
      readonly [
        name: string,
        host: string,
        userInfo: string,
        answers: ReadonlyArray<ReadonlyArray<number>>,
        said: ReadonlyArray<string>
      ]
    > = [
      [
        "a name",
        "host",
        "",
        [
          [5, 0],
          [5, 0, 0, 1, 1, 2, 3, 4, 0, 80]
        ],
        ["050100", "0501000304686f73740050"]
      ],
      [
        "an IPv4 address",
        "1.2.3.4",
        "",
        [
          [5, 0],
          [5, 0, 0, 3, 1, 97, 0, 80]
        ],
        ["050100", "05010001010203040050"]
      ],
      [
        "an IPv6 address",
        "[::1]",
        "",
        [
          [5, 0],
          [5, 0, 0, 4, ...Array.from({ length: 18 }, () => 0)]
        ],
        ["050100", "05010004000000000000000000000000000000010050"]
      ],
      [
        "a name, with a password",
        "host",
        "u:pw@",
        [
          [5, 2],
          [1, 0],
          [5, 0, 0, 1, 0, 0, 0, 0, 0, 0]
        ],
        ["05020002", "010175027077", "0501000304686f73740050"]
      ]
    ]
    for (const [name, host, userInfo, answers, said] of dialogues) {
      for (const whole of [true, false]) {
        test(
          `reaches ${name}${whole ? "" : ", byte by byte"}`,
          Effect.gen(function* () {
            const heard = yield* socks(answers, whole)
            const connection = yield* Client.connect(`ws://${host}/`, {
              proxy: Result.getOrThrow(HttpProxy.parse(`socks5://${userInfo}proxy`))
            })
            assert.strictEqual((yield* connection.receive).data, "hello")
            assert.deepStrictEqual(heard, said)
          })
        )
      }
    }

    const failures: ReadonlyArray<
      readonly [
        name: string,
        userInfo: string,
        answers: ReadonlyArray<ReadonlyArray<number>>,
        rule: ProxyError["rule"],
        detail: RegExp
      ]
    > = [
      ["wants a password", "", [[5, 255]], "AuthenticationFailed", /requires a username/],
      ["takes no password", "u:p@", [[5, 255]], "AuthenticationFailed", /neither/],
      [
        "refuses the password",
        "u:p@",
        [
          [5, 2],
          [1, 1]
        ],
        "AuthenticationFailed",
        /rejected the username/
      ],
      ["is given an empty password", "u@", [[5, 2]], "AuthenticationFailed", /1 to 255/],
      ["chooses what was not offered", "", [[5, 2]], "Malformed", /not offered/],
      ["speaks version 4", "", [[4, 0]], "Malformed", /version 5 from the proxy, found 4/],
      ["speaks HTTP", "", [[72, 84]], "Malformed", /version/],
      [
        "cannot reach the host",
        "",
        [
          [5, 0],
          [5, 5, 0, 1]
        ],
        "Refused",
        /connection refused/
      ],
      [
        "fails for a reason of its own",
        "",
        [
          [5, 0],
          [5, 99, 0, 1]
        ],
        "Refused",
        /99/
      ],
      [
        "has an unknown kind of address",
        "",
        [
          [5, 0],
          [5, 0, 0, 9]
        ],
        "Malformed",
        /address/
      ],
      [
        "says too much",
        "",
        [
          [5, 0],
          [5, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1]
        ],
        "UnexpectedBytes",
        /after its reply/
      ],
      [
        "breaks off",
        "",
        [
          [5, 0],
          [5, 0]
        ],
        "BrokenOff",
        /^the proxy closed the connection without an answer$/
      ]
    ]
    for (const [name, userInfo, answers, rule, detail] of failures) {
      test(
        `fails with ${rule} where the proxy ${name}`,
        Effect.gen(function* () {
          yield* socks(answers, true)
          const error = yield* Effect.flip(
            Client.connect("ws://host/", { proxy: Result.getOrThrow(HttpProxy.parse(`socks5://${userInfo}proxy`)) })
          )
          assert.instanceOf(error, ProxyError)
          assert.strictEqual(error.rule, rule)
          assert.match(error.detail, detail)
        })
      )
    }
  })

  test(
    "is no way to a Unix socket",
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Client.connect("ws+unix:/run/a.sock", { proxy: { kind: "http", host: "proxy", port: 3128 } })
      )
      assert.match(error.message, /\/run\/a\.sock/)
    })
  )
})

const listenAt = Effect.fnUntraced(function* (port: number) {
  const network = yield* Memory.MemoryNetwork
  return Context.get(yield* network.listen({ port }), SocketServer.SocketServer)
})

/** A proxy that gives one answer; after it, it is the server itself. Gives what it was asked. */
const tunnel = Effect.fnUntraced(function* (port: number, answer: string) {
  const server = yield* listenAt(port)
  const heads: Array<Effect.Success<ReturnType<typeof readRequest>>> = []
  yield* server
    .run((socket) =>
      Effect.gen(function* () {
        const reader = yield* socket.reader
        const writer = yield* socket.writer
        heads.push(yield* readRequest(reader))
        yield* writer.write(answer)
        if (!answer.endsWith("200 OK\r\n\r\n")) return
        yield* serveHello(reader, writer, heads)
      }).pipe(Effect.scoped, Effect.ignore)
    )
    .pipe(Effect.forkScoped({ startImmediately: true }))
  return heads
})

/** A SOCKS proxy that gives its answers one by one, and then is the server. Gives what it heard, in hexadecimal. */
const socks = Effect.fnUntraced(function* (answers: ReadonlyArray<ReadonlyArray<number>>, whole: boolean) {
  const server = yield* listenAt(1080)
  const heard: Array<string> = []
  yield* server
    .run((socket) =>
      Effect.gen(function* () {
        const reader = yield* socket.reader
        const writer = yield* socket.writer
        for (const answer of answers) {
          const chunks = yield* reader.pull
          heard.push(Buffer.concat(chunks as ReadonlyArray<Uint8Array>).toString("hex"))
          if (whole) yield* writer.write(Uint8Array.from(answer))
          else for (const byte of answer) yield* Effect.andThen(writer.write(Uint8Array.of(byte)), Effect.yieldNow)
        }
        if (answers.at(-1)!.length > 4) yield* serveHello(reader, writer, [])
      }).pipe(Effect.scoped, Effect.ignore)
    )
    .pipe(Effect.forkScoped({ startImmediately: true }))
  return heard
})

const serveHello = (
  reader: Socket.Reader,
  writer: Socket.Writer,
  heads: Array<Effect.Success<ReturnType<typeof readRequest>>>
) =>
  Effect.gen(function* () {
    const head = yield* readRequest(reader)
    heads.push(head)
    const header = (name: string) => head.headers.find((field) => field.name === name)?.value
    const answer = accepting("hello")({ head, header }, 1)
    if (typeof answer !== "string") yield* answer(writer, reader)
  })
