/**
 * Starts TLS on an open socket to a server or a proxy.
 */
import type * as Effect from "effect/Effect"
import type * as Socket from "effect/socket/Socket"
import type { TlsOptions } from "./TlsOptions.ts"
import type { OpenSocket } from "./LazySocket.ts"

export const startTls = (
  { reader }: OpenSocket,
  servername: string,
  tls: Omit<TlsOptions, "servername">,
  // Without a word of HTTP/2, which a server may prefer where it has the choice.
  alpnProtocols: ReadonlyArray<string> = ["http/1.1"]
): Effect.Effect<void, Socket.SocketError> =>
  reader.upgrade({
    servername,
    ca: tls.ca,
    cert: tls.identity?.cert,
    key: tls.identity?.key,
    passphrase: tls.identity?.passphrase,
    alpnProtocols,
    rejectUnauthorized: tls.rejectUnauthorized !== false
  })
