/**
 * The connection of a node to Redis. Client libraries queue commands without bound while they are offline, and wait for
 * a server that hangs for ever, so every command here has a deadline, and after a failure the client is built anew.
 */
import { ConfigError } from "effect/Config"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Redis from "effect/persistence/Redis"
import * as Scope from "effect/Scope"
import { EngineUnsupported, LogUnavailable } from "../TopicLogError.ts"
import * as metrics from "./metrics.ts"
import { resumeAll } from "./resumeAll.ts"

/** A client that has not failed so far. */
export interface Session {
  readonly redis: Redis.Redis["Service"]
  readonly scope: Scope.Closeable
  /** Done when something failed, so that the client must be built anew. */
  readonly broken: Deferred.Deferred<void>
}

/** How a command failed. */
export type CommandFailure =
  | { readonly _tag: "Refused"; readonly detail: string }
  | { readonly _tag: "NotSent"; readonly detail: string }
  | { readonly _tag: "Lost"; readonly detail: string }

// Replies that say that nothing was done.
const refusal =
  /^(?:OOM|READONLY|LOADING|MISCONF|BUSY|MOVED|ASK|CLUSTERDOWN|MASTERDOWN|NOAUTH|NOPERM|NOREPLICAS|TRYAGAIN) /

const failureOf = (cause: unknown): CommandFailure => {
  const error = cause instanceof Error ? cause : new Error(String(cause))
  if (refusal.test(error.message)) return { _tag: "Refused", detail: error.message }
  const isNotSent = error.constructor.name === "ClientOfflineError" || error.constructor.name === "ClientClosedError"
  return { _tag: isNotSent ? "NotSent" : "Lost", detail: error.message === "" ? error.constructor.name : error.message }
}

/** Runs a command of a session with a deadline. After any failure but a refusal the session is broken. */
export const command = <A, R>(
  session: Session,
  effect: Effect.Effect<A, Redis.RedisError, R>,
  deadline: Duration.Input
): Effect.Effect<A, CommandFailure, R> =>
  Effect.mapError(effect, (error) => failureOf(error.cause)).pipe(
    Effect.timeoutOrElse({
      duration: deadline,
      orElse: () => Effect.fail<CommandFailure>({ _tag: "Lost", detail: "no reply within commandTimeout" })
    }),
    Effect.tapError((failure) =>
      failure._tag === "Refused" ? Effect.void : Deferred.succeed(session.broken, undefined)
    )
  )

/** Why no client can be built, however often it is tried. */
export type StartFailure<E> = EngineUnsupported | Extract<E, ConfigError>

const isConfigError = <E>(error: E): error is Extract<E, ConfigError> => error instanceof ConfigError

/** Builds clients one after the other, for as long as the Scope is open. */
export class Sessions<E, R> {
  /** The session of now, if there is one. */
  current: Session | undefined = undefined
  private readonly layer: Layer.Layer<Redis.Redis, E, R>
  private readonly commandTimeout: Duration.Duration
  private readonly waiting = new Set<() => void>()

  constructor(layer: Layer.Layer<Redis.Redis, E, R>, commandTimeout: Duration.Duration) {
    this.layer = layer
    this.commandTimeout = commandTimeout
  }

  /** Waits for a session. */
  readonly ready: Effect.Effect<Session> = Effect.suspend(() =>
    this.current === undefined
      ? Effect.andThen(
          Effect.callback<void>((resume) => {
            const wake = (): void => resume(Effect.void)
            this.waiting.add(wake)
            return Effect.sync(() => this.waiting.delete(wake))
          }),
          this.ready
        )
      : Effect.succeed(this.current)
  )

  /**
   * Runs `use` on one session after the other, each until it is broken. Fails only before the first session, where the
   * engine is unsupported or the configuration of the client is missing: another attempt cannot help.
   */
  run(use: (session: Session) => Effect.Effect<void, CommandFailure>): Effect.Effect<never, StartFailure<E>, R> {
    let attempt = 0
    let isFirst = true
    const once = Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Scope.make(), (scope) =>
        restore(this.connect(scope)).pipe(
          Effect.flatMap((session) => {
            attempt = 0
            this.current = session
            const waiting = [...this.waiting]
            this.waiting.clear()
            resumeAll(waiting)
            const count = isFirst ? Effect.void : Metric.update(metrics.engineReconnects, 1)
            isFirst = false
            return Effect.andThen(
              count,
              restore(Effect.raceFirst(Effect.ignore(use(session)), Deferred.await(session.broken)))
            )
          }),
          // The client's own end may wait for a server that hangs, so it is not waited for.
          Effect.onExit(() => {
            this.current = undefined
            return Effect.forkDetach(Scope.close(scope, Exit.void), { startImmediately: true })
          })
        )
      )
    )
    const pause = Effect.suspend(() => Effect.sleep(Math.min(50 * 2 ** attempt++, 2000)))
    return Effect.forever(
      Effect.andThen(
        Effect.catch(once, (failure) =>
          failure instanceof EngineUnsupported || (isFirst && isConfigError(failure))
            ? Effect.fail(failure)
            : Effect.logDebug(`cannot connect to the engine of the topic log: ${failure.message}`)
        ),
        pause
      )
    )
  }

  private connect(scope: Scope.Closeable): Effect.Effect<Session, LogUnavailable | StartFailure<E>, R> {
    return Layer.buildWithScope(Layer.fresh(this.layer), scope).pipe(
      Effect.mapError((error) => (isConfigError(error) ? error : new LogUnavailable({ detail: String(error) }))),
      Effect.timeoutOrElse({
        duration: this.commandTimeout,
        orElse: () => Effect.fail(new LogUnavailable({ detail: "no connection within commandTimeout" }))
      }),
      Effect.flatMap((context) => {
        const redis = Context.get(context, Redis.Redis)
        const session: Session = { redis, scope, broken: Deferred.makeUnsafe() }
        return Effect.flatMap(
          Effect.mapError(
            command(session, redis.send<string>("INFO", "cluster"), this.commandTimeout),
            ({ detail }) => new LogUnavailable({ detail })
          ),
          (info) =>
            /cluster_enabled:1/.test(info)
              ? Effect.fail(
                  new EngineUnsupported({
                    detail: "this Redis is a cluster; use one Redis, or a primary with replicas, without cluster mode"
                  })
                )
              : Effect.succeed(session)
        )
      })
    )
  }
}
