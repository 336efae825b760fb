/** Ours, with a record of handlers on the server that has a fiber for each batch of messages. */
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { launch } from "./Launch.ts"

launch(WebSocketServer.layer({ onMessage: (connection, message) => connection.send(message) }))
