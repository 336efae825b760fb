/**
 * The two examples of exporting, read by the systems they export to; and the page that shows them.
 */
import { definitions } from "@effect-ws/connection/Metrics"
import { Client, WebSocketServer } from "effect-ws"
import type { Telemetry } from "effect-ws"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Layer, Metric, Schedule, Scope } from "effect"
import { HttpServer } from "effect/http"
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join, resolve } from "node:path"
import * as otlp from "../src/otlp.ts"
import * as prometheus from "../src/prometheus.ts"

const root = resolve(import.meta.dirname, "../../..")
const page = readFileSync(join(root, "docs/observability.md"), "utf8")

const network = Client.layerDirect()

const portOf = (server: Context.Context<WebSocketServer.WebSocketServer>): number => {
  const { address } = Context.get(server, WebSocketServer.WebSocketServer)
  return address._tag === "UnixPathAddress" ? assert.fail("a Unix socket") : address.port
}

const fetchText = (url: string) =>
  Effect.promise(async () => {
    const response = await fetch(url)
    return { type: response.headers.get("content-type") ?? "", body: await response.text() }
  })

describe("the Prometheus example", () => {
  it.live("serves what really happened, while it happens", () =>
    Effect.gen(function* () {
      const services = yield* Layer.build(prometheus.Server({ webSocket: 0, metrics: 0 }))
      const port = portOf(services)
      const { address } = Context.get(services, HttpServer.HttpServer)
      assert.isTrue(address._tag !== "UnixPathAddress")
      const metrics = `http://127.0.0.1:${"port" in address ? address.port : 0}/metrics`
      const value = (body: string, series: string): string | undefined =>
        body
          .split("\n")
          .find((line) => line.startsWith(`${series} `))
          ?.slice(series.length + 1)

      const connection = yield* Client.connect(`ws://127.0.0.1:${port}/`)
      yield* connection.send("hello")
      assert.strictEqual((yield* connection.receive).data, "hello")
      const open = yield* fetchText(metrics)
      assert.match(open.type, /^text\/plain; version=0\.0\.4/)
      assert.strictEqual(value(open.body, 'websocket_connections_active{role="server"}'), "1")
      assert.strictEqual(value(open.body, 'websocket_received_bytes_total{role="server"}'), "11")
      assert.strictEqual(value(open.body, 'websocket_sent_messages_total{role="server",type="text"}'), "1")
      assert.include(open.body, `# HELP websocket_sent_bytes_total ${definitions.sentBytes.description}\n`)
      assert.include(open.body, "# TYPE websocket_sent_bytes_total counter\n")
      assert.include(open.body, "# TYPE websocket_handshake_duration_seconds histogram\n")

      yield* connection.close(4000)
      const closed = 'websocket_connections_closed_total{role="server",code="4000",initiator="remote"}'
      yield* Effect.retry(
        Effect.flatMap(fetchText(metrics), ({ body }) =>
          value(body, closed) === "1" ? Effect.void : Effect.fail(`no ${closed} in\n${body}`)
        ),
        Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 100 }))
      )
    }).pipe(Effect.provide(network), Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})

interface Span {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly kind: number
  readonly attributes: ReadonlyArray<{
    readonly key: string
    readonly value: { readonly stringValue?: string; readonly intValue?: number | string }
  }>
}

/** A collector: keeps the bodies of what is posted to it, by path. */
const collector = Effect.gen(function* () {
  const received: Array<{ readonly path: string; readonly body: unknown }> = []
  const server = createServer((request, response) => {
    let text = ""
    request.setEncoding("utf8")
    request.on("data", (chunk: string) => (text += chunk))
    request.on("end", () => {
      received.push({ path: request.url ?? "", body: JSON.parse(text) })
      response.writeHead(200, { "content-type": "application/json" }).end("{}")
    })
  })
  const listening = yield* Deferred.make<void>()
  server.listen(0, "127.0.0.1", () => Deferred.doneUnsafe(listening, Effect.void))
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      server.close()
      server.closeAllConnections()
    })
  )
  yield* Deferred.await(listening)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received }
})

