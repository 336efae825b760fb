/** Ours, queue-driven: no fiber for a connection, the handlers are run by a fixed number of workers. */
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { launch } from "./Launch.ts"

const Echo = WebSocketServer.layerQueue({ onMessage: (connection, message) => connection.send(message) })

launch(Echo)
