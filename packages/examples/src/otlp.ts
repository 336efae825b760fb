/**
 * A WebSocket server whose metrics, spans and logs go to a collector that speaks OTLP over HTTP.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer, Stream } from "effect"
import { Tcp, Telemetry, WebSocketServer } from "effect-ws"
import { FetchHttpClient } from "effect/http"
import { Otlp } from "effect/observability"

const Echo = WebSocketServer.layer((connection) =>
  Stream.runForEach(connection.messages, (message) =>
    // The application's own spans become children of the connection's.
    connection.send(message).pipe(Effect.withSpan("echo"))
  )
)

export const Server = (options: { readonly port: number; readonly collector: string }) => {
  const Export = Otlp.layerJson({
    baseUrl: options.collector,
    resource: { serviceName: "echo" },
    tracerExportInterval: "1 second",
    metricsExportInterval: "10 seconds"
  }).pipe(Layer.provide(FetchHttpClient.layer))
  return Echo.pipe(Layer.provide([Telemetry.layer(), Tcp.layerServer({ port: options.port })]), Layer.provide(Export))
}

if (import.meta.main) {
  Server({ port: 8000, collector: "http://localhost:4318" }).pipe(Layer.launch, NodeRuntime.runMain)
}
