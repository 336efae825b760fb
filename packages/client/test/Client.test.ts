import type { Connection } from "@effect-ws/connection/Connection"
import { HandshakeTimeout } from "@effect-ws/connection/HandshakeTimeout"
import * as Extension from "@effect-ws/extensions/Extension"
import * as Extensions from "@effect-ws/extensions/Extensions"
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import * as CloseError from "@effect-ws/protocol/CloseError"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import { HandshakeConfigError } from "@effect-ws/protocol/HandshakeConfigError"
import { HttpHeadError } from "@effect-ws/protocol/HeadParser"
import * as Message from "@effect-ws/protocol/Message"
import type { Dialer } from "@effect-ws/transport/Dialer"
import type { MemoryNetwork } from "@effect-ws/transport/Memory"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Schema, Scope } from "effect"
import { Socket } from "effect/socket"
import { TestClock } from "effect/testing"
import * as Net from "node:net"
import * as Client from "../src/Client.ts"
import type { ConnectError } from "../src/ConnectError.ts"
import { UnexpectedResponse } from "../src/UnexpectedResponse.ts"
import { acceptance, accepting, listening, redirect, response, site } from "./support/web.ts"

const test = (name: string, program: Effect.Effect<void, unknown, MemoryNetwork | Dialer | Scope.Scope>): void => {
  it.effect(
    name,
    () => Effect.provide(program, Memory.layerDialer.pipe(Layer.provideMerge(Memory.layerNetwork()))),
    5_000
  )
}

/** The first message of the connection. */
const hear = (url: string | URL, options?: Client.ClientOptions): Effect.Effect<string, unknown, Dialer> =>
  Effect.gen(function* () {
    const connection = yield* Client.connect(url, options)
    const message = yield* connection.receive
    return message._tag === "Text" ? message.data : "binary"
  }).pipe(Effect.scoped)

const failing = (
  url: string | URL,
  options?: Client.ClientOptions
): Effect.Effect<ConnectError, unknown, Dialer | Scope.Scope> => Effect.flip(Client.connect(url, options))

const unexpected = (
  url: string,
  options?: Client.ClientOptions
): Effect.Effect<UnexpectedResponse, unknown, Dialer | Scope.Scope> =>
  Effect.map(failing(url, options), (error) => {
    assert.instanceOf(error, UnexpectedResponse)
    return error
  })

