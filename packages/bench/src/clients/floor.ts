/**
 * The floor: what `node:net` alone costs. It shakes hands with a constant key, and masks one message for each
 * connection, see `SameAnswer`.
 */
import * as Net from "node:net"
import { answerAll, mask } from "../SameAnswer.ts"
import { job, run } from "./Control.ts"
import type { Uses } from "./Control.ts"

const request =
  `GET / HTTP/1.1\r\nHost: 127.0.0.1:${job.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
const key = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d)
const close = Uint8Array.of(0x88, 0x82, ...key, 0x03 ^ key[0]!, 0xe8 ^ key[1]!)

/** Connects, and calls back once the server agreed. */
const connect = (open: (socket: Net.Socket) => void): void => {
  const socket = Net.connect({ host: "127.0.0.1", port: job.port, noDelay: true })
  socket.write(request)
  let answer = Buffer.alloc(0)
  const onData = (chunk: Buffer): void => {
    answer = Buffer.concat([answer, chunk])
    const end = answer.indexOf("\r\n\r\n")
    if (end === -1) return
    socket.off("data", onData).pause()
    // Frames may come right behind it.
    if (answer.length > end + 4) socket.unshift(answer.subarray(end + 4))
    open(socket)
    socket.resume()
  }
  socket.on("data", onData)
}

const encode = (header: Buffer, payload: Buffer): Buffer => {
  header[1]! |= 0x80
  mask(payload, key)
  return Buffer.concat([header, key, payload])
}

const uses: Uses = {
  echo: () => connect((socket) => answerAll(socket, encode)),
  visit: (_, done) =>
    connect((socket) => {
      socket.write(close)
      socket.on("close", done).resume()
    })
}

run(uses)
