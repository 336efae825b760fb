/**
 * A WebSocket server as a Layer: one fiber for each connection, which runs the program's handler in its own Scope.
 *
 * What listens is a Layer too, any Effect `SocketServer`: TCP, TLS, a Unix socket, or memory in a test. A failure of a
 * handler closes its own connection and no other. Closing the Layer's Scope drains the server: it accepts no new
 * handshake, and every connection finishes the messages that it has received, closes with 1001, and waits for the
 * peer's close frame until `drainTimeout`.
 *
 * @since 0.1.0
 */
import * as Accept from "@effect-ws/connection/Accept"
import { CurrentBudget } from "@effect-ws/connection/Budget"
import type { Connection } from "@effect-ws/connection/Connection"
import * as Fanout from "@effect-ws/connection/Fanout"
import * as ServerObserver from "@effect-ws/connection/ServerObserver"
import { preparedAs } from "@effect-ws/connection/internal/preparedAs"
import type * as TypedConnection from "@effect-ws/connection/TypedConnection"
import * as Argument from "@effect-ws/protocol/Argument"
import type * as Message from "@effect-ws/protocol/Message"
import type * as PreparedMessage from "@effect-ws/protocol/PreparedMessage"
import { checkClose } from "@effect-ws/protocol/Session"
import * as Dialer from "@effect-ws/transport/Dialer"
import { PushSocketServer } from "@effect-ws/transport/PushSocketServer"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as SocketServer from "effect/socket/SocketServer"
import type * as Handlers from "./Handlers.ts"
import { Admission } from "./internal/Admission.ts"
import { BatchRunner } from "./internal/BatchRunner.ts"
import { Broadcaster } from "./internal/Broadcaster.ts"
import { ConnectionSupervisor } from "./internal/ConnectionSupervisor.ts"
import { WorkerPool } from "./internal/WorkerPool.ts"
import { ConnectionRegistry } from "./internal/ConnectionRegistry.ts"
import { defaultHandlerTimeout, toDispatch } from "./internal/dispatch.ts"
import { HandshakeRate } from "./internal/HandshakeRate.ts"
import { closeAtPace, drainPace } from "./internal/PacedDrain.ts"
import { Readiness } from "./internal/Readiness.ts"
import { RefusalLog } from "./internal/RefusalLog.ts"
import { FiberRunner } from "./internal/Runner.ts"
import type { Runner } from "./internal/Runner.ts"
import { perListener } from "./internal/perListener.ts"
import { mostInOneTurn } from "./internal/SliceScheduler.ts"
import type { SlowSubscriberOptions, PublishResult, PublishOptions } from "./Publishing.ts"
import type { DrainOptions } from "./internal/DrainOptions.ts"

export type { DrainOptions } from "./internal/DrainOptions.ts"

/**
 * Options of a server, in addition to those of each handshake and connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerOptions<R = never> extends Accept.AcceptOptions<R> {
  /**
   * Maximum open connections, those in their handshakes included. A connection above it evicts the oldest silent
   * handshake (see `maxHandshakes`); without one, the server rejects it with 503. Default: unlimited.
   */
  readonly maxConnections?: number | undefined
  /**
   * Maximum concurrent handshakes, TLS handshakes included. A connection above it evicts the oldest silent handshake
   * with 503. A handshake is silent while its client has sent nothing, or has sent only a part of its request after
   * half of `handshakeTimeout`. If no handshake is silent, the server rejects the new connection with 503. During a TLS
   * handshake no HTTP response can be sent: evicted connections are dropped there, and so are rejected ones while more
   * than `maxHandshakes` rejections are pending. Default: 1024.
   */
  readonly maxHandshakes?: number | undefined
  /**
   * Maximum open connections of one remote address, those in their handshakes included. A connection above it evicts
   * the oldest silent handshake of that address; without one, the server rejects it with 429. A /64 of IPv6 counts as
   * one address. A connection through a peer in `trustedProxies` counts for the forwarded client. Default: unlimited,
   * since one address may be a proxy or a whole company.
   */
  readonly maxConnectionsPerAddress?: number | undefined
  /** Maximum concurrent handshakes of one remote address, counted in the same way. Default: unlimited. */
  readonly maxHandshakesPerAddress?: number | undefined
  /**
   * Maximum handshakes that are accepted per second, so that the clients of other nodes do not come all at once to one
   * that has just started; a tenth of that may come together. A handshake above the rate waits for its turn up to a
   * second. If its turn is later, the server rejects it with 503 and a `Retry-After` that spreads the rejected clients
   * at this rate; `Reconnect` honours it. Default: unlimited.
   */
  readonly maxHandshakesPerSecond?: number | undefined
  /**
   * Path on which the server answers GET with 200 while it is ready, and with 503 once a drain has begun: the health
   * check of a load balancer. On the port of an HTTP server that server answers: see `isReady`. Default: none.
   */
  readonly readyPath?: string | undefined
  /**
   * Time that a drain gives connections to finish their messages and to answer our close frame. Then the server drops
   * their sockets. Default: 2 seconds.
   */
  readonly drainTimeout?: Duration.Input | undefined
  /** Treatment of new connections during a drain, see `DrainOptions`. Default: "reject". */
  readonly newConnectionsWhileDraining?: "reject" | "stopListening" | undefined
  /**
   * Maximum messages that `broadcast` sends in one turn of the event loop. Default: 512, which takes a few
   * milliseconds.
   */
  readonly broadcastBatchSize?: number | undefined
  /**
   * Time that a handler may run after its connection has closed, and that `onClose` and `onError` may take each. Then
   * the server interrupts the handler. Without this bound, a handler that waits for anything but its connection would
   * run for ever. Accurate to a quarter of its value. Default: 30 seconds.
   */
  readonly handlerTimeoutAfterClose?: Duration.Input | undefined
  /**
   * Minimum time between two log lines about handshakes that were refused by the same rule, so that a client cannot
   * fill the log. The next line tells how many were left out. 0 logs every refusal, `Infinity` the first by each rule
   * only. Default: 10 seconds.
   */
  readonly refusalLogInterval?: Duration.Input | undefined
}

