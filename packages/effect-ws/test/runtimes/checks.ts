/**
 * What a runtime must be able to do: each check is a program of its own over real sockets of the machine. It runs on
 * Node, Bun and Deno alike, without a test runner.
 */
import { Context, Effect, Layer, Redacted, Schedule, Schema, Stream } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import type { Scope } from "effect"
import type { NetAddress } from "effect/net"
import type { SocketServer } from "effect/socket"
import {
  Auth,
  Client,
  CloseError,
  PermessageDeflate,
  Reconnect,
  Tcp,
  Tls,
  TypedConnection,
  Unix,
  WebSocketRoute,
  WebSocketServer
} from "effect-ws"
import * as ResumableClient from "effect-ws/ResumableClient"
import * as ResumableServer from "effect-ws/ResumableServer"
import type { Connection } from "effect-ws"
import { BrowserClient } from "effect-ws/browser"
import { deepStrictEqual, strictEqual } from "node:assert"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"

/** A check. It may use the network of the machine, and fails or dies where the runtime cannot do it. */
export type Check = Effect.Effect<unknown, unknown, Scope.Scope>

const echo = (connection: Connection.Connection) =>
  Stream.runForEach(connection.messages, (message) => connection.send(message))

const Tcp0 = Tcp.layerServer({ host: "127.0.0.1", port: 0 })

const portOf = (address: NetAddress.SocketAddress): number => {
  if (address._tag === "UnixPathAddress") throw new Error("it has no port")
  return address.port
}

const serve = <E, R>(
  server: Layer.Layer<WebSocketServer.WebSocketServer, E, SocketServer.SocketServer | R>,
  transport: Layer.Layer<SocketServer.SocketServer, unknown> = Tcp0
) =>
  Effect.map(Layer.build(server.pipe(Layer.provide(transport))), (services) =>
    Context.get(services, WebSocketServer.WebSocketServer)
  )

const listen = <E, R>(
  server: Layer.Layer<WebSocketServer.WebSocketServer, E, SocketServer.SocketServer | R>,
  transport?: Layer.Layer<SocketServer.SocketServer, unknown>
) => Effect.map(serve(server, transport), ({ address }) => `127.0.0.1:${portOf(address)}`)

const connect = (url: string, options?: Client.ClientOptions) =>
  Effect.provide(Client.connect(url, options), Client.layerDirect())

const kinds = {
  fiber: WebSocketServer.layer(echo),
  queue: WebSocketServer.layerQueue({ onMessage: (connection, message) => connection.send(message) })
}

// What arrives in more than one piece is in a Buffer.
const same = (found: string | Uint8Array, expected: string | Uint8Array): void =>
  typeof found === "string" ? strictEqual(found, expected) : deepStrictEqual(new Uint8Array(found), expected)

/** Talks to an echo server in every kind of message, and closes. */
const talk = Effect.fnUntraced(function* (url: string, options?: Client.ClientOptions) {
  const connection = yield* connect(url, options)
  const large = Uint8Array.from({ length: 1 << 20 }, (_, at) => at * 31)
  for (const message of ["Grüße ✓", "", Uint8Array.of(0, 127, 255), large, "x".repeat(70_000)]) {
    yield* connection.send(message)
    same((yield* connection.receive).data, message)
  }
  yield* connection.send("in fragments", { fragmentSize: 3 })
  strictEqual((yield* connection.receive).data, "in fragments")
  yield* connection.ping()
  const { clean, error } = yield* connection.close(4001, "bye")
  deepStrictEqual([clean, error.code, error.reason], [true, 4001, "bye"])
})

/** Talks through what the test started: an echo server of another runtime. */
export const talkTo = talk

/** The echo server that the test talks to from another runtime. */
export const serveEcho = listen(kinds.fiber)

