/**
 * What a client asks of a topic server.
 */
import type { Connection } from "@effect-ws/connection/Connection"

/**
 * What a client wants to do.
 *
 * @category models
 * @since 0.1.0
 */
export interface Action {
  readonly _tag: "Subscribe" | "Publish" | "History" | "Watch"
  readonly topic: string
  /** The connection, whose `context` has what the handshake's decision attached: who the user is. */
  readonly connection: Connection
}
