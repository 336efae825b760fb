/** The metrics of the context as figures that a test can compare. */
import { assert } from "@effect/vitest"
import { Effect, Metric } from "effect"

/** What the metrics say now: `name{attribute="value"}` and a number; of a histogram, how many and their sum. */
export const figures = Effect.map(Metric.snapshot, (snapshot) => {
  const figures = new Map<string, number>()
  for (const { attributes = {}, id, state, type } of snapshot) {
    const labels = Object.entries(attributes)
      .filter(([name]) => name !== "unit")
      .map(([name, value]) => `${name}="${value}"`)
      .sort()
    const set = (name: string, value: number): void => void figures.set(`${name}{${labels.join(",")}}`, value)
    if (type === "Counter") set(id, Number(state.count))
    else if (type === "Gauge") set(id, Number(state.value))
    else if (type === "Histogram") {
      set(`${id}_count`, state.count)
      set(`${id}_sum`, state.sum)
    }
  }
  return figures
})

/** Fails unless the metrics say these numbers; others do not count. */
export const assertFigures = (expected: Readonly<Record<string, number>>): Effect.Effect<void> =>
  Effect.map(figures, (found) => {
    const some = Object.fromEntries(Object.keys(expected).map((name) => [name, found.get(name)]))
    assert.deepStrictEqual(some, expected)
  })

/** The metrics of the deliveries of a source; an outcome that is not given is 0. */
export const deliveries = (source: string, outcomes: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(
    ["delivered", "queued", "disconnected", "closed"].map((outcome) => [
      `websocket_deliveries_total{outcome="${outcome}",source="${source}"}`,
      outcomes[outcome] ?? 0
    ])
  )
