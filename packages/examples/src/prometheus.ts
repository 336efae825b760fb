/**
 * A WebSocket server on one port, and its metrics in Prometheus' text format on another: `curl localhost:9464/metrics`.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Layer, Stream } from "effect"
import { Tcp, Telemetry, WebSocketServer } from "effect-ws"
import { HttpRouter } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { createServer } from "node:http"

const Echo = WebSocketServer.layer((connection) =>
  Stream.runForEach(connection.messages, (message) => connection.send(message))
)

export const Server = (ports: { readonly webSocket: number; readonly metrics: number }) =>
  Layer.merge(
    Echo.pipe(Layer.provide([Telemetry.layer({ spans: false }), Tcp.layerServer({ port: ports.webSocket })])),
    HttpRouter.serve(PrometheusMetrics.layerHttp(), { disableLogger: true }).pipe(
      Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { host: "127.0.0.1", port: ports.metrics }))
    )
  )

if (import.meta.main) Server({ webSocket: 8000, metrics: 9464 }).pipe(Layer.launch, NodeRuntime.runMain)
