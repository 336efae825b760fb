/**
 * The `ws` package at its best: compression only where the row asks for it, payloads echoed as the bytes they came in.
 */
import { createRequire } from "node:module"
import { createServer } from "node:https"
import type { AddressInfo } from "node:net"
import { WebSocketServer } from "ws"
import { settings } from "../Deflated.ts"
import { announce, certificate, compression } from "./Control.ts"

// ws falls back to JavaScript in silence; a figure under the wrong name would be worse than none.
const native = Object.keys(createRequire(import.meta.url).cache).some((file) => /bufferutil.*\.node$/.test(file))
if (native === (process.env["WS_NO_BUFFER_UTIL"] !== undefined)) {
  throw new Error(native ? "bufferutil was loaded although it was switched off" : "bufferutil could not be loaded")
}

// Its own threshold would leave messages below 1024 bytes uncompressed.
const perMessageDeflate = compression !== undefined && { threshold: 0, zlibDeflateOptions: settings }

const listen = { host: "127.0.0.1", port: 0, backlog: 1024 }

const https = certificate === undefined ? undefined : createServer(certificate).listen(listen)

const server = new WebSocketServer(
  https === undefined ? { ...listen, perMessageDeflate } : { server: https, perMessageDeflate }
)

server.on("connection", (socket) => {
  socket.on("message", (data, binary) => socket.send(data, { binary }))
  socket.on("error", () => socket.terminate())
})

server.on("listening", () => announce((server.address() as AddressInfo).port))
