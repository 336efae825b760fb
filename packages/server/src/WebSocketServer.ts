/**
 * A WebSocket server as a Layer: one fiber for each connection, which runs the program's handler in its own Scope.
 *
 * What listens is a Layer too, any Effect `SocketServer`: TCP, TLS, a Unix socket, or memory in a test. A handler's
 * failure closes its own connection and touches no other. Closing the Layer's Scope drains: no new handshake is
 * accepted, every connection finishes the messages it has, is closed with 1001, and has a moment to say goodbye.
 *
 * @since 0.1.0
 */
import * as Accept from "@effect-ws/connection/Accept"
import { CurrentBudget } from "@effect-ws/connection/Budget"
import type { Connection } from "@effect-ws/connection/Connection"
import * as Fanout from "@effect-ws/connection/Fanout"
import * as Argument from "@effect-ws/protocol/Argument"
import type * as Message from "@effect-ws/protocol/Message"
import * as PreparedMessage from "@effect-ws/protocol/PreparedMessage"
import { checkClose } from "@effect-ws/protocol/Session"
import * as Dialer from "@effect-ws/transport/Dialer"
import { PushSocketServer } from "@effect-ws/transport/PushSocketServer"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as SocketServer from "effect/socket/SocketServer"
import * as Handlers from "./Handlers.ts"
import { Admission } from "./internal/Admission.ts"
import { Broadcaster } from "./internal/Broadcaster.ts"
import { ConnectionSupervisor } from "./internal/ConnectionSupervisor.ts"
import { WorkerPool } from "./internal/WorkerPool.ts"
import { ConnectionRegistry } from "./internal/ConnectionRegistry.ts"
import { FiberRunner } from "./internal/Runner.ts"
import type { Runner } from "./internal/Runner.ts"
import { perListener } from "./internal/perListener.ts"
import { mostInOneTurn } from "./internal/SliceScheduler.ts"
import type { SlowSubscriberOptions, PublishResult, PublishOptions } from "./Topics.ts"

/**
 * What a server may be told, beside what holds for each handshake and connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerOptions<R = never> extends Accept.AcceptOptions<R> {
  /**
   * Maximum connections at a time, those in their handshakes included. A connection above it displaces the oldest silent
   * handshake, see `maxHandshakes`, or gets 503. Default: unlimited.
   */
  readonly maxConnections?: number | undefined
  /**
   * Maximum handshakes under way at a time, TLS handshakes included. A connection above it displaces the oldest silent
   * handshake, which gets 503: one whose client has sent nothing, or has not sent all of its request after half of
   * `handshakeTimeout`. Where there is none it gets 503 itself. Before TLS is set up nobody can be told: there the
   * displaced are dropped, and so are the refused where more than `maxHandshakes` are under way. Default: 1024.
   */
  readonly maxHandshakes?: number | undefined
  /**
   * Maximum connections of one remote address at a time, those in their handshakes included; more displace the oldest
   * silent handshake of that address, or get 429. A /64 of IPv6 is one address. Peers in `trustedProxies` are counted by
   * the client for which they forward. Default: unlimited, since one address may be a proxy or a whole company.
   */
  readonly maxConnectionsPerAddress?: number | undefined
  /** Maximum handshakes of one remote address at a time, counted in the same way. Default: unlimited. */
  readonly maxHandshakesPerAddress?: number | undefined
  /**
   * How long a drain lets connections finish their messages and answer our close frame before their sockets are dropped.
   * Default: 2 seconds.
   */
  readonly drainTimeout?: Duration.Input | undefined
  /** What becomes of those who connect during a drain, see `DrainOptions`. Default: "reject". */
  readonly newConnectionsWhileDraining?: "reject" | "stopListening" | undefined
  /** How many messages `broadcast` sends in one turn of the event loop. Default: 512, which is a few milliseconds. */
  readonly broadcastBatchSize?: number | undefined
  /**
   * How long a handler may go on when its connection is over before it is interrupted, and how long `onClose` and
   * `onError` may take. One that waits for something else than its connection would wait for ever. Kept to within a
   * quarter. Default: 30 seconds.
   */
  readonly handlerTimeoutAfterClose?: Duration.Input | undefined
}

