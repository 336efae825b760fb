/**
 * How a WebSocket route answers requests that ask for no WebSocket, or not well enough to be decided on.
 */
import type { AcceptOptions, HttpAnswer } from "@effect-ws/connection/Accept"
import * as HandshakeRejection from "@effect-ws/protocol/HandshakeRejection"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import * as Http2Head from "@effect-ws/protocol/Http2Head"
import type * as HttpHead from "@effect-ws/protocol/HttpHead"
import * as ServerHandshake from "@effect-ws/protocol/ServerHandshake"
import * as HttpUpgrade from "@effect-ws/transport/HttpUpgrade"
import type { RequestHead } from "@effect-ws/transport/Push"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import * as Http from "node:http"
import * as Http2 from "node:http2"

/** Makes Effect's response of a rejection. */
export const toResponse = (rejection: HandshakeRejection.HandshakeRejection): HttpServerResponse.HttpServerResponse => {
  const { body, head } = HandshakeRejection.toResponse(rejection)
  return encode({ status: head.status, headers: head.headers, body })
}

const encode = ({ body, headers, status }: HttpAnswer): HttpServerResponse.HttpServerResponse => {
  const fields: Record<string, string> = {}
  for (const { name, value } of HeaderFields.fromInput(headers)) {
    const key = name.toLowerCase()
    if (key !== "content-length") fields[key] = fields[key] === undefined ? value : `${fields[key]}, ${value}`
  }
  return HttpServerResponse.uint8Array(body, { status, headers: fields, contentType: fields["content-type"] })
}

const reject = (
  fields: ConstructorParameters<typeof HandshakeRejection.HandshakeRejection>[0]
): HttpServerResponse.HttpServerResponse => toResponse(new HandshakeRejection.HandshakeRejection(fields))

const notAnUpgrade = reject({
  rule: "NotAnUpgrade",
  status: 426,
  reason: "this is a WebSocket endpoint: expected the header Upgrade: websocket",
  headers: { Upgrade: "websocket" }
})

// RFC 9110 15.5.6: "The origin server MUST generate an Allow header field in a 405 response"
export const notAGet: HttpServerResponse.HttpServerResponse = reject({
  rule: "MethodNotAllowed",
  status: 405,
  reason: "this is a WebSocket endpoint: expected the method GET",
  headers: { Allow: "GET" }
})

export const unexpectedBody: HttpServerResponse.HttpServerResponse = reject({
  rule: "UnexpectedBody",
  status: 400,
  reason: "expected a request without a body"
})

export const withoutHost: HttpServerResponse.HttpServerResponse = reject({
  rule: "InvalidHost",
  status: 400,
  reason: "expected one Host header, found none"
})

/** Answers a request that asks for no WebSocket: with what `respond` says, or with the way to ask for one. */
export const answerPlain = (
  request: HttpServerRequest.HttpServerRequest,
  respond: AcceptOptions["respond"]
): HttpServerResponse.HttpServerResponse => {
  if (request.method !== "GET" && request.method !== "HEAD") return notAGet
  const message: unknown = NodeHttpServerRequest.toIncomingMessage(request)
  if (message instanceof Http2.Http2ServerRequest) return answerHttp2(HttpUpgrade.headOfHttp2(message), respond)
  if (!(message instanceof Http.IncomingMessage)) return notAnUpgrade
  const head = HttpUpgrade.headOf(message)
  return answerBy(respond, { ...head, version: head.version === "HTTP/1.0" ? "HTTP/1.0" : "HTTP/1.1" }) ?? notAnUpgrade
}

const answerHttp2 = (
  { headers }: RequestHead,
  respond: AcceptOptions["respond"]
): HttpServerResponse.HttpServerResponse => {
  const head = Http2Head.fromFields(headers)
  if (Result.isFailure(head)) return toResponse(head.failure)
  const plain = ServerHandshake.asHttp1(head.success)
  const answer = plain && answerBy(respond, plain)
  if (answer !== undefined) return answer
  const rejection = ServerHandshake.readConnect(head.success)
  return Result.isFailure(rejection) ? toResponse(rejection.failure) : notAnUpgrade
}

const answerBy = (
  respond: AcceptOptions["respond"],
  head: HttpHead.RequestHead
): HttpServerResponse.HttpServerResponse | undefined => {
  const answer = respond?.(head)
  return answer === undefined ? undefined : encode(answer)
}
