/**
 * The ways in which a program reads a connection: messages, events, pieces of one message, or frames, each a stream or
 * an effect that takes from the receive queue.
 */
import type * as CloseError from "@effect-ws/protocol/CloseError"
import type * as Frame from "@effect-ws/protocol/Frame"
import type * as Message from "@effect-ws/protocol/Message"
import type { Session } from "@effect-ws/protocol/Session"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ConnectionEvent, MessageStream } from "../../Connection.ts"
import * as PullOrWait from "./PullOrWait.ts"
import type { EventKinds, Receiver } from "./Receiver.ts"

// A stream of the items that `take` finds, one at a time: see `PullOrWait`.
const streamOf = <A>(receiver: Receiver, take: () => A | undefined): Stream.Stream<A, CloseError.CloseError> => {
  const takeBatch = (): readonly [A] | undefined => {
    const taken = take()
    return taken === undefined ? undefined : [taken]
  }
  return Stream.fromPull(Effect.sync(() => PullOrWait.pull(receiver, takeBatch)))
}

export const messages = (receiver: Receiver): Stream.Stream<Message.Message, CloseError.CloseError> =>
  streamOf(receiver, () => receiver.queue.takeMessage())

export const events = (
  receiver: Receiver,
  kinds: EventKinds
): Stream.Stream<ConnectionEvent, CloseError.CloseError> => {
  receiver.observe(kinds)
  return streamOf(receiver, () => receiver.queue.takeEvent())
}

export const receive = (receiver: Receiver): Effect.Effect<Message.Message, CloseError.CloseError> =>
  PullOrWait.receive(receiver, () => receiver.queue.takeMessage())

export const receiveStream = (
  receiver: Receiver,
  session: Session
): Effect.Effect<MessageStream, CloseError.CloseError> =>
  PullOrWait.receive(receiver, () => {
    const { queue } = receiver
    if (queue.isEmpty) queue.add(session.setReadMode("fragment"))
    const beginning = queue.beginStream()
    if (beginning === undefined) return undefined
    return beginning._tag === "Whole"
      ? wholeStream(beginning.message)
      : streamOfPieces(receiver, beginning.type, beginning.reading)
  })

const wholeStream = (message: Message.Message): MessageStream =>
  message._tag === "Text"
    ? { _tag: "Text", chunks: Stream.succeed(message.data) }
    : { _tag: "Binary", chunks: Stream.succeed(message.data) }

const streamOfPieces = (receiver: Receiver, type: "Text" | "Binary", reading: number): MessageStream => {
  const { queue } = receiver
  const pieces = streamOf(receiver, () => queue.takePiece(reading)).pipe(Stream.takeUntil((piece) => piece.last))
  // What follows the last piece belongs to other messages.
  const chunks = Stream.suspend(() => (queue.isRead(reading) ? Stream.empty : pieces))
  return type === "Text"
    ? { _tag: "Text", chunks: Stream.map(chunks, (piece) => piece.data as string) }
    : { _tag: "Binary", chunks: Stream.map(chunks, (piece) => piece.data as Uint8Array) }
}

export const frames = (receiver: Receiver, session: Session): Stream.Stream<Frame.Frame, CloseError.CloseError> =>
  Stream.unwrap(
    Effect.acquireRelease(
      Effect.sync(() => {
        receiver.readFrames()
        return streamOf(receiver, () => receiver.queue.takeFrame())
      }),
      () => Effect.sync(() => session.setReadMode("message"))
    )
  )
