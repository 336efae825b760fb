/**
 * Queues the messages of all connections of a reconnecting client for its reader.
 *
 * A message enters the queue before its connection waits for room, so that interrupting that wait loses no message.
 */
import * as OneByOne from "@effect-ws/connection/OneByOne"
import * as CloseError from "@effect-ws/protocol/CloseError"
import type { Message } from "@effect-ws/protocol/Message"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import type * as Stream from "effect/Stream"

export class Incoming<E> {
  private readonly queue: Queue.Queue<Message, E | Cause.Done>
  private readonly limit: number
  private readonly room = Latch.makeUnsafe(true)
  private isReleased = false

  private constructor(queue: Queue.Queue<Message, E | Cause.Done>, limit: number) {
    this.queue = queue
    this.limit = limit
  }

  static make<E>(limit: number): Effect.Effect<Incoming<E>> {
    return Effect.map(Queue.unbounded<Message, E | Cause.Done>(), (queue) => new Incoming(queue, limit))
  }

  get messages(): Stream.Stream<Message, E> {
    // No failure of a client is a `Cause.Done`.
    return OneByOne.stream(this.take) as Stream.Stream<Message, E>
  }

  /** Takes the next message. Fails as `messages` does, and with 1000 when `messages` ends. */
  get receive(): Effect.Effect<Message, E | CloseError.NormalClosure> {
    return Effect.catchIf(this.take, Cause.isDone, () => Effect.fail(new CloseError.NormalClosure())) as Effect.Effect<
      Message,
      E | CloseError.NormalClosure
    >
  }

  private get take(): Effect.Effect<Message, E | Cause.Done> {
    return Effect.map(Queue.take(this.queue), (message) => {
      if (Queue.sizeUnsafe(this.queue) < this.limit) this.room.openUnsafe()
      return message
    })
  }

  /** Adds a message, and waits until the queue has room. */
  add(message: Message): Effect.Effect<void> {
    Queue.offerUnsafe(this.queue, message)
    if (this.isReleased || Queue.sizeUnsafe(this.queue) < this.limit) return Effect.void
    this.room.closeUnsafe()
    return this.room.await
  }

  /** Ends all waits for room. No connection follows, and the last connection bounds what it still adds. */
  release(): void {
    this.isReleased = true
    this.room.openUnsafe()
  }

  /** Ends the messages after those in the queue. */
  end(): void {
    Queue.endUnsafe(this.queue)
  }

  /** Fails the messages after those in the queue. */
  fail(cause: Cause.Cause<E>): void {
    Queue.failCauseUnsafe(this.queue, cause)
  }
}
