/** What the parts of a topic client share: the numbers of its requests, and the way to the current connection. */
import type { ClientClosed } from "../TopicClientError.ts"
import type { ClientMessage } from "../TopicProtocol.ts"

export interface ClientOutbox {
  /** Numbers a request. */
  readonly nextRef: () => number
  /**
   * Hands a message to the current connection. Without one it does nothing and returns `false`: what must not be lost
   * is sent again on the next connection.
   */
  readonly post: (message: ClientMessage) => boolean
  /**
   * How long the server of the current connection keeps the id of a publish, in milliseconds; `undefined` without one.
   */
  readonly idWindow: number | undefined
  /** Why the client is closed, once it is. */
  readonly closed: ClientClosed | undefined
}
