/** Bun's built-in server, run by Bun itself, with its topics. */
import { announce } from "../Control.ts"

interface BunSocket {
  readonly subscribe: (topic: string) => void
}

interface BunServer {
  readonly port: number
  readonly upgrade: (request: Request) => boolean
  readonly publish: (topic: string, data: string | Uint8Array) => number
}

interface Bun {
  readonly serve: (options: {
    readonly hostname: string
    readonly port: number
    readonly fetch: (request: Request, server: BunServer) => Response | undefined
    readonly websocket: {
      readonly open: (socket: BunSocket) => void
      readonly message: (socket: BunSocket, data: string | Uint8Array) => void
    }
  }) => BunServer
}

const server = (globalThis as unknown as { readonly Bun: Bun }).Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: (request, server) => (server.upgrade(request) ? undefined : new Response(null, { status: 426 })),
  websocket: {
    open: (socket) => socket.subscribe("all"),
    message: (_, data) => {
      server.publish("all", data)
    }
  }
})

announce(server.port)
