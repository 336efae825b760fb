/**
 * What `broadcast` and `publish` send: a message, or a value of a protocol. It is for `@effect-ws/server` and
 * `@effect-ws/topics` and not for programs, and changes without notice.
 */
import * as PreparedMessage from "@effect-ws/protocol/PreparedMessage"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import { prepare } from "../TypedConnection.ts"
import type { SentAs } from "../TypedConnection.ts"

/** Prepares a message, or a value with the side of a protocol that sends it. */
export const preparedAs = (
  message: unknown,
  as: SentAs<Schema.Constraint>["as"] | undefined
): Effect.Effect<PreparedMessage.PreparedMessage, Schema.SchemaError, unknown> =>
  as === undefined ? Effect.sync(() => PreparedMessage.make(message as string)) : prepare(as, message)
