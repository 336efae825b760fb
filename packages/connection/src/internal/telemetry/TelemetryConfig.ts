/**
 * The observers of a server's or client's connections, which `Telemetry.layer` puts into the context.
 */
import type { FanoutKind } from "./FanoutCounters.ts"
import type { Peer } from "../../Peer.ts"
import type { ServerObserver } from "../../ServerObserver.ts"
import type { Role } from "@effect-ws/protocol/SessionState"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Tracer from "effect/Tracer"
import * as HandshakeTelemetry from "./HandshakeTelemetry.ts"
import { ConnectionMetrics } from "./ConnectionMetrics.ts"
import { publishedOf } from "./FanoutMetrics.ts"
import type { FanoutMetrics } from "./FanoutMetrics.ts"
import { aggregateMetrics } from "./AggregateMetrics.ts"
import type { AggregateMetrics } from "./AggregateMetrics.ts"
import type { TelemetrySettings } from "./TelemetrySettings.ts"

export type { TelemetrySettings } from "./TelemetrySettings.ts"

export class TelemetryConfig {
  readonly settings: TelemetrySettings
  /** Where the metrics are. */
  private readonly context: Context.Context<never>
  /** The observer of a server's connections, such as the inspector. */
  readonly server: ServerObserver | undefined

  constructor(settings: TelemetrySettings, context: Context.Context<never>, server?: ServerObserver) {
    this.settings = settings
    this.context = context
    this.server = server
  }

  /** The same, for the connections of a server that an observer is shown. */
  observedBy(server: ServerObserver): TelemetryConfig {
    return new TelemetryConfig(this.settings, this.context, server)
  }

  totals(role: Role): AggregateMetrics | undefined {
    return this.settings.metrics ? aggregateMetrics(role, this.context) : undefined
  }

  published(source: FanoutKind): FanoutMetrics | undefined {
    return this.settings.metrics ? publishedOf(source, this.context) : undefined
  }

  /** Does a handshake that is watched. */
  handshake<A, E, R>(
    role: Role,
    run: (handshaking: HandshakeTelemetry.HandshakeTelemetry) => Effect.Effect<A, E, R>,
    peer?: Pick<Peer, "remoteAddress">
  ): Effect.Effect<A, E, R> {
    return Effect.contextWith((context: Context.Context<R>) => {
      const handshaking = new HandshakeTelemetry.HandshakeTelemetry(this, role, context as Context.Context<never>)
      return Effect.onExit(run(handshaking), (exit) => Effect.sync(() => handshaking.end(exit, peer)))
    })
  }

  /** What a connection is measured with when its handshake is done. */
  meter(role: Role, span: Tracer.Span | undefined, context: Context.Context<never>): ConnectionMetrics {
    return new ConnectionMetrics(this.totals(role), span, this.settings, context, this.server)
  }
}

const nothing: TelemetrySettings = {
  metrics: false,
  spans: false,
  messageSpans: false,
  extractTraceContext: false,
  injectTraceContext: false,
  logAnnotations: false
}

/** What watches the connections of a server: its telemetry, its observer, or both. */
export const ofServer = (
  telemetry: TelemetryConfig | undefined,
  observer: ServerObserver | undefined,
  context: Context.Context<never>
): TelemetryConfig | undefined =>
  observer === undefined ? telemetry : (telemetry ?? new TelemetryConfig(nothing, context)).observedBy(observer)
