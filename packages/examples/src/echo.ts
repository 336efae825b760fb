/**
 * The same echo server in three ways: as a conversation that a fiber holds, as a conversation of frames, and as
 * handlers that a few workers run for all connections.
 *
 * `node packages/examples/src/echo.ts` listens on port 8000 with the first of them.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Layer, Stream } from "effect"
import type { SocketServer } from "effect/socket"
import { Tcp, WebSocketServer } from "effect-ws"

type Server = Layer.Layer<WebSocketServer.WebSocketServer, never, SocketServer.SocketServer>

/** One fiber for each connection. It ends when the client has closed, and closes with 1000 itself where it returns. */
export const conversation: Server = WebSocketServer.layer((connection) =>
  Stream.runForEach(connection.messages, (message) => connection.send(message))
)

/** Frames go back as they came, fragment by fragment: no message is ever in memory as a whole. */
export const frames: Server = WebSocketServer.layer((connection) =>
  Stream.runForEach(connection.frames, (frame) => connection.sendFrame(frame))
)

/** No fiber for a connection; the messages of one connection still keep their order. */
export const handlers: Server = WebSocketServer.layerQueue({
  onMessage: (connection, message) => connection.send(message)
})

if (import.meta.main) {
  conversation.pipe(Layer.provide(Tcp.layerServer({ port: 8000 })), Layer.launch, NodeRuntime.runMain)
}
