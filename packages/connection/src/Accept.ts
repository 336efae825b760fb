/**
 * The server's side of the opening handshake, as one effect: any Effect `Socket` on which a client is about to speak
 * HTTP becomes a connection. Where an HTTP server has read the request already, the socket carries it, see
 * `HttpUpgrade`.
 *
 * Whether a client is let in is one decision. The checks that the options configure (paths, origins) come first and
 * cannot be switched off by accident; `decide` is the program's own decision after them. Every refusal is a complete
 * HTTP response that says why.
 *
 * @since 0.1.0
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as Extensions from "@effect-ws/extensions/Extensions"
import * as HandshakePolicy from "@effect-ws/protocol/HandshakePolicy"
import * as HandshakeRejection from "@effect-ws/protocol/HandshakeRejection"
import type { HeadLimits } from "@effect-ws/protocol/HeadParser"
import type * as HttpHead from "@effect-ws/protocol/HttpHead"
import type { UpgradeRequest } from "@effect-ws/protocol/ServerHandshake"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import type { Connection } from "./Connection.ts"
import * as ConnectionOptions from "./ConnectionOptions.ts"
import * as Peer from "./Peer.ts"
import * as SharedTimeouts from "@effect-ws/transport/SharedTimeouts"
import { releaseSocket } from "./internal/handshake/acquireSocket.ts"
import { ServerHandshakeDriver } from "./internal/handshake/ServerHandshakeDriver.ts"
import { HandshakeTime } from "./internal/handshake/HandshakeTime.ts"
import type { ServerHandshakeConfig } from "./internal/handshake/ServerHandshakeDriver.ts"
import { environment } from "./internal/makeConnection.ts"
import { Http2ResponseWriter } from "./internal/handshake/ResponseWriter.ts"
import * as Push from "@effect-ws/transport/Push"
import { ofServer } from "./internal/telemetry/TelemetryConfig.ts"
import { CurrentServerObserver } from "./ServerObserver.ts"
import { Telemetry } from "./Telemetry.ts"
import type {
  AcceptError,
  Acceptance,
  Decide,
  HandshakeOwner,
  HandshakeProgress,
  HttpAnswer
} from "./internal/handshake/HandshakeDecision.ts"

export type {
  AcceptError,
  Acceptance,
  Decide,
  HandshakeOwner,
  HandshakeProgress,
  HandshakeRequest,
  HttpAnswer
} from "./internal/handshake/HandshakeDecision.ts"

/**
 * Options of the server's side of a handshake.
 *
 * @category models
 * @since 0.1.0
 */
export interface AcceptOptions<R = never>
  extends ConnectionOptions.ConnectionOptions, HeadLimits, Peer.ForwardingOptions {
  /** The paths that exist; others get 404. Default: every path. */
  readonly paths?: ReadonlyArray<string> | undefined
  /**
   * The origins of web pages that may connect; others get 403. `"same-origin"` takes pages from the host they connect
   * to, `"any"` takes all, and clients that send no origin are no web page and pass. The check comes before `decide`; a
   * `decide` that judges origins by itself needs `"any"` here. Default: `"same-origin"`.
   */
  readonly origins?: HandshakePolicy.Origins | undefined
  /**
   * The subprotocols that the server speaks, best first. The first that the client offers is chosen, unless `decide`
   * chooses another. Default: none.
   */
  readonly subprotocols?: ReadonlyArray<string> | undefined
  /** Accepts or refuses a request that passed the checks of `paths` and `origins`. Default: accepts. */
  readonly decide?: Decide<R> | undefined
  /**
   * Maximum time of the handshake. If the request is not complete by then, the client gets 408; if `decide` has not
   * returned by then, it gets 503. Default: 10 seconds.
   */
  readonly handshakeTimeout?: Duration.Input | undefined
  /**
   * Answers a GET that asks for no WebSocket; `undefined` leaves it to the handshake to refuse, with 426. One without a
   * valid `Host` gets 400. On the port of an HTTP server (`HttpUpgrade`) that server answers. Default: refuse.
   */
  readonly respond?: ((request: HttpHead.RequestHead) => HttpAnswer | undefined) | undefined
}

/**
 * Accepts every request that passed the checks of the options, as a server without `decide` does.
 *
 * @category constructors
 * @since 0.1.0
 */
export const all: Decide = () => Effect.succeed({})

/**
 * Creates a decision of paths, then origins, then the choice of a subprotocol, for use inside of a `decide`.
 *
 * **Gotchas**
 *
 * The options of the server are checked before it: this can only refuse more.
 *
 * @category constructors
 * @since 0.1.0
 */
export const policy =
  (
    options: Pick<AcceptOptions, "paths" | "origins" | "subprotocols">
  ): ((request: UpgradeRequest) => Effect.Effect<Acceptance, HandshakeRejection.HandshakeRejection>) =>
  (request) =>
    Effect.map(Effect.fromResult(HandshakePolicy.decide(request, options)), ({ subprotocol }) => ({ subprotocol }))

/**
 * Does the server's side of the opening handshake on a socket.
 *
 * **Details**
 *
 * Extensions are those in the context, see `Extensions`. A rejection was answered already when it arrives as an error;
 * closing the Scope then lets the answer out and ends the stream. The Scope holds the socket.
 *
 * **Gotchas**
 *
 * Closing the Scope ends the stream of an open connection too, without a close frame: the peer sees 1006. `close` it
 * before that, or let `ConnectionHandler.run` do so as the end of a program says.
 *
 * @category constructors
 * @since 0.1.0
 */
