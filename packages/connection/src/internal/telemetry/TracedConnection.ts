/**
 * A connection whose messages each have a span. A separate class, so that other connections need no check for spans.
 */
import { isBytes } from "@effect-ws/protocol/Argument"
import type * as CloseError from "@effect-ws/protocol/CloseError"
import type * as SessionEvent from "@effect-ws/protocol/SessionEvent"
import type * as Message from "@effect-ws/protocol/Message"
import type { SendError } from "@effect-ws/protocol/SendError"
import { isPreparedMessage } from "@effect-ws/protocol/PreparedMessage"
import type { PreparedMessage } from "@effect-ws/protocol/PreparedMessage"
import type { SendOptions } from "@effect-ws/protocol/Session"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Tracer from "effect/Tracer"
import { makeSpan } from "./HandshakeTelemetry.ts"
import { ConnectionImpl } from "../ConnectionImpl.ts"

export class TracedConnection extends ConnectionImpl {
  override send(
    data: string | Uint8Array | Message.Message | PreparedMessage,
    options?: SendOptions
  ): Effect.Effect<void, CloseError.CloseError | SendError> {
    return this.traced(super.send(data, options), attributesOf(payloadOf(data)))
  }

  override queueAll(
    chunks: ReadonlyArray<string | Uint8Array>
  ): Effect.Effect<boolean, CloseError.CloseError | SendError> {
    return this.traced(super.queueAll(chunks), {
      ...(chunks.length === 1
        ? attributesOf(payloadOf(chunks[0]!))
        : { "messaging.batch.message_count": chunks.length })
    })
  }

  // A client has no fiber of its own: where its program has no span, the connection's is the parent.
  private traced<A, E>(send: Effect.Effect<A, E>, attributes: Record<string, unknown>): Effect.Effect<A, E> {
    return Effect.contextWith((context: Context.Context<never>) => {
      const parent = context.mapUnsafe.has(Tracer.ParentSpan.key) ? undefined : this.meter?.span
      return Effect.withSpan(send, "websocket.send", {
        kind: "producer",
        attributes,
        captureStackTrace: false,
        ...(parent === undefined ? {} : { parent })
      })
    })
  }

  override onEvents(events: ReadonlyArray<SessionEvent.SessionEvent>, bytes: number): void {
    const parent = this.meter?.span
    const clock = Context.get(this.environment.context, Clock.Clock)
    for (const event of events) {
      if (parent === undefined || (event._tag !== "Text" && event._tag !== "Binary")) continue
      const attributes = attributesOf(event.data)
      const span = makeSpan(this.environment.context, "websocket.receive", { kind: "consumer", parent, attributes })
      span.end(clock.currentTimeNanosUnsafe(), Exit.void)
    }
    super.onEvents(events, bytes)
  }
}

// What cannot be sent has no size; `send` refuses it.
const payloadOf = (data: string | Uint8Array | Message.Message | PreparedMessage): string | Uint8Array => {
  if (isPreparedMessage(data)) return data.message.data
  const payload: unknown = typeof data === "object" && data !== null && "_tag" in data ? data.data : data
  return typeof payload === "string" || isBytes(payload) ? payload : ""
}

const attributesOf = (data: string | Uint8Array): Record<string, unknown> => ({
  "websocket.message.type": typeof data === "string" ? "text" : "binary",
  "messaging.message.body.size": typeof data === "string" ? Buffer.byteLength(data) : data.length
})
