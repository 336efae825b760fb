/**
 * Events as one line of the debug log.
 */
import type * as SessionEvent from "@effect-ws/protocol/SessionEvent"
import * as Frame from "@effect-ws/protocol/Frame"
import * as Message from "@effect-ws/protocol/Message"
import * as Effect from "effect/Effect"
import type { Host } from "./ConnectionParts.ts"

export const dataEvent = (data: string | Uint8Array): Message.Message =>
  typeof data === "string" ? Message.text(data) : Message.binary(data)

export const renderEvent = (event: SessionEvent.SessionEvent): string => {
  switch (event._tag) {
    case "Text":
      return Frame.render(Frame.text(event.data))
    case "Binary":
      return Frame.render(Frame.binary(event.data))
    case "Ping":
      return Frame.render(Frame.ping(event.data))
    case "Pong":
      return Frame.render(Frame.pong(event.data))
    case "Frame":
      return Frame.render(event.frame)
    case "Fragment":
      return `a piece of a message, ${event.data.length} long`
    case "CloseReceived":
      return `CLOSE ${event.code ?? "without a code"} ${JSON.stringify(event.reason)}`
    case "Failed":
      return `what it must refuse: ${event.error.message}`
  }
}

/** Logs an event at debug level. */
export const logEvent = (host: Host, what: "Received" | "Sent", event: SessionEvent.SessionEvent): void => {
  Effect.runForkWith(host.environment.context)(
    Effect.annotateLogs(Effect.logDebug(`${what} ${renderEvent(event)}`), { connection: host.id })
  )
}
