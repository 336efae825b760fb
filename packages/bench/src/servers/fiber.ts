/**
 * Ours, a fiber for each connection, as the README writes it: the handler is a stream of messages that are sent back.
 */
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Stream from "effect/Stream"
import { launch } from "./Launch.ts"

const Echo = WebSocketServer.layer(
  (connection) => Stream.runForEach(connection.messages, (message) => connection.send(message)),
  { reuseReceiveBuffers: process.env["RECYCLE"] !== undefined }
)

launch(Echo)
