/**
 * One end of a resumable session: what was sent and not acknowledged, what was received and not taken, and the exchange
 * over the connection of the moment.
 */
import * as Argument from "@effect-ws/protocol/Argument"
import * as CloseError from "@effect-ws/protocol/CloseError"
import { callEach } from "@effect-ws/transport/internal"
import type * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import * as MessageCodec from "../../MessageCodec.ts"
import * as OneByOne from "../../OneByOne.ts"
import type { MessageConnection } from "../../MessageConnection.ts"
import { NotSent, OutcomeUnknown } from "../../ResumableSession.ts"
import type { ResumableSession, SessionOptions } from "../../ResumableSession.ts"
import * as TypedConnection from "../../TypedConnection.ts"

/** What travels: the values with their positions, and what the two ends say of them. */
export const envelope = (value: Schema.Constraint) =>
  Schema.TaggedUnion({
    /** First of the client: which session, up to where it has received, and up to where its program has taken. */
    Hello: { session: Schema.String, received: Schema.Natural, taken: Schema.Natural },
    /** First of the server; `resumed` says whether it still had the session. */
    Welcome: { resumed: Schema.Boolean, received: Schema.Natural, taken: Schema.Natural },
    Item: { position: Schema.Natural, value: value as Schema.Codec<unknown, unknown> },
    Ack: { position: Schema.Natural },
    Bye: {}
  })

export type Envelope = ReturnType<typeof envelope>["Type"]

/** The connection of the moment. */
export interface Link {
  readonly messages: Stream.Stream<Envelope, CloseError.CloseError>
  readonly receive: Effect.Effect<Envelope, CloseError.CloseError>
  readonly send: (message: Envelope) => Effect.Effect<unknown, CloseError.CloseError>
  readonly sendEncoded: (data: string | Uint8Array) => Effect.Effect<unknown, CloseError.CloseError>
}

/** How far the other end is. */
export interface Progress {
  readonly received: number
  readonly taken: number
}

interface Entry {
  readonly position: number
  readonly data: string | Uint8Array
  readonly outcome: Deferred.Deferred<void, NotSent | OutcomeUnknown>
  // Whether it was ever written to a connection.
  wasHanded: boolean
}

interface Arrived {
  // How often the other end had lost the session before it sent this.
  readonly epoch: number
  readonly position: number
  readonly value: unknown
}

export class SessionCore<E> implements ResumableSession<unknown, unknown, E> {
  readonly id: string
  isClosed = false
  /** Done when the session is over. */
  readonly closed = Deferred.makeUnsafe<void>()
  private readonly types: TypedConnection.MessageTypes<Schema.Constraint, Schema.Constraint>
  private readonly encoder: MessageCodec.CompiledCodec
  private readonly services: Context.Context<unknown>
  private readonly queue: Queue.Queue<Arrived, E | Cause.Done>
  private readonly limits: {
    readonly messages: number
    readonly bytes: number
    readonly queue: number
    readonly ack: Duration.Duration
  }
  private log: Array<Entry> = []
  private logBytes = 0
  private lastPosition = 0
  private received = 0
  private taken = 0
  private epoch = 0
  private saysBye = false
  // The link that is written to. A new link replaces an old one whose end was not noticed yet.
  private current: Link | undefined = undefined
  private readonly encoding = Semaphore.makeUnsafe(1)
  // Open when there is something for the connection: values, an acknowledgement, or the end.
  private readonly wanted = Latch.makeUnsafe(false)

  constructor(
    id: string,
    options: SessionOptions<Schema.Constraint, Schema.Constraint>,
    services: Context.Context<unknown>,
    queue: Queue.Queue<Arrived, E | Cause.Done>
  ) {
    const codec = options.codec ?? MessageCodec.json
    this.id = id
    this.types = { receive: envelope(options.receive), send: envelope(options.send), codec }
    this.encoder = codec.compile(this.types.send)
    this.services = services
    this.queue = queue
    this.limits = {
      messages: Argument.limit("maxPendingMessages", options.maxPendingMessages ?? 256, 1),
      bytes: Argument.limit("maxPendingBytes", options.maxPendingBytes ?? 1 << 20, 1),
      queue: Argument.limit("receiveQueueSize", options.receiveQueueSize ?? 1024, 1),
      ack: Argument.duration("ackTimeout", options.ackTimeout ?? "30 seconds")
    }
  }

