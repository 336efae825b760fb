/**
 * The TLS handshakes of a listening socket. The sockets are accepted by a plain server and given to a `tls.Server` that
 * does not listen, so that a connection is known from its first moment on, and not when its handshake is done.
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

/** Does TLS handshakes, each within `millis`. A client that goes away by itself is not reported as dropped. */
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
    // Until here a FIN has closed the socket: a client that ends its half of TLS without a request wants nothing.
    stream.allowHalfOpen = true
    handshake.done(stream, isHttp2(stream))
  })
  server.on("tlsClientError", (error, stream) => {
    const code = "code" in error ? error.code : undefined
    const refusal = refusalOf(stream)
    if (refusal !== undefined) onDropped(addressOf(stream), `its certificate is refused: ${refusal}`)
    else if (code !== "ECONNRESET") onDropped(addressOf(stream), describe(error))
    if (code === "ERR_SSL_HTTP_REQUEST") refusePlainHttp(rawSocket(stream), stream)
    else stream.destroy()
  })
  const expire = (raw: Net.Socket): void => {
    onDropped(addressOf(raw), `no TLS handshake within ${millis} ms`)
    raw.destroy()
  }
  return (raw, done) => {
    // Node's own timeout starts again with each byte that arrives: a client that drips would hold its socket for ever.
    const timer = setTimeout(expire, millis, raw)
    underWay.set(raw, { done, timer })
    raw.once("close", onClose)
    server.emit("connection", raw)
  }
}

/** Not documented, but as old as TLS in Node, and the only way from a TLS socket to the one below it. */
const rawSocket = (stream: Tls.TLSSocket): Net.Socket =>
  (stream as Tls.TLSSocket & { readonly _parent: Net.Socket })._parent

const addressOf = (stream: Net.Socket): ReturnType<typeof inetAddress> =>
  inetAddress(stream.remoteAddress, stream.remotePort)

/** Why the certificate of a client was refused. Node keeps a code here, where its types have an error. */
const refusalOf = ({ authorizationError }: Tls.TLSSocket): string | undefined =>
  (authorizationError as unknown) === null || authorizationError === undefined ? undefined : String(authorizationError)

const plainHttp = "this port speaks TLS: use wss:// or https://\n"

const refusal =
  `HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n` +
  `Content-Length: ${plainHttp.length}\r\n\r\n${plainHttp}`

// TLS has not written anything yet, so the socket below it is still free for an answer that the client can read.
const refusePlainHttp = (raw: Net.Socket, stream: Tls.TLSSocket): void => {
  raw.write(refusal, () => stream.destroy())
}
