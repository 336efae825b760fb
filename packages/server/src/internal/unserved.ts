/**
 * Answers on behalf of an HTTP server that listens without an application. Node would leave its clients without an
 * answer.
 *
 * The usual cause: Effect builds a Layer value once, so the Layer that one call of `HttpRouter.serve` returned serves
 * the first of the servers that it is provided with, and no other.
 */
import type { HttpServer } from "@effect-ws/transport/HttpUpgrade"
import type * as Http from "node:http"
import type * as Http2 from "node:http2"
import { Http2ServerRequest } from "node:http2"
import type * as Net from "node:net"
import type { Duplex } from "node:stream"

const contentType = { "Content-Type": "text/plain; charset=utf-8" }
const body = "nothing is served on this port\n"

export interface Unserved {
  /** Answers a request that the server does not emit as one. */
  readonly answer: (request: Http2.Http2ServerRequest, response: Http2.Http2ServerResponse) => void
  readonly stop: () => void
}

/** Answers with 503 and calls `onFirst` at the first request, until it is stopped. */
export const answerUnserved = (server: HttpServer, onFirst: () => void): Unserved => {
  const events: Net.Server = server
  let isTold = false
  const tell = (): void => {
    if (!isTold) onFirst()
    isTold = true
  }
  const answer: Unserved["answer"] = (_, response) => {
    tell()
    response.writeHead(503, contentType)
    response.end(body)
  }
  const request = (
    request: Http.IncomingMessage | Http2.Http2ServerRequest,
    response: Http.ServerResponse | Http2.Http2ServerResponse
  ): void => {
    if (request instanceof Http2ServerRequest) return answer(request, response as Http2.Http2ServerResponse)
    tell()
    const unserved = response as Http.ServerResponse
    unserved.writeHead(503, { ...contentType, Connection: "close" }).end(body)
  }
  const upgrade = (_: Http.IncomingMessage, stream: Duplex): void => {
    tell()
    // A reset by the peer needs no handling.
    stream.on("error", () => {})
    stream.end(
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n" +
        `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`
    )
    stream.resume()
  }
  events.on("request", request)
  events.on("upgrade", upgrade)
  const stop = (): void => {
    events.off("request", request)
    events.off("upgrade", upgrade)
  }
  return { answer, stop }
}
