/**
 * Requests on a WebSocket's port that are none for a WebSocket, such as for a page, and the answers to them.
 */
import * as Fields from "@effect-ws/protocol/HeaderFields"
import * as HttpHead from "@effect-ws/protocol/HttpHead"
import * as Result from "effect/Result"
import type { HttpAnswer } from "./HandshakeDecision.ts"

/** Tests whether a request is a GET or HEAD that asks for no WebSocket. */
// RFC 9110 7.8: "A server MAY ignore a received Upgrade header field": one to another protocol, such as h2c, is no
// reason to keep the page from a client that asks for it.
export const isPlainGet = (head: HttpHead.RequestHead): boolean =>
  (head.method === "GET" || head.method === "HEAD") && !Fields.hasListElement(head.headers, "Upgrade", "websocket")

/** Encodes an answer, which is the last on its connection. */
export const encodeAnswer = (answer: HttpAnswer, withBody: boolean): Uint8Array => {
  const head = Result.getOrThrow(
    HttpHead.encodeResponse({
      version: "HTTP/1.1",
      status: answer.status,
      reason: "",
      headers: [...Fields.fromInput(answer.headers), { name: "Connection", value: "close" }]
    })
  )
  if (!withBody) return head
  const bytes = new Uint8Array(head.length + answer.body.length)
  bytes.set(head)
  bytes.set(answer.body, head.length)
  return bytes
}
