/**
 * One `upgrade` listener per HTTP server, shared by all handlers of its upgrades: only a listener that knows all of
 * them can tell that none accepts a request.
 */
import { ServerResponse } from "node:http"
import type * as Http from "node:http"
import type * as Net from "node:net"
import type { Duplex } from "node:stream"
import { duplexSettings, endOnError, NodeDuplex } from "./NodeDuplex.ts"
import type { NodeDuplexSettings } from "./NodeDuplex.ts"

/** A handler of upgrades. */
export interface UpgradeHandler {
  readonly accepts: (request: Http.IncomingMessage) => boolean
  readonly handle: (request: Http.IncomingMessage, stream: Duplex, head: Uint8Array) => void
  /** Reports what `accepts` threw. */
  readonly failed: (defect: unknown) => void
}

const listeners = new WeakMap<Net.Server, { readonly all: Set<UpgradeHandler>; readonly listener: UpgradeListener }>()

type UpgradeListener = (request: Http.IncomingMessage, stream: Duplex, head: Buffer) => void

/** Registers a handler of a server's upgrades. Returns a function that removes it. */
export const register = (server: Net.Server, handler: UpgradeHandler): (() => void) => {
  let attached = listeners.get(server)
  if (attached === undefined) {
    const all = new Set<UpgradeHandler>()
    attached = { all, listener: (request, stream, head) => dispatch(server, all, request, stream, head) }
    listeners.set(server, attached)
    server.on("upgrade", attached.listener)
  }
  const { all, listener } = attached
  all.add(handler)
  return () => {
    all.delete(handler)
    if (all.size > 0 || listeners.get(server)?.listener !== listener) return
    // Without a listener, the server treats upgrade requests as ordinary requests again.
    listeners.delete(server)
    server.off("upgrade", listener)
  }
}

const dispatch = (
  server: Net.Server,
  all: ReadonlySet<UpgradeHandler>,
  request: Http.IncomingMessage,
  stream: Duplex,
  head: Uint8Array
): void => {
  // The server no longer handles errors of this socket: until a handler takes it, a reset would end the process.
  endOnError(stream)
  for (const handler of all) {
    try {
      if (!handler.accepts(request)) continue
    } catch (defect) {
      handler.failed(defect)
      return answer(stream, 500, "the server failed to answer")
    }
    return handler.handle(request, stream, head)
  }
  if (server.listenerCount("upgrade") > 1) return
  if (isWebSocketUpgrade(request)) return answer(stream, 404, "nothing is served at this path")
  // RFC 9110 7.8: "A server MAY ignore a received Upgrade header field". Node did, before there was a listener.
  if (request.complete && server.listenerCount("request") > 0) return serveAsRequest(server, request, stream)
  answer(stream, 426, "only upgrades to WebSocket are supported", "Upgrade: websocket\r\n")
}

/** Passes a request to the server's `request` listeners. */
const serveAsRequest = (server: Net.Server, request: Http.IncomingMessage, stream: Duplex): void => {
  // RFC 9112 3.2. Node checks this, but not for upgrade requests.
  if (request.httpVersionMinor === 1 && request.headers.host === undefined) {
    return answer(stream, 400, "expected one Host header, found none")
  }
  const response = new ServerResponse(request)
  // The socket's parser is gone, so no next request can follow.
  response.shouldKeepAlive = false
  response.assignSocket(stream as Net.Socket)
  response.on("finish", () => {
    response.detachSocket(stream as Net.Socket)
    stream.end()
    stream.resume()
  })
  server.emit("request", request, response)
}

/** Tests whether a request asks for an upgrade to WebSocket. */
export const isWebSocketUpgrade = (request: Http.IncomingMessage): boolean =>
  (request.headers.upgrade ?? "").split(",").some((protocol) => protocol.trim().toLowerCase() === "websocket")

const reasons = {
  400: "Bad Request",
  404: "Not Found",
  426: "Upgrade Required",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error"
}

const lingering: NodeDuplexSettings = { ...duplexSettings(undefined, true), readAhead: 0 }

/** Sends a complete response, and ends the stream within two seconds. */
export const answer = (stream: Duplex, status: keyof typeof reasons, text: string, headers = ""): void =>
  respond(new NodeDuplex(stream, lingering), `${status} ${reasons[status]}`, text, headers)

/** Sends a complete response on a socket that already exists. */
export const respond = (socket: NodeDuplex, status: string, text: string, headers = ""): void => {
  const connection = headers === "" ? "close" : "close, Upgrade"
  const head =
    `HTTP/1.1 ${status}\r\n${headers}Connection: ${connection}\r\n` +
    `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${text.length + 1}\r\n\r\n`
  socket.writeUnsafe(Buffer.from(`${head}${text}\n`, "latin1"))
  socket.close()
}
