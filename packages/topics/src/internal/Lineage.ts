/**
 * What became of a position since it was given out. Pure: one set of rules for every engine.
 *
 * A log is a row of segments. Each begins where the log went on after its engine came back with other data than it had,
 * and has an epoch of its own; offsets go on. A position is good as long as its offset lies in its segment.
 */
import type { Entry, Gap } from "./LogTypes.ts"
import type { Position } from "../Position.ts"

/** A part of a log: the entries after `start`, up to the `start` of the next segment. */
export interface Segment {
  readonly epoch: number
  readonly start: number
}

/** A log as its engine sees it, together with the entries behind the position that was asked for. */
export interface LogState {
  readonly head: Position
  /** In order, never empty. */
  readonly segments: ReadonlyArray<Segment>
  /** The offset of the oldest entry that is kept; that of the next one where none is. */
  readonly first: number
  /** The highest offset that was removed because of its age; 0 where there is none. */
  readonly expired: number
  /** The entries that are stored behind the position, whether it is good or not. */
  readonly entries: ReadonlyArray<Entry>
}

/** Returns the position of an offset: the epoch is that of the segment in which it was written. */
export const positionAt = (segments: ReadonlyArray<Segment>, offset: number): Position => {
  let at = segments.length - 1
  while (at > 0 && segments[at]!.start >= offset) at--
  return { epoch: segments[at]!.epoch, offset }
}

/** Returns the gap between a position and what the log still has behind it, `undefined` where nothing is missing. */
export const gapAfter = (after: Position, state: LogState): Gap | undefined => {
  const { expired, first, segments } = state
  const at = segments.findIndex(({ epoch }) => epoch === after.epoch)
  if (at >= 0) {
    const end = endOf(state, at)
    if (after.offset > end) return gap(after, state, "RolledBack", end, "unknown")
    if (after.offset >= first - 1) return undefined
    return gap(after, state, expired >= first - 1 ? "Expired" : "Trimmed", first - 1, first - 1 - after.offset)
  }
  // A segment that is gone and lay between those that are left, or behind them, was rolled back. What it began with is
  // what is left of the segment before it.
  if (after.epoch > segments[0]!.epoch) {
    const before = segments.findLastIndex(({ epoch }) => epoch < after.epoch)
    return gap(after, state, "RolledBack", Math.min(after.offset, endOf(state, before)), "unknown")
  }
  return gap(after, state, "Recreated", 0, "unknown")
}

const endOf = ({ head, segments }: LogState, at: number): number => segments[at + 1]?.start ?? head.offset

const gap = (
  after: Position,
  { first, segments }: LogState,
  reason: Gap["reason"],
  resume: number,
  lost: Gap["lost"]
): Gap => ({
  _tag: "Gap",
  after,
  resumesAt: positionAt(segments, Math.max(resume, first - 1)),
  reason,
  lost
})
