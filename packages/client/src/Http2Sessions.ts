/**
 * HTTP/2 sessions that the connections of a client share. Connections to one origin, with the same TLS options and
 * through the same proxy, are streams of one session until it is full. `Client.layerDialer` provides shared sessions.
 * Without them each connection opens a session of its own.
 *
 * @since 0.1.0
 */
import * as Argument from "@effect-ws/protocol/Argument"
import type * as Http2Session from "@effect-ws/transport/Http2Session"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { SessionPool } from "./internal/SessionPool.ts"

/**
 * Options of shared sessions.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Http2Session.SessionOptions {
  /** Maximum connections on one session. Further ones open another session. A server may allow fewer. Default: 100. */
  readonly maxStreams?: number | undefined
  /** How long a session stays open after its last connection has closed. Default: 30 seconds. */
  readonly idleTimeout?: Duration.Input | undefined
  /**
   * Maximum servers that are remembered because they speak HTTP/2 without WebSockets. The next connection to such a
   * server with `http: "auto"` uses HTTP/1.1 without trying HTTP/2 again. Default: 256.
   */
  readonly maxRemembered?: number | undefined
}

/**
 * The shared sessions of a client.
 *
 * @category models
 * @since 0.1.0
 */
export interface Http2Sessions {
  /** How many sessions are open. */
  readonly size: Effect.Effect<number>
}

/**
 * The sessions that connections share, made by {@link make}. Default: `undefined`, so each connection opens a session
 * of its own.
 *
 * @category services
 * @since 0.1.0
 */
export const CurrentSessions: Context.Reference<Http2Sessions | undefined> = Context.Reference<
  Http2Sessions | undefined
>("@effect-ws/client/Http2Sessions", { defaultValue: () => undefined })

/**
 * Creates shared sessions for a client. Closing the Scope closes them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Effect.Effect<Http2Sessions, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(
      () =>
        new SessionPool({
          session: options,
          maxStreams: Argument.limit("maxStreams", options.maxStreams ?? 100, 1),
          idleTimeout: Argument.duration("idleTimeout", options.idleTimeout ?? "30 seconds"),
          maxRemembered: Argument.limit("maxRemembered", options.maxRemembered ?? 256)
        })
    ),
    (pool) => pool.close
  )

/**
 * Provides shared sessions to the clients of a program.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<never> => Layer.effect(CurrentSessions, make(options))
