/**
 * Answers on behalf of an HTTP server that listens without an application. Node would leave its clients without an
 * answer.
 *
 * The usual cause: Effect builds a Layer value once, so the Layer that one call of `HttpRouter.serve` returned serves
 * the first of the servers that it is provided with, and no other.
 */
import type { HttpServer } from "@effect-ws/transport/HttpUpgrade"
import type * as Http from "node:http"
import type * as Net from "node:net"
import type { Duplex } from "node:stream"

const body = "nothing is served on this port\n"

/** Answers with 503 and calls `onFirst` at the first request, until the returned function is called. */
export const answerUnserved = (server: HttpServer, onFirst: () => void): (() => void) => {
  const events: Net.Server = server
  let isTold = false
  const tell = (): void => {
    if (!isTold) onFirst()
    isTold = true
  }
  const request = (_: Http.IncomingMessage, response: Http.ServerResponse): void => {
    tell()
    response.writeHead(503, { "Content-Type": "text/plain; charset=utf-8", Connection: "close" }).end(body)
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
  return () => {
    events.off("request", request)
    events.off("upgrade", upgrade)
  }
}
