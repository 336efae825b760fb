/**
 * Serves extended CONNECTs (RFC 8441) with Effect's HTTP server on `node:http2`, which does not listen for them. Over
 * HTTP/2 a client requests a WebSocket with an extended CONNECT, as it does with an upgrade over HTTP/1.1.
 *
 * The application sees an extended CONNECT as a GET, the method of an upgrade, so that one route serves both. For the
 * client any 2xx opens the WebSocket (RFC 8441 5). So a page that answers with 2xx is replaced by a 404.
 */
import * as HandshakeRejection from "@effect-ws/protocol/HandshakeRejection"
import * as HttpUpgrade from "@effect-ws/transport/HttpUpgrade"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Effect from "effect/Effect"
import type { HttpMiddleware } from "effect/http/HttpMiddleware"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import * as Scope from "effect/Scope"
import * as Http2 from "node:http2"
import { toResponse } from "./plainAnswers.ts"

type App = Effect.Effect<HttpServerResponse, unknown, HttpServerRequest.HttpServerRequest | Scope.Scope>

type Listener = (request: Http2.Http2ServerRequest, response: Http2.Http2ServerResponse) => void

const connects = new WeakSet<object>()

/** Returns Node's request if it is an extended CONNECT for a WebSocket, or `undefined`. */
export const connectOf = (request: HttpServerRequest.HttpServerRequest): Http2.Http2ServerRequest | undefined => {
  const message: unknown = NodeHttpServerRequest.toIncomingMessage(request)
  return message instanceof Http2.Http2ServerRequest && connects.has(message) ? message : undefined
}

export class ExtendedConnects {
  private readonly server: Http2.Http2Server | Http2.Http2SecureServer
  private readonly unserved: Listener
  private readonly sessions = new Set<Http2.ServerHttp2Session>()
  private handler: Listener | undefined = undefined
  private unregister: (() => void) | undefined = undefined

  /** `unserved` answers while no application is served. */
  constructor(server: Http2.Http2Server | Http2.Http2SecureServer, unserved: Listener) {
    this.server = server
    this.unserved = unserved
    server.on("session", (session: Http2.ServerHttp2Session) => {
      this.sessions.add(session)
      session.once("close", () => this.sessions.delete(session))
    })
  }

  /** Announces extended CONNECT to new sessions. Called when the program adds a WebSocket route. */
  announce(): void {
    this.unregister ??= HttpUpgrade.onConnect(this.server, (request, response) =>
      (this.handler ?? this.unserved)(request, response)
    )
  }

  /** Serves an application until the Scope closes. */
  serve(app: App, middleware: HttpMiddleware | undefined): Effect.Effect<void, never, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const outer = yield* Effect.scope
      const scope = Scope.forkUnsafe(outer, "parallel")
      const handle = yield* NodeHttpServer.makeHandler(Effect.flatMap(app, withoutSuccess), {
        scope,
        middleware: middleware && ((served) => Effect.flatMap(middleware(served), withoutSuccess))
      })
      this.handler = (request, response) => {
        connects.add(request)
        // Node documents a setter of `method`, which is missing in its types.
        ;(request as { method: string }).method = "GET"
        handle(request, response)
      }
      yield* Scope.addFinalizer(
        outer,
        Effect.sync(() => {
          this.handler = undefined
          this.unregister?.()
          this.unregister = undefined
        })
      )
    })
  }

  /** Sends GOAWAY on every session: clients open no new streams, and open ones finish. */
  readonly goAway: Effect.Effect<void> = Effect.sync(() => {
    for (const session of this.sessions) session.close()
  })
}

// A WebSocket route has already written its response to the stream; the status that it returns is only for middleware.
const withoutSuccess = (
  response: HttpServerResponse
): Effect.Effect<HttpServerResponse, never, HttpServerRequest.HttpServerRequest> =>
  response.status < 200 || response.status > 299
    ? Effect.succeed(response)
    : Effect.map(HttpServerRequest.HttpServerRequest, (request) =>
        NodeHttpServerRequest.toServerResponse(request).writableEnded ? response : noWebSocket
      )

const noWebSocket = toResponse(
  new HandshakeRejection.HandshakeRejection({ status: 404, reason: "no WebSocket is served at this path" })
)
