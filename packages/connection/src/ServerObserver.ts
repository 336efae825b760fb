/**
 * The hook for a program that watches the connections of a server, such as an inspector: the server tells it of each
 * connection that opens and of each handshake that it refuses, and what it returns for a connection is shown the bytes.
 *
 * Everything here is called synchronously on the data path, so an observer only takes notes. Without an observer the
 * server does nothing for it: a connection has one field that is `undefined`.
 *
 * @since 0.1.0
 */
import type * as SessionEvent from "@effect-ws/protocol/SessionEvent"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import type { Connection } from "./Connection.ts"
import type { Peer } from "./Peer.ts"

/**
 * Observes the servers of a context.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerObserver {
  /** A connection has opened; nothing was read of it yet. Returns its observer, or `undefined` to leave it alone. */
  readonly opened: (connection: Connection) => ConnectionObserver | undefined
  /** A handshake ended without a connection, and the client has its answer. */
  readonly refused: (refusal: RefusedHandshake) => void
  /** A server has started. Returns what to call when it has stopped. */
  readonly started: (server: ObservedServer) => () => void
}

/**
 * Observes one connection. The bytes belong to the connection: copy what is kept.
 *
 * **Gotchas**
 *
 * A chunk may be a Node `Buffer`, whose `slice` is a view: use `Uint8Array.prototype.slice.call` for copies.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectionObserver {
  /** Bytes have arrived, as they were on the wire: masked, compressed, and cut anywhere. */
  readonly arrived: (chunk: Uint8Array) => void
  /** The events that these, or earlier, bytes led to: messages as the program gets them. */
  readonly received: (events: ReadonlyArray<SessionEvent.SessionEvent>) => void
  /** The program has sent a message, or with `last` false a piece of one. It is written later. */
  readonly sent: (data: string | Uint8Array, last: boolean) => void
  /** Frames are written, whole ones, as they are on the wire. */
  readonly written: (chunks: ReadonlyArray<Uint8Array>) => void
  /** The connection has closed. */
  readonly closed: (closeInfo: CloseInfo) => void
}

/**
 * A handshake that was refused.
 *
 * @category models
 * @since 0.1.0
 */
export interface RefusedHandshake {
  /** The HTTP status of the answer; `undefined` where the client was gone before it had one. */
  readonly status: number | undefined
  /** The rule of the `HandshakeRejection`, or the tag of another error. */
  readonly rule: string
  /** The reason that the client was told, or the message of the error. */
  readonly reason: string
  /** The path of the request, without its query; `undefined` where no request was read. */
  readonly path: string | undefined
  /** The client, as far as it is known. */
  readonly peer: Pick<Peer, "remoteAddress"> | undefined
}

/**
 * A server that an observer was told of.
 *
 * @category models
 * @since 0.1.0
 */
export interface ObservedServer {
  /** The address that the server listens on. */
  readonly address: NetAddress.SocketAddress
  /** Drains the server, as its own `drain` does. */
  readonly drain: Effect.Effect<void>
}

/**
 * The observer of the servers that are made in a context. Default: none.
 *
 * @category services
 * @since 0.1.0
 */
export const CurrentServerObserver: Context.Reference<ServerObserver | undefined> = Context.Reference<
  ServerObserver | undefined
>("@effect-ws/connection/ServerObserver", { defaultValue: () => undefined })

/**
 * Tells the observer of the context, if there is one, of a server, and when the Scope closes that it has stopped.
 *
 * @category combinators
 * @since 0.1.0
 */
export const register = (server: ObservedServer): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(CurrentServerObserver, (observer) =>
    observer === undefined
      ? Effect.void
      : Effect.asVoid(
          Effect.acquireRelease(
            Effect.sync(() => observer.started(server)),
            (stopped) => Effect.sync(stopped)
          )
        )
  )
