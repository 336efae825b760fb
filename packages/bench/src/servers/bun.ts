/** Bun's built-in server, run by Bun itself. */
import { announce, certificate, compression } from "./Control.ts"

interface BunSocket {
  readonly send: (data: string | Uint8Array, compress?: boolean) => number
}

interface BunServer {
  readonly port: number
  readonly upgrade: (request: Request) => boolean
}

interface Bun {
  readonly serve: (options: {
    readonly hostname: string
    readonly port: number
    readonly tls?: { readonly cert: string; readonly key: string } | undefined
    readonly fetch: (request: Request, server: BunServer) => Response | undefined
    readonly websocket: {
      readonly perMessageDeflate: false | { readonly compress: string; readonly decompress: string }
      readonly maxPayloadLength: number
      readonly message: (socket: BunSocket, data: string | Uint8Array) => void
    }
  }) => BunServer
}

// A shared one keeps nothing between messages, a dedicated one keeps its window. The level cannot be chosen.
const compressor = compression === "takeover" ? "dedicated" : "shared"

const server = (globalThis as unknown as { readonly Bun: Bun }).Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  tls: certificate,
  fetch: (request, server) => (server.upgrade(request) ? undefined : new Response(null, { status: 426 })),
  websocket: {
    perMessageDeflate: compression !== undefined && { compress: compressor, decompress: compressor },
    maxPayloadLength: 64 * 1024 * 1024,
    message: (socket, data) => {
      socket.send(data, compression !== undefined)
    }
  }
})

announce(server.port)
