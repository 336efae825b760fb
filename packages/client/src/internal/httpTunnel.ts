/**
 * Requests a tunnel from an HTTP proxy (RFC 9110 9.3.6), once.
 */
import { challengesOf } from "@effect-ws/protocol/Authorization"
import type { HeaderField } from "@effect-ws/protocol/HeaderFields"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import { HeadParser } from "@effect-ws/protocol/HeadParser"
import * as HttpHead from "@effect-ws/protocol/HttpHead"
import { formatAddress } from "@effect-ws/transport/Dialer"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Socket from "effect/socket/Socket"
import type { Proxy } from "./ProxyOptions.ts"
import type { ProxyError } from "../ProxyError.ts"
import type { AuthSession } from "./AuthSession.ts"
import type { OpenSocket } from "./LazySocket.ts"
import { tunnelFailure } from "./proxyError.ts"
import type { TunnelFailure } from "./proxyError.ts"
import { toBytes } from "@effect-ws/protocol/internal"

/** Result of the request: an open tunnel, or a challenge to answer in a new request. */
export type Outcome = "open" | "again"

// The number of interim responses that a client skips before the final response of a server, too.
const maxInterim = 8

export const httpTunnel = Effect.fnUntraced(function* (
  socket: OpenSocket,
  proxy: Proxy,
  destination: { readonly host: string; readonly port: number },
  answers: AuthSession
): Effect.fn.Return<Outcome, Socket.SocketError | ProxyError> {
  const target = formatAddress(destination)
  const error = tunnelFailure(proxy, destination)
  // RFC 9110 9.3.6: the target of CONNECT "consists of only the host name and port number of the tunnel destination"
  const headers: Array<HeaderField> = [{ name: "Host", value: target }]
  const asked = { method: "CONNECT", uri: target }
  const value = answers.next(asked)
  if (value !== undefined) headers.push({ name: "Proxy-Authorization", value })
  const request = HttpHead.encodeRequest({ method: "CONNECT", target, version: "HTTP/1.1", headers })
  if (Result.isFailure(request)) return yield* error("Malformed", request.failure.message)
  yield* socket.writer.write(request.success)

  const { head, surplus } = yield* readAnswer(socket.reader, error)
  const status = `${head.status} ${head.reason}`.trimEnd()
  if (head.status === 407 && answers.challenge(challengesOf(head.headers, "Proxy-Authenticate"), asked)) return "again"
  // Some proxies answer wrong credentials with 401, the status of an origin server.
  if (head.status === 407 || head.status === 401) {
    const { credentials } = proxy
    const isUnsaid = credentials !== undefined && value === undefined
    return yield* error(
      "AuthenticationFailed",
      `the proxy answered ${status}${isUnsaid ? ", with no scheme that these credentials fit" : ""}`,
      head
    )
  }
  // RFC 9110 9.3.6: "Any 2xx (Successful) response indicates that the sender (and all inbound proxies) will switch
  // to tunnel mode immediately after the blank line"
  if (head.status < 200 || head.status > 299) return yield* error("Refused", `the proxy answered ${status}`, head)
  // The client speaks first in TLS and in the WebSocket handshake, so any further bytes come from the proxy itself.
  return surplus ? yield* error("UnexpectedBytes", "the proxy sent bytes after its response", head) : "open"
})

const readAnswer = Effect.fnUntraced(function* (
  reader: Socket.Reader,
  error: TunnelFailure
): Effect.fn.Return<
  { readonly head: HttpHead.ResponseHead; readonly surplus: boolean },
  Socket.SocketError | ProxyError
> {
  let parser = new HeadParser("response")
  let interim = 0
  while (true) {
    const chunks = yield* reader.pull
    for (let index = 0; index < chunks.length; index++) {
      let chunk = toBytes(chunks[index]!)
      while (chunk.length > 0) {
        const parsed = parser.push(chunk)
        if (parsed === undefined) break
        if (parsed._tag === "HttpHeadError") {
          const status = parsed.responseStatus
          const head = status === undefined ? undefined : { status, headers: HeaderFields.empty }
          return yield* error("Malformed", parsed.message, head)
        }
        const { head, rest } = parsed
        // RFC 9110 15.2: interim responses may come before the final one, expected or not.
        if (head.status >= 200 || head.status === 101 || ++interim > maxInterim) {
          return { head, surplus: rest.length > 0 || index < chunks.length - 1 }
        }
        parser = new HeadParser("response")
        chunk = rest
      }
    }
  }
})
