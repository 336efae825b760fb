/**
 * A WebSocket as a route of Effect's `HttpRouter`: on the port of the pages and the API, behind the same middleware, at
 * a path that may have parameters.
 *
 * A route is a server without a port, with a fiber for each connection or queue-driven: it has the options and limits
 * of a server, and drains like one when its Scope closes. The handshake is that of this library and not that of
 * Effect's HTTP server, so subprotocols, extensions, response headers and typed rejections work as on a port.
 *
 * The HTTP server must be Node's. {@link layerServer} is Effect's server on Node, prepared for such routes; on a server
 * of `node:http2` it serves them over HTTP/2 as well.
 *
 * @since 0.1.0
 */
import type { AcceptOptions } from "@effect-ws/connection/Accept"
import * as HttpUpgrade from "@effect-ws/transport/HttpUpgrade"
import type { PushSocketServer } from "@effect-ws/transport/PushSocketServer"
import * as StoppedClock from "@effect-ws/transport/StoppedClock"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import type * as NodeServices from "@effect/platform-node/NodeServices"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { LazyArg } from "effect/Function"
import type * as Etag from "effect/http/Etag"
import type * as HttpPlatform from "effect/http/HttpPlatform"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import type { ServeError } from "effect/http/HttpServerError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { SocketServer } from "effect/socket/SocketServer"
import type * as Handlers from "./Handlers.ts"
import { detachSocket, detachStream, upgradeOf } from "./internal/detachSocket.ts"
import { connectOf, ExtendedConnects } from "./internal/extendedConnects.ts"
import { refuseOtherMethods } from "./internal/otherMethods.ts"
import { answerPlain, notAGet, unexpectedBody, withoutHost } from "./internal/plainAnswers.ts"
import { answerUnserved } from "./internal/unserved.ts"
import * as WebSocketServer from "./WebSocketServer.ts"

/**
 * Options of a route, in addition to those of every socket.
 *
 * @category models
 * @since 0.1.0
 */
export interface TransportOptions extends HttpUpgrade.UpgradeOptions {
  /** Maximum upgrades that wait to be accepted. A request above it gets 503. Default: 1024. */
  readonly maxPending?: number | undefined
  /** Function that answers a GET without a WebSocket upgrade; `undefined` answers with 426. Default: always 426. */
  readonly respond?: AcceptOptions["respond"]
}

/**
 * The handler of a route, and a listener for the sockets that it upgrades.
 *
 * @category models
 * @since 0.1.0
 */
export interface Transport {
  /** Answers one request. Never fails: an invalid request gets an error response. */
  readonly handler: Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest.HttpServerRequest>
  /** The listener that `WebSocketServer`, or a socket server of Effect, accepts connections from. */
  readonly services: Context.Context<SocketServer | PushSocketServer>
}

/**
 * A route and its open connections.
 *
 * @category models
 * @since 0.1.0
 */
export interface Route<R = never> extends Server {
  /** Answers one request: with a connection, with a rejection, or with 426 if the request asks for no upgrade. */
  readonly handler: Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest.HttpServerRequest | R>
}

/** The part of a server that a route has: its connections, `broadcast` and `drain`. */
type Server = WebSocketServer.WebSocketServer["Service"]

