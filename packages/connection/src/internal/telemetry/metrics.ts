/**
 * How plain numbers become Effect's metrics: registered with a function that reads them when they are needed.
 */
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type { MetricDefinition } from "../../Metrics.ts"

export type Attributes = Readonly<Record<string, string>>

/** What a metric of a measure is made with. */
export const describe = (
  { description, unit }: MetricDefinition,
  attributes: Attributes
): { readonly description: string; readonly attributes: Attributes } => ({
  description,
  attributes: { ...attributes, unit }
})

export const histogram = (measure: MetricDefinition, attributes: Attributes): Metric.Histogram<number> =>
  Metric.histogram(measure.name, { ...describe(measure, attributes), boundaries: measure.boundaries ?? [] })

const readOnly = { update: () => {}, modify: () => {} }

/** Registers a counter that is read from elsewhere. */
export const registerCounter = (
  context: Context.Context<never>,
  measure: MetricDefinition,
  attributes: Attributes,
  read: () => number
): void => {
  const get = (): Metric.CounterState<number> => ({ count: read(), incremental: true })
  Metric.registerUnsafe(Metric.counter(measure.name, describe(measure, attributes)), context, { get, ...readOnly })
}

/** Registers a gauge that is read from elsewhere. */
export const registerGauge = (
  context: Context.Context<never>,
  measure: MetricDefinition,
  attributes: Attributes,
  read: () => number
): void => {
  const get = (): Metric.GaugeState<number> => ({ value: read() })
  Metric.registerUnsafe(Metric.gauge(measure.name, describe(measure, attributes)), context, { get, ...readOnly })
}

/**
 * A registry has one series for a name and its attributes, whichever caller registers it, so all who add to it must
 * share what it reads. Gives what was made before for the same name, in the same registry and under the same
 * attributes.
 */
export const shared = <A>(
  make: (name: string, context: Context.Context<never>) => A
): ((name: string, context: Context.Context<never>) => A) => {
  const known = new WeakMap<Metric.MetricRegistry, Map<string, A>>()
  return (name, context) => {
    const registry = Context.get(context, Metric.MetricRegistry)
    const attributes = Object.entries(Context.get(context, Metric.CurrentMetricAttributes))
    const key = JSON.stringify([name, attributes.sort(([a], [b]) => (a < b ? -1 : 1))])
    const here = known.get(registry) ?? new Map<string, A>()
    known.set(registry, here)
    const found = here.get(key) ?? make(name, context)
    here.set(key, found)
    return found
  }
}
