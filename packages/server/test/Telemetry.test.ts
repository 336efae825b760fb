/**
 * What `Telemetry` measures and traces, at both ends of a network in memory: every metric is brought about and read.
 */
import { definitions } from "@effect-ws/connection/Metrics"
import type { MetricDefinition } from "@effect-ws/connection/Metrics"
import * as Telemetry from "@effect-ws/connection/Telemetry"
import * as CloseError from "@effect-ws/protocol/CloseError"
import * as Frame from "@effect-ws/protocol/Frame"
import * as PreparedMessage from "@effect-ws/protocol/PreparedMessage"
import { HandshakeRejection } from "@effect-ws/protocol/HandshakeRejection"
import * as FaultInjection from "@effect-ws/transport/FaultInjection"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Latch, Layer, Logger, Metric, Option, References, Stream, Tracer } from "effect"
import { TestClock } from "effect/testing"
import type { Handlers } from "../src/Handlers.ts"
import { assertFigures, deliveries, figures } from "@effect-ws/test-peers/Figures"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { network, quiet } from "@effect-ws/test-peers/InMemory"
import { connect, echo, echoHandlers } from "@effect-ws/test-peers/Programs"
import * as RawPeer from "@effect-ws/test-peers/RawPeer"
import { handled, start } from "./support/variants.ts"

const serve = (
  variant: (typeof handled)[number],
  handlers: Handlers<unknown>,
  options?: WebSocketServer.ServerOptions
) => start(variant.layer(handlers, options))

/** Runs with metrics of its own, on a network of its own. */
const apart = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(Effect.provide(network), Effect.provideService(Metric.MetricRegistry, new Map()))

/** The same, observed at both ends. */
const observed =
  (options?: Telemetry.Options) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    apart(Effect.provide(effect, Telemetry.layer(options)))

