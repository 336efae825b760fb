/**
 * The client of topics over a reconnecting client: one fiber reads what all connections bring, one writes what goes out
 * on the current one. What must outlive a connection is in `ClientSubscriptions` and `ClientRequests`.
 */
import type * as ReconnectingClient from "@effect-ws/client/ReconnectingClient"
import * as Argument from "@effect-ws/protocol/Argument"
import { callEach } from "@effect-ws/transport/internal"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { ClientClosed, RequestFailed, SubscriptionEnded } from "../TopicClientError.ts"
import type { PublishError, SubscribeError, TopicClient, TopicOptions } from "./TopicClientTypes.ts"
import type { After, Appended, Gap, Page, TopicItem } from "./LogTypes.ts"
import type { PresenceEvent } from "./PresenceTypes.ts"
import * as TopicProtocol from "../TopicProtocol.ts"
import type { ClientOutbox } from "./ClientOutbox.ts"
import { randomId } from "./randomId.ts"
import { ClientRequests } from "./ClientRequests.ts"
import { ClientSubscriptions } from "./ClientSubscriptions.ts"
import { ClientWatches } from "./ClientWatches.ts"
import { sizeOf } from "./sizeOf.ts"

/** A connection that a topic client can use, and how to drop it when its server does not answer. */
type Below = ReconnectingClient.ReconnectableConnection

interface Session<C> {
  readonly connection: C
  readonly outgoing: Queue.Queue<string>
  readonly heartbeat: number
  readonly idWindow: number
}

interface Settings {
  readonly window: number
  readonly publishTimeout: Duration.Duration
  readonly retryDelay: Duration.Duration
  readonly maxPendingPublishes: number
}

type Event<C extends Below, E> = ReconnectingClient.ReconnectEvent<C, E>

export class TopicConnection<C extends Below, E> implements TopicClient<E, Event<C, E>>, ClientOutbox {
  readonly events: Stream.Stream<Event<C, E>>
  private readonly told: Queue.Queue<Event<C, E>, Cause.Done>
  private readonly subscriptions: ClientSubscriptions
  private readonly watches: ClientWatches
  private readonly requests: ClientRequests
  private readonly client: ReconnectingClient.ReconnectingClient<C, E>
  private readonly drop: (connection: C) => Effect.Effect<unknown>
  private readonly settings: Settings
  private readonly scope: Scope.Scope
  private lastRef = 0
  // The newest connection, which has not said `Welcome` yet.
  private opening: { readonly ref: number; readonly connection: C } | undefined = undefined
  private session: Session<C> | undefined = undefined
  private lastHeard = 0
  closed: ClientClosed | undefined = undefined

  private constructor(
    client: ReconnectingClient.ReconnectingClient<C, E>,
    drop: (connection: C) => Effect.Effect<unknown>,
    settings: Settings,
    scope: Scope.Scope,
    told: Queue.Queue<Event<C, E>, Cause.Done>
  ) {
    this.client = client
    this.drop = drop
    this.settings = settings
    this.scope = scope
    this.subscriptions = new ClientSubscriptions(this, settings.window)
    this.watches = new ClientWatches(this)
    this.requests = new ClientRequests(this, settings.publishTimeout, settings.maxPendingPublishes)
    this.told = told
    this.events = Stream.fromQueue(told)
  }

  /** Starts over a client that queues nothing, with what drops one of its connections. */
  static start<C extends Below, E, R>(
    reconnecting: Effect.Effect<ReconnectingClient.ReconnectingClient<C, E>, never, R>,
    drop: (connection: C, reason: string) => Effect.Effect<unknown>,
    options: TopicOptions
  ): Effect.Effect<TopicClient<E, Event<C, E>>, never, Scope.Scope | R> {
    return Effect.gen(function* () {
      const { eventBuffer, maxPendingPublishes, publishTimeout, retryDelay, window } = options
      const settings: Settings = {
        window: Argument.limit("window", window ?? 256, 1),
        publishTimeout: Argument.duration("publishTimeout", publishTimeout ?? "30 seconds"),
        retryDelay: Argument.duration("retryDelay", retryDelay ?? "500 millis"),
        maxPendingPublishes: Argument.limit("maxPendingPublishes", maxPendingPublishes ?? 1024, 1)
      }
      const topics = new TopicConnection<C, E>(
        yield* reconnecting,
        (connection) => drop(connection, "the topic server did not answer"),
        settings,
        yield* Effect.scope,
        yield* Queue.sliding<Event<C, E>, Cause.Done>(Argument.limit("eventBuffer", eventBuffer ?? 256, 1))
      )
      yield* Effect.forkScoped(topics.watch, { startImmediately: true })
      yield* Effect.forkScoped(topics.read, { startImmediately: true })
      yield* Effect.forkScoped(topics.keepAlive, { startImmediately: true })
      return topics
    })
  }