/**
 * What a queue-driven server may be told beside that.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueueOptions<R = never> extends ServerOptions<R> {
  /** How many fibers run handlers. Default: 64. */
  readonly workers?: number | undefined
  /** How many events of a connection are handled before the next connection has its turn. Default: 64. */
  readonly maxEventsPerTurn?: number | undefined
}

/**
 * How to drain.
 *
 * @category models
 * @since 0.1.0
 */
export interface DrainOptions {
  /**
   * The close code to say goodbye with. Default: 1001, going away; 1012 would announce a restart. One that may not be sent,
   * or a reason over 123 bytes, is a defect of whoever drains.
   */
  readonly code?: number | undefined
  /** The close reason. Default: "server shutting down". */
  readonly reason?: string | undefined
  /** How long until the sockets are dropped. Default: the server's `drainTimeout`. */
  readonly timeout?: Duration.Input | undefined
  /**
   * What becomes of those who connect during the drain. `"reject"` answers them with 503. `"stopListening"` stops listening, so
   * that they go to whoever shares the port or the descriptor, lets the handshakes that are under way finish, and drains
   * them too; where the transport cannot stop listening before its Scope closes, it refuses. Default: the server's
   * `newConnectionsWhileDraining`.
   */
  readonly newConnections?: "reject" | "stopListening" | undefined
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
    /** Where the server listens. */
    readonly address: NetAddress.SocketAddress
    /** The connections that are open now. */
    readonly connections: Effect.Effect<ReadonlyArray<Connection>>
    /**
     * Sends a message to all open connections, as a topic does to its subscribers (see `Topics`): encoded once, in
     * slices, and with what the options say of connections that are behind. Tells what became of it.
     */
    readonly broadcast: (
      message: string | Uint8Array | Message.Message | PreparedMessage.PreparedMessage,
      options?: PublishOptions & SlowSubscriberOptions
    ) => Effect.Effect<PublishResult>
    /**
     * Refuses new handshakes with 503, or leaves them to a successor, lets every connection finish the messages it has
     * received, closes it, and waits until all are gone or dropped.
     */
    readonly drain: (options?: DrainOptions) => Effect.Effect<void>
  }
>()("@effect-ws/server/WebSocketServer") {}

/**
 * Starts a server that runs `program` for each connection, for as long as the Scope is open. Within the program, and
 * within `decide`, the service `WebSocketServer` is this server.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <E, R, RD = never>(
  program: Handlers.Program<E, R>,
  options: ServerOptions<RD> = {}
): Effect.Effect<WebSocketServer["Service"], never, Requirements<R | RD>> =>
  Effect.suspend(() => serve(new FiberRunner(Handlers.toRunning(program, options.handlerTimeoutAfterClose)), options))

type Requirements<R> = SocketServer.SocketServer | Scope.Scope | Exclude<R, Provided>

/**
 * What a server provides to its program and its decision: a Scope for each connection, and itself.
 *
 * @category models
 * @since 0.1.0
 */
export type Provided = Scope.Scope | WebSocketServer

