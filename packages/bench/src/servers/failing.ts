/** Ours, with handlers that do what a message says: fail, die, hang, or answer. `VARIANT` says which server. */
import * as CloseError from "@effect-ws/protocol/CloseError"
import type { Handlers } from "@effect-ws/server/Handlers"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Effect from "effect/Effect"
import { launch } from "./Launch.ts"

const handlers: Handlers<unknown> = {
  onMessage: (connection, { data }) => {
    switch (data) {
      case "close":
        return Effect.fail(new CloseError.PolicyViolation({ reason: "as you like" }))
      case "fail":
        return Effect.fail(new Error("a failure"))
      case "die":
        return Effect.die(new Error("a defect"))
      case "interrupt":
        return Effect.interrupt
      case "hang":
        return Effect.never
      default:
        return connection.send(data)
    }
  },
  onError: () => Effect.void,
  onClose: () => Effect.void
}

// Short, so that those that hang are few at any time: of the queue-driven server each holds a worker.
const options = { handlerTimeoutAfterClose: "100 millis" } as const

launch(
  process.env["VARIANT"] === "queue"
    ? WebSocketServer.layerQueue(handlers, options)
    : WebSocketServer.layer(handlers, options)
)
