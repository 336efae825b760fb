/**
 * What one node tells all others about users, over a topic of the log that clients may not use.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { TopicLog } from "../TopicLog.ts"
import type { AppendError, TopicItem } from "./LogTypes.ts"
import type { TopicSession } from "./TopicSession.ts"

const controlTopic = "~control"

const ControlMessage = Schema.TaggedUnion({
  Disconnect: { publisher: Schema.String, reason: Schema.String },
  Reauthorize: { publisher: Schema.String }
})
type ControlMessage = typeof ControlMessage.Type

const Json = Schema.fromJsonString(ControlMessage)
const encode = Schema.encodeSync(Json)
const decode = Schema.decodeUnknownResult(Json)

/** Tells all nodes, this one included. */
export const tell = (log: TopicLog["Service"], message: ControlMessage): Effect.Effect<void, AppendError> =>
  Effect.asVoid(log.append(controlTopic, encode(message)))

/** Does to the sessions of this node what any node tells, for ever. */
export const obey = <R>(
  log: TopicLog["Service"],
  sessions: ReadonlyMap<unknown, TopicSession<R>>
): Effect.Effect<never> => {
  const take = (item: TopicItem): Effect.Effect<void> => {
    if (item._tag === "Gap") {
      // It is not known whose right ended.
      return Effect.sync(() => sessions.forEach((session) => session.reauthorize()))
    }
    const decoded = decode(item.data)
    if (Result.isFailure(decoded)) return Effect.void
    const message = decoded.success
    const meant = [...sessions.values()].filter(({ publisher }) => publisher === message.publisher)
    return message._tag === "Reauthorize"
      ? Effect.sync(() => meant.forEach((session) => session.reauthorize()))
      : Effect.forEach(meant, (session) => Effect.forkDetach(session.disconnect(message.reason)), { discard: true })
  }
  const follow = Effect.scoped(
    Effect.flatMap(log.follow(controlTopic), ({ pull }) =>
      Effect.forever(Effect.flatMap(pull, (items) => Effect.forEach(items, take, { discard: true })))
    )
  )
  return Effect.forever(Effect.andThen(Effect.ignore(follow), Effect.sleep("1 second")))
}
