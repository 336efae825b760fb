/**
 * One connection that speaks the topic protocol: its requests, one after the other, and a fiber for each subscription.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as Fanout from "@effect-ws/connection/Fanout"
import type * as CloseError from "@effect-ws/protocol/CloseError"
import * as PreparedMessage from "@effect-ws/protocol/PreparedMessage"
import type { SendError } from "@effect-ws/protocol/SendError"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Metric from "effect/Metric"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as TopicProtocol from "../TopicProtocol.ts"
import type { TopicLog } from "../TopicLog.ts"
import type { Entry, Gap, TopicItem, TopicReader } from "./LogTypes.ts"
import type { Action } from "./TopicAction.ts"
import type { TopicPresenceService } from "./PresenceTypes.ts"
import type { LimitExceeded, LogUnavailable, OutcomeUnknown } from "../TopicLogError.ts"
import * as metrics from "./metrics.ts"
import { sendPrepared } from "./sendPrepared.ts"
import { SessionWatches } from "./SessionWatches.ts"

/** The options of a `TopicServer` with their defaults. */
export interface SessionSettings<R> {
  readonly authorize: (action: Action) => Effect.Effect<Duration.Input | void, TopicProtocol.Denied, R>
  readonly publisher: (connection: Connection) => string
  /** The members of topics, if clients may watch them. */
  readonly presence: TopicPresenceService | undefined
  /** The name under which a connection is present in the topics that it is subscribed to. */
  readonly member: (connection: Connection) => string | undefined
  readonly maxSubscriptions: number
  readonly heartbeat: Duration.Duration
}

type Sent<R = never> = Effect.Effect<void, CloseError.CloseError, R>
type Request<Tag> = Extract<TopicProtocol.ClientMessage, { readonly _tag: Tag }>

interface Subscription {
  readonly scope: Scope.Closeable
  /** How many items the client takes before it asks for more. */
  credit: number
  readonly hasCredit: Latch.Latch
}

export class TopicSession<R> {
  private readonly connection: Connection
  private readonly log: TopicLog["Service"]
  private readonly settings: SessionSettings<R>
  private readonly scope: Scope.Closeable
  private readonly subscriptions = new Map<string, Subscription>()
  private readonly watches: SessionWatches | undefined
  private revoked = Latch.makeUnsafe(false)

  private constructor(
    connection: Connection,
    log: TopicLog["Service"],
    settings: SessionSettings<R>,
    scope: Scope.Closeable
  ) {
    this.connection = connection
    this.log = log
    this.settings = settings
    this.scope = scope
    this.watches =
      settings.presence === undefined ? undefined : new SessionWatches(connection, settings.presence, scope)
  }

  static make<R>(
    connection: Connection,
    log: TopicLog["Service"],
    settings: SessionSettings<R>
  ): Effect.Effect<TopicSession<R>> {
    return Effect.map(Scope.make(), (scope) => new TopicSession(connection, log, settings, scope))
  }

  /** The scope of the ids of this connection. */
  get publisher(): string {
    return this.settings.publisher(this.connection)
  }

  /** Asks for the right to each subscription again, now. */
  reauthorize(): void {
    const { revoked } = this
    this.revoked = Latch.makeUnsafe(false)
    revoked.openUnsafe()
  }

  /** Closes the connection with 1008. */
  disconnect(reason: string): Effect.Effect<void> {
    return Effect.ignore(this.connection.close(1008, reason))
  }

  /** Ends all subscriptions. */
  get close(): Effect.Effect<void> {
    return Scope.close(this.scope, Exit.void)
  }

  /** Answers a request. */
  handle(text: string): Sent<R> {
    const decoded = TopicProtocol.decodeClient(text)
    if (Result.isFailure(decoded)) {
      return this.fail(refOf(text), "Malformed", "expected a message of this subprotocol")
    }
    const message = decoded.success
    switch (message._tag) {
      case "Hello":
        return this.send({
          _tag: "Welcome",
          ref: message.ref,
          heartbeat: Duration.toMillis(this.settings.heartbeat),
          idWindow: Duration.toMillis(this.log.idWindow)
        })
      case "Ping":
        return this.send({ _tag: "Pong" })
      case "Subscribe":
        return this.subscribe(message)
      case "Continue":
        return Effect.sync(() => {
          const subscription = this.subscriptions.get(message.topic)
          if (subscription === undefined || message.count === 0) return
          subscription.credit += message.count
          subscription.hasCredit.openUnsafe()
        })
      case "Unsubscribe":
        return Effect.andThen(
          this.drop(message.topic),
          this.send({ _tag: "Unsubscribed", ref: message.ref, topic: message.topic })
        )
      case "Publish":
        return this.publish(message)
      case "History":
        return this.history(message)
      case "Watch":
        return this.watch(message)
      case "Unwatch":
        return Effect.andThen(
          this.watches?.drop(message.topic) ?? Effect.void,
          this.send({ _tag: "Unwatched", ref: message.ref, topic: message.topic })
        )
    }
  }

