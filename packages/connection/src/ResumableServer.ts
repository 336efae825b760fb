/**
 * The server's end of resumable sessions: the program runs once for each session, whatever the number of connections on
 * which its client comes back.
 *
 * @since 0.1.0
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as CloseError from "@effect-ws/protocol/CloseError"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type * as Schema from "effect/Schema"
import type { Connection } from "./Connection.ts"
import * as ConnectionHandler from "./ConnectionHandler.ts"
import { SessionCore } from "./internal/resumable/SessionCore.ts"
import { SessionExpired } from "./ResumableSession.ts"
import type { ResumableSession, SessionOptions } from "./ResumableSession.ts"
import type { Services } from "./TypedConnection.ts"

/**
 * Options of a server's sessions.
 *
 * @category models
 * @since 0.1.0
 */
export interface ResumableServerOptions<
  Receive extends Schema.Constraint,
  Send extends Schema.Constraint
> extends SessionOptions<Receive, Send> {
  /** How long a session is kept without a connection. Default: 1 minute. */
  readonly sessionTimeout?: Duration.Input | undefined
  /**
   * How long a program may go on when its session is over before it is interrupted. Default: 30 seconds.
   */
  readonly handlerTimeoutAfterClose?: Duration.Input | undefined
  /** Maximum sessions, those without a connection included; more are closed with 1013. Default: 10 000. */
  readonly maxSessions?: number | undefined
  /**
   * Whose session it is, such as the user that the handshake authenticated. A session is resumed only by a connection
   * with the same owner. Default: any client that knows its id.
   */
  readonly owner?: ((connection: Connection) => unknown) | undefined
}

/**
 * Makes a handler for a server of a program for sessions.
 *
 * **Details**
 *
 * The Scope holds the sessions: closing it interrupts their programs. A program that returns ends its session, at the
 * client too. One that fails with a typed close closes the connection with that, any other failure closes it with 1011
 * and is logged. A connection on which the client comes back while an older one of the same session is open closes
 * that.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* <
  Receive extends Schema.Constraint,
  Send extends Schema.Constraint,
  E,
  R = never
>(
  options: ResumableServerOptions<Receive, Send>,
  program: (session: ResumableSession<Receive["Type"], Send["Type"], SessionExpired>) => Effect.Effect<unknown, E, R>
): Effect.fn.Return<
  (connection: Connection) => Effect.Effect<void, unknown>,
  never,
  Scope.Scope | Exclude<R, Scope.Scope> | Services<Receive, Send>
> {
  const sessions = new Map<string, Session>()
  const scope = yield* Effect.scope
  const context = yield* Effect.context<Exclude<R, Scope.Scope> | Services<Receive, Send>>()
  const maxSessions = Argument.limit("maxSessions", options.maxSessions ?? 10_000, 1)
  const sessionTimeout = Argument.duration("sessionTimeout", options.sessionTimeout ?? "1 minute")
  const helloTimeout = Argument.duration("helloTimeout", options.helloTimeout ?? "10 seconds")
  const handlerTimeout = Argument.duration("handlerTimeoutAfterClose", options.handlerTimeoutAfterClose ?? "30 seconds")
  // Only reads what a session says first: each session has a core of its own.
  const greeter = yield* SessionCore.make<SessionExpired>("", options)

  const begin = Effect.fnUntraced(function* (id: string, owner: unknown) {
    const core = yield* Effect.provideContext(SessionCore.make<SessionExpired>(id, options), context)
    const session: Session = { core, owner, exit: Deferred.makeUnsafe(), expiry: undefined, displaced: undefined }
    sessions.set(id, session)
    const running = Effect.scoped(
      program(core as ResumableSession<Receive["Type"], Send["Type"], SessionExpired>)
    ) as Effect.Effect<unknown, E, Exclude<R, Scope.Scope>>
    const overdue = Effect.as(Effect.andThen(Deferred.await(core.closed), Effect.sleep(handlerTimeout)), Exit.void)
    yield* Effect.raceFirst(Effect.exit(running), overdue).pipe(
      Effect.flatMap((exit) => {
        if (sessions.get(id) === session) sessions.delete(id)
        const { isConnected, isClosed } = core
        // The client of a program that failed sees how its connection is closed.
        core.finish(Exit.void, Exit.isSuccess(exit))
        Deferred.doneUnsafe(session.exit, isClosed ? Exit.void : Exit.asVoid(exit))
        // The server tells of what fails on a connection.
        return Exit.isSuccess(exit) || isClosed || isConnected || Cause.hasInterruptsOnly(exit.cause)
          ? Effect.void
          : ConnectionHandler.logUnhandled("The program of a session failed", exit.cause)
      }),
      Effect.provideContext(context),
      Effect.forkIn(scope, { startImmediately: true })
    )
    return session
  })

  const expire = (session: Session): Effect.Effect<void> =>
    Effect.andThen(
      Effect.sleep(sessionTimeout),
      Effect.sync(() => session.core.finish(Exit.fail(new SessionExpired())))
    ).pipe(
      Effect.forkIn(scope),
      Effect.map((expiry) => {
        session.expiry = expiry
      })
    )

  return (connection) =>
    Effect.gen(function* () {
      const link = yield* greeter.link(connection)
      const hello = yield* Effect.timeoutOrElse(link.receive, {
        duration: helloTimeout,
        orElse: () => Effect.fail(new CloseError.Timeout({ reason: "the client did not begin the session" }))
      })
      if (hello._tag !== "Hello" || hello.session.length < 16) {
        return yield* Effect.fail(new CloseError.PolicyViolation({ reason: "the session does not begin with Hello" }))
      }
      const owner = options.owner?.(connection)
      const known = sessions.get(hello.session)
      // The program of one that is over may still be busy.
      const existing = known?.core.isClosed === true ? undefined : known
      if (existing !== undefined && existing.owner !== owner) {
        return yield* Effect.fail(new CloseError.PolicyViolation({ reason: "the session has another owner" }))
      }
      if (existing === undefined && sessions.size >= maxSessions) {
        return yield* Effect.fail(new CloseError.TryAgainLater({ reason: "too many sessions" }))
      }
      const session = existing ?? (yield* begin(hello.session, owner))
      const displaced = Deferred.makeUnsafe<void>()
      if (session.displaced !== undefined) Deferred.doneUnsafe(session.displaced, Effect.void)
      session.displaced = displaced
      if (session.expiry !== undefined) yield* Fiber.interrupt(session.expiry)
      const exchange = Effect.gen(function* () {
        yield* link.send({ _tag: "Welcome", resumed: existing !== undefined, ...session.core.progress })
        yield* session.core.attach(link, existing === undefined ? { received: 0, taken: 0 } : hello)
      })
      const replaced = Effect.andThen(
        Deferred.await(displaced),
        Effect.fail(new CloseError.GoingAway({ reason: "the session goes on on another connection" }))
      )
      yield* Effect.raceFirst(exchange, replaced).pipe(
        Effect.ensuring(Effect.suspend(() => (session.displaced === displaced ? expire(session) : Effect.void)))
      )
      // How the program ended is how the connection ends.
      if (session.core.isClosed) yield* Deferred.await(session.exit)
    })
})

interface Session {
  readonly core: SessionCore<SessionExpired>
  readonly owner: unknown
  /** How the program ended. */
  readonly exit: Deferred.Deferred<void, unknown>
  /** Ends the session while there is no connection. */
  expiry: Fiber.Fiber<void> | undefined
  /** Ends the connection of the moment. */
  displaced: Deferred.Deferred<void> | undefined
}
