/**
 * The server's side of `TopicProtocol`: handlers that serve the `TopicLog` to the connections of a WebSocket server.
 *
 * One effect of the program decides over each action. A subscriber that reads slowly holds no messages here: its fiber
 * waits for the connection, and then continues from its position, with the node's newest entries or with pages from the
 * log.
 *
 * @since 0.1.0
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as Argument from "@effect-ws/protocol/Argument"
import * as CloseError from "@effect-ws/protocol/CloseError"
import * as Message from "@effect-ws/protocol/Message"
import type { Handlers } from "@effect-ws/server/Handlers"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as SocketServer from "effect/socket/SocketServer"
import * as TopicControl from "./internal/TopicControl.ts"
import { TopicSession } from "./internal/TopicSession.ts"
import * as TopicProtocol from "./TopicProtocol.ts"
import { TopicLog } from "./TopicLog.ts"
import type { AppendError } from "./TopicLog.ts"
import { TopicPresence } from "./TopicPresence.ts"
import type { Action } from "./internal/TopicAction.ts"

export type { Action } from "./internal/TopicAction.ts"

/**
 * How topics are served.
 *
 * @category models
 * @since 0.1.0
 */
export interface TopicServerOptions<R = never> {
  /**
   * Decides over each action. A failure with `Denied` is the client's answer. The result is for how long the decision
   * holds: a longer subscription is authorized again, and ends if that is denied. Nothing, or an infinite duration,
   * holds for as long as the connection. Topics that begin with `~` are the library's own, and denied before it is
   * asked. The connection's next request waits for it.
   */
  readonly authorize: (action: Action) => Effect.Effect<Duration.Input | void, TopicProtocol.Denied, R>
  /**
   * The scope of publish ids, such as the name of the user: equal ids of two publishers are two entries. Default: one
   * scope for all.
   */
  readonly publisher?: ((connection: Connection) => string) | undefined
  /**
   * The name under which the subscribers of a topic are present in it, such as the name of the user. It needs a
   * `TopicPresence` in the context; clients that may `Watch` a topic are told who is there. `undefined` is not present.
   * Default: no client is, and nothing can be watched.
   */
  readonly member?: ((connection: Connection) => string | undefined) | undefined
  /** Maximum subscriptions of a connection, and as many topics whose presence it watches. Default: 100. */
  readonly maxSubscriptions?: number | undefined
  /** After how long a silence a client should ask whether the server is there. Default: 20 seconds. */
  readonly heartbeat?: Duration.Input | undefined
}

/**
 * Allows everything to everyone.
 *
 * @category authorization
 * @since 0.1.0
 */
export const allowAll = (): Effect.Effect<void> => Effect.void

/**
 * Creates handlers that serve topics, for a WebSocket server with the subprotocol `TopicProtocol.subprotocol`. A
 * connection that did not agree on it is closed with 1002.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <R = never>(
  options: TopicServerOptions<R>
): Effect.Effect<Handlers<CloseError.CloseError, R>, never, TopicLog | Scope.Scope> =>
  Effect.gen(function* () {
    const log = yield* TopicLog
    const sessions = new Map<Connection, TopicSession<R>>()
    yield* Effect.forkScoped(TopicControl.obey(log, sessions))
    const presence = Option.getOrUndefined(yield* Effect.serviceOption(TopicPresence))
    if (options.member !== undefined && presence === undefined) {
      return yield* Effect.die(new TypeError("the option member needs a TopicPresence: provide TopicPresence.layer()"))
    }
    const settings = {
      authorize: options.authorize,
      publisher: options.publisher ?? (() => ""),
      presence: options.member === undefined ? undefined : presence,
      member: options.member ?? (() => undefined),
      maxSubscriptions: Argument.limit("maxSubscriptions", options.maxSubscriptions ?? 100),
      heartbeat: Argument.duration("heartbeat", options.heartbeat ?? "20 seconds")
    }
    return {
      onOpen: (connection) => {
        if (connection.subprotocol !== TopicProtocol.subprotocol) {
          return Effect.fail(new CloseError.ProtocolError({ reason: `expected ${TopicProtocol.subprotocol}` }))
        }
        return Effect.map(TopicSession.make(connection, log, settings), (session) => {
          sessions.set(connection, session)
        })
      },
      onMessage: (connection, message) => {
        const session = sessions.get(connection)
        if (session === undefined) return Effect.void
        return Message.isText(message)
          ? session.handle(message.data)
          : session.fail(undefined, "Malformed", "expected a text message")
      },
      onClose: (connection) => {
        const session = sessions.get(connection)
        if (session === undefined) return Effect.void
        sessions.delete(connection)
        return session.close
      }
    }
  })

/**
 * Provides a WebSocket server that serves topics and nothing else.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R = never, RS = never>(
  options: TopicServerOptions<R>,
  server: WebSocketServer.ServerOptions<RS> = {}
): Layer.Layer<
  WebSocketServer.WebSocketServer,
  never,
  TopicLog | SocketServer.SocketServer | Exclude<R | RS, WebSocketServer.Provided>
> =>
  Layer.unwrap(
    Effect.map(make(options), (handlers) =>
      WebSocketServer.layer(handlers, { ...server, subprotocols: [TopicProtocol.subprotocol] })
    )
  )

/**
 * Closes all connections of a publisher, as the option `publisher` names it, on all nodes, with 1008.
 *
 * **Gotchas**
 *
 * It is about the connections of now: a client may connect again, and then the handshake's decision has to refuse it.
 *
 * @category authorization
 * @since 0.1.0
 */
export const disconnect = (publisher: string, reason = "disconnected"): Effect.Effect<void, AppendError, TopicLog> =>
  Effect.flatMap(TopicLog, (log) => TopicControl.tell(log, { _tag: "Disconnect", publisher, reason }))

/**
 * Makes all nodes ask `authorize` again for each subscription of a publisher. Those that are denied now end.
 *
 * @category authorization
 * @since 0.1.0
 */
export const reauthorize = (publisher: string): Effect.Effect<void, AppendError, TopicLog> =>
  Effect.flatMap(TopicLog, (log) => TopicControl.tell(log, { _tag: "Reauthorize", publisher }))
