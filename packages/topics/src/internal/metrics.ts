/** The metrics of topics. Names and meanings are listed in docs/scale.md. */
import * as Metric from "effect/Metric"

export const appended = Metric.counter("effect_ws_topic_appended", {
  description: "Entries that this node appended to topic logs",
  incremental: true
})

export const delivered = Metric.counter("effect_ws_topic_delivered", {
  description: "Entries that this node sent to its subscribers",
  incremental: true
})

export const pages = Metric.counter("effect_ws_topic_page_reads", {
  description: "Pages that were read from the log for readers that its newest entries do not cover",
  incremental: true
})

export const gaps = Metric.counter("effect_ws_topic_gaps", {
  description: "Gaps that this node sent to its subscribers",
  incremental: true
})

export const engineReconnects = Metric.counter("effect_ws_topic_engine_reconnects", {
  description: "Times that this node connected to the engine of its topic log again",
  incremental: true
})

const lag = Metric.gauge("effect_ws_topic_lag", {
  description:
    "Milliseconds from the engine's append of a shard's newest entry to its arrival at this node, by their clocks"
})

/** The lag of one shard. It is 0 while the node has everything that the shard's live stream has. */
export const lagOf = (shard: number): typeof lag => Metric.withAttributes(lag, { shard: String(shard) })
