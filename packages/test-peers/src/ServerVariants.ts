/**
 * The kinds of server that a suite runs over. The layers are arguments, so that the tests of `server` itself and of what
 * is built on it share them.
 */

/** The options that make a queue-driven server interleave as much as it can. */
interface Interleaving {
  readonly workers?: number | undefined
  readonly maxEventsPerTurn?: number | undefined
}

/** A kind of server, by what it takes for a program. */
export interface Variant<Program, Options, Layer> {
  readonly name: string
  readonly layer: (program: Program, options?: Options) => Layer
}

/** Every kind of server that takes handlers, which all do. */
export const handled = <Program, Options, Layer>(
  layer: (program: Program, options?: Options) => Layer,
  layerQueue: (program: Program, options?: Options & Interleaving) => Layer
): ReadonlyArray<Variant<Program, Options, Layer>> => [
  { name: "fiber", layer },
  { name: "queue", layer: (program, options) => layerQueue(program, options as Options & Interleaving) },
  {
    name: "queue with one worker and slices of one",
    layer: (program, options) =>
      layerQueue(program, { ...options, workers: 1, maxEventsPerTurn: 1 } as Options & Interleaving)
  }
]
