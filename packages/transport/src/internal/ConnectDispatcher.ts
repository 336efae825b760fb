/**
 * Adds one `connect` listener to an HTTP/2 server, which passes each request to one of the registered handlers.
 * `UpgradeDispatcher` does the same for HTTP/1.1.
 */
import type * as Http2 from "node:http2"
import type * as Net from "node:net"

/** A handler of extended CONNECTs. */
export interface ConnectHandler {
  readonly accepts: (request: Http2.Http2ServerRequest) => boolean
  readonly handle: Listener
  /** Called with the defect that `accepts` threw. */
  readonly failed: (defect: unknown) => void
}

export type Listener = (request: Http2.Http2ServerRequest, response: Http2.Http2ServerResponse) => void

const registered = new WeakMap<Net.Server, { readonly all: Set<ConnectHandler>; readonly listener: Listener }>()

/** Tests whether a server speaks HTTP/2. */
export const isHttp2Server = (server: Net.Server): server is Http2.Http2Server | Http2.Http2SecureServer =>
  "updateSettings" in server

/**
 * Registers a handler of extended CONNECTs. Returns a function that removes it. The server announces extended CONNECT
 * to new sessions as long as it has a handler.
 */
export const register = (
  server: Http2.Http2Server | Http2.Http2SecureServer,
  handler: ConnectHandler
): (() => void) => {
  const events: Net.Server = server
  let attached = registered.get(server)
  if (attached === undefined) {
    const all = new Set<ConnectHandler>()
    attached = { all, listener: (request, response) => dispatch(events, all, request, response) }
    registered.set(server, attached)
    events.on("connect", attached.listener)
    server.updateSettings({ enableConnectProtocol: true })
  }
  const { all, listener } = attached
  all.add(handler)
  return () => {
    all.delete(handler)
    if (all.size > 0 || registered.get(server)?.listener !== listener) return
    registered.delete(server)
    events.off("connect", listener)
    server.updateSettings({ enableConnectProtocol: false })
  }
}

const dispatch = (
  server: Net.Server,
  all: ReadonlySet<ConnectHandler>,
  request: Http2.Http2ServerRequest,
  response: Http2.Http2ServerResponse
): void => {
  // With `allowHTTP1` the event also brings CONNECTs of HTTP/1.1, with the socket as second argument. If the program
  // has no listener, do what Node does for a CONNECT without listeners: close the socket.
  if (request.httpVersionMajor !== 2) {
    if (server.listenerCount("connect") === 1) (response as unknown as Net.Socket).destroy()
    return
  }
  if (isWebSocketConnect(request)) {
    for (const handler of all) {
      try {
        if (!handler.accepts(request)) continue
      } catch (defect) {
        handler.failed(defect)
        return answer(response, 500, "the server failed to answer")
      }
      return handler.handle(request, response)
    }
  }
  if (server.listenerCount("connect") > 1) return
  // The program has no listener that would answer. Node itself answers 405 to a CONNECT without listeners.
  if (isWebSocketConnect(request)) answer(response, 404, "nothing is served at this path")
  else answer(response, 405, "only extended CONNECT with :protocol websocket is served")
}

/** Tests whether a request asks for a WebSocket (RFC 8441). */
export const isWebSocketConnect = (request: Http2.Http2ServerRequest): boolean =>
  request.method === "CONNECT" && request.headers[":protocol"] === "websocket"

const answer = (response: Http2.Http2ServerResponse, status: number, text: string): void => {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" })
  response.end(`${text}\n`)
}