  // -- what the program does ------------------------------------------------------------------------------------------

  subscribe(topic: string, options?: { readonly after?: After | undefined }): Stream.Stream<TopicItem, SubscribeError> {
    return this.subscriptions.stream(topic, options?.after)
  }

  presence(topic: string): Stream.Stream<PresenceEvent, SubscribeError> {
    return this.watches.stream(topic)
  }

  publish(
    topic: string,
    data: string | Uint8Array,
    options?: { readonly id?: string | undefined }
  ): Effect.Effect<Appended, PublishError> {
    return Effect.suspend(() => {
      const id = options?.id ?? randomId()
      const kept = typeof data === "string" ? data : data.slice()
      const message = { _tag: "Publish", ref: this.nextRef(), topic, id, data: kept } as const
      return this.requests.run(message) as Effect.Effect<Appended, PublishError>
    })
  }

  history(
    topic: string,
    after: After,
    options?: { readonly maxEntries?: number | undefined }
  ): Effect.Effect<Omit<Page, "head">, PublishError> {
    return Effect.suspend(() => {
      const limit = options?.maxEntries
      const message = {
        _tag: "History",
        ref: this.nextRef(),
        topic,
        after,
        ...(limit === undefined ? {} : { limit })
      } as const
      return this.requests.run(message) as Effect.Effect<Omit<Page, "head">, PublishError>
    })
  }

  get close(): Effect.Effect<void> {
    return Effect.ignore(this.client.close(...([] as unknown as Parameters<C["close"]>)))
  }

  // -- what goes out --------------------------------------------------------------------------------------------------

  nextRef(): number {
    return ++this.lastRef
  }

  post(message: TopicProtocol.ClientMessage): boolean {
    if (this.session === undefined) return false
    Queue.offerUnsafe(this.session.outgoing, TopicProtocol.encodeClient(message))
    return true
  }

  get idWindow(): number | undefined {
    return this.session?.idWindow
  }

  // -- what comes in --------------------------------------------------------------------------------------------------

  /** Greets each new connection. */
  private get watch(): Effect.Effect<void> {
    return Stream.runForEach(this.client.events, (event) =>
      Effect.suspend(() => {
        Queue.offerUnsafe(this.told, event)
        if (event._tag === "Closed") this.session = undefined
        if (event._tag !== "Open") return Effect.void
        const { connection } = event
        const ref = this.nextRef()
        this.opening = { ref, connection }
        return Effect.ignore(connection.send(TopicProtocol.encodeClient({ _tag: "Hello", ref })))
      })
    ).pipe(Effect.ensuring(Queue.end(this.told)))
  }

  private get read(): Effect.Effect<void> {
    return Stream.runForEach(this.client.messages, (message) =>
      Effect.suspend(() => {
        if (typeof message.data !== "string") return Effect.void
        const decoded = TopicProtocol.decodeServer(message.data)
        // A newer server may say more than this client knows.
        return Result.isFailure(decoded) ? Effect.void : this.handle(decoded.success)
      })
    ).pipe(
      Effect.onExit((exit) => Effect.sync(() => this.conclude(exit))),
      Effect.ignore
    )
  }