/**
 * Options of a queue-driven server, in addition to those of every server.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueueOptions<R = never> extends ServerOptions<R> {
  /** Number of fibers that run handlers. Default: 64. */
  readonly workers?: number | undefined
  /** Maximum events of one connection that a worker handles before it serves the next connection. Default: 64. */
  readonly maxEventsPerTurn?: number | undefined
}

/**
 * A running server.
 *
 * @category services
 * @since 0.1.0
 */
export class WebSocketServer extends Context.Service<
  WebSocketServer,
  {
    /** The address that the server listens on. */
    readonly address: NetAddress.SocketAddress
    /** Whether no drain has begun. A health check should ask for it. */
    readonly isReady: Effect.Effect<boolean>
    /** The connections that are open now. */
    readonly connections: Effect.Effect<ReadonlyArray<Connection>>
    /**
     * Encodes a message once and sends it to all open connections, in batches of `broadcastBatchSize`. The options say
     * what to do with connections that are behind, as in `Topics`. Returns the counts of connections by outcome. With
     * `as`, takes a value of that Schema; fails with `SchemaError` where the Schema refuses it, and sends nothing then.
     */
    readonly broadcast: {
      (
        message: string | Uint8Array | Message.Message | PreparedMessage.PreparedMessage,
        options?: PublishOptions & SlowSubscriberOptions & { readonly as?: undefined }
      ): Effect.Effect<PublishResult>
      <Send extends Schema.Constraint>(
        value: NoInfer<Send["Type"]>,
        options: PublishOptions & SlowSubscriberOptions & TypedConnection.SentAs<Send>
      ): Effect.Effect<PublishResult, Schema.SchemaError, Send["EncodingServices"]>
    }
    /**
     * Drains the server: rejects new handshakes with 503, or stops listening, lets every connection finish the messages
     * that it has received, closes it, and waits until all connections are closed or dropped. With `notReadyFor` and
     * `over` it does so at a pace.
     */
    readonly drain: (options?: DrainOptions) => Effect.Effect<void>
  }
>()("@effect-ws/server/WebSocketServer") {}

/**
 * Starts a server that runs `program` for each connection, for as long as the Scope is open. Within `program` and
 * `decide` the service `WebSocketServer` is this server.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <E, R, RD = never>(
  program: Handlers.Program<E, R>,
  options: ServerOptions<RD> = {}
): Effect.Effect<WebSocketServer["Service"], never, Requirements<R | RD>> =>
  Effect.suspend(() => {
    const runner: Runner<R> =
      typeof program === "function"
        ? new FiberRunner(program)
        : new BatchRunner(toDispatch(program, options.handlerTimeoutAfterClose))
    return serve(runner, options)
  })

type Requirements<R> = SocketServer.SocketServer | Scope.Scope | Exclude<R, Provided>

/**
 * Services that a server provides to its program and its `decide`: a Scope for each connection, and itself.
 *
 * @category models
 * @since 0.1.0
 */
export type Provided = Scope.Scope | WebSocketServer

