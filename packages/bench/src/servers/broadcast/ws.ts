/** The `ws` package, broadcasting as its documentation says: a loop over the clients that are open. */
import type { AddressInfo } from "node:net"
import { WebSocket, WebSocketServer } from "ws"
import { announce } from "../Control.ts"

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false, backlog: 1024 })

server.on("connection", (socket) => {
  socket.on("message", (data, binary) => {
    for (const client of server.clients) if (client.readyState === WebSocket.OPEN) client.send(data, { binary })
  })
  socket.on("error", () => socket.terminate())
})

server.on("listening", () => announce((server.address() as AddressInfo).port))
