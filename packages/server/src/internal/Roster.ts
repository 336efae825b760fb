/**
 * The connections of one server that are open now, and how they are brought to an end together.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"

export class Roster {
  /** How many handshakes are under way. */
  handshakes = 0
  isDraining = false

  private readonly open = new Set<Connection>()
  private readonly empty = Latch.makeUnsafe(true)

  get size(): number {
    return this.open.size
  }

  get connections(): ReadonlyArray<Connection> {
    return Array.from(this.open)
  }

  add(connection: Connection): void {
    this.open.add(connection)
    this.empty.closeUnsafe()
  }

  remove(connection: Connection): void {
    this.open.delete(connection)
    if (this.open.size === 0) this.empty.openUnsafe()
  }

  /**
   * Brings all connections to an end. Three quarters of the time are for finishing what was received; whoever is busy
   * then gets its close frame all the same, and when the time is over the sockets are dropped.
   */
  drain({ code, reason, timeout }: Farewell): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.isDraining = true
      const everyone = (goodbye: (connection: Connection) => Effect.Effect<unknown, unknown>): Effect.Effect<void> =>
        Effect.forEach(this.connections, (connection) => Effect.ignore(goodbye(connection)), {
          concurrency: "unbounded",
          discard: true
        })
      const within = (share: number, step: Effect.Effect<void>): Effect.Effect<boolean> =>
        Effect.andThen(step, this.empty.await).pipe(
          Effect.timeoutOption(Duration.times(timeout, share)),
          Effect.map(Option.isSome)
        )
      const finish = within(
        3 / 4,
        everyone((connection) => connection.drain(code, reason))
      )
      const insist = within(
        1 / 4,
        everyone((connection) => connection.close(code, reason))
      )
      const drop = everyone((connection) => connection.abort("the server could not wait any longer"))
      return Effect.flatMap(finish, (done) =>
        done ? Effect.void : Effect.flatMap(insist, (done) => (done ? Effect.void : drop))
      )
    })
  }
}

interface Farewell {
  readonly code: number
  readonly reason: string
  readonly timeout: Duration.Duration
}
