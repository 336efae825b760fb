/**
 * Takes the socket of a request to upgrade away from Effect's HTTP server of Node.
 *
 * That server knows one upgrade, by `ws`. What it offers beside is Node's own objects, and those are enough: when our
 * handshake answers, the server's response loses its socket and passes for ended, so the server writes nothing. Until
 * then the response can still be sent, by middleware that gives up the handshake.
 */
import * as HttpUpgrade from "@effect-ws/transport/HttpUpgrade"
import type { PushSocket, RequestHead } from "@effect-ws/transport/Push"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Context from "effect/Context"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import type * as NetAddress from "effect/net/NetAddress"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as Http from "node:http"
import { WebSocketServer } from "../WebSocketServer.ts"

/** Gives the head of a request as it was sent, or `undefined` where it is not Node's. */
export const headOf = (request: HttpServerRequest): RequestHead | undefined => {
  const message: unknown = NodeHttpServerRequest.toIncomingMessage(request)
  return message instanceof Http.IncomingMessage ? HttpUpgrade.headOf(message) : undefined
}

/** Gives Node's request where it is one that asks for an upgrade, or `undefined`. */
export const upgradeOf = (request: HttpServerRequest): Http.IncomingMessage | undefined => {
  const message: unknown = NodeHttpServerRequest.toIncomingMessage(request)
  // Node sets `upgrade` where it has let go of the socket.
  const isUpgrade = message instanceof Http.IncomingMessage && "upgrade" in message && message.upgrade === true
  return isUpgrade ? message : undefined
}

/**
 * Gives the socket, with the request and its context, or `undefined` when it is closed already. `onAnswer` hears with
 * which status the request was answered.
 *
 * On Bun, `end` and `destroy` of a response write to the socket even when it was detached, so neither is called.
 */
export const detachSocket = (
  request: HttpServerRequest,
  message: Http.IncomingMessage,
  context: Context.Context<never>,
  options: HttpUpgrade.UpgradeOptions & { readonly localAddress?: NetAddress.SocketAddress | undefined },
  onAnswer: (status: number | undefined) => void
): PushSocket | undefined => {
  const stream = message.socket
  if (stream.destroyed) return undefined
  const onAnswering = (): void => {
    const response = NodeHttpServerRequest.toServerResponse(request) as Http.ServerResponse
    response.detachSocket(stream)
    Object.defineProperty(response, "writableEnded", { value: true })
  }
  // What the server provides by itself must not be hidden by what the request came with.
  const services = Context.omit(
    Scope.Scope,
    WebSocketServer,
    References.CurrentLogAnnotations,
    References.CurrentLogSpans
  )(context) as Context.Context<never>
  return HttpUpgrade.fromUpgrade(message, stream, {
    ...options,
    early: HttpUpgrade.upgradeHeadOf(message),
    services,
    onAnswering,
    onAnswer
  })
}
