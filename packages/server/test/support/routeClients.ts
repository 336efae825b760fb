/** Clients of routes, one for each version of HTTP, with the same operations. */
import * as RawPeer from "@effect-ws/test-peers/RawPeer"
import { hostPort } from "@effect-ws/transport/Dialer"
import * as Tcp from "@effect-ws/transport/Tcp"
import { Effect } from "effect"
import type { Layer, Scope } from "effect"
import type { HttpServer } from "effect/http"
import type * as NetAddress from "effect/net/NetAddress"
import * as Http from "node:http"
import * as WebSocketRoute from "../../src/WebSocketRoute.ts"
import * as Http2Peer from "./Http2Peer.ts"
import { certificate, makeHttp2Server } from "./transports.ts"

export interface Answer {
  readonly status: number
  readonly header: (name: string) => string | undefined
  readonly body: string
}

/** The answer to a request for a WebSocket, and the WebSocket if it opened. */
export interface Upgraded extends Answer {
  readonly send: (text: string) => Effect.Effect<void, unknown>
  /** The text of the next frame, which is shorter than 126 bytes. */
  readonly receive: Effect.Effect<string, unknown>
}

export interface RouteClient {
  readonly get: (path: string) => Effect.Effect<Answer, unknown, Scope.Scope>
  readonly upgrade: (
    path: string,
    headers?: Readonly<Record<string, string>>
  ) => Effect.Effect<Upgraded, unknown, Scope.Scope>
}

/** A version of HTTP. */
export interface Version {
  readonly version: string
  readonly layerServer: Layer.Layer<HttpServer.HttpServer, unknown>
  readonly connect: (address: NetAddress.SocketAddress) => Effect.Effect<RouteClient, unknown, Scope.Scope>
  /** The status of a handshake that succeeds. */
  readonly opened: number
  /** The URL of the request before its path. */
  readonly origin: string
}

const listen = { port: 0, host: "127.0.0.1" }

const connectHttp1: Version["connect"] = (address) => {
  const ask = Effect.fnUntraced(function* (path: string, headers: Readonly<Record<string, string | undefined>>) {
    const peer = yield* RawPeer.dial(address)
    yield* peer.send(RawPeer.requestHead(headers, `GET ${path} HTTP/1.1`))
    const { body, headers: fields, status } = yield* peer.response
    return {
      status,
      body,
      header: (name: string) => fields.get(name),
      send: (text: string) => peer.send(RawPeer.text(text)),
      receive: Effect.map(peer.frame, ({ payload }) => payload.toString())
    }
  }, Effect.provide(Tcp.layerDialer()))
  return Effect.succeed({
    get: (path) => ask(path, { Connection: undefined, Upgrade: undefined }),
    upgrade: (path, headers = {}) => ask(path, headers)
  })
}

const connectHttp2: Version["connect"] = Effect.fnUntraced(function* (address) {
  const { port } = hostPort(address as NetAddress.InetAddress)
  const session = yield* Http2Peer.session(`https://localhost:${port}`, { ca: certificate.cert })
  // The stream of a WebSocket that opened does not end, so it has no body to wait for.
  const answerOf = (exchange: Http2Peer.Exchange, isWebSocket: boolean): Effect.Effect<Answer> =>
    Effect.promise(async () => {
      const [fields, status] = [await exchange.headers, await exchange.status]
      const body = isWebSocket && status === 200 ? "" : String(await exchange.body)
      return { status, body, header: (name) => fields[name]?.toString() }
    })
  return {
    get: (path) => answerOf(Http2Peer.exchange(session, { ":authority": "localhost", ":path": path }), false),
    upgrade: (path, headers) => {
      const socket = Http2Peer.connect(session, { ":path": path, ":scheme": "https", ...headers })
      let taken = 0
      const receive = Effect.promise(async () => {
        const start = taken + 2
        const length = (await socket.bytes(start))[start - 1]!
        taken = start + length
        return (await socket.bytes(taken)).subarray(start, taken).toString()
      })
      const send = (text: string) => Effect.sync(() => void socket.stream.write(Http2Peer.text(text)))
      return Effect.map(answerOf(socket, true), (answer) => ({ ...answer, send, receive }))
    }
  }
})

export const versions: ReadonlyArray<Version> = [
  {
    version: "HTTP/1.1",
    layerServer: WebSocketRoute.layerServer(Http.createServer, listen),
    connect: connectHttp1,
    opened: 101,
    origin: "http://localhost"
  },
  {
    version: "HTTP/2",
    layerServer: WebSocketRoute.layerServer(makeHttp2Server, listen),
    connect: connectHttp2,
    opened: 200,
    origin: "https://localhost"
  }
]
