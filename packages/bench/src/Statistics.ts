/**
 * The little statistics that the table needs. Servers are compared round by round, because what disturbs a machine
 * (other load, clock speed) lasts longer than one round and then cancels out; of the rounds' ratios the median counts.
 */

/** Gives the middle value, or the mean of the two middle ones; `undefined` for none. */
export const median = (values: ReadonlyArray<number>): number | undefined => {
  if (values.length === 0) return undefined
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Gives the ratios `values[i] / base[i]` of the rounds in which both were measured. */
export const ratios = (
  values: ReadonlyArray<number | undefined>,
  base: ReadonlyArray<number | undefined>
): ReadonlyArray<number> => {
  const found: Array<number> = []
  for (let i = 0; i < Math.min(values.length, base.length); i++) {
    const value = values[i]
    const other = base[i]
    if (value !== undefined && other !== undefined && other > 0) found.push(value / other)
  }
  return found
}

/** Gives the median of those ratios, or `undefined` if there is none. */
export const medianRatio = (
  values: ReadonlyArray<number | undefined>,
  base: ReadonlyArray<number | undefined>
): number | undefined => median(ratios(values, base))

/** Tells whether a ratio is too close to 1 to mean anything: a gap under 10 % in either direction. */
export const isTie = (ratio: number): boolean => ratio > 0.9 && ratio < 1.1

/** Orders the peers of one round: forwards in even rounds, backwards in odd ones, so that no peer always goes first. */
export const interleave = <A>(peers: ReadonlyArray<A>, round: number): ReadonlyArray<A> =>
  round % 2 === 0 ? peers : peers.toReversed()