  /** Answers a request that failed. */
  fail(ref: number | undefined, code: typeof TopicProtocol.FailureCode.Type, reason: string): Sent {
    return this.send({ _tag: "Failed", ...(ref === undefined ? {} : { ref }), code, reason })
  }

  private send(message: TopicProtocol.ServerMessage): Sent {
    return sent(this.connection.send(TopicProtocol.encodeServer(message)))
  }

  // A denied or failed request is answered; only a connection that is over ends its handlers.
  private answered<A>(
    { _tag, ref }: { readonly _tag: Action["_tag"]; readonly ref: number },
    request: Effect.Effect<A, TopicProtocol.Denied | LimitExceeded | LogUnavailable | OutcomeUnknown, R>,
    onSuccess: (value: A) => Sent<R>
  ): Sent<R> {
    return Effect.matchEffect(request, {
      onSuccess,
      onFailure: (error): Sent<R> => {
        switch (error._tag) {
          case "Denied":
            return this.send({ _tag: "Denied", ref, action: _tag, reason: error.reason })
          case "LimitExceeded":
            return this.fail(ref, "LimitExceeded", error.message)
          case "LogUnavailable":
            return this.fail(ref, "Unavailable", "the topic log is unavailable, try again later")
          case "OutcomeUnknown":
            return this.fail(ref, "OutcomeUnknown", "publish again with the same id")
        }
      }
    })
  }

  private allow(_tag: Action["_tag"], topic: string): Effect.Effect<Duration.Duration, TopicProtocol.Denied, R> {
    // Those of the library itself, such as presence.
    if (topic.startsWith("~")) return Effect.fail(new TopicProtocol.Denied({ reason: "the topic is reserved" }))
    return Effect.map(
      Effect.suspend(() => this.settings.authorize({ _tag, topic, connection: this.connection })),
      (lease) => (lease === undefined ? Duration.infinity : Duration.fromInputUnsafe(lease))
    )
  }

  private publish(message: Request<"Publish">): Sent<R> {
    const { data, id, ref, topic } = message
    const append = Effect.flatMap(this.allow("Publish", topic), () =>
      this.log.append(topic, data, { id, publisher: this.publisher })
    )
    return this.answered(message, append, ({ isDuplicate, position }) =>
      this.send({ _tag: "Published", ref, position, isDuplicate })
    )
  }

  private history(message: Request<"History">): Sent<R> {
    const { after, limit, ref, topic } = message
    const read = Effect.flatMap(this.allow("History", topic), () => this.log.read(topic, after, { maxEntries: limit }))
    return this.answered(message, read, ({ isLast, items, next }) =>
      this.send({
        _tag: "Page",
        ref,
        topic,
        items: items.map((item) => (item._tag === "Entry" ? item : { ...item, topic })),
        next,
        isLast
      })
    )
  }

  // -- subscriptions --------------------------------------------------------------------------------------------------

  private subscribe(message: Request<"Subscribe">): Sent<R> {
    const { after, ref, topic, window } = message
    const { maxSubscriptions } = this.settings
    if (this.subscriptions.has(topic)) return this.fail(ref, "AlreadySubscribed", "the connection is subscribed to it")
    if (this.subscriptions.size >= maxSubscriptions) {
      return this.fail(ref, "LimitExceeded", `more than ${maxSubscriptions} subscriptions`)
    }
    return Effect.flatMap(Scope.fork(this.scope), (scope) => {
      const subscription = { scope, credit: window ?? Number.POSITIVE_INFINITY, hasCredit: Latch.makeUnsafe(true) }
      const start = Effect.gen({ self: this }, function* () {
        const lease = yield* this.allow("Subscribe", topic)
        const reader = yield* this.log.follow(topic, { after })
        const member = this.settings.member(this.connection)
        if (member !== undefined) yield* this.settings.presence?.join(topic, member) ?? Effect.void
        return { lease, reader }
      }).pipe(Scope.provide(scope))
      return this.answered(
        message,
        Effect.tapCause(start, () => Scope.close(scope, Exit.void)),
        ({ lease, reader }) => {
          this.subscriptions.set(topic, subscription)
          const end = (reason: string): Sent =>
            Effect.andThen(
              // In a fiber of its own, since this one ends with it.
              Effect.forkIn(this.drop(topic), this.scope),
              Effect.uninterruptible(this.send({ _tag: "Ended", topic, reason }))
            )
          const run = Effect.raceFirst(
            this.deliver(reader, topic, subscription),
            this.renew("Subscribe", topic, lease, end)
          )
          return Effect.andThen(
            this.send({ _tag: "Subscribed", ref, topic, position: reader.position }),
            // A connection that is over needs no word about it: its scope closes next.
            Effect.asVoid(Effect.forkIn(Effect.ignore(run), scope))
          )
        }
      )
    })
  }

