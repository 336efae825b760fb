/**
 * What the connections of one role add up to. Counts are plain numbers that a connection adds to as it goes, and a
 * metric reads when a snapshot is taken: so they are right at any time, also for a connection that stays open for days,
 * and cost what an addition costs. What happens once in a connection's life goes to ordinary metrics.
 */
import type { Role } from "@effect-ws/protocol/SessionState"
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import { definitions } from "../../Metrics.ts"
import type { MetricDefinition } from "../../Metrics.ts"
import { describe, histogram, registerCounter, registerGauge, shared } from "./metrics.ts"
import type { Attributes } from "./metrics.ts"

/** A connection, as far as what waits in it is concerned. */
export interface BufferedBytes {
  readonly inboundBytes: number
  readonly outboundBytes: number
}

/** Counts of one direction. */
export class TrafficCounters {
  bytes = 0
  text = 0
  binary = 0
  pings = 0
  pongs = 0
  closes = 0
}

// A peer can close with any of 2000 codes; each would be a series for ever.
const MOST_PRIVATE_CODES = 64

export class AggregateMetrics {
  readonly open = new Set<BufferedBytes>()
  readonly received = new TrafficCounters()
  readonly sent = new TrafficCounters()
  readonly compression = { input: 0, output: 0 }
  readonly decompression = { input: 0, output: 0 }
  opened = 0
  handshakes = 0

  private readonly role: Role
  private readonly context: Context.Context<never>
  private readonly pingRoundTrip: Metric.Histogram<number>
  private readonly connectionDuration: Metric.Histogram<number>
  private readonly series = new Map<string, Metric.Counter<number>>()
  private readonly durations = new Map<string, Metric.Histogram<number>>()
  private readonly privateCodes = new Set<number>()

  constructor(role: Role, context: Context.Context<never>) {
    this.role = role
    this.context = context
    this.pingRoundTrip = histogram(definitions.pingRoundTrip, { role })
    this.connectionDuration = histogram(definitions.connectionDuration, { role })
    this.register()
  }

  private register(): void {
    const { received, sent } = this
    this.gauge(definitions.connectionsActive, () => this.open.size)
    this.gauge(definitions.handshakesActive, () => this.handshakes)
    this.gauge(definitions.inboundBuffered, () => this.sum((connection) => connection.inboundBytes))
    this.gauge(definitions.outboundBuffered, () => this.sum((connection) => connection.outboundBytes))
    this.counter(definitions.connectionsOpened, {}, () => this.opened)
    this.counter(definitions.receivedBytes, {}, () => received.bytes)
    this.counter(definitions.sentBytes, {}, () => sent.bytes)
    this.counter(definitions.compressionInput, {}, () => this.compression.input)
    this.counter(definitions.compressionOutput, {}, () => this.compression.output)
    this.counter(definitions.decompressionInput, {}, () => this.decompression.input)
    this.counter(definitions.decompressionOutput, {}, () => this.decompression.output)
    for (const [measure, flow] of [
      [definitions.receivedMessages, received],
      [definitions.sentMessages, sent]
    ] as const) {
      this.counter(measure, { type: "text" }, () => flow.text)
      this.counter(measure, { type: "binary" }, () => flow.binary)
    }
    for (const [measure, flow] of [
      [definitions.receivedControlFrames, received],
      [definitions.sentControlFrames, sent]
    ] as const) {
      this.counter(measure, { type: "ping" }, () => flow.pings)
      this.counter(measure, { type: "pong" }, () => flow.pongs)
      this.counter(measure, { type: "close" }, () => flow.closes)
    }
  }

  private sum(of: (connection: BufferedBytes) => number): number {
    let sum = 0
    for (const connection of this.open) sum += of(connection)
    return sum
  }

  private counter(measure: MetricDefinition, attributes: Attributes, read: () => number): void {
    registerCounter(this.context, measure, { role: this.role, ...attributes }, read)
  }

  private gauge(measure: MetricDefinition, read: () => number): void {
    registerGauge(this.context, measure, { role: this.role }, read)
  }

  roundTrip(seconds: number): void {
    this.pingRoundTrip.updateUnsafe(seconds, this.context)
  }

  closed(code: number, initiator: string, seconds: number): void {
    this.increment(definitions.connectionsClosed, { code: this.nameOf(code), initiator })
    this.connectionDuration.updateUnsafe(seconds, this.context)
  }

  private nameOf(code: number): string {
    if (code < 3000 || this.privateCodes.has(code)) return String(code)
    if (this.privateCodes.size >= MOST_PRIVATE_CODES) return "other"
    this.privateCodes.add(code)
    return String(code)
  }

  handshakeFailed(status: number | undefined, error: string): void {
    this.increment(definitions.handshakesFailed, { status: status === undefined ? "none" : String(status), error })
  }

  handshakeTook(seconds: number, outcome: "opened" | "failed" | "answered"): void {
    let metric = this.durations.get(outcome)
    if (metric === undefined) {
      metric = histogram(definitions.handshakeDuration, { role: this.role, outcome })
      this.durations.set(outcome, metric)
    }
    metric.updateUnsafe(seconds, this.context)
  }

  private increment(measure: MetricDefinition, attributes: Attributes): void {
    const key = `${measure.name} ${Object.values(attributes).join(" ")}`
    let metric = this.series.get(key)
    if (metric === undefined) {
      const description = describe(measure, { role: this.role, ...attributes })
      metric = Metric.counter(measure.name, { ...description, incremental: true })
      this.series.set(key, metric)
    }
    metric.updateUnsafe(1, this.context)
  }
}

/** The totals of a role in the metric registry of a context, under the attributes that its metrics have there. */
export const aggregateMetrics = shared<AggregateMetrics>((role, context) => new AggregateMetrics(role as Role, context))
