/**
 * What an engine does for the log: it stores, and tells the node's feeds what is new. Everything that readers are
 * promised is made of this by `LogNode`.
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Position } from "../Position.ts"
import type { Appended, AppendError, Entry } from "./LogTypes.ts"
import type { LogUnavailable } from "../TopicLogError.ts"
import type { LogState } from "./Lineage.ts"

/** An append that was checked. */
export interface AppendRequest {
  readonly topic: string
  readonly data: string | Uint8Array
  readonly id: string
  /** The scope of the id: the same id of another publisher is another entry. */
  readonly publisher: string
}

/** What an engine tells about a topic that is followed. */
export interface EntrySink {
  readonly topic: string
  /** An entry was appended. Calls may be doubled or missing; the feed notices by the positions. */
  readonly deliver: (entry: Entry) => void
  /** The topic's head, which may be before what was delivered where the engine lost data. */
  readonly compare: (head: Position) => void
}

/** An engine, as one node uses it. */
export interface Engine {
  readonly append: (request: AppendRequest) => Effect.Effect<Appended, AppendError>
  /** Reads entries behind a position, in pages; a log that does not exist is created. */
  readonly read: (
    topic: string,
    after: Position,
    limits: { readonly entries: number; readonly bytes: number }
  ) => Effect.Effect<LogState, LogUnavailable>
  /** The position of the last entry; a log that does not exist is created. */
  readonly head: (topic: string) => Effect.Effect<Position, LogUnavailable>
  /** Tells the sink what is appended to its topic from now on, until the Scope closes. */
  readonly follow: (sink: EntrySink) => Effect.Effect<void, never, Scope.Scope>
}
