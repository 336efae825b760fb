/** Servers and clients of HTTP/2 over the real network: its sessions need sockets of Node. */
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import type { Http2Options } from "@effect-ws/transport/Http2"
import * as Tls from "@effect-ws/transport/Tls"
import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer, Logger, Redacted, Stream } from "effect"
import type { Scope } from "effect"
import type { NetAddress } from "effect/net"
import * as Client from "../../src/Client.ts"
import * as Http2Sessions from "../../src/Http2Sessions.ts"
import { ca, server as identity } from "./certificates.ts"

export const tls = { ca, servername: "localhost" }
export const overHttp2 = { http: "2", tls } as const

const quiet = Logger.layer([])

export interface Served {
  readonly server: WebSocketServer.WebSocketServer["Service"]
  readonly url: string
}

/** Serves an echo over TLS until the Scope closes. */
export const serve = Effect.fnUntraced(function* (
  options: WebSocketServer.ServerOptions = {},
  http2: boolean | Http2Options = true,
  port = 0
): Effect.fn.Return<Served, unknown, Scope.Scope> {
  const listen = Tls.layerServer({ cert: identity.cert, key: Redacted.make(identity.key), port, http2 })
  const echo = WebSocketServer.layer(
    (connection) => Stream.runForEach(connection.messages, (message) => connection.send(message)),
    options
  )
  const server = Context.get(yield* Layer.build(Layer.provide(echo, listen)), WebSocketServer.WebSocketServer)
  return { server, url: `wss://localhost:${(server.address as NetAddress.InetAddress).port}/` }
})

export const echoes = Effect.fnUntraced(function* (url: string, options: Client.ClientOptions) {
  const connection = yield* Client.connect(url, options)
  yield* connection.send("hello")
  const message = yield* connection.receive
  assert.deepStrictEqual([message._tag, message.data], ["Text", "hello"])
  return connection
})

export type Services = Scope.Scope | Layer.Success<ReturnType<typeof Client.layerDirect>>

export const test = (name: string, program: Effect.Effect<void, unknown, Services>): void => {
  it.live(name, () => program.pipe(Effect.scoped, Effect.provide([Client.layerDirect(), quiet])), 15_000)
}

export const openSessions = Effect.flatMap(Http2Sessions.CurrentSessions, (sessions) => sessions!.size)
