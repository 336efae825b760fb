/**
 * A chat room with the inspector beside it, on one port: the room is public, the inspector is a route behind the
 * program's own sign-in. The admin may close connections and drain the server.
 *
 * `node packages/examples/src/inspected.ts` listens on port 8000. Open http://127.0.0.1:8000/inspector as `admin` with
 * the password `hatter`, and connect with `effect-ws connect ws://127.0.0.1:8000/room`.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, Redacted, Stream } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { Auth, WebSocketRoute, WebSocketServer } from "effect-ws"
import * as Inspector from "effect-ws/Inspector"
import * as InspectorRoute from "effect-ws/InspectorRoute"
import { createServer } from "node:http"

const password = Redacted.make("hatter")

/** Lets in who signs in as admin; the browser asks for the password, and sends it with the page's WebSocket too. */
const signIn = HttpRouter.middleware((handler) =>
  Effect.gen(function* () {
    const { headers } = yield* HttpServerRequest.HttpServerRequest
    const [scheme, given = ""] = (headers["authorization"] ?? "").split(" ")
    const [name, ...secret] = Buffer.from(given, "base64").toString().split(":")
    return scheme === "Basic" && name === "admin" && Auth.sameSecret(Redacted.make(secret.join(":")), password)
      ? yield* handler
      : HttpServerResponse.text("sign in as admin\n", {
          status: 401,
          headers: { "WWW-Authenticate": 'Basic realm="inspector", charset="UTF-8"' }
        })
  })
).layer

/** Everybody gets what anybody says. */
const Room = WebSocketRoute.layer("/room", (connection) =>
  Effect.gen(function* () {
    const room = yield* WebSocketServer.WebSocketServer
    yield* Stream.runForEach(connection.messages, (message) => room.broadcast(message))
  })
)

const Admin = InspectorRoute.layer("/inspector", { allowClose: true, allowDrain: true }).pipe(Layer.provide(signIn))

/** The routes, and the record that the one shows of the other. */
export const routes = Layer.mergeAll(Room, Admin).pipe(Layer.provide(Inspector.layer({ payloads: "preview" })))

if (import.meta.main) {
  HttpRouter.serve(routes).pipe(
    Layer.provide(WebSocketRoute.layerServer(createServer, { port: 8000 })),
    Layer.launch,
    NodeRuntime.runMain
  )
}