  static make<E>(
    id: string,
    options: SessionOptions<Schema.Constraint, Schema.Constraint>
  ): Effect.Effect<SessionCore<E>> {
    return Effect.gen(function* () {
      const services = (yield* Effect.context<never>()) as Context.Context<unknown>
      return new SessionCore(id, options, services, yield* Queue.unbounded<Arrived, E | Cause.Done>())
    })
  }

  get isConnected(): boolean {
    return this.current !== undefined
  }
  get pending(): number {
    return this.log.length
  }
  get progress(): Progress {
    return { received: this.received, taken: this.taken }
  }

  // -- what the program does ------------------------------------------------------------------------------------------

  get messages(): Stream.Stream<unknown, E> {
    const take = Effect.map(Queue.take(this.queue), ({ epoch, position, value }) => {
      if (epoch === this.epoch) {
        this.taken = position
        this.wanted.openUnsafe()
      }
      return value
    })
    // No failure of a session is a `Cause.Done`.
    return OneByOne.stream(take) as Stream.Stream<unknown, E>
  }

  send(value: unknown): Effect.Effect<void, Schema.SchemaError | NotSent | OutcomeUnknown> {
    // One at a time, so that positions are in the order of the calls even where encoding takes time.
    const kept = this.encoding.withPermit(
      Effect.suspend(() => {
        const position = this.lastPosition + 1
        const encoding = this.encoder.encode({ _tag: "Item", position, value })
        return Effect.flatMap(Effect.provideContext(encoding, this.services), (data) => this.keep(position, data))
      })
    )
    return Effect.flatMap(kept, (entry) => this.settled(entry))
  }

  private keep(position: number, data: string | Uint8Array): Effect.Effect<Entry, NotSent> {
    if (this.isClosed) return Effect.fail(new NotSent({ reason: "Closed" }))
    if (this.log.length >= this.limits.messages || this.logBytes + data.length > this.limits.bytes) {
      return Effect.fail(new NotSent({ reason: "Full" }))
    }
    const entry: Entry = { position, data, outcome: Deferred.makeUnsafe(), wasHanded: false }
    this.lastPosition = position
    this.log.push(entry)
    this.logBytes += data.length
    this.wanted.openUnsafe()
    return Effect.succeed(entry)
  }

