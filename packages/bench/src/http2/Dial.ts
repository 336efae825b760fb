/**
 * Opens WebSockets of both versions of HTTP over TLS, for the generator: byte streams of Node, whose handshake is done
 * by hand, so that neither has a library's work in it.
 */
import { once } from "node:events"
import * as Http2 from "node:http2"
import type { Duplex } from "node:stream"
import * as Tls from "node:tls"

/** The version of HTTP. */
export type Version = "1.1" | "2"

/** What opens WebSockets. */
export interface Dialer {
  readonly open: (path?: string) => Promise<Duplex>
}

/** How many streams share a session: what a server of ours allows. */
export const streamsPerSession = 100

// Both ends are this machine's; whether the certificate is good costs the client alone.
const rejectUnauthorized = false

/** A connection of TCP and TLS for each WebSocket. */
export const http1 = (port: number): Dialer => ({
  open: async (path = "/") => {
    const socket = Tls.connect({ host: "127.0.0.1", port, rejectUnauthorized, ALPNProtocols: ["http/1.1"] })
    await once(socket, "secureConnect")
    socket.setNoDelay(true)
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    let head = ""
    while (!head.endsWith("\r\n\r\n")) head += String((await once(socket, "data"))[0])
    if (!head.startsWith("HTTP/1.1 101 ")) throw new Error(`expected 101, found ${head.slice(0, 20)}`)
    return socket
  }
})

/** Streams of sessions, as many on each as a server of ours allows. */
export const http2 = (port: number): Dialer => {
  let session: Promise<Http2.ClientHttp2Session> | undefined
  let opened = 0
  const connect = async (): Promise<Http2.ClientHttp2Session> => {
    const connected = Http2.connect(`https://127.0.0.1:${port}`, {
      rejectUnauthorized,
      settings: { initialWindowSize: 1024 * 1024, enablePush: false }
    })
    await once(connected, "remoteSettings")
    connected.setLocalWindowSize(16 * 1024 * 1024)
    return connected
  }
  return {
    open: async (path = "/") => {
      if (opened++ % streamsPerSession === 0) session = connect()
      const stream = (await session!).request(
        {
          ":method": "CONNECT",
          ":protocol": "websocket",
          ":scheme": "https",
          ":path": path,
          ":authority": `127.0.0.1:${port}`,
          "sec-websocket-version": "13"
        },
        { endStream: false }
      )
      const [headers] = (await once(stream, "response")) as [Http2.IncomingHttpHeaders]
      if (Number(headers[":status"]) !== 200) throw new Error(`expected 200, found ${headers[":status"]}`)
      return stream
    }
  }
}