  private handle(message: TopicProtocol.ServerMessage): Effect.Effect<void> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      this.lastHeard = now
      switch (message._tag) {
        case "Welcome":
          return this.welcome(message)
        case "Subscribed":
          return Effect.sync(() => this.subscriptions.confirmed(message.topic, message.ref, message.position))
        case "Entry":
          return Effect.sync(() =>
            this.subscriptions.received(message.topic, message.position, { ...message, size: sizeOf(message.data) })
          )
        case "Gap": {
          const { topic, ...gap } = message
          return Effect.sync(() => this.subscriptions.received(topic, message.resumesAt, gap as Gap))
        }
        case "Ended":
          return Effect.sync(() => {
            const { reason, topic } = message
            this.subscriptions.end(topic, new SubscriptionEnded({ topic, reason }))
          })
        case "Members":
          return Effect.sync(() => this.watches.listed(message.topic, message.ref, message.members, message.isLast))
        case "MembersChanged":
          return Effect.sync(() => this.watches.changed(message.topic, message.ref, message.joined, message.left))
        case "WatchEnded":
          return Effect.sync(() => {
            const { reason, topic } = message
            this.watches.end(topic, new SubscriptionEnded({ topic, reason }))
          })
        case "Published":
          return Effect.sync(() => this.requests.answer(message.ref, Exit.succeed(message)))
        case "Page": {
          const items = message.items.map((item): TopicItem =>
            item._tag === "Entry" ? { ...item, size: sizeOf(item.data) } : (item as Gap)
          )
          return Effect.sync(() => this.requests.answer(message.ref, Exit.succeed({ ...message, items })))
        }
        case "Denied":
          return this.refused(message.ref, new TopicProtocol.Denied({ reason: message.reason }))
        case "Failed":
          return this.failed(message)
        default:
          return Effect.void
      }
    })
  }

  private welcome(message: Extract<TopicProtocol.ServerMessage, { readonly _tag: "Welcome" }>): Effect.Effect<void> {
    const { opening } = this
    // An answer of a connection that is lost again.
    if (opening === undefined || opening.ref !== message.ref) return Effect.void
    const { connection } = opening
    return Effect.gen({ self: this }, function* () {
      const outgoing = yield* Queue.unbounded<string>()
      this.session = { connection, outgoing, heartbeat: message.heartbeat, idWindow: message.idWindow }
      // From here to the end nothing waits: what the program asks for meanwhile comes after what is sent again.
      this.subscriptions.sendAll()
      this.watches.sendAll()
      yield* this.requests.resendAll
      const write = Effect.forever(Effect.flatMap(Queue.take(outgoing), (text) => connection.send(text)))
      const writer = yield* Effect.forkIn(Effect.ignore(write), this.scope)
      yield* Effect.forkIn(Effect.andThen(connection.closed, Fiber.interrupt(writer)), this.scope)
    })
  }

  private failed({
    code,
    reason,
    ref
  }: Extract<TopicProtocol.ServerMessage, { readonly _tag: "Failed" }>): Effect.Effect<void> {
    if (ref === undefined) return Effect.logWarning(`the topic server refused a message: ${reason}`)
    if (code !== "Unavailable" && code !== "OutcomeUnknown") {
      return this.refused(ref, new RequestFailed({ code, reason }))
    }
    if (code === "Unavailable") this.requests.notDone(ref)
    const again = Effect.suspend(() => {
      this.subscriptions.resend(ref)
      this.watches.resend(ref)
      return this.requests.resend(ref)
    })
    return Effect.asVoid(Effect.forkIn(Effect.andThen(Effect.sleep(this.settings.retryDelay), again), this.scope))
  }

  private refused(ref: number, error: TopicProtocol.Denied | RequestFailed): Effect.Effect<void> {
    return Effect.sync(() => {
      this.requests.answer(ref, Exit.fail(error))
      this.subscriptions.refused(ref, error)
      this.watches.refused(ref, error)
    })
  }

  // -- time, and the end ----------------------------------------------------------------------------------------------

  /** Asks after a silence whether the server is there, and drops the connection after twice as long a silence. */
  private get keepAlive(): Effect.Effect<void> {
    return Effect.forever(
      Effect.suspend(() => {
        const { session } = this
        if (session === undefined || session.heartbeat === 0) return Effect.sleep("1 second")
        return Effect.andThen(
          Effect.sleep(session.heartbeat / 2),
          Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<void> => {
            const silence = now - this.lastHeard
            if (this.session !== session || silence < session.heartbeat) return Effect.void
            if (silence >= 2 * session.heartbeat) {
              this.session = undefined
              return Effect.asVoid(this.drop(session.connection))
            }
            this.post({ _tag: "Ping" })
            return Effect.void
          })
        )
      })
    )
  }

  private conclude(exit: Exit.Exit<void, unknown>): void {
    const cause = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
    const closed = new ClientClosed({ cause })
    this.closed = closed
    this.session = undefined
    callEach([this.requests, this.subscriptions, this.watches], (part) => part.close(closed))
  }
}
