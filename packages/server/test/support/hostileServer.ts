/**
 * The server of the tests on hostility, in a process of its own so that its memory can be measured. The path says what
 * its handler does. It answers each message of the parent with its figures.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import { hostPort } from "@effect-ws/transport/Dialer"
import * as Tcp from "@effect-ws/transport/Tcp"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Exit, Latch, Layer, Stream } from "effect"
import type * as NetAddress from "effect/net/NetAddress"
import * as WebSocketServer from "../../src/WebSocketServer.ts"

const figures = { sent: 0, received: 0, closes: [] as Array<string> }
const go = Latch.makeUnsafe(false)

const source = (connection: Connection): Effect.Effect<void, unknown> => {
  const piece = new Uint8Array(64 * 1024)
  const pieces = Number(connection.request.query) / piece.length
  // Large fragments, so that the peer's limit on their number does not come first.
  return connection.sendStream({ _tag: "Binary", chunks: Stream.map(Stream.range(1, pieces), () => piece) })
}

const handlers: Readonly<Record<string, (connection: Connection) => Effect.Effect<unknown, unknown>>> = {
  "/echo": (connection) => Stream.runForEach(connection.messages, (message) => connection.send(message)),
  "/flood": (connection) => {
    const piece = new Uint8Array(64 * 1024)
    return Effect.forever(
      Effect.map(connection.send(piece), () => {
        figures.sent += piece.length
      })
    )
  },
  "/stuck": (connection) =>
    Stream.runForEach(connection.messages, (message) =>
      Effect.map(go.await, () => {
        figures.received += message.data.length
      })
    ),
  "/busy": (connection) =>
    Stream.runForEach(connection.messages, (message) => Effect.andThen(go.await, connection.send(message))),
  "/sink": (connection) =>
    Effect.forever(
      Effect.gen(function* () {
        const message = yield* connection.receiveStream
        const size = yield* message._tag === "Binary"
          ? Stream.runFold(
              message.chunks,
              () => 0,
              (sum, piece) => sum + piece.length
            )
          : Effect.die("expected bytes")
        yield* connection.send(`${size}`)
      })
    ),
  "/source": source
}

const options: WebSocketServer.ServerOptions = {
  maxMessageSize: process.env["MAX_MESSAGE_SIZE"] === undefined ? undefined : Number(process.env["MAX_MESSAGE_SIZE"]),
  drainTimeout: "10 seconds",
  // Ten thousand of them take a while to begin where the machine has other work.
  handshakeTimeout: "1 minute"
}

const noteClose = ({ error, violation }: CloseInfo): void => {
  figures.closes.push(`${error.code} ${violation?.rule ?? ""}`.trimEnd())
}

const server =
  process.env["SERVER"] === "queue"
    ? WebSocketServer.layerQueue(
        {
          onMessage: (connection, message) => {
            figures.received += message.data.length
            return connection.request.path === "/echo"
              ? connection.send(message)
              : Effect.andThen(go.await, connection.send(message))
          },
          onClose: (_, closeInfo) => Effect.sync(() => noteClose(closeInfo))
        },
        // Each busy connection holds a worker.
        { ...options, workers: 256 }
      )
    : WebSocketServer.layer(
        (connection) =>
          Effect.ensuring(
            handlers[connection.request.path]!(connection),
            Effect.forkDetach(Effect.map(connection.closed, noteClose))
          ),
        options
      )

const announce = Layer.effectDiscard(
  WebSocketServer.WebSocketServer.useSync(({ address }) =>
    process.send!({ port: hostPort(address as NetAddress.InetAddress).port })
  )
)

process.on("message", (message) => {
  if (message === "go") go.openUnsafe()
  process.send!({ ...figures })
})
// The work of busy handlers ends when the drain has begun.
process.on("SIGTERM", () => setImmediate(() => go.openUnsafe()))
// The parent is the only one who could still want something.
process.on("disconnect", () => process.exit(1))

announce.pipe(
  Layer.provideMerge(server),
  Layer.provide(Tcp.layerServer({ port: 0, backlog: 4096 })),
  Layer.launch,
  Effect.ensuring(Effect.sync(() => process.disconnect?.())),
  // A drain is an ordinary end.
  NodeRuntime.runMain({ teardown: (exit, onExit) => onExit(Exit.isSuccess(exit) || Exit.hasInterrupts(exit) ? 0 : 1) })
)
