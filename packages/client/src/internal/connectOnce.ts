/**
 * One attempt to connect: opens a transport, runs the handshake, and handles a response that opens no WebSocket.
 */
import * as Connect from "@effect-ws/connection/Connect"
import type { Connection } from "@effect-ws/connection/Connection"
import * as Authorization from "@effect-ws/protocol/Authorization"
import type { Http2ResponseHead } from "@effect-ws/protocol/Http2Head"
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as Push from "@effect-ws/transport/Push"
import * as SocketFailure from "@effect-ws/transport/SocketFailure"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type { ClientOptions } from "./ClientOptions.ts"
import type { ConnectError } from "../ConnectError.ts"
import * as Redirect from "../Redirect.ts"
import * as Target from "../Target.ts"
import { UnexpectedResponse } from "../UnexpectedResponse.ts"
import { BodyReader } from "./BodyReader.ts"
import type { ConnectState } from "./ConnectState.ts"
import type { OpenSocket } from "./LazySocket.ts"
import { tlsError } from "./openTransport.ts"
import { openRoute } from "./route.ts"
import type { Route } from "./route.ts"
import { debug } from "./debug.ts"

/** Connects to the current target. After a redirect or a challenge it updates the state and returns "again". */
export const connectOnce = Effect.fnUntraced(function* (
  state: ConnectState,
  options: ClientOptions
): Effect.fn.Return<Connection | "again", ConnectError, Dialer | Scope.Scope> {
  const { target } = state
  const route = yield* openRoute(target, { ...options, tls: state.tls })
  const headers = state.headers(route._tag === "Session" ? "CONNECT" : "GET")
  const handshakeOptions = headers.length === 0 && options.headers === undefined ? options : { ...options, headers }
  let refusal: Connect.Refusal | undefined
  const onRefusal = (refused: Connect.Refusal): void => void (refusal = refused)
  const connected = yield* Effect.result(
    route._tag === "Session"
      ? Connect.handshakeHttp2(route.session, target.url, handshakeOptions, onRefusal)
      : Connect.handshake(toSocket(route.socket), target.url, handshakeOptions, onRefusal)
  )
  if (Result.isSuccess(connected)) return connected.success
  const error = connected.failure
  // In TLS 1.3 the server rejects a client's certificate after the client has finished its part of the TLS handshake.
  if (error._tag === "SocketError" && target.secure && SocketFailure.isTls(error)) {
    return yield* tlsError(target, state.tls, error)
  }
  if (error._tag !== "HandshakeError" && error._tag !== "NegotiationError") return yield* Effect.fail(error)
  // Both errors require a parsed response.
  if (refusal === undefined) return yield* Effect.die(error)
  const response = refusal
  const onward = goOn(state, response.head)
  if (onward === "again") {
    yield* debug(() => `${response.head.status} from ${Target.format(target)}; trying ${Target.format(state.target)}`)
    return onward
  }
  return yield* unexpected(state, route, response, onward ?? error)
})

// Our own transports return one socket that is both ends.
const toSocket = ({ reader, writer }: OpenSocket): Socket.Socket =>
  Socket.isSocket(reader) && Push.isPushSocket(reader)
    ? reader
    : Socket.make({ reader: Effect.succeed(reader), writer: Effect.succeed(writer) })

const goOn = (state: ConnectState, head: Http2ResponseHead): "again" | Redirect.RedirectError | undefined => {
  if (head.status === 401) {
    return state.challenge(Authorization.challengesOf(head.headers)) ? "again" : undefined
  }
  const { maxRedirects } = state
  if (!Redirect.isRedirect(head) || maxRedirects === 0) return undefined
  if (state.redirects >= maxRedirects) {
    return { rule: "TooManyRedirects", detail: `${head.status} after ${maxRedirects} redirects` }
  }
  const next = Redirect.follow(state.target, head)
  if (Result.isFailure(next)) return next.failure
  state.followRedirect(next.success)
  return "again"
}

const unexpected = Effect.fnUntraced(function* (
  { bodyTimeout, maxBodyBytes, target }: ConnectState,
  route: Route,
  { early, head, reader }: Connect.Refusal,
  { detail, rule }: Pick<UnexpectedResponse, "detail" | "rule">
): Effect.fn.Return<never, UnexpectedResponse> {
  const body = new BodyReader(head, maxBodyBytes)
  for (const chunk of early) body.push(chunk)
  yield* Effect.timeoutOption(readBody(reader, body), bodyTimeout)
  // The rest of the body is not worth an orderly close.
  const writer = route._tag === "Http1" ? route.socket.writer : (reader as Push.PushReader & Push.PushWriter)
  if (body.isTruncated && Push.isPushWriter(writer)) writer.destroy()
  return yield* new UnexpectedResponse({
    rule,
    url: Target.format(target),
    status: head.status,
    headers: head.headers,
    body: body.bytes,
    truncated: body.isTruncated,
    detail: !target.secure && head.status === 400 && speaksOfTls(body) ? `${detail}${tlsAdvice}` : detail
  })
})

// Wording that nginx, Apache, Go and our own server use in the answer to plain HTTP on a TLS port.
const speaksOfTls = ({ bytes }: BodyReader): boolean => /\b(?:HTTPS|SSL|TLS)\b/i.test(new TextDecoder().decode(bytes))

const tlsAdvice = "; the server seems to speak TLS on this port: use wss:// or https://"

const readBody = (reader: Push.PushReader, body: BodyReader): Effect.Effect<void> =>
  body.isDone
    ? Effect.void
    : Effect.callback((resume) => {
        const done = (): void => resume(Effect.void)
        reader.subscribe({
          onChunk: (bytes) => {
            body.push(bytes)
            if (body.isDone) done()
          },
          onEnd: () => {
            body.end()
            done()
          },
          onClose: done,
          onDrain: () => {}
        })
        return Effect.sync(() => reader.pause())
      })
