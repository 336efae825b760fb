/**
 * The floor: what `node:net` alone costs. It shakes hands, and decodes one message for each connection, see
 * `SameAnswer`.
 */
import { createHash } from "node:crypto"
import * as Net from "node:net"
import * as Tls from "node:tls"
import { answerAll } from "../SameAnswer.ts"
import { announce, certificate } from "./Control.ts"

const encode = (header: Buffer, payload: Buffer): Buffer => Buffer.concat([header, payload])

const serve = (socket: Net.Socket): void => {
  let head = ""
  const onData = (chunk: Buffer): void => {
    head += chunk.toString("latin1")
    if (!head.endsWith("\r\n\r\n")) return
    socket.off("data", onData)
    const key = /^sec-websocket-key: *(\S+)/im.exec(head)?.[1]
    const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        `Sec-WebSocket-Accept: ${accept}\r\n\r\n`
    )
    answerAll(socket, encode)
  }
  socket.on("data", onData)
  socket.on("error", () => socket.destroy())
}

const server =
  certificate === undefined
    ? Net.createServer({ noDelay: true }, serve)
    : Tls.createServer({ ...certificate, noDelay: true }, serve)

server.listen({ host: "127.0.0.1", port: 0, backlog: 1024 }, () => announce((server.address() as Net.AddressInfo).port))
