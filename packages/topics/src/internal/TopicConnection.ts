/**
 * The client of topics over a reconnecting client: one fiber reads what all connections bring, one writes what goes out on
 * the current one, and what must outlive a connection is kept in two maps, by topic and by request.
 */
import type { ClientOptions } from "@effect-ws/client/Client"
import * as Reconnect from "@effect-ws/client/Reconnect"
import type { Connection } from "@effect-ws/connection/Connection"
import * as Argument from "@effect-ws/protocol/Argument"
import * as CloseError from "@effect-ws/protocol/CloseError"
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type * as Position from "../Position.ts"
import { ClientClosed, RequestFailed, SubscriptionEnded } from "../TopicClientError.ts"
import type { PublishError, SubscribeError, TopicClient, TopicClientOptions } from "../TopicClient.ts"
import type { After, Appended, Gap, Page, TopicItem } from "../TopicLog.ts"
import { LogUnavailable, OutcomeUnknown } from "../TopicLogError.ts"
import * as TopicProtocol from "../TopicProtocol.ts"
import { sizeOf } from "./LogNode.ts"

interface Subscription {
  readonly topic: string
  ref: number
  /** Where to begin on the next connection; `undefined` is from then on. */
  after: After | undefined
  /** Whether the current connection's items are those of `ref`. */
  isConfirmed: boolean
  readonly items: Queue.Queue<TopicItem, SubscribeError>
  /** Items that wait in the queue. */
  waiting: number
  /** Items that the program took and the server was not told about. */
  taken: number
}

interface Pending {
  readonly message: Extract<TopicProtocol.ClientMessage, { readonly _tag: "Publish" | "History" }>
  readonly answer: Deferred.Deferred<Appended | Omit<Page, "head">, PublishError>
  /** When it was sent for the first time. */
  firstSent: number | undefined
}

interface Session {
  readonly connection: Connection
  readonly outgoing: Queue.Queue<string>
  readonly heartbeat: number
  readonly idWindow: number
}

interface Settings {
  readonly window: number
  readonly publishTimeout: Duration.Duration
  readonly retryDelay: Duration.Duration
}

export class TopicConnection<E> implements TopicClient<E> {
  readonly events: Stream.Stream<Reconnect.Event<E>>
  private readonly told: Queue.Queue<Reconnect.Event<E>, Cause.Done>
  private readonly subscriptions = new Map<string, Subscription>()
  private readonly pending = new Map<number, Pending>()
  private readonly permits: Semaphore.Semaphore
  private readonly client: Reconnect.ReconnectingClient<E>
  private readonly settings: Settings
  private readonly scope: Scope.Scope
  private lastRef = 0
  // The newest connection, which has not said `Welcome` yet.
  private opening: { readonly ref: number; readonly connection: Connection } | undefined = undefined
  private session: Session | undefined = undefined
  private lastHeard = 0
  private closed: ClientClosed | undefined = undefined

  private constructor(
    client: Reconnect.ReconnectingClient<E>,
    settings: Settings,
    scope: Scope.Scope,
    maxPendingPublishes: number,
    told: Queue.Queue<Reconnect.Event<E>, Cause.Done>
  ) {
    this.client = client
    this.settings = settings
    this.scope = scope
    this.permits = Semaphore.makeUnsafe(maxPendingPublishes)
    this.told = told
    this.events = Stream.fromQueue(told)
  }

  static start<E, R, ES, RS>(
    options: TopicClientOptions<E, R, ES, RS>
  ): Effect.Effect<TopicClient<E | ES>, never, Dialer | Scope.Scope | R | RS> {
    return Effect.gen(function* () {
      const { maxPendingPublishes, options: connect = {}, publishTimeout, retryDelay, window, ...reconnect } = options
      const settings: Settings = {
        window: Argument.limit("window", window ?? 256, 1),
        publishTimeout: Argument.duration("publishTimeout", publishTimeout ?? "30 seconds"),
        retryDelay: Argument.duration("retryDelay", retryDelay ?? "500 millis")
      }
      const withSubprotocol = (given: ClientOptions): ClientOptions => ({
        ...given,
        subprotocols: [TopicProtocol.subprotocol]
      })
      const client = yield* Reconnect.make<E, R, ES, RS>({
        ...reconnect,
        options: Effect.isEffect(connect) ? Effect.map(connect, withSubprotocol) : withSubprotocol(connect),
        whenDisconnected: "fail",
        // A server that restarts spreads its clients over time.
        schedule: Schedule.modifyDelay(options.schedule ?? Reconnect.defaultSchedule, ({ duration, input }) =>
          Effect.succeed(Duration.max(duration, Duration.millis(restartDelayOf(input))))
        ) as Schedule.Schedule<unknown, Reconnect.Failure<E>, ES, RS>
      })
      const topics = new TopicConnection<E | ES>(
        client,
        settings,
        yield* Effect.scope,
        Argument.limit("maxPendingPublishes", maxPendingPublishes ?? 1024, 1),
        yield* Queue.sliding<Reconnect.Event<E | ES>, Cause.Done>(
          Argument.limit("eventBuffer", options.eventBuffer ?? 256, 1)
        )
      )
      yield* Effect.forkScoped(topics.watch, { startImmediately: true })
      yield* Effect.forkScoped(topics.read, { startImmediately: true })
      yield* Effect.forkScoped(topics.keepAlive, { startImmediately: true })
      return topics
    })
  }