describe("Client", () => {
  describe("asks for", () => {
    test(
      "the path, the query, the subprotocols, the origin and the headers it is told",
      Effect.gen(function* () {
        const asked = yield* site(
          "host",
          8080,
          accepting("hello", () => ({ "Sec-WebSocket-Protocol": "b", "Set-Cookie": "session=1" }))
        )
        const connection = yield* Client.connect("ws://host:8080/path?a=1", {
          subprotocols: ["a", "b"],
          origin: "http://page",
          headers: { Cookie: "c=1", "X-Tag": ["1", "2"] }
        })
        assert.strictEqual(connection.subprotocol, "b")
        assert.strictEqual(connection.request.path, "/path")
        const { response } = connection
        assert.strictEqual(response?.status, 101)
        assert.strictEqual(HeaderFields.get(response?.headers ?? [], "set-cookie"), "session=1")
        assert.deepStrictEqual(yield* connection.receive, Message.text("hello"))
        assert.strictEqual(asked.length, 1)
        assert.strictEqual(asked[0]!.head.target, "/path?a=1")
        assert.strictEqual(asked[0]!.header("Host"), "host:8080")
        assert.strictEqual(asked[0]!.header("Origin"), "http://page")
        assert.strictEqual(asked[0]!.header("Sec-WebSocket-Protocol"), "a, b")
        assert.strictEqual(asked[0]!.header("Cookie"), "c=1")
        assert.deepStrictEqual(HeaderFields.getAll(asked[0]!.head.headers, "X-Tag"), ["1", "2"])
      })
    )

    test(
      "http URLs and default ports",
      Effect.gen(function* () {
        const asked = yield* site("host", 80, accepting("hello"))
        for (const url of ["ws://host", "http://host", new URL("ws://host:80/")]) {
          assert.strictEqual(yield* hear(url), "hello")
        }
        assert.deepStrictEqual(
          asked.map((request) => request.header("Host")),
          ["host", "host", "host"]
        )
      })
    )

    test(
      "a Unix socket, by URL or by option",
      Effect.gen(function* () {
        const asked = yield* listening({ name: "/run/a.sock" }, accepting("hello"))
        assert.strictEqual(yield* hear("ws+unix:/run/a.sock:/chat?x=1"), "hello")
        assert.strictEqual(yield* hear("ws://name/other", { socketPath: "/run/a.sock" }), "hello")
        assert.deepStrictEqual(
          asked.map(({ head, header }) => `${header("Host")} ${head.target}`),
          ["localhost /chat?x=1", "name /other"]
        )
      })
    )
  })

  describe("refuses", () => {
    for (const [url, why] of [
      ["ftp://host/", /scheme/],
      ["host:8080", /scheme/],
      ["not a URL", /expected a URL/],
      ["ws://host/#part", /fragment/],
      ["ws://host/#", /fragment/],
      ["ws://a%zz:b@host/", /percent/],
      ["ws+unix:", /path/],
      ["ws+unix://host/run/a.sock", /without a host/]
    ] as const) {
      test(
        `the URL ${url}`,
        Effect.gen(function* () {
          const error = yield* failing(url)
          assert.instanceOf(error, HandshakeConfigError)
          assert.strictEqual(error.rule, "InvalidUrl")
          assert.match(error.message, why)
        })
      )
    }

    test(
      "headers that are its own to set",
      Effect.gen(function* () {
        yield* site("host", 80, accepting("hello"))
        const error = yield* failing("ws://host/", { headers: [{ name: "Host", value: "other" }] })
        assert.instanceOf(error, HandshakeConfigError)
        const invalid = yield* failing("ws://host/", { headers: { "X-A": "1\r\nX-B: 2" } })
        assert.instanceOf(invalid, HandshakeConfigError)
        assert.strictEqual(invalid.rule, "InvalidHeader")
      })
    )
  })

  describe("reports", () => {
    test(
      "a refusal with status, headers and body",
      Effect.gen(function* () {
        yield* site("host", 80, () => response("403 Forbidden", ["X-Why: no"], "not you"))
        const error = yield* unexpected("ws://host/secret?token=t0ken")
        assert.strictEqual(error.rule, "BadStatus")
        assert.strictEqual(error.status, 403)
        assert.deepInclude(error.headers, { name: "X-Why", value: "no" })
        assert.strictEqual(error.text, "not you")
        assert.isFalse(error.truncated)
        assert.strictEqual(error.url, "ws://host/secret")
        assert.strictEqual(
          error.message,
          "ws://host/secret opened no WebSocket: expected status 101, found 403 Forbidden"
        )
      })
    )

    test(
      "a status whose Content-Length makes no sense",
      Effect.gen(function* () {
        for (const length of ["99999999999999999999", "5\r\nContent-Length: 6", "-1"]) {
          const scope = yield* Scope.make()
          const lines = ["HTTP/1.1 404 Not Found", `Content-Length: ${length}`, "", "nothing here"]
          yield* Scope.provide(
            site("host", 80, () => lines.join("\r\n")),
            scope
          )
          const error = yield* unexpected("ws://host/")
          assert.deepStrictEqual([error.rule, error.status, error.text], ["BadStatus", 404, "nothing here"])
          yield* Scope.close(scope, Exit.void)
        }
      })
    )

    const noWebSocket: ReadonlyArray<readonly [string, UnexpectedResponse["rule"], Record<string, string>]> = [
      ["a wrong Accept", "WrongAccept", { "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" }],
      ["no Accept", "MissingAccept", { "Sec-WebSocket-Accept": "" }],
      ["no Upgrade", "MissingUpgrade", { Upgrade: "" }],
      ["a wrong Upgrade", "WrongUpgrade", { Upgrade: "h2c" }],
      ["no Connection", "MissingConnection", { Connection: "" }],
      ["a wrong Connection", "WrongConnection", { Connection: "keep-alive" }],
      ["an extension that was not offered", "UnofferedExtension", { "Sec-WebSocket-Extensions": "bzip" }],
      ["a malformed extension", "MalformedExtensions", { "Sec-WebSocket-Extensions": "a;;" }],
      ["a subprotocol that was not offered", "UnofferedSubprotocol", { "Sec-WebSocket-Protocol": "chat" }],
      [
        "parameters that are out of range",
        "UnacceptableParameters",
        { "Sec-WebSocket-Extensions": "permessage-deflate; server_max_window_bits=16" }
      ]
    ]
    for (const [name, rule, headers] of noWebSocket) {
      test(
        name,
        Effect.gen(function* () {
          yield* site("host", 80, (asked) => acceptance(asked, headers))
          const error = yield* Effect.provide(unexpected("ws://host/"), PermessageDeflate.layer())
          assert.strictEqual(error.rule, rule)
          assert.strictEqual(error.status, 101)
          assert.isAbove(error.headers.length, 0)
        })
      )
    }

    test(
      "that no server listens",
      Effect.gen(function* () {
        const error = yield* failing("ws://host/")
        assert.instanceOf(error, Socket.SocketError)
        assert.match(error.message, /host:80/)
      })
    )

    test(
      "a server that ends the stream in place of an answer",
      Effect.gen(function* () {
        for (const [answer, advice] of [
          ["", "; if the server speaks TLS, use wss:// or https://"],
          ["HTTP/1.1 101 Sw", ""]
        ] as const) {
          const scope = yield* Scope.make()
          yield* Scope.provide(
            site("host", 80, () => answer),
            scope
          )
          const error = yield* failing("ws://host/")
          assert.instanceOf(error, Socket.SocketError)
          assert.strictEqual(
            error.message,
            `host closed the connection in place of an answer to the handshake${advice}`
          )
          yield* Scope.close(scope, Exit.void)
        }
      })
    )

    it.live("a server that hangs up in the handshake, one way or the other", () =>
      Effect.gen(function* () {
        for (const [hangUp, how] of [
          [(socket: Net.Socket) => socket.resetAndDestroy(), ": read ECONNRESET"],
          [(socket: Net.Socket) => socket.destroy(), "; if the server speaks TLS, use wss:// or https://"]
        ] as const) {
          const server = Net.createServer((socket) => void socket.once("data", () => hangUp(socket)))
          const port = yield* Effect.callback<number>((resume) => {
            server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as Net.AddressInfo).port)))
          })
          const error = yield* Effect.flip(Client.connect(`ws://127.0.0.1:${port}/`))
          server.close()
          const expected = `127.0.0.1:${port} closed the connection in place of an answer to the handshake${how}`
          assert.strictEqual(error.message, expected)
        }
      }).pipe(Effect.provide(Client.layerDirect()))
    )

    test(
      "that it takes too long, also where it is an extension that does",
      Effect.gen(function* () {
        const extension = Extension.make({
          name: "slow",
          offer: Schema.Struct({}),
          answer: Schema.Struct({}),
          offers: [{}],
          open: () => Effect.never
        })
        yield* site(
          "host",
          80,
          (asked) => (writer) =>
            Effect.andThen(writer.write(acceptance(asked, { "Sec-WebSocket-Extensions": "slow" })), Effect.never)
        )
        const failed = yield* Effect.forkChild(Effect.provide(failing("ws://host/"), Extensions.layer([extension])))
        yield* TestClock.adjust("10 seconds")
        assert.instanceOf(yield* Fiber.join(failed), HandshakeTimeout)
      })
    )

    test(
      "an answer that is not HTTP",
      Effect.gen(function* () {
        yield* site("host", 80, () => "SSH-2.0-OpenSSH\r\n")
        assert.instanceOf(yield* failing("ws://host/"), HttpHeadError)
      })
    )

    test(
      "headers that never end, soon",
      Effect.gen(function* () {
        let sent = 0
        yield* site("host", 80, () => (writer) => {
          const line = "X-More: " + "a".repeat(1000) + "\r\n"
          const more = Effect.andThen(
            Effect.suspend(() => {
              sent += line.length
              return writer.write(line)
            }),
            Effect.yieldNow
          )
          return Effect.andThen(writer.write("HTTP/1.1 200 OK\r\n"), Effect.forever(more))
        })
        const error = yield* failing("ws://host/")
        assert.instanceOf(error, HttpHeadError)
        assert.strictEqual(error.rule, "HeadersTooLarge")
        assert.isBelow(sent, 300_000)
      })
    )

    test(
      "an answer that does not come",
      Effect.gen(function* () {
        yield* site("host", 80, () => () => Effect.never)
        const fiber = yield* Effect.forkChild(failing("ws://host/", { handshakeTimeout: "3 seconds" }))
        yield* TestClock.adjust("2999 millis")
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        assert.instanceOf(yield* Fiber.join(fiber), HandshakeTimeout)
      })
    )

    const mebibyte = "a".repeat(1 << 20)
    for (const [name, length] of [
      ["10 GB", "Content-Length: 10000000000"],
      ["no length", "X-Length: none"]
    ] as const) {
      test(
        `a 401 with a body of ${name}, of which it keeps the start`,
        Effect.gen(function* () {
          let sent = 0
          const ended = yield* Deferred.make<void>()
          yield* site(
            "host",
            80,
            () => (writer) =>
              Effect.andThen(
                writer.write(`HTTP/1.1 401 Unauthorized\r\n${length}\r\n\r\n`),
                Effect.forever(
                  Effect.andThen(
                    Effect.suspend(() => writer.write(mebibyte)),
                    Effect.sync(() => {
                      sent += mebibyte.length
                    })
                  )
                )
              ).pipe(Effect.ensuring(Deferred.succeed(ended, undefined)))
          )
          const error = yield* unexpected("ws://host/")
          assert.strictEqual(error.status, 401)
          assert.strictEqual(error.body.length, 65536)
          assert.isTrue(error.truncated)
          yield* Deferred.await(ended)
          assert.isBelow(sent, 4 * mebibyte.length)
        })
      )
    }

    test(
      "what came of a body that stops coming",
      Effect.gen(function* () {
        yield* site(
          "host",
          80,
          () => (writer) =>
            Effect.andThen(
              writer.write("HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nsta\r\n5\r\nrt"),
              Effect.never
            )
        )
        const fiber = yield* Effect.forkChild(unexpected("ws://host/"))
        yield* TestClock.adjust("2 seconds")
        const error = yield* Fiber.join(fiber)
        assert.strictEqual(error.text, "start")
        assert.isTrue(error.truncated)
      })
    )
  })

  describe("skips", () => {
    const interim = [
      "HTTP/1.1 100 Continue\r\n\r\n",
      "HTTP/1.1 102 Processing\r\n\r\n",
      "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nSec-WebSocket-Accept: no\r\n\r\n"
    ]

    /** Writes text in one piece, or each byte by itself. */
    const writing = (writer: Socket.Writer, text: string, whole: boolean): Effect.Effect<void, unknown> => {
      const bytes = Buffer.from(text, "latin1")
      return whole
        ? writer.write(bytes)
        : Effect.forEach(bytes, (byte) => writer.write(Uint8Array.of(byte)), { discard: true })
    }

    for (const whole of [true, false]) {
      test(
        `1xx responses before the answer${whole ? "" : ", byte by byte"}`,
        Effect.gen(function* () {
          yield* site(
            "host",
            80,
            (asked) => (writer, reader) =>
              Effect.andThen(
                writing(writer, `${interim.join("")}${acceptance(asked)}\x81\x05hello`, whole),
                Effect.andThen(reader.pull, writer.write(Uint8Array.of(0x88, 0)))
              )
          )
          assert.strictEqual(yield* hear("ws://host/"), "hello")
        })
      )
    }

    test(
      "them before a refusal, a redirect and a challenge too",
      Effect.gen(function* () {
        yield* site(
          "host",
          80,
          (asked) =>
            interim.join("") +
            (asked.head.target === "/moved"
              ? redirect("/locked")
              : response(
                  asked.header("Authorization") === undefined ? "401 Who?" : "403 No",
                  ['WWW-Authenticate: Basic realm="r"'],
                  "why"
                ))
        )
        const error = yield* unexpected("ws://a:b@host/moved")
        assert.deepStrictEqual([error.status, error.text, error.truncated], [403, "why", false])
      })
    )

    test(
      "eight of them, or as many as it is told, and gives up on a server that sends nothing else",
      Effect.gen(function* () {
        yield* site("host", 80, () => (writer) => Effect.forever(writer.write(interim[2]!)))
        const error = yield* unexpected("ws://host/")
        assert.deepStrictEqual([error.rule, error.status], ["TooManyInterimResponses", 103])
        assert.match(error.message, /at most 8 interim responses/)
        yield* site("strict", 80, (asked) => (writer) => writer.write(interim[0]! + acceptance(asked)))
        const strict = yield* unexpected("ws://strict/", { maxInterimResponses: 0 })
        assert.deepStrictEqual([strict.rule, strict.status], ["TooManyInterimResponses", 100])
      })
    )
  })

  describe("follows", () => {
    for (const status of [301, 302, 303, 307, 308]) {
      test(
        `a ${status}, absolute or relative`,
        Effect.gen(function* () {
          const first = yield* site("a", 80, (asked) =>
            asked.head.target === "/"
              ? redirect("next?x=1", `${status} Elsewhere`)
              : redirect("http://b:81/c", `${status} On`)
          )
          const second = yield* site("b", 81, accepting("here"))
          assert.strictEqual(yield* hear("ws://a/"), "here")
          assert.deepStrictEqual(
            [...first, ...second].map(({ head, header }) => header("Host") + head.target),
            ["a/", "a/next?x=1", "b:81/c"]
          )
        })
      )
    }

    test(
      "ten redirects and no more",
      Effect.gen(function* () {
        const asked = yield* site("host", 80, (_, count) => redirect(`/${count}`))
        const error = yield* unexpected("ws://host/")
        assert.strictEqual(error.rule, "TooManyRedirects")
        assert.strictEqual(error.status, 302)
        assert.strictEqual(error.url, "ws://host/10")
        assert.strictEqual(asked.length, 11)
        assert.strictEqual((yield* unexpected("ws://host/", { maxRedirects: 2 })).rule, "TooManyRedirects")
        assert.strictEqual(asked.length, 14)
        assert.strictEqual((yield* unexpected("ws://host/", { maxRedirects: 0 })).rule, "BadStatus")
      })
    )

    test(
      "no redirect that is not sound",
      Effect.gen(function* () {
        const paths = ["ftp://host/", "http://[", "ws+unix:/run/a.sock:/", "javascript:alert(1)"]
        yield* site("host", 80, (_, count) =>
          count > paths.length ? response("302 Found") : redirect(paths[count - 1]!)
        )
        for (const _ of [...paths, "none"]) {
          assert.strictEqual((yield* unexpected("ws://host/")).rule, "InvalidRedirect")
        }
      })
    )

    test(
      "with the secrets it was given only within their origin, and not after a redirect back",
      Effect.gen(function* () {
        const first = yield* site("a", 80, (asked, count) =>
          count === 1
            ? redirect("/again")
            : asked.head.target === "/again"
              ? redirect("ws://b/")
              : accepting("back")(asked, 0)
        )
        const second = yield* site("b", 80, () => redirect("ws://a/home"))
        const options: Client.ClientOptions = {
          headers: [
            { name: "Cookie", value: "session=1" },
            { name: "X-Api-Key", value: "k" }
          ],
          sendCredentials: "preemptive"
        }
        assert.strictEqual(yield* hear("ws://user:pass@a/", options), "back")
        const secrets = [...first, ...second].map(({ header }) =>
          ["Authorization", "Cookie", "X-Api-Key"].map((name) => header(name) !== undefined)
        )
        assert.deepStrictEqual(secrets, [
          [true, true, true],
          [true, true, true],
          [false, false, false],
          [false, false, false]
        ])
      })
    )

    test(
      "a redirect without the credentials that the server put into it",
      Effect.gen(function* () {
        const asked = yield* site("host", 80, (asked, count) =>
          count === 1 ? redirect("ws://mallory:x@host/") : accepting("here")(asked, 0)
        )
        assert.strictEqual(yield* hear("ws://host/", { sendCredentials: "preemptive" }), "here")
        assert.isUndefined(asked[1]!.header("Authorization"))
      })
    )
  })

  describe("ends", () => {
    const conversation = Effect.fnUntraced(function* () {
      const closed = yield* Deferred.make<string>()
      yield* site(
        "host",
        80,
        (asked) => (writer, reader) =>
          Effect.gen(function* () {
            yield* writer.write(acceptance(asked))
            const frame = Buffer.concat((yield* reader.pull) as ReadonlyArray<Uint8Array>)
            const body = Buffer.from(frame.subarray(6).map((byte, at) => byte ^ frame[2 + (at % 4)]!))
            yield* Deferred.succeed(
              closed,
              `${frame[0]!.toString(16)} ${body.readUInt16BE(0)} ${body.toString("utf8", 2)}`
            )
            yield* writer.write(Uint8Array.of(0x88, 0))
          })
      )
      return Deferred.await(closed)
    })

    const outcomes: ReadonlyArray<
      readonly [string, (connection: Connection) => Effect.Effect<unknown, unknown>, string]
    > = [
      ["1000 when its Scope closes after success", () => Effect.void, "88 1000 "],
      [
        "the code of the close it fails with",
        () => Effect.fail(new CloseError.PolicyViolation({ reason: "no" })),
        "88 1008 no"
      ],
      ["1001 after any other failure", () => Effect.fail("oops"), "88 1001 "],
      ["1001 when interrupted", () => Effect.interrupt, "88 1001 "]
    ]
    for (const [name, program, expected] of outcomes) {
      test(
        `with ${name}`,
        Effect.gen(function* () {
          const closed = yield* conversation()
          yield* Effect.exit(Effect.scoped(Effect.flatMap(Client.connect("ws://host/"), program)))
          assert.strictEqual(yield* closed, expected)
        })
      )
    }

    test(
      "at once when it is interrupted while it connects",
      Effect.gen(function* () {
        const gone = yield* Deferred.make<void>()
        yield* site(
          "host",
          80,
          () => (_, reader) => Effect.ensuring(Effect.forever(reader.pull), Deferred.succeed(gone, undefined))
        )
        const scope = yield* Scope.make()
        const fiber = yield* Effect.forkChild(Scope.provide(Client.connect("ws://host/"), scope))
        yield* Effect.yieldNow
        yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
        yield* Deferred.await(gone)
        yield* Scope.close(scope, Exit.void)
      })
    )
  })
})
