/**
 * What messages that were sent to many add up to, those of topics and those of broadcasts apart.
 */
import type * as Context from "effect/Context"
import type { Outcome, Source, Tally } from "../Fanout.ts"
import { measures } from "../Measures.ts"
import { registerCounter, registerGauge, shared } from "./metrics.ts"

const outcomes = ["delivered", "queued", "disconnected", "closed"] as const

export class Published implements Tally {
  private messages = 0
  private readonly sum: Record<keyof Outcome, number> = {
    delivered: 0,
    queued: 0,
    disconnected: 0,
    closed: 0,
    dropped: 0
  }
  private subscriptions = 0

  constructor(source: Source, context: Context.Context<never>) {
    registerCounter(context, measures.publishedMessages, { source }, () => this.messages)
    for (const outcome of outcomes) {
      registerCounter(context, measures.deliveries, { source, outcome }, () => this.sum[outcome])
    }
    registerCounter(context, measures.deliveriesDropped, { source }, () => this.sum.dropped)
    if (source === "topic") registerGauge(context, measures.subscriptionsActive, {}, () => this.subscriptions)
  }

  add(outcome: Outcome): void {
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
export const publishedOf = shared<Published>((source, context) => new Published(source as Source, context))
