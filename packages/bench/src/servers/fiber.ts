/** Ours, a fiber for each connection, as the README writes it: the handler is a stream of messages that are sent back. */
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Tcp from "@effect-ws/transport/Tcp"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import { settings } from "../Deflated.ts"
import { announce, compression } from "./Control.ts"

const Echo = WebSocketServer.layer(
  (connection) => Stream.runForEach(connection.messages, (message) => connection.send(message)),
  { recycle: process.env["RECYCLE"] !== undefined }
)

const Announced = Layer.effectDiscard(
  Effect.map(WebSocketServer.WebSocketServer, ({ address }) => {
    if (address._tag !== "UnixPathAddress") announce(address.port)
  })
)

Announced.pipe(
  Layer.provide(Echo),
  Layer.provide(compression === undefined ? Layer.empty : PermessageDeflate.layer({ ...settings, threshold: 0 })),
  Layer.provide(Tcp.layerServer({ port: 0, backlog: 1024 })),
  Layer.launch,
  Effect.provideService(References.MinimumLogLevel, "None"),
  Effect.runFork
)