  /** Sends what the reader gives, as far as the client takes it, until the connection is over. */
  private deliver(reader: TopicReader, topic: string, subscription: Subscription): Effect.Effect<void> {
    return Effect.flatMap(reader.pull, (items) =>
      Effect.flatMap(this.deliverItems(items, topic, subscription), (goesOn) =>
        goesOn ? this.deliver(reader, topic, subscription) : Effect.void
      )
    )
  }

  private deliverItems(
    items: ReadonlyArray<TopicItem>,
    topic: string,
    subscription: Subscription
  ): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      const { credit, hasCredit } = subscription
      if (credit === 0) {
        hasCredit.closeUnsafe()
        return Effect.andThen(hasCredit.await, this.deliverItems(items, topic, subscription))
      }
      const some = credit < items.length ? items.slice(0, credit) : items
      subscription.credit -= some.length
      const messages = some.map((item) => (item._tag === "Entry" ? prepared(item) : gapMessage(topic, item)))
      const gaps = some.filter(({ _tag }) => _tag === "Gap").length
      return sendPrepared(Fanout.recipient(this.connection), messages).pipe(
        Effect.tap(Metric.update(metrics.delivered, some.length - gaps)),
        Effect.tap(gaps === 0 ? Effect.void : Metric.update(metrics.gaps, gaps)),
        Effect.flatMap((goesOn) =>
          goesOn && some.length < items.length
            ? this.deliverItems(items.slice(some.length), topic, subscription)
            : Effect.succeed(goesOn)
        )
      )
    })
  }

  /** Asks again whenever the decision runs out, and ends when it was denied and the client told. */
  private renew(
    action: "Subscribe" | "Watch",
    topic: string,
    lease: Duration.Duration,
    end: (reason: string) => Sent
  ): Sent<R> {
    const over = Effect.suspend(() => {
      const { revoked } = this
      return Duration.isFinite(lease) ? Effect.raceFirst(Effect.sleep(lease), revoked.await) : revoked.await
    })
    return Effect.flatMap(Effect.andThen(over, Effect.result(this.allow(action, topic))), (again) =>
      Result.isSuccess(again) ? this.renew(action, topic, again.success, end) : end(again.failure.reason)
    )
  }

  private watch(message: Request<"Watch">): Sent<R> {
    const { ref, topic } = message
    const { watches } = this
    const { maxSubscriptions } = this.settings
    if (watches === undefined) return this.fail(ref, "Unsupported", "the server does not tell who is subscribed")
    if (watches.has(topic)) return this.fail(ref, "AlreadySubscribed", "the connection watches it already")
    if (watches.size >= maxSubscriptions) {
      return this.fail(ref, "LimitExceeded", `more than ${maxSubscriptions} watched topics`)
    }
    return Effect.contextWith((context: Context.Context<R>) =>
      this.answered(message, this.allow("Watch", topic), (lease) =>
        watches.watch(
          topic,
          ref,
          this.renew("Watch", topic, lease, (reason) => this.send({ _tag: "WatchEnded", topic, reason })).pipe(
            Effect.ignore,
            Effect.provideContext(context)
          ),
          (error) => Effect.ignore(this.answered(message, Effect.fail(error), () => Effect.void) as Sent)
        )
      )
    )
  }

  private drop(topic: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      const subscription = this.subscriptions.get(topic)
      if (subscription === undefined) return Effect.void
      this.subscriptions.delete(topic)
      return Scope.close(subscription.scope, Exit.void)
    })
  }
}

// An entry is encoded once for all connections that get it.
const preparedEntries = new WeakMap<Entry, PreparedMessage.PreparedMessage>()

const prepared = (entry: Entry): PreparedMessage.PreparedMessage => {
  let message = preparedEntries.get(entry)
  if (message === undefined) {
    message = PreparedMessage.make(TopicProtocol.encodeEntry(entry))
    preparedEntries.set(entry, message)
  }
  return message
}

const gapMessage = (topic: string, gap: Gap): PreparedMessage.PreparedMessage =>
  PreparedMessage.make(TopicProtocol.encodeServer(TopicProtocol.gapMessage(topic, gap)))

// SendError is sending in the middle of a message that is sent frame by frame, which is not done here.
const sent = (send: Effect.Effect<void, CloseError.CloseError | SendError>): Sent =>
  Effect.catchTag(send, "SendError", (misuse) => Effect.die(misuse))

/** The `ref` of a message that is no request, where it has one, so that the client knows which of its own it was. */
const refOf = (text: string): number | undefined => {
  try {
    const { ref } = JSON.parse(text) as { readonly ref?: unknown }
    return typeof ref === "number" && Number.isSafeInteger(ref) && ref >= 0 ? ref : undefined
  } catch {
    return undefined
  }
}
