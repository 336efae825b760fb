/**
 * Requests a tunnel from a SOCKS5 proxy (RFC 1928), with username/password authentication (RFC 1929).
 */
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Socket from "effect/socket/Socket"
import type { Proxy } from "./ProxyOptions.ts"
import type { ProxyError } from "../ProxyError.ts"
import { ByteReader } from "./ByteReader.ts"
import type { OpenSocket } from "./LazySocket.ts"
import { tunnelFailure } from "./proxyError.ts"

const NO_AUTHENTICATION = 0x00
const USERNAME_PASSWORD = 0x02
const NO_ACCEPTABLE_METHODS = 0xff

// RFC 1928 6
const replies: ReadonlyArray<string> = [
  "succeeded",
  "general SOCKS server failure",
  "connection not allowed by ruleset",
  "network unreachable",
  "host unreachable",
  "connection refused",
  "TTL expired",
  "command not supported",
  "address type not supported"
]

export const socksTunnel = Effect.fnUntraced(function* (
  socket: OpenSocket,
  proxy: Proxy,
  destination: { readonly host: string; readonly port: number }
): Effect.fn.Return<void, Socket.SocketError | ProxyError> {
  const error = tunnelFailure(proxy, destination)
  const input = new ByteReader(socket.reader)
  const read = (length: number): Effect.Effect<Uint8Array, Socket.SocketError> => input.read(length)

  const address = encodeAddress(destination.host)
  if (address === undefined) return yield* error("Malformed", "expected a host name of at most 255 bytes")
  const { credentials } = proxy
  if (credentials?._tag === "Token")
    return yield* error("AuthenticationFailed", "SOCKS5 supports username/password authentication, but no tokens")
  const methods = credentials === undefined ? [NO_AUTHENTICATION] : [NO_AUTHENTICATION, USERNAME_PASSWORD]
  yield* socket.writer.write(Uint8Array.of(5, methods.length, ...methods))
  const [version, method] = yield* read(2)
  if (version !== 5) return yield* error("Malformed", `expected SOCKS version 5 from the proxy, found ${version}`)
  if (method === NO_ACCEPTABLE_METHODS) {
    return yield* error(
      "AuthenticationFailed",
      credentials === undefined
        ? "the SOCKS proxy requires a username and a password"
        : "the SOCKS proxy accepts neither username/password authentication nor anonymous clients"
    )
  }
  if (method === USERNAME_PASSWORD && credentials !== undefined) {
    const username = new TextEncoder().encode(credentials.username)
    const password = new TextEncoder().encode(Redacted.value(credentials.password))
    // RFC 1929 2: lengths of 1 to 255
    if ([username, password].some(({ length }) => length < 1 || length > 255)) {
      return yield* error("AuthenticationFailed", "expected a username and a password of 1 to 255 bytes each")
    }
    yield* socket.writer.write(Uint8Array.of(1, username.length, ...username, password.length, ...password))
    const [, status] = yield* read(2)
    if (status !== 0)
      return yield* error("AuthenticationFailed", "the SOCKS proxy rejected the username or the password")
  } else if (method !== NO_AUTHENTICATION) {
    return yield* error("Malformed", `the SOCKS proxy chose method ${method}, which was not offered`)
  }

  const { port } = destination
  yield* socket.writer.write(Uint8Array.of(5, 1, 0, ...address, port >> 8, port & 0xff))
  const [replyVersion, reply = 0xff, , type] = yield* read(4)
  if (replyVersion !== 5) return yield* error("Malformed", `expected a reply of SOCKS version 5, found ${replyVersion}`)
  if (reply !== 0)
    return yield* error("Refused", replies[reply] ?? `the SOCKS proxy replied with code ${reply}`, { reply })
  const length = type === 1 ? 4 : type === 4 ? 16 : type === 3 ? (yield* read(1))[0] : undefined
  if (length === undefined)
    return yield* error("Malformed", `the SOCKS proxy replied with the unknown address type ${type}`)
  yield* read(length + 2)
  // The client speaks first in TLS and in the WebSocket handshake, so any further bytes come from the proxy itself.
  if (input.surplus > 0) return yield* error("UnexpectedBytes", "the SOCKS proxy sent bytes after its reply")
})

// RFC 1928 5: the address type, then the address; a host name has its length first
const encodeAddress = (host: string): Uint8Array | undefined => {
  const ip = NetAddress.ipFromString(host)
  if (Result.isSuccess(ip)) {
    return NetAddress.isIpv4Address(ip.success)
      ? Uint8Array.of(1, ...NetAddress.ipv4ToOctets(ip.success))
      : Uint8Array.of(4, ...NetAddress.ipv6ToOctets(ip.success))
  }
  const name = new TextEncoder().encode(host)
  return name.length > 255 ? undefined : Uint8Array.of(3, name.length, ...name)
}
