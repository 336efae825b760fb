import * as AuthAnswer from "@effect-ws/protocol/AuthAnswer"
import * as Message from "@effect-ws/protocol/Message"
import type { Dialer } from "@effect-ws/transport/Dialer"
import type { MemoryNetwork } from "@effect-ws/transport/Memory"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Client from "../src/Client.ts"
import type { ConnectError } from "../src/ConnectError.ts"
import { UnexpectedResponse } from "../src/UnexpectedResponse.ts"
import { acceptance, accepting, answerClose, redirect, response, site } from "./support/web.ts"

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
          accepting("hello", () => ({ "Sec-WebSocket-Protocol": "b" }))
        )
        const connection = yield* Client.connect("ws://host:8080/path?a=1", {
          subprotocols: ["a", "b"],
          origin: "http://page",
          headers: [{ name: "Cookie", value: "c=1" }]
        })
        assert.strictEqual(connection.subprotocol, "b")
        assert.strictEqual(connection.request.path, "/path")
        assert.deepStrictEqual(yield* connection.receive, Message.text("hello"))
        assert.strictEqual(asked.length, 1)
        assert.strictEqual(asked[0]!.head.target, "/path?a=1")
        assert.strictEqual(asked[0]!.header("Host"), "host:8080")
        assert.strictEqual(asked[0]!.header("Origin"), "http://page")
        assert.strictEqual(asked[0]!.header("Sec-WebSocket-Protocol"), "a, b")
        assert.strictEqual(asked[0]!.header("Cookie"), "c=1")
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
        const network = yield* Memory.MemoryNetwork
        const listening = yield* network.listen({ name: "/run/a.sock" })
        const { SocketServer } = yield* Effect.promise(() => import("effect/socket/SocketServer"))
        const { answering } = yield* Effect.promise(() => import("./support/web.ts"))
        const asked = yield* answering(
          yield* Effect.provideContext(Effect.service(SocketServer), listening),
          accepting("hello")
        )
        assert.strictEqual(yield* hear("ws+unix:/run/a.sock:/chat?x=1"), "hello")
        assert.strictEqual(yield* hear("ws://name/other", { socketPath: "/run/a.sock" }), "hello")
        assert.deepStrictEqual(
          asked.map(({ head, header }) => `${header("Host")} ${head.target}`),
          ["localhost /chat?x=1", "name /other"]
        )
      })
    )
  })
})
void [AuthAnswer, Fiber, TestClock, acceptance, answerClose, redirect, response, unexpected]