  // -- what the program does -------------------------------------------------------------------------------------------

  subscribe(topic: string, options?: { readonly after?: After | undefined }): Stream.Stream<TopicItem, SubscribeError> {
    const open = Effect.acquireRelease(
      Effect.flatMap(Queue.unbounded<TopicItem, SubscribeError>(), (items) =>
        Effect.suspend((): Effect.Effect<Subscription, SubscribeError> => {
          if (this.closed !== undefined) return Effect.fail(this.closed)
          if (this.subscriptions.has(topic)) {
            return Effect.fail(
              new RequestFailed({ code: "AlreadySubscribed", reason: "the client is subscribed to the topic" })
            )
          }
          const subscription: Subscription = {
            topic,
            ref: 0,
            after: options?.after,
            isConfirmed: false,
            items,
            waiting: 0,
            taken: 0
          }
          this.subscriptions.set(topic, subscription)
          this.sendSubscribe(subscription)
          return Effect.succeed(subscription)
        })
      ),
      (subscription) =>
        Effect.sync(() => {
          if (this.subscriptions.get(topic) !== subscription) return
          this.subscriptions.delete(topic)
          this.post({ _tag: "Unsubscribe", ref: ++this.lastRef, topic })
        })
    )
    return Stream.unwrap(
      Effect.map(open, (subscription) =>
        Stream.fromPull(
          Effect.succeed(
            Effect.tap(Queue.takeAll(subscription.items), (items) => this.took(subscription, items.length))
          )
        )
      )
    )
  }

