/** Runs the published suite over one of our transports. */
import * as TransportSuite from "@effect-ws/testing/TransportSuite"
import { describe, it } from "@effect/vitest"

export const transportSuite = <R = never>(transport: TransportSuite.Transport<R> & { readonly name: string }): void => {
  describe(transport.name, () => {
    for (const { name, run, timeout } of TransportSuite.cases(transport)) it.live(name, () => run, timeout)
  })
}
