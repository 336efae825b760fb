/** Tests of what the pages on clients show, with peers that are not ours; and of RPC, which has both ends. */
import * as Client from "@effect-ws/client/Client"
import type * as Reconnect from "@effect-ws/client/Reconnect"
import type { Message } from "@effect-ws/protocol/Message"
import * as ConnectionSocketServer from "@effect-ws/server/ConnectionSocketServer"
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as Tcp from "@effect-ws/transport/Tcp"
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Socket } from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"
import * as Stream from "effect/Stream"
import { open } from "../support/Client.ts"
import * as Pages from "../support/Pages.ts"
import * as Peers from "../support/Peers.ts"

/** The port of a transport that was built here. */
const portOf = ({ address }: SocketServer.SocketServer["Service"]): number => {
  assert(address._tag !== "UnixPathAddress")
  return address.port
}

type Greet = Rpc.Rpc<"Greet", Schema.Struct<{ readonly name: Schema.String }>, Schema.String>

export const covers: Pages.Covers = {
  "client-1": Pages.run(
    "connects, offers a subprotocol, sends and receives",
    Effect.gen(function* () {
      const url = yield* Peers.ws(
        (socket) => socket.on("message", (data) => socket.send(`${socket.protocol}: ${data.toString()}`)),
        { handleProtocols: () => "chat" }
      )
      const { program } = yield* Pages.load<{ readonly program: Effect.Effect<Message, Error> }>("client-1", [
        ["wss://echo.example/", url]
      ])
      assert.strictEqual((yield* program).data, "chat: hello")
    })
  ),
  "client-2": Pages.run(
    "goes through a proxy, one connection and all",
    Effect.gen(function* () {
      const seen: Array<string> = []
      const proxy = yield* Peers.tcp((socket) => {
        socket.once("data", (chunk) => {
          seen.push(chunk.toString("hex"))
          socket.destroy()
        })
      })
      const { dialer, direct } = yield* Pages.load<{
        readonly direct: ReturnType<typeof Client.connect>
        readonly dialer: Layer.Layer<Dialer>
      }>("client-2", [["proxy.example:1080", proxy]])
      const refused = (connect: ReturnType<typeof Client.connect>, dialer: Layer.Layer<Dialer>) =>
        Effect.flip(Effect.scoped(Effect.provide(connect, dialer)))
      assert.strictEqual((yield* refused(direct, Client.layerDirect()))._tag, "ProxyError")
      yield* refused(Client.connect("ws://echo.example/"), dialer)
      // RFC 1928 3: version 5, and the methods that are offered, of which 02 is name and password.
      assert.strictEqual(seen.length, 2)
      for (const greeting of seen) assert.match(greeting, /^05(?:0102|020002|020200)$/)
    })
  ),
  "client-3": Pages.run(
    "comes back, with a new token",
    Effect.gen(function* () {
      const seen: Array<string> = []
      const twice = yield* Deferred.make<void>()
      const url = yield* Peers.ws((socket, request) => {
        socket.on("message", (data) => {
          seen.push(`${request.url} ${data.toString()}`)
          if (seen.length === 2) Deferred.doneUnsafe(twice, Effect.void)
          else socket.close(1012)
        })
      })
      const { program } = yield* Pages.load<{ readonly program: Effect.Effect<void, Error> }>("client-3", [
        [
          "declare const freshToken: Effect.Effect<string>",
          "let n = 0; const freshToken = Effect.sync(() => `t${++n}`)"
        ],
        ["wss://feed.example/", `${url}/`],
        ['"1 second"', '"10 millis"']
      ])
      yield* Effect.raceFirst(program, Deferred.await(twice))
      assert.deepStrictEqual(seen, ["/?token=t1 subscribe", "/?token=t2 subscribe"])
    })
  ),
  "client-4": Pages.run(
    "comes back as long as the program says",
    Effect.gen(function* () {
      const codes = [4000, 4004]
      const url = yield* Peers.ws((socket) => socket.close(codes.shift()))
      const { client } = yield* Pages.load<{
        readonly client: Effect.Effect<Reconnect.ReconnectingClient, never, Dialer | Scope.Scope>
      }>("client-4", [
        [
          "declare const url: Effect.Effect<string, TokenServiceAway>",
          `let n = 0; const url = Effect.suspend(() => n++ ? Effect.succeed("${url}") : Effect.fail(new TokenServiceAway()))`
        ]
      ])
      const { events } = yield* Effect.provide(client, Client.layerDirect())
      const told = yield* Stream.runCollect(events)
      assert.strictEqual(
        told.map(({ _tag }) => _tag).join(" "),
        "Connecting Failed Connecting Open Closed Connecting Open Closed RetriesExhausted"
      )
    })
  ),

  "whatwg-1": Pages.run(
    "fires events",
    Effect.gen(function* () {
      const url = yield* Peers.ws(
        (socket) =>
          socket.on("message", (data) => socket.send(data.toString(), () => socket.close(4000, "that was all"))),
        { handleProtocols: () => "chat" }
      )
      const program = yield* Pages.start("whatwg-1", [["wss://echo.example/", `${url}/`]])
      const { code, stdout } = yield* program.ended
      assert.deepStrictEqual([code, stdout], [0, "hello\n4000 that was all true\n"])
    })
  ),
  "whatwg-2": Pages.run(
    "makes a class with options of its own",
    Effect.gen(function* () {
      const { WebSocket } = yield* Pages.load<{ readonly WebSocket: typeof globalThis.WebSocket }>("whatwg-2")
      const url = yield* Peers.ws((socket, { headers }) => socket.send(String(headers.origin)))
      const socket = yield* Effect.acquireRelease(
        Effect.sync(() => new WebSocket(url)),
        (socket) => Effect.sync(() => socket.close())
      )
      const greeting = yield* Effect.callback<unknown>((resume) => {
        socket.addEventListener("message", ({ data }) => resume(Effect.succeed(data)))
      })
      assert.strictEqual(greeting, "https://app.example")
    })
  ),
  "whatwg-3": Pages.run(
    "makes a class that belongs to a Scope",
    Effect.gen(function* () {
      const url = yield* Peers.ws((socket) => socket.close(1000))
      const { program } = yield* Pages.load<{ readonly program: Effect.Effect<void, never, Dialer> }>("whatwg-3", [
        ["ws://127.0.0.1:8000/", url]
      ])
      yield* Effect.provide(program, Client.layerDirect())
    })
  ),
  "whatwg-4": Pages.run(
    "is a socket of Effect",
    Effect.gen(function* () {
      const url = yield* Peers.ws((socket) => socket.send("hi"))
      const { program } = yield* Pages.load<{ readonly program: Effect.Effect<ReadonlyArray<string>, Error> }>(
        "whatwg-4",
        [["wss://echo.example/", url]]
      )
      assert.deepStrictEqual(yield* program, ["hi"])
    })
  ),

  "rpc-1": Pages.run(
    "is a server that rpc-2 understands",
    Effect.gen(function* () {
      const { Procedures, Server } = yield* Pages.load<{
        readonly Procedures: RpcGroup.RpcGroup<Greet>
        readonly Server: Layer.Layer<never, Error, SocketServer.SocketServer>
      }>("rpc-1", [
        ["Layer.provide(Tcp.layerServer({ port: 8000 }))", "Layer.provideMerge(Tcp.layerServer({ port: 0 }))"]
      ])
      const services = yield* Layer.build(Server as Layer.Layer<SocketServer.SocketServer, Error>)
      const port = portOf(Context.get(services, SocketServer.SocketServer))
      const { ToServer } = yield* Pages.load<{ readonly ToServer: Layer.Layer<RpcClient.Protocol, Error> }>("rpc-2", [
        ["127.0.0.1:8000", `127.0.0.1:${port}`]
      ])
      yield* Effect.gen(function* () {
        const client = yield* RpcClient.make(Procedures)
        assert.strictEqual(yield* client.Greet({ name: "you" }), "Hello you")
      }).pipe(Effect.provide(ToServer))
    })
  ),
  "rpc-2": Pages.shown("the test of rpc-1 runs both ends"),
  "rpc-3": Pages.run(
    "finds its connection, and ends with it without a complaint",
    Effect.gen(function* () {
      const logged: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => void logged.push(`${logLevel}: ${String(message)}`))
      const { echo } = yield* Pages.load<{ readonly echo: (socket: Socket) => Effect.Effect<void, Error> }>("rpc-3")
      const transport = Layer.provide(ConnectionSocketServer.layer(), Tcp.layerServer({ port: 0 }))
      const server = Context.get(yield* Layer.build(transport), SocketServer.SocketServer)
      const running = yield* Effect.forkScoped(Effect.provide(server.run(echo), Logger.layer([logger])))
      const client = yield* open(`ws://127.0.0.1:${portOf(server)}/path`)
      yield* client.send("hello")
      assert.strictEqual(yield* client.receive, "hello")
      client.socket.close(1000)
      assert.strictEqual((yield* client.closed).code, 1000)
      yield* Fiber.interrupt(running)
      assert.include(logged, "Info: Connected: /path")
      assert.deepStrictEqual(
        logged.filter((entry) => !entry.startsWith("Info")),
        []
      )
    })
  )
}