  private settled(entry: Entry): Effect.Effect<void, NotSent | OutcomeUnknown> {
    return Effect.timeoutOrElse(Deferred.await(entry.outcome), {
      duration: this.limits.ack,
      orElse: () => {
        this.remove(entry)
        return Effect.fail(unsettled(entry, "Timeout"))
      }
    }).pipe(
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          if (!entry.wasHanded) this.remove(entry)
        })
      )
    )
  }

  private remove(entry: Entry): void {
    const at = this.log.indexOf(entry)
    if (at < 0) return
    this.log.splice(at, 1)
    this.logBytes -= entry.data.length
  }

  get close(): Effect.Effect<void> {
    return Effect.sync(() => this.finish(Exit.void))
  }

  // -- the connections ------------------------------------------------------------------------------------------------

  /** The connection as both ends see it here: envelopes in and out, and what does not decode closes it. */
  link(connection: MessageConnection<CloseError.CloseError, unknown, unknown>): Effect.Effect<Link> {
    const linked = Effect.map(TypedConnection.make(connection, this.types), (typed) => ({
      messages: typed.messages,
      receive: typed.receive,
      send: (message: Envelope) => typed.send(message),
      sendEncoded: (data: string | Uint8Array) => connection.send(data)
    }))
    // Envelopes can be sent, so that only the end of the connection makes it fail.
    return Effect.provideContext(linked, this.services) as Effect.Effect<unknown> as Effect.Effect<Link>
  }

  /** Exchanges messages over a connection until that or the session is over. */
  attach(link: Link, { received, taken }: Progress): Effect.Effect<void, CloseError.CloseError> {
    return Effect.suspend(() => {
      this.acknowledge(taken)
      this.current = link
      this.wanted.openUnsafe()
      const reading = Stream.runForEach(
        Stream.takeUntil(link.messages, ({ _tag }) => _tag === "Bye"),
        (message) => this.handle(message)
      )
      return Effect.raceFirst(reading, this.write(link, received))
    }).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          if (this.current === link) this.current = undefined
        })
      )
    )
  }

  /** The other end has lost the session, and begins a new one under the same name. */
  lose(): void {
    const lost = this.log.filter(({ wasHanded }) => wasHanded)
    for (const entry of lost) this.remove(entry)
    // What arrived before and waits for the program is given to it, and not acknowledged.
    this.epoch++
    this.received = 0
    this.taken = 0
    callEach(lost, (entry) => Deferred.doneUnsafe(entry.outcome, Effect.fail(unsettled(entry, "SessionLost"))))
  }

  /** Ends the session, at the other end too unless told otherwise. The first end is the one that counts. */
  finish(end: Exit.Exit<void, E>, saysBye: boolean = Exit.isSuccess(end)): void {
    if (this.isClosed) return
    this.isClosed = true
    this.saysBye = saysBye
    const { log } = this
    this.log = []
    this.logBytes = 0
    try {
      callEach(log, (entry) => Deferred.doneUnsafe(entry.outcome, Effect.fail(unsettled(entry, "Closed"))))
    } finally {
      Deferred.doneUnsafe(this.closed, Effect.void)
      if (Exit.isFailure(end)) Queue.failCauseUnsafe(this.queue, end.cause)
      else Queue.endUnsafe(this.queue)
      this.wanted.openUnsafe()
    }
  }

  private handle(message: Envelope): Effect.Effect<void, CloseError.CloseError> {
    switch (message._tag) {
      case "Item":
        // What comes again after a lost connection was received already.
        if (message.position <= this.received) return Effect.void
        if (Queue.sizeUnsafe(this.queue) >= this.limits.queue) return violation("more messages than may wait")
        this.received = message.position
        Queue.offerUnsafe(this.queue, { epoch: this.epoch, position: message.position, value: message.value })
        return Effect.void
      case "Ack":
        if (message.position > this.lastPosition) return violation("an acknowledgement of what was not sent")
        return Effect.sync(() => this.acknowledge(message.position))
      case "Bye":
        return Effect.sync(() => this.finish(Exit.void))
      default:
        return violation("a session begins only once on a connection")
    }
  }

  private acknowledge(position: number): void {
    while (this.log.length > 0 && this.log[0]!.position <= position) {
      const entry = this.log.shift()!
      this.logBytes -= entry.data.length
      Deferred.doneUnsafe(entry.outcome, Effect.void)
    }
  }

  // One fiber writes, so that positions go out in order.
  private write(link: Link, received: number): Effect.Effect<void, CloseError.CloseError> {
    let sent = received
    let acknowledged = -1
    const next = (): Effect.Effect<unknown, CloseError.CloseError> | undefined => {
      if (this.taken !== acknowledged) {
        acknowledged = this.taken
        return acknowledged === 0 ? Effect.void : link.send({ _tag: "Ack", position: acknowledged })
      }
      const entry = this.log.find(({ position }) => position > sent)
      if (entry === undefined) return undefined
      sent = entry.position
      entry.wasHanded = true
      return link.sendEncoded(entry.data)
    }
    return Effect.gen({ self: this }, function* () {
      while (true) {
        yield* this.wanted.await
        if (this.current !== link) return yield* Effect.never
        for (let work = next(); work !== undefined; work = next()) yield* work
        if (this.isClosed) {
          if (this.saysBye) yield* link.send({ _tag: "Bye" })
          return
        }
        this.wanted.closeUnsafe()
      }
    })
  }
}

const violation = (reason: string): Effect.Effect<never, CloseError.CloseError> =>
  Effect.fail(new CloseError.PolicyViolation({ reason }))

const unsettled = (entry: Entry, reason: "Timeout" | "SessionLost" | "Closed"): NotSent | OutcomeUnknown =>
  entry.wasHanded
    ? new OutcomeUnknown({ reason })
    : new NotSent({ reason: reason === "SessionLost" ? "Closed" : reason })