/**
 * Creates the handler of a route whose sockets are accepted like those of a port: by `WebSocketServer`, by
 * `ConnectionSocketServer` for Effect RPC, or by your own program.
 *
 * **Details**
 *
 * A socket carries its request and the context in which the handler ran. The handler returns when the request is
 * answered, and returns the status of the answer, for middleware to log. The acceptor of the socket writes the answer
 * itself, so middleware cannot change it. Middleware that interrupts the handler before that, such as a timeout,
 * answers instead, and the request opens no connection. A request without an upgrade gets the answer of `respond`, or
 * 426; a request with another method than GET gets 405, one with a body 400.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeTransport = Effect.fnUntraced(function* (
  options: TransportOptions = {}
): Effect.fn.Return<Transport, never, HttpServer.HttpServer | Scope.Scope> {
  const { address } = yield* HttpServer.HttpServer
  const { offer, services } = yield* HttpUpgrade.makeFromSockets(address, options)
  const prepared = yield* Effect.serviceOption(Prepared)
  if (Option.isSome(prepared)) yield* prepared.value.announce
  const socketOptions = address._tag === "UnixPathAddress" ? { ...options, localAddress: address } : options
  const handler = Effect.contextWith((context: Context.Context<HttpServerRequest.HttpServerRequest>) => {
    const request = Context.get(context, HttpServerRequest.HttpServerRequest)
    const connect = connectOf(request)
    const message = upgradeOf(request)
    if (connect === undefined && message === undefined) return Effect.sync(() => answerPlain(request, options.respond))
    // The rest of the body would be parsed as frames.
    if (message?.complete === false) return Effect.succeed(unexpectedBody)
    return Effect.callback<HttpServerResponse.HttpServerResponse>((resume) => {
      const answered = (status = clientGone): void => resume(Effect.succeed(HttpServerResponse.empty({ status })))
      const socket =
        connect === undefined
          ? message && detachSocket(request, message, context, socketOptions, answered)
          : detachStream(request, connect, context, socketOptions, answered)
      if (socket === undefined) answered()
      else offer(socket)
      // Middleware interrupted the handler, as a timeout does, and answers instead.
      return Effect.sync(() => {
        if (socket !== undefined) HttpUpgrade.giveBack(socket)
      })
    })
  })
  return { handler, services }
})

// The status that Effect's HTTP server logs for a client that has disconnected.
const clientGone = 499

/**
 * Creates a route that runs `program` for each connection in a fiber of its own.
 *
 * **Details**
 *
 * `program` and `decide` run in the context of the request: they have the `HttpServerRequest`, the path's parameters
 * (`HttpRouter.params`), and the services that middleware provides. The limits in `options` apply to this route.
 * Closing the Scope drains the route.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <E, R, RD = never>(
  program: Handlers.Program<E, R>,
  options?: WebSocketServer.ServerOptions<RD> & TransportOptions
): Effect.Effect<Route<Exclude<R | RD, WebSocketServer.Provided>>, never, HttpServer.HttpServer | Scope.Scope> =>
  makeWith(WebSocketServer.make(program, options), options)

/**
 * Creates a route without a fiber for each connection, see `WebSocketServer.makeQueue`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeQueue = <E, R, RD = never>(
  handlers: Handlers.Handlers<E, R>,
  options?: WebSocketServer.QueueOptions<RD> & TransportOptions
): Effect.Effect<Route<Exclude<R | RD, WebSocketServer.Provided>>, never, HttpServer.HttpServer | Scope.Scope> =>
  makeWith(WebSocketServer.makeQueue(handlers, options), options)

const makeWith = Effect.fnUntraced(function* <R>(
  server: Effect.Effect<WebSocketServer.WebSocketServer["Service"], never, R>,
  options: TransportOptions | undefined
): Effect.fn.Return<Route<Exclude<R, Scope.Scope | SocketServer>>, never, HttpServer.HttpServer | Scope.Scope> {
  const { handler, services } = yield* makeTransport(options)
  // Each socket brings the services that the program needs, from the context of its request.
  const running = yield* Effect.provideContext(server, services as Context.Context<R>)
  const prepared = yield* Effect.serviceOption(Prepared)
  if (Option.isSome(prepared)) yield* prepared.value.addDrain(running.drain())
  return { ...running, handler }
})

/**
 * Adds a route for `GET path` that runs `program` for each connection in a fiber of its own, see {@link make}.
 *
 * **Details**
 *
 * The `WebSocketServer` that it provides is the route, with its connections, `broadcast` and `drain`. With several
 * routes, provide each to the Layers that need it: `Announce.pipe(Layer.provide(Chat))`. Requests with another method
 * get 405, unless the program has routes for them.
 *
 * **Example** (rooms by path)
 *
 * ```ts skip-type-checking
 * const Chat = WebSocketRoute.layer("/chat/:room", Effect.fnUntraced(function* (connection) {
 *   const { room } = yield* HttpRouter.params
 *   yield* connection.send(`welcome to ${room}`)
 * }))
 *
 * HttpRouter.serve(Layer.mergeAll(Pages, Chat)).pipe(
 *   Layer.provide(WebSocketRoute.layerServer(createServer, { port: 8000 })),
 *   Layer.launch,
 *   NodeRuntime.runMain
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E, R, RD = never>(
  path: HttpRouter.PathInput,
  program: Handlers.Program<E, R>,
  options?: WebSocketServer.ServerOptions<RD> & TransportOptions
): Layer.Layer<WebSocketServer.WebSocketServer, never, RouteRequirements<R | RD>> =>
  layerWith(path, make(program, options))

/**
 * Adds a route without a fiber for each connection, see {@link makeQueue}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerQueue = <E, R, RD = never>(
  path: HttpRouter.PathInput,
  handlers: Handlers.Handlers<E, R>,
  options?: WebSocketServer.QueueOptions<RD> & TransportOptions
): Layer.Layer<WebSocketServer.WebSocketServer, never, RouteRequirements<R | RD>> =>
  layerWith(path, makeQueue(handlers, options))

type RouteRequirements<R> =
  | HttpServer.HttpServer
  | HttpRouter.HttpRouter
  | HttpRouter.Request.From<"Requires", Exclude<R, WebSocketServer.Provided | HttpRouter.Provided>>

const layerWith = <R>(
  path: HttpRouter.PathInput,
  route: Effect.Effect<Route<R>, never, HttpServer.HttpServer | Scope.Scope>
) =>
  Layer.effect(
    WebSocketServer.WebSocketServer,
    Effect.gen(function* () {
      const router = yield* HttpRouter.HttpRouter
      const { handler, ...server } = yield* route
      yield* router.add("GET", path, handler)
      yield* refuseOtherMethods(router, path, notAGet)
      return WebSocketServer.WebSocketServer.of(server)
    }).pipe(Effect.annotateLogs({ route: path }))
  )

/** What a server of {@link layerServer} does for its routes. */
class Prepared extends Context.Service<
  Prepared,
  {
    /** Lets clients of HTTP/2 know that there are WebSockets. */
    readonly announce: Effect.Effect<void>
    /** Adds a drain that runs before the server stops listening, until the Scope closes. */
    readonly addDrain: (drain: Effect.Effect<void>) => Effect.Effect<void, never, Scope.Scope>
  }