describe.each(handled)("metrics of the $name server and of its client", (variant) => {
  it.effect("count messages, bytes and control frames while the connection is open", () =>
    Effect.gen(function* () {
      const server = yield* serve(variant, echoHandlers)
      const client = yield* connect(server)
      yield* client.send("hello")
      assert.strictEqual((yield* client.receive).data, "hello")
      // A frame of ours has 6 bytes of header, one of the server's 2.
      yield* assertFigures({
        'websocket_connections_active{role="server"}': 1,
        'websocket_connections_active{role="client"}': 1,
        'websocket_connections_opened_total{role="server"}': 1,
        'websocket_received_bytes_total{role="server"}': 11,
        'websocket_sent_bytes_total{role="server"}': 7,
        'websocket_received_bytes_total{role="client"}': 7,
        'websocket_sent_bytes_total{role="client"}': 11,
        'websocket_received_messages_total{role="server",type="text"}': 1,
        'websocket_received_messages_total{role="server",type="binary"}': 0,
        'websocket_sent_messages_total{role="server",type="text"}': 1
      })

      const large = new Uint8Array(100_000)
      yield* client.send(large)
      assert.strictEqual((yield* client.receive).data.length, large.length)
      yield* client.sendStream({ _tag: "Binary", chunks: Stream.make(new Uint8Array(10), new Uint8Array(20)) })
      assert.strictEqual((yield* client.receive).data.length, 30)
      yield* client.send("in fragments", { fragmentSize: 5 })
      assert.strictEqual((yield* client.receive).data, "in fragments")
      yield* client.ping()
      yield* client.pong()
      yield* quiet
      const found = yield* figures
      assert.strictEqual(found.get('websocket_received_messages_total{role="server",type="text"}'), 2)
      assert.strictEqual(found.get('websocket_received_messages_total{role="server",type="binary"}'), 2)
      for (const [from, to] of [
        ["client", "server"],
        ["server", "client"]
      ] as const) {
        for (const type of ["text", "binary"]) {
          const sent = found.get(`websocket_sent_messages_total{role="${from}",type="${type}"}`)
          assert.strictEqual(sent, 2, `${type} messages sent by the ${from}`)
          assert.strictEqual(found.get(`websocket_received_messages_total{role="${to}",type="${type}"}`), sent)
        }
        assert.strictEqual(
          found.get(`websocket_sent_bytes_total{role="${from}"}`),
          found.get(`websocket_received_bytes_total{role="${to}"}`)
        )
      }
      yield* assertFigures({
        'websocket_sent_control_frames_total{role="client",type="ping"}': 1,
        'websocket_sent_control_frames_total{role="client",type="pong"}': 1,
        'websocket_received_control_frames_total{role="server",type="ping"}': 1,
        'websocket_received_control_frames_total{role="server",type="pong"}': 1,
        'websocket_sent_control_frames_total{role="server",type="pong"}': 1,
        'websocket_received_control_frames_total{role="client",type="pong"}': 1,
        'websocket_sent_control_frames_total{role="client",type="close"}': 0,
        'websocket_ping_round_trip_seconds_count{role="client"}': 1
      })
      yield* client.close(1000)
      yield* quiet
      yield* assertFigures({
        'websocket_sent_control_frames_total{role="client",type="close"}': 1,
        'websocket_received_control_frames_total{role="server",type="close"}': 1,
        'websocket_sent_control_frames_total{role="server",type="close"}': 1
      })
    }).pipe(observed())
  )

  it.effect("tell how connections ended, and after how long", () =>
    Effect.gen(function* () {
      const server = yield* serve(variant, {
        onMessage: (_, message) =>
          message.data === "die" ? Effect.die("a defect") : new CloseError.PolicyViolation({ reason: "no" })
      })
      const ends = { sent: "nothing", dies: "die", refuses: "x" }
      const normal = yield* connect(server)
      const died = yield* connect(server)
      const refused = yield* connect(server)
      const broken = yield* connect(server)
      const wrong = yield* connect(server)
      const silent = yield* connect(server)
      yield* assertFigures({ 'websocket_connections_active{role="server"}': 6 })
      yield* TestClock.adjust("3 seconds")
      yield* normal.close(4001, "done")
      yield* died.send(ends.dies)
      yield* refused.send(ends.refuses)
      yield* broken.abort()
      yield* wrong.sendFrame({ ...Frame.text("x"), rsv2: true }, { unchecked: true })
      yield* Effect.all([died.closed, refused.closed, wrong.closed])
      yield* silent.sendFrame(Frame.close())
      yield* silent.closed
      yield* quiet
      yield* assertFigures({
        'websocket_connections_active{role="server"}': 0,
        'websocket_connections_active{role="client"}': 0,
        'websocket_connections_opened_total{role="server"}': 6,
        'websocket_connections_closed_total{code="4001",initiator="remote",role="server"}': 1,
        'websocket_connections_closed_total{code="4001",initiator="local",role="client"}': 1,
        'websocket_connections_closed_total{code="1011",initiator="local",role="server"}': 1,
        'websocket_connections_closed_total{code="1008",initiator="local",role="server"}': 1,
        'websocket_connections_closed_total{code="1008",initiator="remote",role="client"}': 1,
        'websocket_connections_closed_total{code="1006",initiator="transport",role="server"}': 1,
        'websocket_connections_closed_total{code="1006",initiator="transport",role="client"}': 1,
        'websocket_connections_closed_total{code="1002",initiator="local",role="server"}': 1,
        'websocket_connections_closed_total{code="1005",initiator="remote",role="server"}': 1,
        'websocket_connection_duration_seconds_count{role="server"}': 6,
        'websocket_connection_duration_seconds_sum{role="server"}': 18
      })
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None"), observed())
  )

  it.effect("tell of handshakes under way, refused, and abandoned", () =>
    Effect.gen(function* () {
      const server = yield* serve(variant, echoHandlers, {
        maxHandshakes: 1,
        decide: ({ path }) =>
          path === "/teapot"
            ? new HandshakeRejection({ status: 418, reason: "short and stout" })
            : path === "/broken"
              ? Effect.die("a defect")
              : Effect.succeed({})
      })
      yield* connect(server)
      assert.strictEqual((yield* Effect.flip(connect(server, { target: "/teapot" })))._tag, "HandshakeError")
      yield* Effect.flip(connect(server, { target: "/broken" }))
      yield* quiet
      const peer = yield* RawPeer.dial(server.address)
      yield* peer.send("GET / HTTP/1.1\r\n")
      yield* quiet
      yield* assertFigures({ 'websocket_handshakes_active{role="server"}': 1 })
      yield* Effect.flip(connect(server))
      yield* TestClock.adjust("10 seconds")
      yield* quiet
      yield* assertFigures({
        'websocket_handshakes_active{role="server"}': 0,
        'websocket_handshakes_active{role="client"}': 0,
        'websocket_handshakes_failed_total{error="Application",role="server",status="418"}': 1,
        'websocket_handshakes_failed_total{error="Defect",role="server",status="500"}': 1,
        'websocket_handshakes_failed_total{error="Overloaded",role="server",status="503"}': 1,
        'websocket_handshakes_failed_total{error="HandshakeTimeout",role="server",status="408"}': 1,
        'websocket_handshakes_failed_total{error="BadStatus",role="client",status="418"}': 1,
        'websocket_handshakes_failed_total{error="BadStatus",role="client",status="503"}': 1,
        'websocket_handshake_duration_seconds_count{outcome="opened",role="server"}': 1,
        'websocket_handshake_duration_seconds_count{outcome="failed",role="server"}': 4,
        'websocket_handshake_duration_seconds_sum{outcome="failed",role="server"}': 10
      })
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None"), observed())
  )

  it.effect("tell of what waits to be taken, and to be written", () =>
    Effect.gen(function* () {
      const ready = yield* Latch.make()
      const server = yield* serve(variant, {
        onOpen: (connection) =>
          connection.request.path === "/late"
            ? ready.await
            : Effect.repeat(connection.send(new Uint8Array(100_000)), { times: 4 })
      })
      const late = yield* connect(server, { target: "/late" })
      yield* late.send(new Uint8Array(1000))
      yield* quiet
      const waiting = (yield* figures).get('websocket_inbound_buffered_bytes{role="server"}')!
      assert.isAtLeast(waiting, 1000)
      assert.isBelow(waiting, 1100)
      yield* ready.open
      yield* quiet
      yield* assertFigures({ 'websocket_inbound_buffered_bytes{role="server"}': 0 })

      const slow = yield* connect(server, { receiveBufferSize: 10 })
      yield* quiet
      const found = yield* figures
      const inbound = found.get('websocket_inbound_buffered_bytes{role="client"}')!
      const outbound = found.get('websocket_outbound_buffered_bytes{role="server"}')!
      assert.isAbove(inbound, 10)
      assert.isAbove(outbound, 10_000)
      assert.isAtMost(inbound + outbound, 500_500)
      yield* Effect.repeat(slow.receive, { times: 4 })
      yield* quiet
      yield* assertFigures({
        'websocket_inbound_buffered_bytes{role="server"}': 0,
        'websocket_inbound_buffered_bytes{role="client"}': 0,
        'websocket_outbound_buffered_bytes{role="server"}': 0
      })
      yield* Effect.all([late.close(), slow.close()])
    }).pipe(observed())
  )
})

describe("metrics of what is sent to many", () => {
  it.effect("count broadcasts, and the connections that got them", () =>
    Effect.gen(function* () {
      const server = yield* serve(handled[0]!, echoHandlers)
      const { broadcast } = server
      yield* connect(server)
      yield* connect(server)
      yield* broadcast("to both")
      yield* broadcast("to both again")
      yield* assertFigures({
        'websocket_published_messages_total{source="broadcast"}': 2,
        'websocket_deliveries_dropped_total{source="broadcast"}': 0,
        ...deliveries("broadcast", { delivered: 4 })
      })
    }).pipe(observed())
  )
})

describe("latency", () => {
  // The dialer and the listener are both slow, in both directions.
  const slow = FaultInjection.layer({ both: { latency: "40 millis" } }).pipe(Layer.provide(Memory.layer({ port: 0 })))

  it.effect("is what keepalive measures, at both ends, on the connection and as a metric", () =>
    Effect.gen(function* () {
      const server = yield* start(WebSocketServer.layer(echo, { keepalive: { interval: "2 seconds" } }))
      const turn = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
      const step = Effect.andThen(TestClock.adjust("10 millis"), Effect.repeat(turn, { times: 4 }))
      // A little before the server's first ping, which would be life enough, can have come.
      const connecting = yield* Effect.forkScoped(connect(server, { keepalive: { interval: "1980 millis" } }))
      yield* Effect.repeat(step, { times: 40 })
      assert.isDefined(connecting.pollUnsafe(), "no connection yet")
      const client = yield* Fiber.join(connecting)
      const [served] = yield* server.connections
      assert.isUndefined(client.latency)
      assert.isUndefined(served!.latency)
      yield* Effect.repeat(step, { times: 250 })
      for (const [role, connection] of [
        ["server", served!],
        ["client", client]
      ] as const) {
        assert.strictEqual(Duration.toMillis(connection.latency ?? Duration.zero), 160, role)
        const found = yield* figures
        const pings = found.get(`websocket_ping_round_trip_seconds_count{role="${role}"}`)!
        assert.isAtLeast(pings, 1, role)
        const sum = found.get(`websocket_ping_round_trip_seconds_sum{role="${role}"}`)!
        assert.approximately(sum, pings * 0.16, 1e-6, role)
      }
      // What is cleaned up has waits of its own.
      yield* Effect.forkDetach(Effect.repeat(step, { times: 100 }))
    }).pipe(
      Effect.provide(slow),
      Effect.provide(Telemetry.layer()),
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
  )

  it.effect("is measured by the client's keepalive where the server has none", () =>
    Effect.gen(function* () {
      const server = yield* start(WebSocketServer.layer(echo, { keepalive: false }))
      const client = yield* connect(server, { keepalive: { interval: "5 seconds" } })
      yield* TestClock.adjust("20 seconds")
      assert.isDefined(client.latency)
      const found = yield* figures
      assert.isAtLeast(found.get('websocket_ping_round_trip_seconds_count{role="client"}')!, 2)
      assert.strictEqual(found.get('websocket_ping_round_trip_seconds_count{role="server"}') ?? 0, 0)
    }).pipe(observed())
  )
})

describe("metrics", () => {
  const talk = Effect.gen(function* () {
    const server = yield* serve(handled[0]!, echoHandlers)
    const client = yield* connect(server)
    yield* client.send("hello")
    yield* client.receive
    yield* client.close()
    yield* quiet
  })

  it.effect("are not there unless asked for", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(talk)
      yield* Effect.scoped(talk).pipe(Effect.provide(Telemetry.layer({ metrics: false })))
      yield* Effect.scoped(talk).pipe(Effect.provide(Telemetry.layerOff), Effect.provide(Telemetry.layer()))
      assert.strictEqual((yield* figures).size, 0)
    }).pipe(apart)
  )

  it.effect("of several layers add up, and stay when a server is gone", () =>
    Effect.gen(function* () {
      for (let time = 0; time < 2; time++) {
        yield* Effect.scoped(talk).pipe(Effect.provide(Layer.fresh(Telemetry.layer())))
      }
      yield* assertFigures({
        'websocket_connections_opened_total{role="server"}': 2,
        'websocket_received_bytes_total{role="server"}': 2 * (11 + 8)
      })
    }).pipe(apart)
  )

  it.effect("carry the attributes that the program gives its metrics", () =>
    Effect.gen(function* () {
      yield* talk
      yield* assertFigures({ 'websocket_connections_opened_total{role="server",service="chat"}': 1 })
    }).pipe(observed(), Effect.provideService(Metric.CurrentMetricAttributes, { service: "chat" }))
  )

  it.effect("are those of the table, each with its unit and description", () =>
    Effect.gen(function* () {
      yield* talk
      const table = new Map(
        Object.values(definitions).map((measure): [string, MetricDefinition] => [measure.name, measure])
      )
      for (const { attributes, description, id, type } of yield* Metric.snapshot) {
        const measure = table.get(id)
        assert.isDefined(measure, id)
        assert.strictEqual(type.toLowerCase(), measure!.type)
        assert.strictEqual(description, measure!.description)
        const { unit, ...others } = attributes ?? {}
        assert.strictEqual(unit, measure!.unit)
        if ("role" in others) assert.include(["server", "client"], others["role"])
        if ("source" in others) assert.include(["topic", "broadcast"], others["source"])
        assert.sameMembers(Object.keys(others), [...measure!.attributes])
      }
    }).pipe(observed())
  )

  it.effect("name at most 64 private close codes", () =>
    Effect.gen(function* () {
      const server = yield* serve(handled[0]!, echoHandlers)
      for (let code = 4000; code < 4070; code++) yield* (yield* connect(server)).close(code)
      yield* quiet
      const closed = [...(yield* figures)].filter(([name]) => /closed_total.*role="server"/.test(name))
      assert.strictEqual(closed.length, 65)
      assert.strictEqual(
        Object.fromEntries(closed)['websocket_connections_closed_total{code="other",initiator="remote",role="server"}'],
        6
      )
    }).pipe(observed())
  )
})

/** Gives the spans that an effect makes, in the order in which they began. */
const traced = <A, E, R>(effect: (spans: Array<Tracer.NativeSpan>) => Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const spans: Array<Tracer.NativeSpan> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    return Effect.provideService(effect(spans), Tracer.Tracer, tracer)
  })

const find = (spans: ReadonlyArray<Tracer.NativeSpan>, name: string, kind?: Tracer.SpanKind): Tracer.NativeSpan => {
  const found = spans.filter((span) => span.name === name && (kind === undefined || span.kind === kind))
  assert.strictEqual(found.length, 1, `spans ${name}: ${spans.map((span) => `${span.kind} ${span.name}`).join(", ")}`)
  return found[0]!
}

const parentId = (span: Tracer.NativeSpan): string | undefined => Option.getOrUndefined(span.parent)?.spanId

describe.each(handled)("spans of the $name server and of its client", (variant) => {
  it.effect("name the client and the trusted proxy between", () =>
    traced((spans) =>
      Effect.gen(function* () {
        const server = yield* serve(variant, echoHandlers, { trustedProxies: ["127.0.0.1"] })
        yield* connect(server, { headers: [{ name: "X-Forwarded-For", value: "192.0.2.1:4711" }] })
        const { attributes } = find(spans, "websocket.handshake", "server")
        const names = ["network.peer.address", "client.address", "client.port"]
        assert.deepStrictEqual(
          names.map((name) => attributes.get(name)),
          ["127.0.0.1", "192.0.2.1", 4711]
        )
      })
    ).pipe(observed())
  )

  it.effect("are one trace, from the caller to what the handler does", () =>
    traced((spans) =>
      Effect.gen(function* () {
        const logged: Array<Readonly<Record<string, unknown>>> = []
        const logger = Logger.layer([
          Logger.make(({ fiber }) => void logged.push(fiber.getRef(References.CurrentLogAnnotations)))
        ])
        const server = yield* serve(
          variant,
          {
            onMessage: (connection, message) =>
              Effect.andThen(Effect.log("seen"), Effect.withSpan(connection.send(message), "work of the handler")).pipe(
                Effect.provide(logger)
              )
          },
          { decide: () => Effect.withSpan(Effect.succeed({}), "decision") }
        )
        const client = yield* Effect.withSpan(
          connect(server, { target: "/chat?token=secret", headers: [{ name: "User-Agent", value: "test/1" }] }),
          "caller"
        )
        yield* client.send("hello")
        yield* client.receive
        yield* client.close(1000)
        yield* quiet

        const caller = find(spans, "caller")
        const asking = find(spans, "websocket.handshake", "client")
        const answering = find(spans, "websocket.handshake", "server")
        const clientSide = find(spans, "websocket.connection", "client")
        const serverSide = find(spans, "websocket.connection", "server")
        assert.strictEqual(parentId(asking), caller.spanId)
        assert.strictEqual(parentId(answering), asking.spanId)
        assert.strictEqual(parentId(clientSide), asking.spanId)
        assert.strictEqual(parentId(serverSide), answering.spanId)
        assert.strictEqual(parentId(find(spans, "decision")), answering.spanId)
        assert.strictEqual(parentId(find(spans, "work of the handler")), serverSide.spanId)
        for (const span of spans) {
          assert.strictEqual(span.traceId, caller.traceId)
          assert.strictEqual(span.status._tag, "Ended", span.name)
        }

        const attributes = Object.fromEntries(answering.attributes)
        assert.deepInclude(attributes, {
          "http.request.method": "GET",
          "url.scheme": "ws",
          "url.path": "/chat",
          "server.address": "localhost",
          "user_agent.original": "test/1",
          "http.response.status_code": 101
        })
        assert.isString(attributes["network.peer.address"])
        assert.isNumber(attributes["network.peer.port"])
        for (const span of spans) assert.notInclude(JSON.stringify([...span.attributes]), "secret")
        assert.deepInclude(Object.fromEntries(serverSide.attributes), {
          "websocket.close.code": 1000,
          "websocket.close.initiator": "remote",
          "websocket.close.clean": true
        })
        assert.strictEqual(clientSide.attributes.get("websocket.close.initiator"), "local")
        assert.strictEqual(logged.length, 1)
        assert.isNumber(logged[0]!["connection"])
        assert.strictEqual(logged[0]!["path"], "/chat")
        assert.isString(logged[0]!["peer"])
      }).pipe(observed())
    )
  )

  it.effect("tell of refusals and of bad ends", () =>
    traced((spans) =>
      Effect.gen(function* () {
        const server = yield* serve(variant, echoHandlers, { paths: ["/"] })
        yield* Effect.flip(connect(server, { target: "/elsewhere" }))
        yield* quiet
        for (const [kind, error] of [
          ["server", "UnknownLocation"],
          ["client", "BadStatus"]
        ] as const) {
          const span = find(spans, "websocket.handshake", kind)
          assert.strictEqual(span.attributes.get("http.response.status_code"), 404)
          assert.strictEqual(span.attributes.get("error.type"), error)
          assert.isTrue(span.status._tag === "Ended" && Exit.isFailure(span.status.exit))
        }
        assert.strictEqual(spans.length, 2)

        const client = yield* connect(server)
        yield* client.sendFrame({ ...Frame.text("x"), rsv3: true }, { unchecked: true })
        yield* client.closed
        yield* quiet
        const span = find(spans, "websocket.connection", "server")
        assert.strictEqual(span.attributes.get("error.type"), "UnnegotiatedRsvBit")
        assert.strictEqual(span.attributes.get("websocket.close.code"), 1002)
        assert.isTrue(span.status._tag === "Ended" && Exit.isFailure(span.status.exit))
      }).pipe(observed())
    )
  )

  it.effect("tell of each message where that is wanted", () =>
    traced((spans) =>
      Effect.gen(function* () {
        const server = yield* serve(variant, echoHandlers)
        const client = yield* connect(server)
        yield* client.send("né")
        yield* client.receive
        yield* quiet
        const serverSide = find(spans, "websocket.connection", "server")
        const clientSide = find(spans, "websocket.connection", "client")
        const sends = spans.filter(({ name }) => name === "websocket.send")
        const receives = spans.filter(({ name }) => name === "websocket.receive")
        const parents = [clientSide.spanId, serverSide.spanId]
        assert.deepStrictEqual(sends.map(parentId), parents)
        assert.deepStrictEqual(receives.map(parentId), parents.toReversed())
        for (const span of [...sends, ...receives]) {
          assert.strictEqual(span.status._tag, "Ended")
          assert.deepStrictEqual(Object.fromEntries(span.attributes), {
            "websocket.message.type": "text",
            "messaging.message.body.size": 3
          })
        }
      }).pipe(observed({ messageSpans: true }))
    )
  )

  it.effect("tell of prepared messages like of others", () =>
    traced((spans) =>
      Effect.gen(function* () {
        const server = yield* serve(variant, {
          onOpen: (connection) =>
            Effect.andThen(
              connection.send(PreparedMessage.make("né")),
              connection.send(PreparedMessage.make(new Uint8Array(5)))
            )
        })
        const client = yield* connect(server)
        assert.strictEqual((yield* client.receive).data, "né")
        assert.deepStrictEqual((yield* client.receive).data, new Uint8Array(5))
        yield* quiet
        const sends = spans.filter(({ name }) => name === "websocket.send")
        assert.deepStrictEqual(
          sends.map(({ attributes }) => Object.fromEntries(attributes)),
          [
            { "websocket.message.type": "text", "messaging.message.body.size": 3 },
            { "websocket.message.type": "binary", "messaging.message.body.size": 5 }
          ]
        )
      }).pipe(observed({ messageSpans: true }))
    )
  )
})

describe("spans", () => {
  const caller = Effect.gen(function* () {
    const seen: Array<string | undefined> = []
    const server = yield* serve(handled[0]!, {
      onOpen: ({ request }) =>
        Effect.sync(() => seen.push(request.headers.find(({ name }) => name === "traceparent")?.value))
    })
    yield* Effect.withSpan(connect(server), "caller")
    yield* quiet
    return seen[0]
  })

  it.effect("are not made, and their ids not sent, unless asked for", () =>
    traced((spans) =>
      Effect.gen(function* () {
        assert.isUndefined(yield* Effect.scoped(caller))
        assert.isUndefined(yield* Effect.scoped(caller).pipe(Effect.provide(Telemetry.layer({ spans: false }))))
        assert.deepStrictEqual(
          spans.map(({ name }) => name),
          ["caller", "caller"]
        )
      }).pipe(apart)
    )
  )

  it.effect("stay on this side where a client is told so", () =>
    traced((spans) =>
      Effect.gen(function* () {
        assert.isUndefined(yield* caller)
        const answering = find(spans, "websocket.handshake", "server")
        assert.notStrictEqual(answering.traceId, find(spans, "caller").traceId)
        // The server's own two are still one trace.
        assert.strictEqual(find(spans, "websocket.connection", "server").traceId, answering.traceId)
      }).pipe(observed({ injectTraceContext: false }))
    )
  )

  it.effect("do not let a client into the server's traces where the server is told so", () =>
    traced((spans) =>
      Effect.gen(function* () {
        assert.match((yield* caller) ?? "", /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
        const answering = find(spans, "websocket.handshake", "server")
        assert.notStrictEqual(answering.traceId, find(spans, "caller").traceId)
      }).pipe(observed({ extractTraceContext: false }))
    )
  )

  it.effect("do not replace a traceparent that the program sends itself, nor believe one that is none", () =>
    traced((spans) =>
      Effect.gen(function* () {
        const server = yield* serve(handled[0]!, echoHandlers)
        const own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
        yield* connect(server, { headers: [{ name: "traceparent", value: own }] })
        const answering = find(spans, "websocket.handshake", "server")
        assert.strictEqual(answering.traceId, "0af7651916cd43dd8448eb211c80319c")
        assert.strictEqual(parentId(answering), "b7ad6b7169203331")
        assert.isFalse(answering.sampled)
        spans.length = 0
        yield* connect(server, { headers: [{ name: "traceparent", value: "00-xyz-1-1" }] })
        assert.isTrue(Option.isNone(find(spans, "websocket.handshake", "server").parent))
      }).pipe(observed())
    )
  )

  it.effect("are not made where tracing is switched off", () =>
    traced((spans) =>
      Effect.gen(function* () {
        assert.isUndefined(yield* caller)
        assert.strictEqual(spans.length, 0)
      }).pipe(observed(), Effect.provideService(References.TracerEnabled, false))
    )
  )
})