/**
 * Starts a server without a fiber for each connection: `workers` fibers run the handlers of all.
 *
 * **Details**
 *
 * The handlers of one connection run one after the other and in order, those of different connections side by side, as
 * many as there are workers. `send` does not wait for the peer: `onSent` tells when a message was written, while a
 * peer does not read, its messages wait for their handlers, and above `maxBufferedBytes` it is closed with 1013.
 *
 * **Gotchas**
 *
 * A handler that waits holds a worker: give slow work to a fiber of its own, or have more workers.
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
  const runner = new WorkerPool(Handlers.toDispatch(handlers, options.handlerTimeoutAfterClose), slice)
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
    const roster = new ConnectionRegistry(
      new Admission(options, Context.get(context, Clock.Clock)),
      Context.get(context, CurrentBudget)
    )
    const broadcaster = new Broadcaster(
      () => roster.connections,
      Argument.limit("broadcastBatchSize", options.broadcastBatchSize ?? mostInOneTurn, 1),
      yield* Fanout.counters("broadcast")
    )
    const drainTimeout = Argument.duration("drainTimeout", options.drainTimeout ?? "2 seconds")
    const handlerTimeoutAfterClose = Argument.duration(
      "handlerTimeoutAfterClose",
      options.handlerTimeoutAfterClose ?? Handlers.defaultGrace
    )
    const push = pushOf(sockets, context)
    const drain = Effect.fnUntraced(function* (drainOptions: DrainOptions = {}, isFinal = false) {
      const { code = 1001, reason = "server shutting down" } = drainOptions
      const timeout = Argument.duration("timeout", drainOptions.timeout ?? drainTimeout)
      const misuse = checkClose(code, reason)
      if (misuse !== undefined) return yield* Effect.die(misuse)
      const leaves =
        (drainOptions.newConnections ?? options.newConnectionsWhileDraining) === "stopListening" && Option.isSome(push)
      yield* Effect.logInfo(`Draining ${roster.size} connections`)
      if (leaves) yield* push.value.stopAccepting
      yield* roster.drain({ code, reason, timeout, refuses: !leaves, isFinal })
    })

    const server = WebSocketServer.of({
      address: sockets.address,
      connections: Effect.sync(() => roster.connections),
      broadcast: (message, options) =>
        Effect.suspend(() => broadcaster.broadcast(PreparedMessage.make(message), options)),
      drain: (options) => drain(options)
    })
    // The Scope of each connection takes the place of the server's.
    const provided = Context.add(context, WebSocketServer, server) as Context.Context<R | RD>
    const conversations = new ConnectionSupervisor<R | RD>(
      runner,
      yield* Accept.makeAcceptor(options),
      roster,
      provided
    )

    // What accepts goes on during the drain, to refuse; what is left then is interrupted.
    yield* Effect.addFinalizer(() => roster.interrupt(Duration.max(Duration.times(drainTimeout, 1 / 4), leastPatience)))
    yield* Effect.forkScoped(roster.interruptOverdueHandlers(handlerTimeoutAfterClose))
    yield* Effect.forkScoped(Effect.orDie(accepting(sockets, push, conversations)))
    yield* Effect.addFinalizer(() => Effect.andThen(drain({}, true), Effect.logInfo("Stopped")))
    yield* Effect.logInfo(`Listening on ${Dialer.formatAddress(sockets.address)}`)

    return server
  },
  Effect.annotateLogs({ module: "WebSocketServer" })
)

// Where a drain takes no time at all, what is interrupted still does.
const leastPatience = Duration.millis(250)

// Our own transports hand sockets over without a fiber for each. Both services are of one listener where they have one
// address.
const pushOf = <R>(
  sockets: SocketServer.SocketServer["Service"],
  context: Context.Context<R>
): Option.Option<PushSocketServer["Service"]> =>
  Option.filter(Context.getOption(context, PushSocketServer), ({ address }) => address === sockets.address)

const accepting = <R>(
  sockets: SocketServer.SocketServer["Service"],
  push: Option.Option<PushSocketServer["Service"]>,
  conversations: ConnectionSupervisor<R>
): Effect.Effect<never, SocketServer.SocketServerError> =>
  Option.isSome(push)
    ? push.value.accept((socket, arrival) => conversations.start(socket, undefined, arrival), conversations)
    : sockets.run((socket) => Effect.callback<void>((resume) => conversations.start(socket, () => resume(Effect.void))))

/**
 * A server that runs `program` for each connection.
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
 * A server without a fiber for each connection, see {@link makeQueue}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerQueue = <E, R, RD = never>(
  handlers: Handlers.Handlers<E, R>,
  options?: QueueOptions<RD>
): Layer.Layer<WebSocketServer, never, SocketServer.SocketServer | Exclude<R | RD, Provided>> =>
  perListener(WebSocketServer, makeQueue(handlers, options))
