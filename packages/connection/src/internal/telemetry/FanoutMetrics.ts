/**
 * What messages that were sent to many add up to, those of topics and those of broadcasts apart.
 */
import type * as Context from "effect/Context"
import type { DeliveryCounts, FanoutKind, FanoutCounters } from "./FanoutCounters.ts"
import { definitions } from "../../Metrics.ts"
import { registerCounter, registerGauge, shared } from "./metrics.ts"

const outcomes = ["delivered", "queued", "disconnected", "closed"] as const

export class FanoutMetrics implements FanoutCounters {
  private messages = 0
  private readonly sum: Record<keyof DeliveryCounts, number> = {
    delivered: 0,
    queued: 0,
    disconnected: 0,
    closed: 0,
    dropped: 0
  }
  private subscriptions = 0

  constructor(source: FanoutKind, context: Context.Context<never>) {
    registerCounter(context, definitions.publishedMessages, { source }, () => this.messages)
    for (const outcome of outcomes) {
      registerCounter(context, definitions.deliveries, { source, outcome }, () => this.sum[outcome])
    }
    registerCounter(context, definitions.deliveriesDropped, { source }, () => this.sum.dropped)
    if (source === "topic") registerGauge(context, definitions.subscriptionsActive, {}, () => this.subscriptions)
  }

  add(outcome: DeliveryCounts): void {
    const { sum } = this
    this.messages++
    sum.delivered += outcome.delivered
    sum.queued += outcome.queued
    sum.disconnected += outcome.disconnected
    sum.closed += outcome.closed
    sum.dropped += outcome.dropped
  }

  subscribed(change: number): void {
    this.subscriptions += change
  }
}

/** The figures of a source in the metric registry of a context. */
export const publishedOf = shared<FanoutMetrics>((source, context) => new FanoutMetrics(source as FanoutKind, context))
