/**
 * A transport under test.
 */
import type { DialAddress, Dialer } from "@effect-ws/transport/Dialer"
import type { PushSocketServer } from "@effect-ws/transport/PushSocketServer"
import type * as Layer from "effect/Layer"
import type { SocketServer, SocketServerError } from "effect/socket/SocketServer"

/**
 * A transport under test.
 *
 * @category models
 * @since 0.1.0
 */
export interface Transport<R = never> {
  /** A server on a free address, and a dialer that reaches it. Each case builds its own. */
  readonly layer: Layer.Layer<SocketServer | PushSocketServer | Dialer | R, SocketServerError>
  /** A server on a given address: the one that `layer`'s server reports. */
  readonly listenAgain: (
    address: DialAddress
  ) => Layer.Layer<SocketServer, SocketServerError, SocketServer | PushSocketServer | Dialer | R>
  /** An address at which no server listens. */
  readonly unused: DialAddress
  /** Whether the peer sees a reset as a reset, and not as an end. */
  readonly resets: boolean
  /** Whether the dialled sockets push too; those of the server always do. */
  readonly pushes: boolean
  /** The number of connections that one case opens and closes, up to 32 at a time. */
  readonly connects: number
  /** The bytes that a case writes to a peer that does not read. More than all buffers on the way hold. */
  readonly transferBytes: number
}