export const accept = <R = never>(
  socket: Socket.Socket,
  options?: AcceptOptions<R>
): Effect.Effect<Connection, AcceptError, Scope.Scope | R> => Effect.flatMap(make(options), (accept) => accept(socket))

/**
 * Sends a rejection on a socket whose request is not read. The Scope holds the socket, and lets the answer out.
 *
 * @category constructors
 * @since 0.1.0
 */
export const reject = Effect.fnUntraced(function* (
  socket: Socket.Socket,
  rejection: HandshakeRejection.HandshakeRejection
): Effect.fn.Return<void, Socket.SocketError, Scope.Scope> {
  yield* socket.reader
  const writer = yield* socket.writer
  const respond = Push.parsedUpgrade(socket)?.respond
  if (respond === undefined) yield* writer.write(HandshakeRejection.encode(rejection))
  else new Http2ResponseWriter(respond).reject(rejection)
})

/**
 * Prepares {@link accept} for many sockets: options and extensions are read once.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <R = never>(
  options?: AcceptOptions<R>
): Effect.Effect<(socket: Socket.Socket) => Effect.Effect<Connection, AcceptError, Scope.Scope | R>> =>
  Effect.map(
    makeAcceptor(options),
    (acceptor) => (socket) =>
      Effect.contextWith((context: Context.Context<Scope.Scope | R>) => {
        const scope = Context.get(context, Scope.Scope)
        let connection: Connection | undefined
        const handshake = Effect.callback<Connection, AcceptError>((resume) => {
          const handshake = acceptor.begin(socket, context, scope, {
            handshakeDone: (exit) => {
              if (Exit.isSuccess(exit)) connection = exit.value
              resume(exit)
            }
          })
          return Effect.sync(() => handshake.interrupt())
        })
        return Effect.andThen(
          Scope.addFinalizer(
            scope,
            Effect.sync(() => acceptor.release(socket, connection))
          ),
          handshake
        )
      })
  )

/**
 * The time of a handshake that is still to begin, see `Acceptor.startTime`.
 *
 * @category models
 * @since 0.1.0
 */
export interface StartedTime {
  /** Whether the client has sent anything before `begin`. Default: `false`. */
  hasSent: boolean
  readonly stop: () => void
}

/**
 * A handshake that has begun.
 *
 * @category models
 * @since 0.1.0
 */
export interface HandshakeUnderWay {
  readonly progress: HandshakeProgress
  /** Gives up, as when the server stops. */
  readonly interrupt: () => void
  /** Ends the connection, to make room for another. A client that can be told gets 503. */
  readonly evict: () => void
}

/**
 * Does handshakes for a server that has no fiber for each: {@link make} without an Effect around it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Acceptor<R> {
  /**
   * Begins a handshake, of which the owner hears once, perhaps before this returns.
   *
   * **Details**
   *
   * `scope` is what `decide`, the extensions, and a socket that is not of our transports are given to acquire from.
   *
   * **Gotchas**
   *
   * Whatever came of it, the owner ends with `release`, and then closes the Scope.
   */
  readonly begin: (
    socket: Socket.Socket,
    context: Context.Context<R>,
    scope: Scope.Scope,
    owner: HandshakeOwner,
    time?: StartedTime
  ) => HandshakeUnderWay
  /**
   * Starts the time of a handshake before there is a socket, as when TLS is set up first; give it to `begin` then.
   * `onExpire` runs where the time is over before that. Stop it where there will be no socket.
   */
  readonly startTime: (onExpire: () => void) => StartedTime
  /** Releases a socket, and the connection that was made of it, if any. */
  readonly release: (socket: Socket.Socket, connection: Connection | undefined) => void
}

/**
 * Makes an {@link Acceptor}: options and extensions are read once.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeAcceptor = <R = never>(options: AcceptOptions<R> = {}): Effect.Effect<Acceptor<R>> =>
  // One context for all connections: what a fiber makes of its own is held as long as anything refers to that.
  Effect.zipWith(Extensions.current, Effect.context<never>(), (extensions, context): Acceptor<R> => {
    const timeout = Argument.duration("handshakeTimeout", options.handshakeTimeout ?? "10 seconds")
    const config: ServerHandshakeConfig<R> = {
      limits: options,
      policy: options,
      forwarding: Peer.forwarding(options),
      decide: options.decide ?? all,
      respond: options.respond,
      extensions,
      timeout,
      deadlines: SharedTimeouts.latestOf(timeout, Context.get(context, Clock.Clock)),
      observer: ofServer(Context.get(context, Telemetry), Context.get(context, CurrentServerObserver), context),
      environment: environment(ConnectionOptions.settings(options), context)
    }
    return {
      startTime: (onExpire) => new HandshakeTime(config.deadlines, onExpire),
      begin: (socket, context, scope, owner, time) => {
        const handshake = new ServerHandshakeDriver(
          config,
          socket,
          context,
          scope,
          owner,
          time as HandshakeTime | undefined
        )
        handshake.start()
        return handshake
      },
      release: releaseSocket
    }
  })
