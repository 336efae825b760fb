/**
 * The inspector as a route: behind the middleware of the program, and for the names that it allows.
 */
import * as WebSocketRoute from "@effect-ws/server/WebSocketRoute"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import * as http from "node:http"
import * as Inspector from "../src/Inspector.ts"
import * as InspectorRoute from "../src/InspectorRoute.ts"
import { get, shake } from "./support/requests.ts"

const signIn = HttpRouter.middleware((handler) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) =>
    headers["x-user"] === "admin" ? handler : Effect.succeed(HttpServerResponse.text("who are you?", { status: 401 }))
  )
).layer

const served = (options?: InspectorRoute.RouteOptions) =>
  HttpRouter.serve(
    InspectorRoute.layer("/admin/inspector", options).pipe(Layer.provide(signIn), Layer.provide(Inspector.layer()))
  ).pipe(
    Layer.provideMerge(WebSocketRoute.layerServer(() => http.createServer(), { host: "127.0.0.1", port: 0 })),
    Layer.provideMerge(Logger.layer([]))
  )

const urls = Effect.map(HttpServer.HttpServer, ({ address }) => {
  assert(address._tag !== "UnixPathAddress")
  const page = `http://127.0.0.1:${address.port}/admin/inspector`
  return { page, socket: `${page}/socket` }
})

const user = { "x-user": "admin" }

describe("InspectorRoute", () => {
  it.live("serves page and WebSocket to whom the middleware lets in", () =>
    Effect.gen(function* () {
      const { page, socket } = yield* urls
      const answer = yield* get(page, user)
      assert.strictEqual(answer.status, 200)
      assert.include(answer.body, "<title>Inspector")
      assert.include(answer.headers["content-security-policy"], "script-src 'sha256-")
      assert.strictEqual(yield* shake(socket, user), 101)
      assert.strictEqual((yield* get(page)).status, 401)
      assert.strictEqual(yield* shake(socket), 401)
    }).pipe(Effect.provide(served()))
  )

  it.live("refuses names that are not allowed, and pages of other origins", () =>
    Effect.gen(function* () {
      const { page, socket } = yield* urls
      for (const [host, status] of [
        ["evil.example", 403],
        ["admin.example", 200]
      ] as const) {
        assert.strictEqual((yield* get(page, { ...user, host })).status, status, host)
        assert.strictEqual(yield* shake(socket, { ...user, host }), status === 200 ? 101 : 403, host)
      }
      assert.strictEqual(yield* shake(socket, { ...user, origin: "https://evil.example" }), 403)
    }).pipe(Effect.provide(served({ hosts: ["admin.example"] })))
  )
})
