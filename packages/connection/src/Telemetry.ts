/**
 * Metrics and spans of every connection, for a program that does not know of them: the layer of this module, given to a
 * server or a client, switches them on, and whatever exports Effect's metrics and spans exports these.
 *
 * Without it nothing is measured and nothing is registered. With it, what a chunk of bytes brings is added to plain
 * numbers that the metrics read when they are asked, so figures are right at any time, also for a connection that is
 * open for days, and no message runs an Effect for their sake.
 *
 * @since 0.1.0
 */
import * as Dialer from "@effect-ws/transport/Dialer"
import { peerInfo } from "@effect-ws/transport/Push"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import type { Socket } from "effect/socket/Socket"
import * as Tracer from "effect/Tracer"
import type { Connection } from "./Connection.ts"
import { ofServer, TelemetryConfig } from "./internal/telemetry/TelemetryConfig.ts"
import { CurrentServerObserver } from "./ServerObserver.ts"
import { isOwn } from "./internal/OwnConnection.ts"

/**
 * What is to be observed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Whether to keep the metrics of `Metrics`. Default: true. */
  readonly metrics?: boolean | undefined
  /**
   * Whether a handshake and a connection each have a span, `websocket.handshake` and its child `websocket.connection`.
   * What a server's handler does is part of the latter. Default: true.
   */
  readonly spans?: boolean | undefined
  /**
   * Whether each message has a span too: `websocket.send` for sending it, which ends when `send` does, and
   * `websocket.receive` for its arrival. Each costs some microseconds. Default: false.
   */
  readonly messageSpans?: boolean | undefined
  /**
   * Whether a server takes the parent of its spans from the `traceparent` header of a request (or `b3`). Any client
   * that can connect can then add spans to a trace. Default: true.
   */
  readonly extractTraceContext?: boolean | undefined
  /** Whether a client sends its handshake's span as the header `traceparent`. Default: true. */
  readonly injectTraceContext?: boolean | undefined
  /**
   * Whether what a server's handler logs says the path of its connection and the address of its peer, beside the number
   * of the connection, which it says in any case. Default: true.
   */
  readonly logAnnotations?: boolean | undefined
}

/**
 * What observes the servers and clients made in a context: nothing, until the layer of this module.
 *
 * @category services
 * @since 0.1.0
 */
export const Telemetry: Context.Reference<TelemetryConfig | undefined> = Context.Reference<TelemetryConfig | undefined>(
  "@effect-ws/connection/Telemetry",
  { defaultValue: () => undefined }
)

/**
 * Observes the servers and clients that it is provided to.
 *
 * **Details**
 *
 * A server asks for it once, when it starts, a client each time it connects. The metrics are in the registry, and under
 * the attributes, that the layer finds in its own context; layers that find the same add to the same figures. The spans
 * are made with the tracer of the program.
 *
 * **Example** (Counting, without spans)
 *
 * ```ts skip-type-checking
 * Echo.pipe(Layer.provide([Telemetry.layer({ spans: false }), Tcp.layerServer({ port: 8000 })]))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<never> =>
  Layer.effectContext(
    Effect.contextWith((context: Context.Context<never>) => {
      const { extractTraceContext = true, logAnnotations = true, messageSpans = false, metrics = true } = options
      const { injectTraceContext = true, spans = true } = options
      const observer = new TelemetryConfig(
        { metrics, spans, messageSpans, extractTraceContext, injectTraceContext, logAnnotations },
        context
      )
      return Effect.succeed(Context.make(Telemetry, observer) as Context.Context<never>)
    })
  )

/**
 * Observes nothing, where an outer layer observes.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerOff: Layer.Layer<never> = Layer.succeed(Telemetry, undefined)

/**
 * Counts a handshake that a server refuses without reading the request. `socket` tells whose it was.
 *
 * @category combinators
 * @since 0.1.0
 */
export const refusing = <A, E, R>(refusal: Effect.Effect<A, E, R>, socket?: Socket): Effect.Effect<A, E, R> =>
  Effect.contextWith((context: Context.Context<R>) => {
    const services = context as Context.Context<never>
    const observer = ofServer(Context.get(services, Telemetry), Context.get(services, CurrentServerObserver), services)
    const peer = socket === undefined ? undefined : peerInfo(socket)
    return observer === undefined ? refusal : observer.handshake("server", () => refusal, peer)
  })

/**
 * Adds to the context of a connection's program what belongs to its telemetry: the span that the program's own spans
 * are children of, and what its logs say. Where the connection is not observed the context stays as it is.
 *
 * @category combinators
 * @since 0.1.0
 */
export const contextOf = <R>(connection: Connection, context: Context.Context<R>): Context.Context<R> => {
  const meter = isOwn(connection) ? connection.meter : undefined
  if (meter === undefined) return context
  const spanned: Context.Context<R> =
    meter.span === undefined ? context : Context.add(context, Tracer.ParentSpan, meter.span)
  if (!meter.annotates) return spanned
  return Context.add(spanned, References.CurrentLogAnnotations, {
    ...Context.get(spanned, References.CurrentLogAnnotations),
    path: connection.request.path,
    ...(connection.remoteAddress === undefined ? {} : { peer: Dialer.formatAddress(connection.remoteAddress) })
  })
}
