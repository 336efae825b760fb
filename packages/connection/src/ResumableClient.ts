/**
 * The client's end of a resumable session: it connects, and when the connection is lost it connects again and continues
 * the session. It works over any way to connect, `Client.connect` and a browser's `BrowserClient.connect` alike.
 *
 * @since 0.1.0
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as CloseError from "@effect-ws/protocol/CloseError"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Fiber from "effect/Fiber"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { SessionCore } from "./internal/resumable/SessionCore.ts"
import type { ResumableSession, SessionOptions } from "./ResumableSession.ts"
import type { MessageConnection } from "./MessageConnection.ts"
import type { Services } from "./TypedConnection.ts"

/**
 * Options of a client's session.
 *
 * @category models
 * @since 0.1.0
 */
export interface ResumableClientOptions<
  Receive extends Schema.Constraint,
  Send extends Schema.Constraint,
  E,
  ES = never,
  RS = never
> extends SessionOptions<Receive, Send> {
  /**
   * Whether to connect again after a failure: of `connect`, or how a connection ended. Default: always, but after the
   * close codes 1003, 1007, 1008 and those of applications. With `Client.connect`, `Reconnect.isTransient` judges
   * better.
   */
  readonly while?: ((failure: NoInfer<E> | CloseError.CloseError) => boolean) | undefined
  /**
   * When to connect again; it begins anew after a connection on which the session was resumed. Default: half a second,
   * doubled up to 30 seconds, give or take a fifth.
   */
  readonly schedule?: Schedule.Schedule<unknown, NoInfer<E> | CloseError.CloseError, ES, RS> | undefined
}

/**
 * Begins a session. It connects at once and does not wait for it.
 *
 * **Details**
 *
 * The session's `messages` fail with the last failure when `while` or the schedule stops the retries. Closing the Scope
 * ends the session, at the server too where there is a connection.
 *
 * A server that has lost the session, such as one that was restarted, begins a new one: what it may have received fails
 * with `OutcomeUnknown`, what was never written is sent to it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <
  Receive extends Schema.Constraint,
  Send extends Schema.Constraint,
  Below extends MessageConnection<CloseError.CloseError, unknown, unknown>,
  E,
  R,
  ES = never,
  RS = never
>(
  connect: Effect.Effect<Below, E, R>,
  options: ResumableClientOptions<Receive, Send, E, ES, RS>
): Effect.Effect<
  ResumableSession<Receive["Type"], Send["Type"], E | ES | CloseError.CloseError>,
  never,
  Scope.Scope | Exclude<R, Scope.Scope> | RS | Services<Receive, Send>
> =>
  Effect.gen(function* () {
    const core = yield* SessionCore.make<E | ES | CloseError.CloseError>(randomId(), options)
    const running = yield* Effect.forkScoped(
      Effect.onExit(supervise(core, connect, options), (exit) => Effect.sync(() => core.finish(exit))),
      { startImmediately: true }
    )
    // Registered last, so that it runs first: the server learns of the end before the connection closes.
    yield* Effect.addFinalizer(() => Effect.andThen(core.close, Effect.timeoutOption(Fiber.await(running), "1 second")))
    return core
  })

type Failure<E> = E | CloseError.CloseError

const supervise = Effect.fnUntraced(function* <
  Below extends MessageConnection<CloseError.CloseError, unknown, unknown>,
  E,
  R,
  ES,
  RS
>(
  core: SessionCore<Failure<E> | ES>,
  connect: Effect.Effect<Below, E, R>,
  options: ResumableClientOptions<Schema.Constraint, Schema.Constraint, E, ES, RS>
): Effect.fn.Return<void, Failure<E> | ES, Exclude<R, Scope.Scope> | RS> {
  const schedule: Schedule.Schedule<unknown, Failure<E>, ES, RS> = options.schedule ?? defaultSchedule
  const mayGoOn = options.while ?? isTransient
  const helloTimeout = Argument.duration("helloTimeout", options.helloTimeout ?? "10 seconds")
  let step = yield* Schedule.toStep(schedule)
  while (true) {
    let hasBegun = false
    const running = runConnection(core, connect, helloTimeout, () => {
      hasBegun = true
    })
    const failure = yield* Effect.flip(Effect.scoped(running)).pipe(Effect.catch(() => Effect.undefined))
    if (failure === undefined) return
    if (hasBegun) step = yield* Schedule.toStep(schedule)
    if (!mayGoOn(failure)) return yield* Effect.fail(failure)
    const delay = yield* Pull.matchEffect(step(yield* Clock.currentTimeMillis, failure), {
      onSuccess: ([, delay]) => Effect.succeed<Duration.Duration | undefined>(delay),
      onFailure: (cause) => Effect.failCause(cause),
      onDone: () => Effect.undefined
    })
    if (delay === undefined) return yield* Effect.fail(failure)
    yield* Effect.raceFirst(Effect.sleep(delay), ended(core))
    if (core.isClosed) return
  }
})

// From an attempt to the end of its connection: fails with that, and succeeds when the session is over.
const runConnection = Effect.fnUntraced(function* <
  Below extends MessageConnection<CloseError.CloseError, unknown, unknown>,
  E,
  R,
  Core
>(
  core: SessionCore<Core>,
  connect: Effect.Effect<Below, E, R>,
  helloTimeout: Duration.Duration,
  onBegin: () => void
): Effect.fn.Return<void, Failure<E>, R> {
  const begin = Effect.gen(function* () {
    const link = yield* core.link(yield* connect)
    yield* link.send({ _tag: "Hello", session: core.id, ...core.progress })
    const welcome = yield* Effect.timeoutOrElse(link.receive, {
      duration: helloTimeout,
      orElse: () => Effect.fail(new CloseError.Timeout({ reason: "the server did not begin the session" }))
    })
    return welcome._tag === "Welcome"
      ? { link, welcome }
      : yield* Effect.fail(new CloseError.PolicyViolation({ reason: "the session does not begin with Welcome" }))
  })
  const begun = yield* Effect.raceFirst(begin, Effect.as(ended(core), undefined))
  if (begun === undefined) return
  const { link, welcome } = begun
  onBegin()
  if (!welcome.resumed) core.lose()
  yield* core.attach(link, welcome)
  // An ordinary end of the connection alone does not end the session.
  if (!core.isClosed) yield* link.receive
})

const ended = ({ closed }: { readonly closed: Deferred.Deferred<void> }): Effect.Effect<void> => Deferred.await(closed)

const longest = Duration.seconds(30)

const defaultSchedule = Schedule.exponential("500 millis").pipe(
  Schedule.modifyDelay(({ duration }) => Effect.succeed(Duration.min(duration, longest))),
  Schedule.jittered,
  Schedule.setInputType<unknown>()
)

// What the server thinks of this client's messages is the same on the next connection.
const isTransient = (failure: unknown): boolean =>
  !CloseError.isCloseError(failure) ||
  (![1003, 1007, 1008].includes(failure.code) && failure._tag !== "ApplicationClose")

// A page that was not loaded over HTTPS has no `crypto.randomUUID`.
const randomId = (): string => {
  const { crypto } = globalThis as unknown as {
    readonly crypto: { readonly getRandomValues: (bytes: Uint8Array) => Uint8Array }
  }
  return Hex.encode(crypto.getRandomValues(new Uint8Array(16)))
}
