/**
 * Sends to one connection and waits for it to read, in every kind of server: `send` of a connection does not wait in a
 * server without fibers. It writes at once, so that the write buffer is free for the next connection of a fan-out.
 */
import type { Recipient } from "@effect-ws/connection/Fanout"
import type { PreparedMessage } from "@effect-ws/protocol/PreparedMessage"
import * as Effect from "effect/Effect"

const nothing = (): void => {}

/** Sends messages in order. Returns whether the connection took them all; otherwise it is over. */
export const sendPrepared = (
  recipient: Recipient,
  messages: ReadonlyArray<PreparedMessage>,
  onSent: () => void = nothing,
  from = 0
): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    let wrote = false
    const pause = (wait: (resume: () => void) => (() => void) | void, at: number): Effect.Effect<boolean> => {
      if (wrote) recipient.flushUnsafe()
      return Effect.flatMap(
        Effect.callback<void>((resume) => {
          const cancel = wait(() => resume(Effect.void))
          return cancel === undefined ? undefined : Effect.sync(cancel)
        }),
        () => sendPrepared(recipient, messages, onSent, at)
      )
    }
    for (let at = from; at < messages.length; at++) {
      const message = messages[at]!
      if (!recipient.canSend) return Effect.succeed(false)
      const pending = recipient.pendingPrepare(message)
      if (pending !== undefined) return pause((resume) => pending.start(resume), at)
      if (!recipient.isWritable) return pause((resume) => recipient.onWritable(resume), at)
      if (recipient.sendUnsafe(message) !== undefined) return Effect.succeed(false)
      wrote = true
      onSent()
    }
    if (wrote) recipient.flushUnsafe()
    return Effect.succeed(true)
  })
