/**
 * The reconnecting client. One fiber connects, waits for the end of the connection, and steps the Schedule. Each
 * connection has two more fibers: one passes its messages to the reader, and one sends it the queued messages.
 */
import * as OneByOne from "@effect-ws/connection/OneByOne"
import * as Argument from "@effect-ws/protocol/Argument"
import type * as CloseError from "@effect-ws/protocol/CloseError"
import type { Message } from "@effect-ws/protocol/Message"
import { refuse } from "@effect-ws/protocol/internal"
import type { SendOptions } from "@effect-ws/protocol/Session"
import * as Monotonic from "@effect-ws/transport/Monotonic"
import * as StoppedClock from "@effect-ws/transport/StoppedClock"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type {
  ReconnectableConnection,
  ReconnectEvent,
  ReconnectingClient,
  ReconnectingClientOptions
} from "./ReconnectingOptions.ts"
import { SendRejected } from "../SendRejected.ts"
import { Incoming } from "./Incoming.ts"
import { Pending } from "./Pending.ts"
import { PendingSender, trySend } from "./PendingSender.ts"

type Failure<E> = E | CloseError.CloseError

type Options<C extends ReconnectableConnection, E, ES, RS> = ReconnectingClientOptions<C, Failure<E>, ES, RS>

// How a connection ended.
type Info<C extends ReconnectableConnection> = Effect.Success<C["closed"]>

type CloseFailure<C extends ReconnectableConnection> = Effect.Error<ReturnType<C["close"]>>

type SendFailure<C extends ReconnectableConnection> = Effect.Error<ReturnType<C["send"]>>

export class Reconnecting<C extends ReconnectableConnection, E> {
  private readonly mayWait: boolean
  private readonly pendingSender: PendingSender<C>
  private readonly incoming: Incoming<Failure<E>>
  private readonly told: Queue.Queue<ReconnectEvent<C, E>, Cause.Done>
  // Open while there is a connection, and after the client has ended.
  private readonly settled = Latch.makeUnsafe(false)
  private current: C | undefined = undefined
  private supervisor: Fiber.Fiber<unknown, unknown> | undefined = undefined
  private stopping = false
  // Passes the messages of the current or the last connection to the reader.
  private passing: Fiber.Fiber<void> | undefined = undefined
  // Closes the connection, while that takes.
  private closing: Fiber.Fiber<void, CloseFailure<C>> | undefined = undefined
  private over = false

  private constructor(
    options: Pick<
      Options<C, never, never, never>,
      "maxPendingBytes" | "maxPendingMessages" | "proof" | "whenDisconnected"
    >,
    incoming: Incoming<Failure<E>>,
    told: Queue.Queue<ReconnectEvent<C, E>, Cause.Done>
  ) {
    const pending = new Pending(
      Argument.limit("maxPendingMessages", options.maxPendingMessages ?? 1024),
      Argument.limit("maxPendingBytes", options.maxPendingBytes ?? 1 << 20)
    )
    this.pendingSender = new PendingSender(pending, options.proof, (data) =>
      this.tell({ _tag: "Dropped", messages: [data], reason: "Refused" })
    )
    this.mayWait = options.whenDisconnected !== "fail"
    this.incoming = incoming
    this.told = told
  }

  static start<C extends ReconnectableConnection, E, R, ES, RS>(
    connect: Effect.Effect<C, E, R>,
    options: Options<C, E, ES, RS>,
    defaultSchedule: Schedule.Schedule<unknown, unknown>
  ): Effect.Effect<ReconnectingClient<C, E | ES>, never, Scope.Scope | Exclude<R, Scope.Scope> | RS> {
    return Effect.gen(function* () {
      const client = new Reconnecting<C, E | ES>(
        options,
        yield* Incoming.make<Failure<E | ES>>(Argument.limit("receiveQueueSize", options.receiveQueueSize ?? 16, 1)),
        yield* Queue.sliding<ReconnectEvent<C, E | ES>, Cause.Done>(
          Argument.limit("eventBuffer", options.eventBuffer ?? 256, 1)
        )
      )
      const schedule: Schedule.Schedule<unknown, Failure<E>, ES, RS> = options.schedule ?? defaultSchedule
      const supervised = Effect.onExit(client.supervise(connect, options, schedule), (exit) => client.conclude(exit))
      client.supervisor = yield* Effect.forkScoped(supervised, { startImmediately: true })
      // Finalizers run in reverse order: this one, registered last, closes the connection before its fibers are
      // interrupted.
      yield* Effect.addFinalizer(() => StoppedClock.orElse(Effect.ignore(client.close()), Effect.void))
      return client as unknown as ReconnectingClient<C, E | ES>
    })
  }

