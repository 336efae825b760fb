/**
 * Our server over TLS, with HTTP/2 beside HTTP/1.1 on its port: an echo, and at one path a program that reads nothing.
 */
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Tls from "@effect-ws/transport/Tls"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import { announce } from "../servers/Control.ts"

const Echo = WebSocketServer.layer((connection) =>
  connection.request.path === "/unread"
    ? Effect.never
    : Stream.runForEach(connection.messages, (message) => connection.send(message))
)

const Listen = Layer.suspend(() =>
  Tls.layerServer({
    port: 0,
    backlog: 1024,
    cert: process.env["BENCH_CERT"] ?? "",
    key: Redacted.make(process.env["BENCH_KEY"] ?? ""),
    http2: true
  })
)

Layer.effectDiscard(
  Effect.map(WebSocketServer.WebSocketServer, ({ address }) => {
    if (address._tag !== "UnixPathAddress") announce(address.port)
  })
).pipe(
  Layer.provide(Echo),
  Layer.provide(Listen),
  Layer.launch,
  Effect.provideService(References.MinimumLogLevel, "None"),
  Effect.runFork
)
