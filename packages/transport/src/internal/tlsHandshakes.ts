/**
 * The TLS handshakes of a listening socket. A plain server accepts the sockets and passes them to a `tls.Server` that
 * does not listen, so that a connection is known from its accept on and not only after its handshake.
 */
import type * as Net from "node:net"
import type * as Tls from "node:tls"
import { describe } from "../SocketFailure.ts"
import { inetAddress } from "./NodeDuplex.ts"
import { isHttp2 } from "./preface.ts"
import type { OnDropped, Secure } from "./nodeServer.ts"

interface Handshake {
  readonly done: Parameters<Secure>[1]
  readonly timer: NodeJS.Timeout
}

/** Runs TLS handshakes, each within `millis`. A client that disconnects by itself is not reported as dropped. */
export const tlsHandshakes = (server: Tls.Server, millis: number, onDropped: OnDropped): Secure => {
  const underWay = new Map<Net.Socket, Handshake>()
  function onClose(this: Net.Socket): void {
    finish(this)
  }
  const finish = (raw: Net.Socket): Handshake | undefined => {
    const handshake = underWay.get(raw)
    if (handshake === undefined) return undefined
    underWay.delete(raw)
    clearTimeout(handshake.timer)
    raw.off("close", onClose)
    return handshake
  }
  server.on("secureConnection", (stream) => {
    const handshake = finish(rawSocket(stream))
    if (handshake === undefined) return void stream.destroy()
    // Until here a FIN closed the socket: a client that ends its half of TLS without a request wants no response.
    stream.allowHalfOpen = true
    handshake.done(stream, isHttp2(stream))
  })
  server.on("tlsClientError", (error, stream) => {
    const code = "code" in error ? error.code : undefined
    const refusal = refusalOf(stream)
    if (refusal !== undefined) onDropped(addressOf(stream), `client certificate rejected: ${refusal}`)
    else if (code !== "ECONNRESET") onDropped(addressOf(stream), describe(error))
    if (code === "ERR_SSL_HTTP_REQUEST") refusePlainHttp(rawSocket(stream), stream)
    else stream.destroy()
  })
  const expire = (raw: Net.Socket): void => {
    onDropped(addressOf(raw), `TLS handshake timed out after ${millis} ms`)
    raw.destroy()
  }
  return (raw, done) => {
    // Node's own timeout restarts with each byte that arrives, so a slow client could hold its socket forever.
    const timer = setTimeout(expire, millis, raw)
    underWay.set(raw, { done, timer })
    raw.once("close", onClose)
    server.emit("connection", raw)
  }
}

/** Undocumented, but stable in Node's TLS: the only way from a TLS socket to the socket below. */
const rawSocket = (stream: Tls.TLSSocket): Net.Socket =>
  (stream as Tls.TLSSocket & { readonly _parent: Net.Socket })._parent

const addressOf = (stream: Net.Socket): ReturnType<typeof inetAddress> =>
  inetAddress(stream.remoteAddress, stream.remotePort)

/** Returns why a client's certificate was rejected. Node keeps a code here, where its types have an error. */
const refusalOf = ({ authorizationError }: Tls.TLSSocket): string | undefined =>
  (authorizationError as unknown) === null || authorizationError === undefined ? undefined : String(authorizationError)

const plainHttp = "this port requires TLS: use wss:// or https://\n"

const refusal =
  `HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n` +
  `Content-Length: ${plainHttp.length}\r\n\r\n${plainHttp}`

// TLS has not written anything yet, so a plain response on the socket below still reaches the client.
const refusePlainHttp = (raw: Net.Socket, stream: Tls.TLSSocket): void => {
  raw.write(refusal, () => stream.destroy())
}