  // -- what the program does ------------------------------------------------------------------------------------------

  get messages(): Stream.Stream<Message, Failure<E>> {
    return this.incoming.messages
  }

  get receive(): Effect.Effect<Message, Failure<E>> {
    return this.incoming.receive
  }

  get events(): Stream.Stream<ReconnectEvent<C, E>> {
    return OneByOne.stream(Queue.take(this.told))
  }

  get pending(): Effect.Effect<number> {
    return Effect.sync(() => this.pendingSender.size)
  }

  get connection(): Effect.Effect<C, SendRejected> {
    const whenSettled: Effect.Effect<C, SendRejected> = this.settled.whenOpen(
      Effect.suspend(() => {
        if (this.over) return Effect.fail(new SendRejected({ reason: "Closed" }))
        // The connection may be lost again since the latch opened.
        return this.current === undefined ? whenSettled : Effect.succeed(this.current)
      })
    )
    return whenSettled
  }

  send(
    data: string | Uint8Array,
    options?: SendOptions
  ): Effect.Effect<"sent" | "queued", SendRejected | SendFailure<C>> {
    return Effect.suspend(() => {
      // A connection checks this too, but there may be none now.
      if (typeof data !== "string" && !Argument.isBytes(data)) refuse(data)
      if (options?.fragmentSize !== undefined) Argument.limit("fragmentSize", options.fragmentSize, 1)
      const { current } = this
      // Queued messages go first.
      if (current === undefined || this.pendingSender.size > 0) return this.queue(data, options)
      return Effect.flatMap(trySend(current, data, options), (taken) =>
        taken ? Effect.succeed("sent" as const) : this.queue(data, options)
      )
    })
  }

  private queue(data: string | Uint8Array, options: SendOptions | undefined): Effect.Effect<"queued", SendRejected> {
    return Effect.suspend(() => {
      if (this.over || this.stopping) return Effect.fail(new SendRejected({ reason: "Closed" }))
      if (!this.mayWait) return Effect.fail(new SendRejected({ reason: "Disconnected" }))
      return this.pendingSender.offer(data, options)
        ? Effect.succeed("queued")
        : Effect.fail(new SendRejected({ reason: "QueueFull" }))
    })
  }

  close(code?: number, reason?: string): Effect.Effect<void, CloseFailure<C>> {
    return Effect.suspend(() => {
      const { current } = this
      if (this.closing !== undefined) return Effect.asVoid(Fiber.await(this.closing))
      if (this.over || this.stopping) return this.ended
      this.stopping = true
      if (current === undefined) return this.ended
      const closing = current.close(code, reason) as Effect.Effect<Info<C>, CloseFailure<C>>
      const close = closing.pipe(
        Effect.tap((closeInfo) => Effect.sync(() => this.tell({ _tag: "Closed", closeInfo, retryIn: undefined }))),
        // With an invalid code, nothing closes.
        Effect.tapError(() =>
          Effect.sync(() => {
            this.stopping = false
          })
        ),
        // The reader takes what the connection received at its own pace.
        Effect.andThen(this.passedOn),
        Effect.andThen(this.ended),
        Effect.ensuring(
          Effect.sync(() => {
            this.closing = undefined
          })
        )
      )
      // A detached fiber, so that interrupting the wait does not stop the close.
      return Effect.flatMap(Effect.forkDetach(close, { startImmediately: true }), (fiber) => {
        if (fiber.pollUnsafe() === undefined) this.closing = fiber
        return Fiber.join(fiber)
      })
    })
  }

