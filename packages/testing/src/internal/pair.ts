/** What the cases of the suite have in common: both ends of a connection, and reading until something is complete. */
import { Dialer } from "@effect-ws/transport/Dialer"
import type { PushReader, PushSocket, PushWriter } from "@effect-ws/transport/Push"
import { isPushReader, isPushWriter } from "@effect-ws/transport/Push"
import { PushSocketServer } from "@effect-ws/transport/PushSocketServer"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import type * as SocketServer from "effect/socket/SocketServer"
import { ByteRecorder } from "@effect-ws/transport/ByteRecorder"
import * as assert from "./assert.ts"

/** What a transport provides. */
export type Services = SocketServer.SocketServer | PushSocketServer | Dialer

/** Adds a case; the timeout is in milliseconds. */
export type Add<R = never> = (
  name: string,
  program: Effect.Effect<void, unknown, Services | R | Scope.Scope>,
  timeout?: number
) => void

const decoder = new TextDecoder()
export const encoder = new TextEncoder()

export const closeCode = (error: Socket.SocketError): number | undefined =>
  error.reason._tag === "SocketCloseError" ? error.reason.code : undefined

export const pullText = (reader: Socket.Reader): Effect.Effect<string, Socket.SocketError> =>
  Effect.map(reader.pull, (batch) =>
    batch.map((chunk) => (typeof chunk === "string" ? chunk : decoder.decode(chunk))).join("")
  )

/** Pulls until `text` is complete. */
export const expectText = Effect.fnUntraced(function* (reader: Socket.Reader, text: string) {
  let got = ""
  while (got.length < text.length) got += yield* pullText(reader)
  assert.strictEqual(got, text)
})

/** Pulls to the end and gives its error. */
export const pullToEnd = (reader: Socket.Reader): Effect.Effect<Socket.SocketError> =>
  Effect.flip(Effect.forever(reader.pull)) as Effect.Effect<Socket.SocketError>

/** Both ends of a connection; the client's in a Scope of its own. */
export const connectPair = Effect.gen(function* () {
  const server = yield* PushSocketServer
  const dialer = yield* Dialer
  const accepted = yield* Queue.unbounded<PushSocket>()
  yield* Effect.forkScoped(server.accept((socket) => Queue.offerUnsafe(accepted, socket)))
  const socket = yield* dialer.dial(server.address)
  const scope = yield* Scope.fork(yield* Effect.scope)
  const reader = yield* Scope.provide(socket.reader, scope)
  const writer = yield* Scope.provide(socket.writer, scope)
  const far = yield* Queue.take(accepted)
  yield* Effect.addFinalizer(() => Effect.sync(() => far.writerUnsafe.destroy()))
  return { socket, reader, writer, scope, far }
})

export const asPush = (reader: Socket.Reader, writer: Socket.Writer): { reader: PushReader; writer: PushWriter } => {
  if (!isPushReader(reader) || !isPushWriter(writer)) throw new Error("the socket does not push")
  return { reader, writer }
}

export const echoByPush = (socket: PushSocket): ByteRecorder => {
  const sink = new ByteRecorder()
  sink.keepText = false
  const { readerUnsafe: reader, writerUnsafe: writer } = socket
  sink.onBytes = (bytes) => {
    if (!writer.writeUnsafe(bytes)) reader.pause()
  }
  const onDrain = sink.onDrain.bind(sink)
  sink.onDrain = () => {
    onDrain()
    reader.resume()
  }
  sink.onFin = () => writer.shutdown()
  reader.subscribe(sink)
  return sink
}
