/**
 * Many WebSockets on one TCP connection: a page and a WebSocket route of Effect's `HttpRouter` over HTTP/2, beside
 * HTTP/1.1 on the same port, and a client whose connections share a session. Each connection learns how many others
 * came on its session.
 *
 * Browsers want TLS for this, so it needs a certificate:
 *
 * ```sh
 * openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
 *   -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem
 * node packages/examples/src/http2.ts cert.pem key.pem
 * ```
 *
 * Then `curl --cacert cert.pem https://localhost:8443/` gets the page, and
 * `npx -y pnpm@12 connect --http2 --ca cert.pem wss://localhost:8443/rooms/tea` a WebSocket.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { Client, Dialer, WebSocketRoute } from "effect-ws"
import * as Http2Sessions from "effect-ws/Http2Sessions"
import { readFileSync } from "node:fs"
import { createSecureServer } from "node:http2"

const Page = HttpRouter.add("GET", "/", HttpServerResponse.html("<!doctype html><title>Rooms</title>\n"))

/**
 * How many connections there are from each address of a client. Those of one session share that of its TCP connection.
 */
const counts = new Map<string, number>()

const count = (address: string, change: 1 | -1) =>
  Effect.sync(() => {
    const before = counts.get(address) ?? 0
    if (before + change === 0) counts.delete(address)
    else counts.set(address, before + change)
    return before
  })

const Rooms = WebSocketRoute.layer(
  "/rooms/:room",
  Effect.fnUntraced(function* (connection) {
    const { room } = yield* HttpRouter.params
    const { remoteAddress } = connection.peer
    const address = remoteAddress === undefined ? "unknown" : Dialer.formatAddress(remoteAddress)
    const before = yield* Effect.acquireRelease(count(address, 1), () => count(address, -1))
    yield* connection.send(`${room}: ${connection.request.version}, ${before} before you`)
    yield* connection.closed
  })
)

export interface ServerOptions {
  /** Port to listen on; 0 takes a free one. */
  readonly port: number
  readonly cert: string
  readonly key: string
}

/** The page and the rooms, over both versions of HTTP. */
export const app = ({ cert, key, port }: ServerOptions) =>
  HttpRouter.serve(Layer.mergeAll(Page, Rooms), { disableLogger: true }).pipe(
    Layer.provideMerge(
      WebSocketRoute.layerServer(() => createSecureServer({ cert, key, allowHTTP1: true }), { port, host: "127.0.0.1" })
    )
  )

/** Enters each room, and gives what the server says, with the number of sessions that this took. */
export const visit = Effect.fnUntraced(function* (url: string, rooms: ReadonlyArray<string>, ca: string) {
  const greetings = yield* Effect.forEach(rooms, (room) =>
    Effect.gen(function* () {
      const connection = yield* Client.connect(`${url}/rooms/${room}`, { http: "auto", tls: { ca } })
      return String((yield* connection.receive).data)
    })
  )
  const shared = yield* Http2Sessions.CurrentSessions
  return { greetings, sessions: shared === undefined ? 0 : yield* shared.size }
})

if (import.meta.main) {
  const [cert = "cert.pem", key = "key.pem"] = process.argv.slice(2)
  const files = { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") }
  NodeRuntime.runMain(Layer.launch(app({ port: 8443, ...files })))
}