/**
 * Starts a server without a fiber for each connection: `workers` fibers run the handlers of all connections.
 *
 * **Details**
 *
 * The handlers of one connection run one after the other and in order. Handlers of different connections run
 * concurrently, as many as there are workers. `send` does not wait for the peer; `onSent` is called when a message was
 * written. While a peer does not read, the server does not handle the messages of that peer, and a peer with more than
 * `maxBufferedBytes` buffered is closed with 1013.
 *
 * **Gotchas**
 *
 * A handler that waits occupies a worker. Fork slow work into a fiber of its own, or raise `workers`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeQueue = Effect.fnUntraced(function* <E, R, RD = never>(
  handlers: Handlers.Handlers<E, R>,
  options: QueueOptions<RD> = {}
): Effect.fn.Return<WebSocketServer["Service"], never, Requirements<R | RD>> {
  const slice = Argument.limit("maxEventsPerTurn", options.maxEventsPerTurn ?? 64, 1)
  const workers = Argument.integer("workers", options.workers ?? 64, 1)
  const runner = new WorkerPool(toDispatch(handlers, options.handlerTimeoutAfterClose), slice)
  yield* runner.startWorkers(workers, leastPatience)
  return yield* serve(runner, options)
})

const serve = Effect.fnUntraced(
  function* <R, RD>(
    runner: Runner<R>,
    options: ServerOptions<RD>
  ): Effect.fn.Return<WebSocketServer["Service"], never, Requirements<R | RD>> {
    const sockets = yield* SocketServer.SocketServer
    const context = yield* Effect.context<Scope.Scope>()
    const registry = new ConnectionRegistry(
      new Admission(options, Context.get(context, Clock.Clock)),
      Context.get(context, CurrentBudget)
    )
    const broadcaster = new Broadcaster(
      () => registry.connections,
      Argument.limit("broadcastBatchSize", options.broadcastBatchSize ?? mostInOneTurn, 1),
      yield* Fanout.counters("broadcast")
    )
    const drainTimeout = Argument.duration("drainTimeout", options.drainTimeout ?? "2 seconds")
    const handlerTimeoutAfterClose = Argument.duration(
      "handlerTimeoutAfterClose",
      options.handlerTimeoutAfterClose ?? defaultHandlerTimeout
    )
    const refusalLogInterval = Argument.duration("refusalLogInterval", options.refusalLogInterval ?? "10 seconds")
    const push = pushOf(sockets, context)
    const readiness = new Readiness(options.readyPath)
    const drain = Effect.fnUntraced(function* (drainOptions: DrainOptions = {}, isFinal = false) {
      const pace = drainPace(drainOptions)
      const { code } = pace
      const reason = yield* pace.reason
      const timeout = Argument.duration("timeout", drainOptions.timeout ?? drainTimeout)
      const misuse = checkClose(code, reason)
      if (misuse !== undefined) return yield* Effect.die(misuse)
      const leaves =
        (drainOptions.newConnections ?? options.newConnectionsWhileDraining) === "stopListening" && Option.isSome(push)
      readiness.end()
      yield* Effect.logInfo(`Draining ${registry.size} connections`)
      yield* closeAtPace(pace, () => registry.connections)
      if (leaves) yield* push.value.stopAccepting
      yield* registry.drain({ code, reason, timeout, refuses: !leaves, isFinal })
    })

    const server = WebSocketServer.of({
      address: sockets.address,
      isReady: Effect.sync(() => readiness.isReady),
      connections: Effect.sync(() => registry.connections),
      broadcast: (
        message: unknown,
        options?: PublishOptions &
          SlowSubscriberOptions & { readonly as?: TypedConnection.SentAs<Schema.Constraint>["as"] | undefined }
      ): Effect.Effect<PublishResult, never, never> =>
        Effect.flatMap(preparedAs(message, options?.as), (prepared) =>
          broadcaster.broadcast(prepared, options)
        ) as Effect.Effect<PublishResult>,
      drain: (options) => drain(options)
    })
    yield* ServerObserver.register({ address: sockets.address, drain: server.drain() })
    // The Scope of each connection replaces that of the server.
    const provided = Context.add(context, WebSocketServer, server) as Context.Context<R | RD>
    const supervisor = new ConnectionSupervisor<R | RD>(
      runner,
      yield* Accept.makeAcceptor({ ...options, ...entrance(options, readiness, context) }),
      registry,
      provided,
      new RefusalLog(provided, refusalLogInterval)
    )

    // The accepting fibers run during the drain, to reject connections. This finalizer interrupts what is left after
    // it.
    yield* Effect.addFinalizer(() =>
      registry.interrupt(Duration.max(Duration.times(drainTimeout, 1 / 4), leastPatience))
    )
    yield* Effect.forkScoped(registry.interruptOverdueHandlers(handlerTimeoutAfterClose))
    yield* Effect.forkScoped(Effect.orDie(accepting(sockets, push, supervisor)))
    yield* Effect.addFinalizer(() => Effect.andThen(drain({}, true), Effect.logInfo("Stopped")))
    yield* Effect.logInfo(`Listening on ${Dialer.formatAddress(sockets.address)}`)

    return server
  },
  Effect.annotateLogs({ module: "WebSocketServer" })
)

const entrance = <R>(
  options: ServerOptions<R>,
  readiness: Readiness,
  context: Context.Context<never>
): Pick<ServerOptions<R>, "decide" | "respond"> => {
  const { decide = Accept.all, handshakeTimeout, maxHandshakesPerSecond } = options
  const rate =
    maxHandshakesPerSecond === undefined
      ? undefined
      : new HandshakeRate(maxHandshakesPerSecond, handshakeTimeout, Context.get(context, Clock.Clock))
  return { decide: rate === undefined ? decide : rate.pace(decide), respond: readiness.respond(options.respond) }
}

// A `drainTimeout` of zero still leaves fibers this much time to be interrupted.
const leastPatience = Duration.millis(250)

// The transports of this library pass sockets to a callback, without a fiber for each. The two services belong to one
// listener if they have the same address.
const pushOf = <R>(
  sockets: SocketServer.SocketServer["Service"],
  context: Context.Context<R>
): Option.Option<PushSocketServer["Service"]> =>
  Option.filter(Context.getOption(context, PushSocketServer), ({ address }) => address === sockets.address)

const accepting = <R>(
  sockets: SocketServer.SocketServer["Service"],
  push: Option.Option<PushSocketServer["Service"]>,
  supervisor: ConnectionSupervisor<R>
): Effect.Effect<never, SocketServer.SocketServerError> =>
  Option.isSome(push)
    ? push.value.accept((socket, arrival) => supervisor.start(socket, undefined, arrival), supervisor)
    : sockets.run((socket) => Effect.callback<void>((resume) => supervisor.start(socket, () => resume(Effect.void))))

/**
 * Provides a server that runs `program` for each connection.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E, R, RD = never>(
  program: Handlers.Program<E, R>,
  options?: ServerOptions<RD>
): Layer.Layer<WebSocketServer, never, SocketServer.SocketServer | Exclude<R | RD, Provided>> =>
  perListener(WebSocketServer, make(program, options))

/**
 * Provides a server as {@link layer} does, with options from `Config`: each option is a `Config`, or one `Config` gives
 * all of them.
 *
 * **Details**
 *
 * The Layer reads the configuration when it is built, before it accepts connections. A value that is missing or invalid
 * fails with a `ConfigError` that names its key.
 *
 * **Example** (Limits from the environment)
 *
 * ```ts skip-type-checking
 * WebSocketServer.layerConfig(program, {
 *   maxConnections: Config.Int("MAX_CONNECTIONS").pipe(Config.withDefault(10_000)),
 *   drainTimeout: Config.Duration("DRAIN_TIMEOUT").pipe(Config.withDefault("10 seconds"))
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = <E, R, RD = never>(
  program: Handlers.Program<E, R>,
  options: Config.Wrap<ServerOptions<RD>>
): Layer.Layer<WebSocketServer, Config.ConfigError, SocketServer.SocketServer | Exclude<R | RD, Provided>> =>
  perListener(
    WebSocketServer,
    Effect.flatMap(Config.unwrap(options), (options) => make(program, options))
  )

/**
 * Provides a server without a fiber for each connection, see {@link makeQueue}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerQueue = <E, R, RD = never>(
  handlers: Handlers.Handlers<E, R>,
  options?: QueueOptions<RD>
): Layer.Layer<WebSocketServer, never, SocketServer.SocketServer | Exclude<R | RD, Provided>> =>
  perListener(WebSocketServer, makeQueue(handlers, options))

/**
 * Provides a server without a fiber for each connection, with options from `Config`, see {@link layerConfig}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerQueueConfig = <E, R, RD = never>(
  handlers: Handlers.Handlers<E, R>,
  options: Config.Wrap<QueueOptions<RD>>
): Layer.Layer<WebSocketServer, Config.ConfigError, SocketServer.SocketServer | Exclude<R | RD, Provided>> =>
  perListener(
    WebSocketServer,
    Effect.flatMap(Config.unwrap(options), (options) => makeQueue(handlers, options))
  )