  private get passedOn(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.incoming.release()
      return this.passing === undefined ? Effect.void : Effect.asVoid(Fiber.await(this.passing))
    })
  }

  private get ended(): Effect.Effect<void> {
    return Effect.suspend(() => (this.supervisor === undefined ? Effect.void : Fiber.interrupt(this.supervisor)))
  }

  // -- the connections, one after the other ---------------------------------------------------------------------------

  private supervise<E1 extends E, R, ES extends E, RS>(
    connect: Effect.Effect<C, E1, R>,
    options: Options<C, E1, ES, RS>,
    schedule: Schedule.Schedule<unknown, Failure<E1>, ES, RS>
  ): Effect.Effect<Failure<E>, ES, Exclude<R, Scope.Scope> | RS> {
    const stableAfter = Duration.toMillis(Argument.duration("stableAfter", options.stableAfter ?? "5 seconds"))
    const maxAsked = Argument.duration("maxRetryAfter", options.maxRetryAfter ?? "5 minutes")
    const { minDelay = () => 0, wake } = options
    return Effect.gen({ self: this }, function* () {
      let step = yield* Schedule.toStep(schedule)
      let attempt = 0
      while (true) {
        this.tell({ _tag: "Connecting", attempt: ++attempt })
        const result = yield* Effect.result(this.runConnection(attempt, connect))
        // `close` reports the rest of the events, and interrupts this fiber.
        if (this.stopping) return yield* Effect.never
        const wasOpen = Result.isSuccess(result)
        const failure: Failure<E1> = wasOpen ? result.success.closeInfo.error : result.failure
        if (wasOpen) {
          attempt = 0
          if (result.success.lasted >= stableAfter) step = yield* Schedule.toStep(schedule)
        }
        // The Schedule may depend on the date, as `Schedule.cron` does.
        const now = yield* Clock.currentTimeMillis
        const asked = Duration.min(Duration.millis(minDelay(failure, now)), maxAsked)
        const retryIn = options.while(failure)
          ? yield* Pull.matchEffect(step(now, failure), {
              onSuccess: ([, delay]) => Effect.succeed<Duration.Duration | undefined>(Duration.max(delay, asked)),
              onFailure: (cause) => Effect.failCause(cause),
              onDone: () => Effect.undefined
            })
          : undefined
        this.tell(
          Result.isSuccess(result)
            ? { _tag: "Closed", closeInfo: result.success.closeInfo, retryIn }
            : { _tag: "Failed", attempt, error: result.failure, retryIn }
        )
        if (retryIn === undefined) return failure
        yield* wake === undefined ? Effect.sleep(retryIn) : Effect.raceFirst(Effect.sleep(retryIn), wake)
      }
    })
  }

  // Connects, and waits until that connection ends.
  private runConnection<E1, R>(
    attempt: number,
    connect: Effect.Effect<C, E1, R>
  ): Effect.Effect<{ readonly closeInfo: Info<C>; readonly lasted: number }, E1, Exclude<R, Scope.Scope>> {
    return Effect.scoped(
      Effect.gen({ self: this }, function* () {
        const connection = yield* connect
        const openedAt = yield* Monotonic.millis
        this.opened(connection, attempt)
        yield* Effect.forkScoped(this.pendingSender.run(connection), { startImmediately: true })
        const passing = yield* Effect.forkScoped(this.passOn(connection), { startImmediately: true })
        this.passing = passing
        // The messages end before `closed` completes, unless the program does not read them.
        yield* Effect.raceFirst(Fiber.await(passing), connection.closed)
        this.lost()
        // The next connection's messages come after these.
        yield* Fiber.await(passing)
        const closeInfo = (yield* connection.closed) as Info<C>
        return { closeInfo, lasted: (yield* Monotonic.millis) - openedAt }
      })
    ).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          this.lost()
          this.tellLost()
        })
      )
    )
  }

  private opened(connection: C, attempt: number): void {
    this.current = connection
    this.settled.openUnsafe()
    this.tell({ _tag: "Open", attempt, connection })
  }

  private lost(): void {
    this.current = undefined
    if (!this.over) this.settled.closeUnsafe()
  }

  private tellLost(): void {
    const messages = this.pendingSender.takeUnproven()
    if (messages.length > 0) this.tell({ _tag: "Dropped", messages, reason: "Lost" })
  }

  private passOn(connection: C): Effect.Effect<void> {
    // `closeInfo` reports how the messages ended.
    return Effect.ignore(Stream.runForEach(connection.messages, (message) => this.incoming.add(message)))
  }

  // -- the end --------------------------------------------------------------------------------------------------------

  private conclude(exit: Exit.Exit<Failure<E>, E>): Effect.Effect<void> {
    return Effect.sync(() => {
      this.over = true
      this.current = undefined
      this.settled.openUnsafe()
      const messages = this.pendingSender.clear()
      if (messages.length > 0) this.tell({ _tag: "Dropped", messages, reason: "Closed" })
      const failure: Result.Result<Failure<E>, unknown> = Exit.isSuccess(exit)
        ? Result.succeed(exit.value)
        : Cause.findError(exit.cause)
      if (Result.isSuccess(failure)) {
        this.tell({ _tag: "RetriesExhausted", failure: failure.success })
        this.incoming.fail(Cause.fail(failure.success))
      } else if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) {
        // Both readers, of messages and of events, get a defect of the program's effects.
        const defects = exit.cause as Cause.Cause<never>
        this.incoming.fail(defects)
        Queue.failCauseUnsafe(this.told, defects)
        return
      } else {
        this.tell({ _tag: "Stopped" })
        this.incoming.end()
      }
      Queue.endUnsafe(this.told)
    })
  }

  private tell(event: ReconnectEvent<C, E>): void {
    Queue.offerUnsafe(this.told, event)
  }
}
