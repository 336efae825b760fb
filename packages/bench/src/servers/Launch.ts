/** What our servers have in common: the transport, compression where it is asked for, no logs, and the announcement. */
import * as Telemetry from "@effect-ws/connection/Telemetry"
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Tcp from "@effect-ws/transport/Tcp"
import * as Tls from "@effect-ws/transport/Tls"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import type { SocketServer } from "effect/socket/SocketServer"
import { settings } from "../Deflated.ts"
import { announce, certificate, compression } from "./Control.ts"

const Announced = Layer.effectDiscard(
  Effect.map(WebSocketServer.WebSocketServer, ({ address }) => {
    if (address._tag !== "UnixPathAddress") announce(address.port)
  })
)

const listen = { port: 0, backlog: 1024 }

const Transport =
  certificate === undefined
    ? Tcp.layerServer(listen)
    : Tls.layerServer({ ...listen, cert: certificate.cert, key: Redacted.make(certificate.key) })

/** Runs one of our servers until the process ends. */
export const launch = (server: Layer.Layer<WebSocketServer.WebSocketServer, never, SocketServer>): void => {
  Announced.pipe(
    Layer.provide(server),
    Layer.provide(process.env["METRICS"] === undefined ? Layer.empty : Telemetry.layer({ spans: false })),
    Layer.provide(compression === undefined ? Layer.empty : PermessageDeflate.layer({ ...settings, threshold: 0 })),
    Layer.provide(Transport),
    Layer.launch,
    Effect.provideService(References.MinimumLogLevel, "None"),
    Effect.runFork
  )
}
