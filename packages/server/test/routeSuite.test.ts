/** WebSocket routes of Effect's `HttpRouter`: what is the same on a server of `node:http` and on one of `node:http2`. */
import type { Connection } from "@effect-ws/connection/Connection"
import * as HandshakeRejection from "@effect-ws/protocol/HandshakeRejection"
import { echo, echoHandlers } from "@effect-ws/test-peers/Programs"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Layer, Logger, Stream } from "effect"
import type { Scope } from "effect"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import * as WebSocketRoute from "../src/WebSocketRoute.ts"
import type * as WebSocketServer from "../src/WebSocketServer.ts"
import { versions } from "./support/routeClients.ts"

class User extends Context.Service<User, string>()("test/User") {}

const variants = {
  fiber: (path: HttpRouter.PathInput, options?: WebSocketServer.ServerOptions) =>
    WebSocketRoute.layer(path, echo, options),
  queue: (path: HttpRouter.PathInput, options?: WebSocketServer.ServerOptions) =>
    WebSocketRoute.layerQueue(path, echoHandlers, options)
}

const greet = Effect.fnUntraced(function* (connection: Connection) {
  const { room } = yield* HttpRouter.params
  const { method, originalUrl } = yield* HttpServerRequest.HttpServerRequest
  yield* connection.send(`${yield* User} in ${room}: ${method} ${originalUrl}, ${connection.request.version}`)
  yield* Stream.runDrain(connection.messages)
})

const signIn = HttpRouter.middleware<{ provides: User }>()((handler) =>
  Effect.gen(function* () {
    const { headers } = yield* HttpServerRequest.HttpServerRequest
    const name = headers["x-user"]
    return name === undefined
      ? HttpServerResponse.text("who are you?", { status: 401 })
      : yield* Effect.provideService(handler, User, name)
  })
).layer

for (const { connect, layerServer, opened, origin, version } of versions) {
  /** Serves routes until the Scope closes, and connects to them. */
  const client = <R>(routes: Layer.Layer<never, never, R>) =>
    Layer.build(
      HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(Layer.provideMerge(layerServer))
    ).pipe(
      Effect.orDie,
      Effect.flatMap((context) => connect(Context.get(context, HttpServer.HttpServer).address))
    )

  const test = (name: string, program: Effect.Effect<void, unknown, Scope.Scope>): void => {
    it.live(name, () => program.pipe(Effect.scoped, Effect.provide(Logger.layer([]))), 15_000)
  }

  for (const [variant, layer] of Object.entries(variants)) {
    describe(`a WebSocket route over ${version}, ${variant}`, () => {
      test(
        "gives requests that ask for no WebSocket to respond",
        Effect.gen(function* () {
          const { get, upgrade } = yield* client(
            layer("/chat", {
              respond: ({ headers, method, target }) =>
                target === "/chat?none"
                  ? undefined
                  : {
                      status: 200,
                      headers: [{ name: "Content-Type", value: "text/plain" }],
                      body: Buffer.from(`${method} ${target} ${headers[0]!.name}: ${headers[0]!.value}`)
                    }
            })
          )
          const page = yield* get("/chat?a")
          assert.deepStrictEqual(
            [page.status, page.header("content-type"), page.body],
            [200, "text/plain", "GET /chat?a Host: localhost"]
          )
          assert.include((yield* get("/chat?none")).body, "this is a WebSocket endpoint")
          const socket = yield* upgrade("/chat")
          yield* socket.send("hello")
          assert.strictEqual(yield* socket.receive, "hello")
        })
      )

      test(
        "leaves the answer to middleware that gives up while the handshake is decided",
        Effect.gen(function* () {
          const interrupted = yield* Deferred.make<void>()
          const impatient = HttpRouter.middleware(
            (handler) =>
              Effect.timeoutOrElse(handler, {
                duration: "50 millis",
                orElse: () => Effect.succeed(HttpServerResponse.text("too slow", { status: 504 }))
              }),
            { global: true }
          )
          const decide = () => Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
          const { upgrade } = yield* client(Layer.mergeAll(layer("/slow", { decide }), layer("/quick"), impatient))
          const answer = yield* upgrade("/slow")
          assert.deepStrictEqual([answer.status, answer.body], [504, "too slow"])
          yield* Deferred.await(interrupted)
          const socket = yield* upgrade("/quick")
          yield* Effect.sleep("100 millis")
          yield* socket.send("still here")
          assert.strictEqual(yield* socket.receive, "still here")
        })
      )

      test(
        "keeps the limits of the route",
        Effect.gen(function* () {
          const { upgrade } = yield* client(layer("/chat", { maxConnections: 1 }))
          assert.strictEqual((yield* upgrade("/chat")).status, opened)
          const { body, status } = yield* upgrade("/chat")
          assert.deepStrictEqual([status, body], [503, "too many connections are open\n"])
        })
      )
    })
  }

  describe(`a WebSocket route of HttpRouter over ${version}`, () => {
    for (const [variant, route] of [
      ["fiber", WebSocketRoute.layer("/rooms/:room", greet)],
      ["queue", WebSocketRoute.layerQueue("/rooms/:room", { onOpen: greet })]
    ] as const) {
      test(
        `gives its program the context of the request, ${variant}`,
        Effect.gen(function* () {
          const { upgrade } = yield* client(Layer.provide(route, signIn))
          const ada = yield* upgrade("/rooms/blue?x=1", { "x-user": "ada" })
          const bob = yield* upgrade("/rooms/r%C3%A9d", { "x-user": "bob" })
          assert.strictEqual(yield* ada.receive, `ada in blue: GET ${origin}/rooms/blue?x=1, ${version}`)
          assert.strictEqual(yield* bob.receive, `bob in réd: GET ${origin}/rooms/r%C3%A9d, ${version}`)
          const stranger = yield* upgrade("/rooms/blue")
          assert.deepStrictEqual([stranger.status, stranger.body], [401, "who are you?"])
        })
      )
    }

    test(
      "decides with the parameters of the path, and middleware sees the status of the answer",
      Effect.gen(function* () {
        const statuses: Array<number> = []
        const watch = HttpRouter.middleware(
          (handler) => Effect.tap(handler, ({ status }) => Effect.sync(() => statuses.push(status))),
          { global: true }
        )
        const route = WebSocketRoute.layer("/rooms/:room", echo, {
          decide: () =>
            Effect.gen(function* () {
              const { room } = yield* HttpRouter.params
              if (room === "open") return { subprotocol: "v1", headers: [{ name: "Set-Cookie", value: "a=1" }] }
              return yield* new HandshakeRejection.HandshakeRejection({
                status: 403,
                headers: [{ name: "X-Why", value: "full" }],
                reason: `${room} is full`
              })
            })
        })
        const { upgrade } = yield* client(Layer.mergeAll(route, watch))
        const accepted = yield* upgrade("/rooms/open", { "sec-websocket-protocol": "v0, v1" })
        assert.deepStrictEqual(
          [accepted.header("sec-websocket-protocol"), accepted.header("set-cookie")],
          ["v1", "a=1"]
        )
        const refusal = yield* upgrade("/rooms/small")
        assert.deepStrictEqual(
          [refusal.status, refusal.header("x-why"), refusal.body],
          [403, "full", "small is full\n"]
        )
        assert.deepStrictEqual(statuses, [opened, 403])
      })
    )
  })
}
