/** What is measured in process: servers that take a stream and echo, clients that connect over one. */
import type * as ClientModule from "@effect-ws/client/Client"
import type * as ConnectionModule from "@effect-ws/connection/Connection"
import type * as InspectorModule from "@effect-ws/inspector/Inspector"
import type * as MessageModule from "@effect-ws/protocol/Message"
import type * as ServerModule from "@effect-ws/server/WebSocketServer"
import type * as DialerModule from "@effect-ws/transport/Dialer"
import type * as NodeDuplexModule from "@effect-ws/transport/NodeDuplex"
import type * as PushServerModule from "@effect-ws/transport/PushSocketServer"
import type * as ContextModule from "effect/Context"
import type * as EffectModule from "effect/Effect"
import type * as LayerModule from "effect/Layer"
import type * as ReferencesModule from "effect/References"
import type * as SocketServerModule from "effect/socket/SocketServer"
import type * as StreamModule from "effect/Stream"
import { createServer } from "node:http"
import { importFrom } from "./Checkout.ts"
import type { FakeStream } from "./FakeStream.ts"
import { isWay, makeTalk } from "./TypedPeer.ts"
import type { Way } from "./TypedPeer.ts"

type Connection = ConnectionModule.Connection
type Message = MessageModule.Message

/** Gives a stream to a server. */
export type Accept = (stream: FakeStream) => void

/**
 * The servers by name. `floor` answers each chunk with what it is told to, and looks at nothing. `inspected` is
 * `handlers` with an inspector that has no viewer, `recorded` the same while it keeps the frames of all connections.
 */
export const servers = [
  "floor",
  "ws",
  "ws-nobufferutil",
  "stream",
  "receive",
  "handlers",
  "queue",
  "inspected",
  "recorded"
] as const

/** Those that run only where they are named. */
export const onDemand: ReadonlyArray<string> = ["inspected", "recorded"]

export type ServerName = (typeof servers)[number] | Way

/** Starts a server; `answer` is what `floor` writes for a chunk. */
export const startServer = async (name: ServerName, checkout: string, answer: Uint8Array): Promise<Accept> => {
  switch (name) {
    case "floor":
      return (stream) => {
        let greeted = false
        stream.on("data", () => {
          stream.write(greeted ? answer : greeting)
          greeted = true
        })
      }
    case "ws":
    case "ws-nobufferutil":
      return startWs()
    default:
      return startOurs(name, checkout)
  }
}

const greeting = Buffer.from("HTTP/1.1 101 Switching Protocols\r\n\r\n")

const startWs = async (): Promise<Accept> => {
  const { WebSocketServer } = await import("ws")
  const server = createServer()
  const sockets = new WebSocketServer({ server, perMessageDeflate: false })
  sockets.on("connection", (socket) => {
    socket.on("message", (data, binary) => socket.send(data, { binary }))
    socket.on("error", () => socket.terminate())
  })
  return (stream) => server.emit("connection", stream)
}

const startOurs = async (
  name: Exclude<ServerName, "floor" | "ws" | "ws-nobufferutil">,
  checkout: string
): Promise<Accept> => {
  const from = <A>(specifier: string): Promise<A> => importFrom(checkout, specifier)
  const Context = await from<typeof ContextModule>("effect/Context")
  const Effect = await from<typeof EffectModule>("effect/Effect")
  const Layer = await from<typeof LayerModule>("effect/Layer")
  const References = await from<typeof ReferencesModule>("effect/References")
  const Stream = await from<typeof StreamModule>("effect/Stream")
  const { SocketServer } = await from<typeof SocketServerModule>("effect/socket/SocketServer")
  const { PushSocketServer } = await from<typeof PushServerModule>("@effect-ws/transport/PushSocketServer")
  const { fromDuplex } = await from<typeof NodeDuplexModule>("@effect-ws/transport/NodeDuplex")
  const Server = await from<typeof ServerModule>("@effect-ws/server/WebSocketServer")

  const echo = (connection: Connection, message: Message) => connection.send(message)
  const talk = isWay(name) ? await makeTalk(name, checkout) : undefined
  const server = isWay(name)
    ? Server.layer(talk!)
    : {
        stream: () =>
          Server.layer((connection) => Stream.runForEach(connection.messages, (message) => connection.send(message))),
        receive: () =>
          Server.layer((connection) =>
            Effect.forever(
              Effect.flatMap(connection.receive, (message) => connection.send(message)),
              { disableYield: true }
            )
          ),
        handlers: () => Server.layer({ onMessage: echo }),
        queue: () => Server.layerQueue({ onMessage: echo }),
        inspected: () => Server.layer({ onMessage: echo }),
        recorded: () => Server.layer({ onMessage: echo })
      }[name]()
  const observer = onDemand.includes(name) ? await inspector(name, checkout) : Layer.empty

  return new Promise((resolve) => {
    const address = {
      _tag: "UnixPathAddress",
      path: "in process"
    } as SocketServerModule.SocketServer["Service"]["address"]
    const sockets = Context.make(SocketServer, { address, run: () => Effect.never }).pipe(
      Context.add(PushSocketServer, {
        address,
        accept: (take: Parameters<PushServerModule.PushSocketServer["Service"]["accept"]>[0]) =>
          Effect.callback<never>(() => resolve((stream) => take(fromDuplex(stream), undefined))),
        stopAccepting: Effect.void
      })
    )
    server.pipe(
      Layer.provide([Layer.succeedContext(sockets), observer]),
      Layer.launch,
      Effect.provideService(References.MinimumLogLevel, "None"),
      Effect.runFork
    )
  })
}

const inspector = async (name: string, checkout: string) => {
  const { layer } = await importFrom<typeof InspectorModule>(checkout, "@effect-ws/inspector/Inspector")
  return layer(name === "recorded" ? { frames: "all", payloads: "full", maxLogs: 1024, maxFrames: 64 } : {})
}

/** The clients by name. */
export const clients = ["ws", "client"] as const
export type ClientName = (typeof clients)[number]

/** Connects over a stream that `dial` gives, closes with 1000, and calls back when that is over. */
export type Visit = (done: () => void) => void

export const makeClient = async (name: ClientName, checkout: string, dial: () => FakeStream): Promise<Visit> => {
  if (name === "ws") {
    const { WebSocket } = await import("ws")
    return (done) => {
      const socket = new WebSocket("ws://127.0.0.1:8080/", {
        perMessageDeflate: false,
        createConnection: dial as never
      })
      socket.on("open", () => socket.close(1000))
      socket.on("close", done)
    }
  }
  const Effect = await importFrom<typeof EffectModule>(checkout, "effect/Effect")
  const References = await importFrom<typeof ReferencesModule>(checkout, "effect/References")
  const Context = await importFrom<typeof ContextModule>(checkout, "effect/Context")
  const { Dialer } = await importFrom<typeof DialerModule>(checkout, "@effect-ws/transport/Dialer")
  const { fromDuplex } = await importFrom<typeof NodeDuplexModule>(checkout, "@effect-ws/transport/NodeDuplex")
  const Client = await importFrom<typeof ClientModule>(checkout, "@effect-ws/client/Client")
  const context = Context.make(Dialer, { dial: () => Effect.sync(() => fromDuplex(dial())) }).pipe(
    Context.add(References.MinimumLogLevel, "None")
  )
  const visit = Effect.scoped(Client.connect("ws://127.0.0.1:8080/"))
  return (done) => {
    Effect.runForkWith(context)(visit).addObserver((exit) => {
      if (exit._tag === "Failure") throw new Error(String(exit.cause))
      done()
    })
  }
}
