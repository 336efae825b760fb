/**
 * Requests of a topic client that stay in force until it takes them back, one for each topic: subscriptions, or watches
 * of presence. A request outlives its connection: the client sends it again on the next one.
 */
import { callEach } from "@effect-ws/transport/internal"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type { ClientClosed } from "../TopicClientError.ts"
import { RequestFailed } from "../TopicClientError.ts"
import type { ClientOutbox } from "./ClientOutbox.ts"
import type { SubscribeError } from "./TopicClientTypes.ts"

export interface StandingRequest<Item> {
  readonly topic: string
  /** The number of the message that asked last. */
  ref: number
  /** What arrived and the program has not taken. */
  readonly items: Queue.Queue<Item, SubscribeError>
}

export abstract class StandingRequests<Item, Request extends StandingRequest<Item>> {
  protected readonly outbox: ClientOutbox
  protected readonly byTopic = new Map<string, Request>()

  constructor(outbox: ClientOutbox) {
    this.outbox = outbox
  }

  /** Sends a request on the current connection, under a new number. */
  protected abstract send(request: Request): void

  /** Makes a request that is taken back when the Scope closes. A topic has one at a time. */
  protected open(options: {
    readonly topic: string
    readonly make: (items: Queue.Queue<Item, SubscribeError>) => Request
    readonly takeBack: "Unsubscribe" | "Unwatch"
    /** The reason of the failure where the topic has a request. */
    readonly already: string
  }): Effect.Effect<Request, SubscribeError, Scope.Scope> {
    const { already, make, takeBack, topic } = options
    return Effect.acquireRelease(
      Effect.flatMap(Queue.unbounded<Item, SubscribeError>(), (items) =>
        Effect.suspend((): Effect.Effect<Request, SubscribeError> => {
          if (this.outbox.closed !== undefined) return Effect.fail(this.outbox.closed)
          if (this.byTopic.has(topic)) {
            return Effect.fail(new RequestFailed({ code: "AlreadySubscribed", reason: already }))
          }
          const request = make(items)
          this.byTopic.set(topic, request)
          this.send(request)
          return Effect.succeed(request)
        })
      ),
      (request) =>
        Effect.sync(() => {
          if (this.byTopic.get(topic) !== request) return
          this.byTopic.delete(topic)
          this.outbox.post({ _tag: takeBack, ref: this.outbox.nextRef(), topic })
        })
    )
  }

  /** Sends all requests again, on a new connection. */
  sendAll(): void {
    for (const request of this.byTopic.values()) this.send(request)
  }

  /** Sends a request again that the server could not serve. */
  resend(ref: number): void {
    const request = this.of(ref)
    if (request !== undefined) this.send(request)
  }

  /** Ends a request that the server refused. */
  refused(ref: number, error: SubscribeError): void {
    const request = this.of(ref)
    if (request !== undefined) this.end(request.topic, error)
  }

  /** Ends the request of a topic. */
  end(topic: string, error: SubscribeError): void {
    const request = this.byTopic.get(topic)
    if (request === undefined) return
    this.byTopic.delete(topic)
    Queue.failCauseUnsafe(request.items, Cause.fail(error))
  }

  /** Ends all requests. */
  close(closed: ClientClosed): void {
    callEach([...this.byTopic.keys()], (topic) => this.end(topic, closed))
  }

  protected of(ref: number): Request | undefined {
    for (const request of this.byTopic.values()) if (request.ref === ref) return request
    return undefined
  }
}