export const checks: Readonly<Record<string, Check>> = {
  "fiber server and client over TCP": Effect.flatMap(listen(kinds.fiber), (host) => talk(`ws://${host}/`)),

  "queue server and client over TCP": Effect.flatMap(listen(kinds.queue), (host) => talk(`ws://${host}/`)),

  "TLS, with the certificate verified": Effect.gen(function* () {
    const { CA, CERT, KEY } = process.env as Record<string, string>
    const host = yield* listen(
      kinds.fiber,
      Tls.layerServer({ host: "127.0.0.1", port: 0, cert: CERT!, key: Redacted.make(KEY!) })
    )
    yield* talk(`wss://${host}/`, { tls: { ca: CA! } })
    const { _tag } = yield* Effect.flip(connect(`wss://${host}/`))
    strictEqual(_tag, "TlsError")
  }),

  "Unix sockets": Effect.gen(function* () {
    const path = join(tmpdir(), `effect-ws-${process.pid}.sock`)
    yield* serve(kinds.fiber, Unix.layerServer({ path }))
    yield* talk("ws://localhost/", { socketPath: path })
  }),

  "a route of HttpRouter beside pages": Effect.gen(function* () {
    const routes = Layer.mergeAll(
      HttpRouter.add("GET", "/", HttpServerResponse.text("a page")),
      WebSocketRoute.layer("/echo", echo)
    )
    const services = yield* Layer.build(
      HttpRouter.serve(routes, { disableListenLog: true, disableLogger: true }).pipe(
        Layer.provideMerge(WebSocketRoute.layerServer(createServer, { port: 0, host: "127.0.0.1" }))
      )
    )
    const port = portOf(Context.get(services, HttpServer.HttpServer).address)
    yield* talk(`ws://127.0.0.1:${port}/echo`)
    strictEqual(yield* Effect.promise(async () => (await fetch(`http://127.0.0.1:${port}/`)).text()), "a page")
  }),

  "permessage-deflate": Effect.gen(function* () {
    const host = yield* listen(kinds.fiber.pipe(Layer.provide(PermessageDeflate.layer())))
    yield* Effect.gen(function* () {
      const connection = yield* Client.connect(`ws://${host}/`)
      deepStrictEqual(
        connection.extensions.map(({ name }) => name),
        ["permessage-deflate"]
      )
      for (const size of [10, 1000, 200_000]) {
        yield* connection.send("deflate ".repeat(size))
        strictEqual((yield* connection.receive).data, "deflate ".repeat(size))
      }
    }).pipe(Effect.provide([PermessageDeflate.layer(), Client.layerDirect()]))
  }),

  "a password, asked for and refused": Effect.gen(function* () {
    const users = Auth.users([["alice", Redacted.make("wonderland")]])
    const decide = Auth.required(Auth.basic({ realm: "check", ...users }))
    const host = yield* listen(WebSocketServer.layer(echo, { decide }))
    const connection = yield* connect(`ws://alice:wonderland@${host}/`)
    yield* connection.send("in")
    strictEqual((yield* connection.receive).data, "in")
    const error = yield* Effect.flip(connect(`ws://alice:guess@${host}/`))
    strictEqual(error._tag === "UnexpectedResponse" ? error.status : error._tag, 401)
  }),

  "typed closes, both ways": Effect.gen(function* () {
    const ends: Array<number> = []
    const host = yield* listen(
      WebSocketServer.layer((connection) =>
        connection.request.path === "/later"
          ? Effect.fail(new CloseError.TryAgainLater({ reason: "later" }))
          : Effect.map(connection.closed, ({ error }) => ends.push(error.code))
      )
    )
    const refused = yield* connect(`ws://${host}/later`)
    strictEqual((yield* Effect.flip(refused.receive))._tag, "TryAgainLater")
    yield* (yield* connect(`ws://${host}/`)).close(4002)
    yield* (yield* connect(`ws://${host}/`)).abort("gone")
    while (ends.length < 2) yield* Effect.promise(() => setTimeout(10))
    deepStrictEqual(
      ends.sort((a, b) => a - b),
      [1006, 4002]
    )
  }),

  "a server that drains": Effect.gen(function* () {
    const server = yield* serve(kinds.fiber)
    const connection = yield* connect(`ws://127.0.0.1:${portOf(server.address)}/`)
    yield* server.drain()
    strictEqual((yield* connection.closed).error.code, 1001)
  }),

  "backpressure of a peer that does not read": Effect.gen(function* () {
    const sent = { count: 0 }
    const host = yield* listen(
      WebSocketServer.layer((connection) =>
        Effect.forever(
          Effect.andThen(
            connection.send(new Uint8Array(1 << 18)),
            Effect.sync(() => sent.count++)
          )
        )
      )
    )
    const connection = yield* connect(`ws://${host}/`)
    let before = -1
    // Whatever the system buffers, the server stops.
    while (sent.count === 0 || sent.count !== before) {
      before = sent.count
      yield* Effect.promise(() => setTimeout(300))
      if (sent.count > 1000) throw new Error("nothing stopped the server")
    }
    yield* Stream.runDrain(Stream.take(connection.messages, before + 8))
  }),

  "Reconnect, after the server restarts": Effect.gen(function* () {
    const first = yield* Effect.scoped(Effect.map(serve(kinds.fiber), ({ address }) => portOf(address)))
    const client = yield* Effect.provide(
      Reconnect.make({ url: `ws://127.0.0.1:${first}/`, schedule: Schedule.spaced("50 millis") }),
      Client.layerDirect()
    )
    strictEqual(yield* client.send("queued"), "queued")
    yield* serve(kinds.fiber, Tcp.layerServer({ host: "127.0.0.1", port: first }))
    strictEqual((yield* client.receive).data, "queued")
  }),

  "typed messages and resumable sessions": Effect.gen(function* () {
    const Doubling = TypedConnection.protocol({
      fromClient: Schema.Struct({ n: Schema.Int, at: Schema.Date }),
      fromServer: Schema.Int
    })
    const typed = yield* listen(
      WebSocketServer.layer(
        TypedConnection.handler(Doubling.server, (typed) =>
          Stream.runForEach(typed.messages, ({ n }) => typed.send(2 * n))
        )
      )
    )
    const client = yield* TypedConnection.make(yield* connect(`ws://${typed}/`), Doubling.client)
    yield* client.send({ n: 21, at: new Date(0) })
    strictEqual(yield* client.receive, 42)

    const handler = yield* ResumableServer.make({ receive: Schema.Int, send: Schema.Int }, (session) =>
      Stream.runForEach(session.messages, (n) => Effect.forkChild(Effect.ignore(session.send(n + 1))))
    )
    const host = yield* listen(WebSocketServer.layer(handler))
    const session = yield* Effect.provide(
      ResumableClient.make(Client.connect(`ws://${host}/`), { receive: Schema.Int, send: Schema.Int }),
      Client.layerDirect()
    )
    yield* session.send(1)
    deepStrictEqual(yield* Stream.runCollect(Stream.take(session.messages, 1)), [2])
  }),

  "BrowserClient over the runtime's own WebSocket": Effect.gen(function* () {
    const host = yield* listen(kinds.fiber)
    const connection = yield* BrowserClient.connect(`ws://${host}/`)
    const large = Uint8Array.from({ length: 1 << 20 }, (_, at) => at * 31)
    for (const message of ["Grüße ✓", Uint8Array.of(0, 127, 255), large]) {
      yield* connection.send(message)
      same((yield* connection.receive).data, message)
    }
    const { clean, error } = yield* connection.close(4001, "bye")
    deepStrictEqual([clean, error.code, error.reason], [true, 4001, "bye"])
  }),

  "WebSockets over HTTP/2": Effect.gen(function* () {
    const { CA, CERT, KEY } = process.env as Record<string, string>
    const host = yield* listen(
      kinds.fiber,
      Tls.layerServer({ host: "127.0.0.1", port: 0, cert: CERT!, key: Redacted.make(KEY!), http2: true })
    )
    yield* talk(`wss://${host}/`, { tls: { ca: CA! }, http: "2" })
  })
}