  publish(
    topic: string,
    data: string | Uint8Array,
    options?: { readonly id?: string | undefined }
  ): Effect.Effect<Appended, PublishError> {
    return Effect.suspend(() => {
      const id = options?.id ?? globalThis.crypto.randomUUID()
      const ref = ++this.lastRef
      const kept = typeof data === "string" ? data : data.slice()
      return this.request({ _tag: "Publish", ref, topic, id, data: kept }) as Effect.Effect<Appended, PublishError>
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
        ref: ++this.lastRef,
        topic,
        after,
        ...(limit === undefined ? {} : { limit })
      } as const
      return this.request(message) as Effect.Effect<Omit<Page, "head">, PublishError>
    })
  }

  get close(): Effect.Effect<void> {
    return Effect.ignore(this.client.close())
  }

  private request(message: Pending["message"]): Effect.Effect<Appended | Omit<Page, "head">, PublishError> {
    const pending: Pending = { message, answer: Deferred.makeUnsafe(), firstSent: undefined }
    const sent = Effect.suspend((): Effect.Effect<Appended | Omit<Page, "head">, PublishError> => {
      if (this.closed !== undefined) return Effect.fail(this.closed)
      this.pending.set(message.ref, pending)
      return Effect.andThen(this.sendPending(pending), Deferred.await(pending.answer))
    })
    return this.permits.withPermits(1)(
      Effect.timeoutOrElse(sent, {
        duration: this.settings.publishTimeout,
        orElse: () => Effect.fail(unanswered(pending, "no answer within publishTimeout"))
      }).pipe(Effect.ensuring(Effect.sync(() => this.pending.delete(message.ref))))
    )
  }

  // -- what goes out ---------------------------------------------------------------------------------------------------

  /** Hands a message to the current connection, if there is one: what must not be lost is sent again on the next. */
  private post(message: TopicProtocol.ClientMessage): boolean {
    if (this.session === undefined) return false
    Queue.offerUnsafe(this.session.outgoing, TopicProtocol.encodeClient(message))
    return true
  }

  private sendSubscribe(subscription: Subscription): void {
    const { after, topic, waiting } = subscription
    subscription.ref = ++this.lastRef
    subscription.isConfirmed = false
    subscription.taken = 0
    const window = Math.max(1, this.settings.window - waiting)
    this.post({ _tag: "Subscribe", ref: subscription.ref, topic, ...(after === undefined ? {} : { after }), window })
  }

  private sendPending(pending: Pending): Effect.Effect<void> {
    return Effect.map(Clock.currentTimeMillis, (now) => {
      if (this.session === undefined) return
      // The server forgets the id in the end: sending it again after that would double the entry.
      if (pending.firstSent !== undefined && now - pending.firstSent > this.session.idWindow * 0.75) {
        Deferred.doneUnsafe(pending.answer, Exit.fail(unanswered(pending, "the idempotence window is about to end")))
        return
      }
      pending.firstSent ??= now
      this.post(pending.message)
    })
  }

  private took(subscription: Subscription, count: number): Effect.Effect<void> {
    return Effect.sync(() => {
      subscription.waiting -= count
      subscription.taken += count
      if (!subscription.isConfirmed || subscription.taken * 2 < this.settings.window) return
      this.post({ _tag: "Continue", topic: subscription.topic, count: subscription.taken })
      subscription.taken = 0
    })
  }

  // -- what comes in ---------------------------------------------------------------------------------------------------

  /** Greets each new connection. */
  private get watch(): Effect.Effect<void> {
    return Stream.runForEach(this.client.events, (event) =>
      Effect.suspend(() => {
        Queue.offerUnsafe(this.told, event)
        if (event._tag === "Closed") this.session = undefined
        if (event._tag !== "Open") return Effect.void
        const { connection } = event
        const ref = ++this.lastRef
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
        case "Subscribed": {
          const subscription = this.subscriptions.get(message.topic)
          if (subscription === undefined || subscription.ref !== message.ref) return Effect.void
          subscription.isConfirmed = true
          subscription.after ??= message.position
          return Effect.void
        }
        case "Entry":
          return this.received(message.topic, message.position, {
            ...message,
            size: sizeOf(message.data)
          })
        case "Gap": {
          const { topic, ...gap } = message
          return this.received(topic, message.resumesAt, gap as Gap)
        }
        case "Ended":
          return this.endSubscription(
            message.topic,
            new SubscriptionEnded({ topic: message.topic, reason: message.reason })
          )
        case "Published":
          return this.answer(message.ref, Exit.succeed(message))
        case "Page": {
          const items = message.items.map((item): TopicItem =>
            item._tag === "Entry" ? { ...item, size: sizeOf(item.data) } : (item as Gap)
          )
          return this.answer(message.ref, Exit.succeed({ ...message, items }))
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
      for (const subscription of this.subscriptions.values()) this.sendSubscribe(subscription)
      for (const pending of this.pending.values()) yield* this.sendPending(pending)
      const write = Effect.forever(Effect.flatMap(Queue.take(outgoing), (text) => connection.send(text)))
      const writer = yield* Effect.forkIn(Effect.ignore(write), this.scope)
      yield* Effect.forkIn(Effect.andThen(connection.closed, Fiber.interrupt(writer)), this.scope)
    })
  }

  private received(topic: string, position: Position.Position, item: TopicItem): Effect.Effect<void> {
    return Effect.sync(() => {
      const subscription = this.subscriptions.get(topic)
      if (subscription === undefined || !subscription.isConfirmed) return
      subscription.after = position
      subscription.waiting++
      Queue.offerUnsafe(subscription.items, item)
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
    const again = Effect.suspend(() => {
      const pending = this.pending.get(ref)
      if (pending !== undefined) return this.sendPending(pending)
      for (const subscription of this.subscriptions.values()) {
        if (subscription.ref === ref && !subscription.isConfirmed) this.sendSubscribe(subscription)
      }
      return Effect.void
    })
    const pending = this.pending.get(ref)
    if (pending !== undefined && code === "Unavailable") pending.firstSent = undefined
    return Effect.asVoid(Effect.forkIn(Effect.andThen(Effect.sleep(this.settings.retryDelay), again), this.scope))
  }

  private refused(ref: number, error: TopicProtocol.Denied | RequestFailed): Effect.Effect<void> {
    if (this.pending.has(ref)) return this.answer(ref, Exit.fail(error))
    for (const subscription of this.subscriptions.values()) {
      if (subscription.ref === ref) return this.endSubscription(subscription.topic, error)
    }
    return Effect.void
  }

  private answer(ref: number, exit: Exit.Exit<Appended | Omit<Page, "head">, PublishError>): Effect.Effect<void> {
    return Effect.sync(() => {
      const pending = this.pending.get(ref)
      if (pending !== undefined) Deferred.doneUnsafe(pending.answer, exit)
    })
  }

  private endSubscription(topic: string, error: SubscribeError): Effect.Effect<void> {
    const subscription = this.subscriptions.get(topic)
    if (subscription === undefined) return Effect.void
    this.subscriptions.delete(topic)
    return Effect.asVoid(Queue.fail(subscription.items, error))
  }

  // -- time, and the end -----------------------------------------------------------------------------------------------

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
              return session.connection.abort("the topic server did not answer")
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
    for (const { answer, message, firstSent } of this.pending.values()) {
      const error = firstSent === undefined ? closed : unanswered({ answer, message, firstSent }, closed.message)
      Deferred.doneUnsafe(answer, Exit.fail(error))
    }
    for (const { items } of this.subscriptions.values()) Queue.failCauseUnsafe(items, Cause.fail(closed))
    this.subscriptions.clear()
  }
}

const restartDelayOf = (failure: unknown): number =>
  CloseError.isCloseError(failure) ? TopicProtocol.restartDelay(failure.code, failure.reason) : 0

const unanswered = ({ firstSent, message }: Pending, detail: string): LogUnavailable | OutcomeUnknown =>
  firstSent === undefined || message._tag === "History"
    ? new LogUnavailable({ detail: firstSent === undefined ? "not sent: there was no connection" : detail })
    : new OutcomeUnknown({ topic: message.topic, id: message.id, detail })
