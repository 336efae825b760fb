/**
 * The requests of a topic client that wait for an answer. A request outlives its connection: it is sent again on the
 * next one until it is answered, until `publishTimeout`, or, for a publish, until the server might have forgotten its
 * id.
 */
import { callEach } from "@effect-ws/transport/internal"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Semaphore from "effect/Semaphore"
import type { ClientClosed } from "../TopicClientError.ts"
import type { PublishError } from "./TopicClientTypes.ts"
import type { Appended, Page } from "./LogTypes.ts"
import { LogUnavailable, OutcomeUnknown } from "../TopicLogError.ts"
import type * as TopicProtocol from "../TopicProtocol.ts"
import type { ClientOutbox } from "./ClientOutbox.ts"

/** A request that waits for an answer. */
export type ClientRequest = Extract<TopicProtocol.ClientMessage, { readonly _tag: "Publish" | "History" }>

/** What a request may be answered. */
export type Answer = Appended | Omit<Page, "head">

interface Pending {
  readonly message: ClientRequest
  readonly answer: Deferred.Deferred<Answer, PublishError>
  /** When it was sent for the first time. */
  firstSent: number | undefined
}

export class ClientRequests {
  private readonly outbox: ClientOutbox
  private readonly publishTimeout: Duration.Duration
  private readonly permits: Semaphore.Semaphore
  private readonly pending = new Map<number, Pending>()

  constructor(outbox: ClientOutbox, publishTimeout: Duration.Duration, maxPending: number) {
    this.outbox = outbox
    this.publishTimeout = publishTimeout
    this.permits = Semaphore.makeUnsafe(maxPending)
  }

  /** Sends a request, and waits for its answer. */
  run(message: ClientRequest): Effect.Effect<Answer, PublishError> {
    const pending: Pending = { message, answer: Deferred.makeUnsafe(), firstSent: undefined }
    const sent = Effect.suspend((): Effect.Effect<Answer, PublishError> => {
      const { closed } = this.outbox
      if (closed !== undefined) return Effect.fail(closed)
      this.pending.set(message.ref, pending)
      return Effect.andThen(this.send(pending), Deferred.await(pending.answer))
    })
    return this.permits.withPermits(1)(
      Effect.timeoutOrElse(sent, {
        duration: this.publishTimeout,
        orElse: () => Effect.fail(unanswered(pending, "no answer within publishTimeout"))
      }).pipe(Effect.ensuring(Effect.sync(() => this.pending.delete(message.ref))))
    )
  }

  answer(ref: number, exit: Exit.Exit<Answer, PublishError>): void {
    const pending = this.pending.get(ref)
    if (pending !== undefined) Deferred.doneUnsafe(pending.answer, exit)
  }

  /** Records that the server did nothing, so that the id of the request is not in its window yet. */
  notDone(ref: number): void {
    const pending = this.pending.get(ref)
    if (pending !== undefined) pending.firstSent = undefined
  }

  /** Sends one again, if it still waits. */
  resend(ref: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      const pending = this.pending.get(ref)
      return pending === undefined ? Effect.void : this.send(pending)
    })
  }

  /** Sends all of them, on a new connection. */
  readonly resendAll: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach([...this.pending.values()], (pending) => this.send(pending), { discard: true })
  )

  /** Fails all of them. */
  close(closed: ClientClosed): void {
    callEach([...this.pending.values()], (pending) => {
      const error = pending.firstSent === undefined ? closed : unanswered(pending, closed.message)
      Deferred.doneUnsafe(pending.answer, Exit.fail(error))
    })
  }

  private send(pending: Pending): Effect.Effect<void> {
    return Effect.map(Clock.currentTimeMillis, (now) => {
      const { idWindow } = this.outbox
      if (idWindow === undefined) return
      // The server forgets the id in the end: sending it again after that would double the entry.
      if (pending.firstSent !== undefined && now - pending.firstSent > idWindow * 0.75) {
        Deferred.doneUnsafe(pending.answer, Exit.fail(unanswered(pending, "the idempotence window is about to end")))
        return
      }
      pending.firstSent ??= now
      this.outbox.post(pending.message)
    })
  }
}

const unanswered = ({ firstSent, message }: Pending, detail: string): LogUnavailable | OutcomeUnknown =>
  firstSent === undefined || message._tag === "History"
    ? new LogUnavailable({ detail: firstSent === undefined ? "not sent: there was no connection" : detail })
    : new OutcomeUnknown({ topic: message.topic, id: message.id, detail })
