/** An echo server by other people (`ws`), to try the runner on without a server of ours. */
import { Effect } from "effect"
import type { Scope } from "effect"
import type { AddressInfo } from "node:net"
import { WebSocketServer } from "ws"

/** Starts the server and returns its address as `HOST:PORT`. */
export const wsEcho: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.callback<WebSocketServer>((resume) => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false })
    server.on("connection", (socket) => {
      socket.on("error", () => {})
      socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }))
    })
    server.on("listening", () => resume(Effect.succeed(server)))
  }),
  (server) =>
    Effect.callback<void>((resume) => {
      for (const socket of server.clients) socket.terminate()
      server.close(() => resume(Effect.void))
    })
).pipe(Effect.map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}`))
