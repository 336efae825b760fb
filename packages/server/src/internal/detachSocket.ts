/**
 * Detaches the socket of an upgrade request from Effect's HTTP server on Node.
 *
 * That server supports upgrades by `ws` alone, but it exposes Node's own objects, and those are enough. When our
 * handshake answers, the server's response is detached from its socket and marked as ended, so the server writes
 * nothing. Until then middleware that interrupts the handshake can still send the response.
 */
import * as HttpUpgrade from "@effect-ws/transport/HttpUpgrade"
import type { PushSocket } from "@effect-ws/transport/Push"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Context from "effect/Context"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import type * as NetAddress from "effect/net/NetAddress"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as Http from "node:http"
import type * as Http2 from "node:http2"
import { WebSocketServer } from "../WebSocketServer.ts"

/** Returns Node's request if it asks for an upgrade, or `undefined`. */
export const upgradeOf = (request: HttpServerRequest): Http.IncomingMessage | undefined => {
  const message: unknown = NodeHttpServerRequest.toIncomingMessage(request)
  // Node sets `upgrade` once it has detached the parser from the socket.
  const isUpgrade = message instanceof Http.IncomingMessage && "upgrade" in message && message.upgrade === true
  return isUpgrade ? message : undefined
}

type Options = HttpUpgrade.UpgradeOptions & { readonly localAddress?: NetAddress.SocketAddress | undefined }

type OnAnswer = (status: number | undefined) => void

/**
 * Returns the socket, with the request and its context, or `undefined` if it is closed already. Calls `onAnswer` with
 * the status of the response.
 *
 * On Bun, `end` and `destroy` of a response write to the socket even after `detachSocket`, so neither is called.
 */
export const detachSocket = (
  request: HttpServerRequest,
  message: Http.IncomingMessage,
  context: Context.Context<never>,
  options: Options,
  onAnswer: OnAnswer
): PushSocket | undefined => {
  const stream = message.socket
  if (stream.destroyed) return undefined
  const onAnswering = (): void => {
    const response = NodeHttpServerRequest.toServerResponse(request) as Http.ServerResponse
    response.detachSocket(stream)
    markEnded(response)
  }
  return HttpUpgrade.fromUpgrade(message, stream, {
    ...options,
    head: HttpUpgrade.upgradeHeadOf(message),
    services: servicesOf(context),
    onAnswering,
    onAnswer
  })
}

/** Does the same for the stream of an extended CONNECT. */
export const detachStream = (
  request: HttpServerRequest,
  message: Http2.Http2ServerRequest,
  context: Context.Context<never>,
  options: Options,
  onAnswer: OnAnswer
): PushSocket | undefined => {
  const response = NodeHttpServerRequest.toServerResponse(request) as Http2.Http2ServerResponse
  const { stream } = response
  // A response releases its stream when that has closed.
  if (stream === undefined || stream.destroyed) return undefined
  const onAnswering = (): void => markEnded(response)
  return HttpUpgrade.fromConnect(message, stream, {
    ...options,
    services: servicesOf(context),
    onAnswering,
    onAnswer
  })
}

/** Effect's server writes nothing to a response that has ended. */
const markEnded = (response: object): void => {
  Object.defineProperty(response, "writableEnded", { value: true })
}

/** The request's context must not replace the services that the server provides itself. */
const servicesOf = (context: Context.Context<never>): Context.Context<never> =>
  Context.omit(
    Scope.Scope,
    WebSocketServer,
    References.CurrentLogAnnotations,
    References.CurrentLogSpans
  )(context) as Context.Context<never>
