/**
 * Asks an HTTP proxy for a tunnel (RFC 9110 9.3.6).
 */
import * as AuthAnswer from "@effect-ws/protocol/AuthAnswer"
import type { HeaderField } from "@effect-ws/protocol/HeaderFields"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import { HeadParser } from "@effect-ws/protocol/HeadParser"
import * as HttpHead from "@effect-ws/protocol/HttpHead"
import { formatAddress } from "@effect-ws/transport/Dialer"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Socket from "effect/socket/Socket"
import type { Proxy } from "../Proxy.ts"
import { ProxyError } from "../ProxyError.ts"
import type { OpenSocket } from "./LateSocket.ts"
import { toBytes } from "./ResponseTap.ts"

export const httpTunnel = Effect.fnUntraced(function* (
  socket: OpenSocket,
  proxy: Proxy,
  destination: { readonly host: string; readonly port: number }
): Effect.fn.Return<void, Socket.SocketError | ProxyError> {
  const target = formatAddress(destination)
  const error = (
    rule: ProxyError["rule"],
    detail: string,
    head?: HttpHead.ResponseHead
  ): Effect.Effect<never, ProxyError> =>
    Effect.fail(
      new ProxyError({
        rule,
        detail,
        proxy: formatAddress(proxy),
        destination: target,
        headers: head?.headers ?? HeaderFields.empty,
        ...(head === undefined ? undefined : { status: head.status })
      })
    )
  // RFC 9110 9.3.6: the target of CONNECT "consists of only the host name and port number of the tunnel destination"
  const headers: Array<HeaderField> = [{ name: "Host", value: target }]
  if (proxy.credentials !== undefined) {
    const value = AuthAnswer.unasked(proxy.credentials)
    if (Option.isNone(value)) {
      return yield* error("AuthenticationFailed", "the credentials for it cannot be written into a header")
    }
    headers.push({ name: "Proxy-Authorization", value: value.value })
  }
  const request = HttpHead.encodeRequest({ method: "CONNECT", target, version: "HTTP/1.1", headers })
  if (Result.isFailure(request)) return yield* error("Malformed", request.failure.message)
  yield* socket.writer.write(request.success)

  const parser = new HeadParser("response")
  while (true) {
    const chunks = yield* socket.reader.pull.pipe(
      Effect.catchReason("SocketError", "SocketCloseError", () =>
        error("BrokenOff", "it ended the connection in place of an answer")
      )
    )
    for (const [index, chunk] of chunks.entries()) {
      const parsed = parser.push(toBytes(chunk))
      if (parsed === undefined) continue
      if (parsed._tag === "HeadError") return yield* error("Malformed", parsed.message)
      const { head } = parsed
      const status = `${head.status} ${head.reason}`.trimEnd()
      // Some proxies say 401, which is a server's word, where the password is wrong.
      if (head.status === 407 || head.status === 401)
        return yield* error("AuthenticationFailed", `it answered ${status}`, head)
      // RFC 9110 9.3.6: "Any 2xx (Successful) response indicates that the sender (and all inbound proxies) will switch
      // to tunnel mode immediately after the blank line"
      if (head.status < 200 || head.status > 299) return yield* error("Refused", `it answered ${status}`, head)
      // In TLS and in a WebSocket's handshake it is the client who speaks first: nobody but the proxy can have sent more.
      if (parsed.rest.length > 0 || index < chunks.length - 1) {
        return yield* error("UnexpectedBytes", "it sent more than its answer", head)
      }
      return
    }
  }
})
