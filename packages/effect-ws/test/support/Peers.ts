/** Servers that are not ours, for a client to meet: `ws`, and plain HTTP and TCP that do what they are told. */
import * as SlowLink from "@effect-ws/test-support/SlowLink"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { readFileSync } from "node:fs"
import * as Http from "node:http"
import type { IncomingMessage } from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"
import { WebSocketServer } from "ws"
import type { ServerOptions, WebSocket } from "ws"

const addressOf = (server: { readonly address: () => ReturnType<Net.Server["address"]> }): string =>
  `127.0.0.1:${(server.address() as Net.AddressInfo).port}`

/** Starts a server of `ws`; gives its URL. */
export const ws = (
  onConnection: (socket: WebSocket, request: IncomingMessage) => void,
  options: ServerOptions = {}
): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<WebSocketServer>((resume) => {
      const server: WebSocketServer = new WebSocketServer({ host: "127.0.0.1", port: 0, ...options })
      server.on("listening", () => resume(Effect.succeed(server)))
      server.on("connection", onConnection)
    }),
    (server) =>
      Effect.sync(() => {
        for (const client of server.clients) client.terminate()
        server.close()
      })
  ).pipe(Effect.map((server) => `ws://${addressOf(server)}`))

/** A link to a server of `ws` that carries so many bytes a second towards it; gives its URL. */
export const slowLink = (url: string, bytesPerSecond: number): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(
    tcp((near) => SlowLink.carry(near, Number(new URL(url).port), bytesPerSecond)),
    (address) => `ws://${address}`
  )

/** Starts an HTTP server that gives everybody one answer; gives its address, as `HOST:PORT`. */
export const http = (
  status: number,
  headers: Http.OutgoingHttpHeaders,
  body: string
): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Http.Server>((resume) => {
      const server = Http.createServer((_request, response) => response.writeHead(status, headers).end(body))
      server.on("upgrade", (_request, socket) => {
        const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}\r\n`)
        socket.end(`HTTP/1.1 ${status} X\r\n${lines.join("")}Content-Length: ${body.length}\r\n\r\n${body}`)
      })
      server.on("connect", (_request, socket) => socket.end(`HTTP/1.1 ${status} X\r\n\r\n`))
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => void server.close())
  ).pipe(Effect.map(addressOf))

/** Starts a TCP server; gives its address, as `HOST:PORT`. */
export const tcp = (onConnection: (socket: Net.Socket) => void): Effect.Effect<string, never, Scope.Scope> =>
  Effect.suspend(() => {
    const sockets = new Set<Net.Socket>()
    return Effect.acquireRelease(
      Effect.callback<Net.Server>((resume) => {
        const server = Net.createServer((socket) => {
          sockets.add(socket.on("error", () => {}))
          onConnection(socket)
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.sync(() => {
          for (const socket of sockets) socket.destroy()
          server.close()
        })
    )
  }).pipe(Effect.map(addressOf))

/** Starts a proxy that is spoken to in TLS; gives its port. */
export const httpsProxy = (certFile: string, keyFile: string): Effect.Effect<number, never, Scope.Scope> =>
  Effect.suspend(() => {
    const sockets = new Set<Net.Socket>()
    return Effect.acquireRelease(
      Effect.callback<Https.Server>((resume) => {
        const server = Https.createServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) })
        server.on("connection", (socket: Net.Socket) => sockets.add(socket.on("error", () => {})))
        server.on("connect", (request: IncomingMessage, socket: Net.Socket) => {
          const { hostname, port } = new URL(`http://${request.url!}`)
          const through = Net.connect(Number(port), hostname, () => {
            socket.write("HTTP/1.1 200 OK\r\n\r\n")
            socket.pipe(through).pipe(socket)
          })
          through.on("error", () => socket.destroy())
          socket.on("error", () => through.destroy())
        })
        server.listen(0, "localhost", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.sync(() => {
          for (const socket of sockets) socket.destroy()
          server.close()
        })
    )
  }).pipe(Effect.map((server) => (server.address() as Net.AddressInfo).port))
