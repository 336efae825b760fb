/** Ours, as the WHATWG class. */
import { WebSocket } from "@effect-ws/client/WebSocketClass"
import { run } from "./Control.ts"
import { usesOf } from "./events.ts"

run(usesOf(WebSocket))