>()("@effect-ws/server/WebSocketRoute/Prepared") {}

/**
 * Provides Effect's HTTP server on Node, prepared for WebSocket routes. Takes the arguments of `NodeHttpServer.layer`.
 *
 * **Details**
 *
 * Routes work on `NodeHttpServer.layer` too, with two differences. Its shutdown first waits up to
 * `gracefulShutdownTimeout` (20 seconds by default) for open connections, WebSockets among them, and the routes drain
 * only after that; with this Layer they drain first. Bytes that a client sends before it has the response, against RFC
 * 6455 4.1, are lost there and kept here.
 *
 * A server of `node:http2` also serves the routes over HTTP/2 (RFC 8441), which `NodeHttpServer.layer` does not. An
 * extended CONNECT goes through the router as a GET; at a path without a WebSocket route it gets 404.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerServer = (
  evaluate: LazyArg<HttpUpgrade.HttpServer>,
  options: NodeHttpServer.Options
): Layer.Layer<
  HttpServer.HttpServer | NodeServices.NodeServices | HttpPlatform.HttpPlatform | Etag.Generator,
  ServeError
> => Layer.mergeAll(Layer.effectContext(makeServer(evaluate, options)), NodeHttpServer.layerHttpServices)

/**
 * Provides the server of {@link layerServer} with options from `Config`. Takes the arguments of
 * `NodeHttpServer.layerConfig`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerServerConfig = (
  evaluate: LazyArg<HttpUpgrade.HttpServer>,
  options: Config.Wrap<NodeHttpServer.Options>
): Layer.Layer<
  HttpServer.HttpServer | NodeServices.NodeServices | HttpPlatform.HttpPlatform | Etag.Generator,
  ServeError | Config.ConfigError
> => Layer.unwrap(Effect.map(Config.unwrap(options), (options) => layerServer(evaluate, options)))

// RFC 9112 3.2. Node checks the Host header, but not that of upgrade requests.
const requireHost = <E, R>(
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | HttpServerRequest.HttpServerRequest> =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const message = request.headers["host"] === undefined ? upgradeOf(request) : undefined
    return message === undefined || message.httpVersionMinor === 0 ? app : Effect.succeed(withoutHost)
  })

const unserved =
  "an HTTP server without an application answered a request with 503: a Layer that HttpRouter.serve returns serves one server, so call HttpRouter.serve for each server"

const makeServer = Effect.fnUntraced(function* (
  evaluate: LazyArg<HttpUpgrade.HttpServer>,
  options: NodeHttpServer.Options
): Effect.fn.Return<Context.Context<HttpServer.HttpServer>, ServeError, Scope.Scope> {
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  let stopAnswering = (): void => {}
  let connects: ExtendedConnects | undefined
  const listen = (): HttpUpgrade.HttpServer => {
    const server = HttpUpgrade.keepUpgradeHead(evaluate())
    const { answer, stop } = answerUnserved(server, () => void runFork(Effect.logWarning(unserved)))
    stopAnswering = stop
    if (HttpUpgrade.isHttp2Server(server)) connects = new ExtendedConnects(server, answer)
    return server
  }
  const { address, serve } = yield* NodeHttpServer.make(listen, options)
  const drains = new Set<Effect.Effect<void>>()
  const drainAll = Effect.suspend(() =>
    Effect.andThen(
      connects?.goAway ?? Effect.void,
      Effect.forEach(drains, (drain) => drain, { concurrency: "unbounded", discard: true })
    )
  )
  const server = HttpServer.make({
    address,
    serve: Effect.fnUntraced(function* (app, middleware) {
      stopAnswering()
      const checked = requireHost(app)
      yield* middleware === undefined ? serve(checked) : serve(checked, middleware)
      if (connects !== undefined) yield* connects.serve(checked, middleware)
      // Finalizers run in reverse order: the routes drain before the server shuts down.
      yield* Effect.addFinalizer(() => StoppedClock.orElse(drainAll, Effect.void))
    })
  })
  const addDrain = (drain: Effect.Effect<void>): Effect.Effect<void, never, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.sync(() => void drains.add(drain)),
      () => Effect.sync(() => void drains.delete(drain))
    )
  const announce = Effect.sync(() => connects?.announce())
  return Context.make(HttpServer.HttpServer, server).pipe(
    Context.add(Prepared, { addDrain, announce })
  ) as Context.Context<HttpServer.HttpServer>
})