describe("the OTLP example", () => {
  it.live("sends metrics, and spans that hang together", () =>
    Effect.gen(function* () {
      const { received, url } = yield* collector
      const scope = yield* Scope.make()
      yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
      const server = yield* Layer.buildWithScope(otlp.Server({ port: 0, collector: url }), scope)
      const port = portOf(server)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const connection = yield* Client.connect(`ws://127.0.0.1:${port}/room`, {
            headers: {
              traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
              "User-Agent": "test/1"
            }
          })
          yield* connection.send("hello")
          assert.strictEqual((yield* connection.receive).data, "hello")
        })
      )
      // Closing it sends what was not sent yet.
      yield* Scope.close(scope, Exit.void)

      const spans = received
        .filter(({ path }) => path === "/v1/traces")
        .flatMap(
          ({ body }) =>
            (body as { resourceSpans: ReadonlyArray<{ scopeSpans: ReadonlyArray<{ spans: ReadonlyArray<Span> }> }> })
              .resourceSpans
        )
        .flatMap(({ scopeSpans }) => scopeSpans)
        .flatMap(({ spans }) => spans)
      const find = (name: string): Span => {
        const found = spans.filter((span) => span.name === name)
        assert.strictEqual(found.length, 1, `${name} among ${spans.map(({ name }) => name).join(", ")}`)
        return found[0]!
      }
      const handshake = find("websocket.handshake")
      const connection = find("websocket.connection")
      const echo = find("echo")
      for (const span of [handshake, connection, echo]) {
        assert.strictEqual(span.traceId, "0af7651916cd43dd8448eb211c80319c", span.name)
      }
      assert.strictEqual(handshake.parentSpanId, "b7ad6b7169203331")
      assert.strictEqual(connection.parentSpanId, handshake.spanId)
      assert.strictEqual(echo.parentSpanId, connection.spanId)
      // OTLP: SPAN_KIND_SERVER
      assert.strictEqual(handshake.kind, 2)
      const attribute = (span: Span, key: string): string | undefined => {
        const value = span.attributes.find((attribute) => attribute.key === key)?.value
        return value === undefined ? undefined : String(value.stringValue ?? value.intValue)
      }
      assert.strictEqual(attribute(handshake, "url.path"), "/room")
      assert.strictEqual(attribute(handshake, "http.response.status_code"), "101")
      assert.strictEqual(attribute(handshake, "user_agent.original"), "test/1")
      assert.strictEqual(attribute(handshake, "network.peer.address"), "127.0.0.1")
      assert.strictEqual(attribute(connection, "websocket.close.code"), "1000")

      const last = received.findLast(({ path }) => path === "/v1/metrics")
      const text = JSON.stringify(last?.body)
      const { resourceMetrics } = last!.body as {
        resourceMetrics: ReadonlyArray<{
          scopeMetrics: ReadonlyArray<{ metrics: ReadonlyArray<{ name: string; unit: string; sum?: unknown }> }>
        }>
      }
      const metrics = resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
      const bytes = metrics.filter(({ name }) => name === "websocket_received_bytes_total")
      assert.strictEqual(bytes.length, 1, text)
      assert.strictEqual(bytes[0]!.unit, "By")
      // A frame of text, and the client's close frame with its code.
      assert.match(JSON.stringify(bytes[0]!.sum), /"isMonotonic":true/)
      assert.match(JSON.stringify(bytes[0]!.sum), /"asDouble":19\b/)
      const durations = metrics.find(({ name }) => name === "websocket_handshake_duration_seconds")
      assert.strictEqual(durations?.unit, "s")
    }).pipe(Effect.provide(network), Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})

describe("docs/observability.md", () => {
  const rows = page
    .split("\n")
    .filter((line) => line.startsWith("| `websocket_"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim())
    )

  it("has every metric in its table, and no other", () => {
    const expected = Object.values(definitions).map(({ attributes, description, name, type, unit }) => [
      `\`${name}\``,
      type,
      `\`${unit}\``,
      attributes.map((attribute) => `\`${attribute}\``).join(", "),
      description
    ])
    assert.deepStrictEqual(rows, expected)
  })

  it("names options that exist", () => {
    const options: Required<Telemetry.Options> = {
      metrics: true,
      spans: true,
      messageSpans: false,
      extractTraceContext: true,
      injectTraceContext: true,
      logAnnotations: true
    }
    for (const [name, value] of Object.entries(options)) {
      assert.match(page, new RegExp(`^\\| \`${name}\` +\\| ${String(value)} +\\|`, "m"))
    }
  })
})
