/**
 * A socket on a Node stream. Effect's adapter pulls with `readable` and `read()`, and allocates a dozen closures for
 * each connection. This one listens to `data`, shares its listeners between all connections, and implements `Push`. The
 * transports on `node:net` and `node:tls` use it, and so do other `Duplex` streams of Node: the socket of an HTTP
 * upgrade, a stream of HTTP/2.
 *
 * The socket owns the stream: no other code may read, write or end it.
 *
 * @since 0.1.0
 */
import type { Duplex } from "node:stream"
import { duplexSettings, NodeDuplex } from "./internal/NodeDuplex.ts"
import type { PushSocket } from "./Push.ts"
import type { NodeDuplexOptions } from "./internal/NodeDuplexOptions.ts"

export type { NodeDuplexOptions } from "./internal/NodeDuplexOptions.ts"

/**
 * Makes a socket from an open Node stream.
 *
 * **Details**
 *
 * `head` are bytes already read from the stream, which the socket delivers first. Create the stream with
 * `allowHalfOpen: true`; otherwise the peer's FIN ends both directions.
 *
 * **Gotchas**
 *
 * The socket keeps the stream open until it is closed: acquire its `reader` in a Scope, or call `close`. Written memory
 * is used again as soon as the stream has called back, so `_write` must copy what it still reads then.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromDuplex = (
  stream: Duplex,
  options?: NodeDuplexOptions & { readonly head?: Uint8Array | undefined }
): PushSocket => {
  const duplex = new NodeDuplex(stream, duplexSettings(options, false))
  if (options?.head !== undefined) duplex.unread(options.head)
  return duplex
}
