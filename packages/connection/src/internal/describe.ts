/**
 * Events as one line for the log.
 */
import type * as SessionEvent from "@effect-ws/protocol/SessionEvent"
import * as Frame from "@effect-ws/protocol/Frame"
import * as Message from "@effect-ws/protocol/Message"

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
