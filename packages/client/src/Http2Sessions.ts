/**
 * The HTTP/2 sessions that the connections of a client share: those to one origin, with the same TLS options and
 * through the same proxy, are streams of one session as long as it has room. `Client.layerDialer` provides it; without
 * it each connection has a session of its own.
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
  /** Maximum connections on one session; more open another. A server may allow fewer. Default: 100. */
  readonly maxStreams?: number | undefined
  /** How long a session without a connection is kept. Default: 30 seconds. */
  readonly idleTimeout?: Duration.Input | undefined
  /**
   * How many servers without WebSockets over HTTP/2 are remembered, so that they are asked in HTTP/1.1 at once.
   * Default: 256.
   */
  readonly maxRemembered?: number | undefined
}

/**
 * The sessions of a client.
 *
 * @category models
 * @since 0.1.0
 */
export interface Http2Sessions {
  /** How many sessions are open. */
  readonly size: Effect.Effect<number>
  /** @internal */
  readonly pool: SessionPool
}

/**
 * The sessions that connections share. Default: none are shared.
 *
 * @category services
 * @since 0.1.0
 */
export const CurrentSessions: Context.Reference<Http2Sessions | undefined> = Context.Reference<
  Http2Sessions | undefined
>("@effect-ws/client/Http2Sessions", { defaultValue: () => undefined })

/**
 * Creates the sessions of a client, which end with the Scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Effect.Effect<Http2Sessions, never, Scope.Scope> =>
  Effect.map(
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
    ),
    (pool) => ({ size: Effect.sync(() => pool.size), pool })
  )

/**
 * Provides the sessions of a client.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<never> => Layer.effect(CurrentSessions, make(options))
