/**
 * What a drain does before it closes all connections that are left: it lets a load balancer notice that the server is
 * not ready any more, and closes connections one after the other, so that their clients do not come to other nodes all
 * at once.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as Argument from "@effect-ws/protocol/Argument"
import * as RestartReason from "@effect-ws/protocol/RestartReason"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { DrainOptions } from "./DrainOptions.ts"

/** Pace and close of a drain, with the defaults filled in. */
export interface DrainPace {
  readonly code: number
  /** Returns the reason for the next connection. */
  readonly reason: Effect.Effect<string>
  readonly notReadyFor: Duration.Duration
  readonly over: Duration.Duration
}

/** Checks the options of a drain. */
export const drainPace = (options: DrainOptions): DrainPace => {
  const { retryDelay } = options
  const longest = retryDelay === undefined ? undefined : Duration.toMillis(Argument.duration("retryDelay", retryDelay))
  return {
    code: options.code ?? (longest === undefined ? 1001 : 1012),
    reason:
      longest === undefined
        ? Effect.succeed(options.reason ?? "server shutting down")
        : Effect.map(Random.next, (part) => RestartReason.encode(part * longest)),
    notReadyFor: Argument.duration("notReadyFor", options.notReadyFor ?? 0),
    over: Argument.duration("over", options.over ?? 0)
  }
}

/** Waits, and then closes the connections that are open, evenly over the time. */
export const closeAtPace = (
  { code, notReadyFor, over, reason }: DrainPace,
  connections: () => ReadonlyArray<Connection>
): Effect.Effect<void> =>
  Effect.andThen(
    Duration.isZero(notReadyFor) ? Effect.void : Effect.sleep(notReadyFor),
    Effect.suspend(() => {
      if (Duration.isZero(over)) return Effect.void
      const open = connections()
      const pause = Effect.sleep(Duration.divideUnsafe(over, Math.max(1, open.length)))
      const closeOne = (connection: Connection): Effect.Effect<void> =>
        Effect.flatMap(reason, (text) =>
          // A connection that does not read delays no other.
          Effect.andThen(Effect.forkDetach(Effect.ignore(connection.drain(code, text))), pause)
        )
      return Effect.forEach(open, closeOne, { discard: true })
    })
  )
