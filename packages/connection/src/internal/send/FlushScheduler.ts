/**
 * Connections that have something to write, flushed together at the end of the current turn: many sends of one turn
 * leave in one write, and no connection needs a closure or a timer for it.
 */

export interface Flushable {
  /** Must not throw: others are flushed in the same turn. */
  onTurnEnd(): void
}

let waiting: Array<Flushable> = []
let spare: Array<Flushable> = []

const flushAll = (): void => {
  const batch = waiting
  waiting = spare
  spare = batch
  for (let i = 0; i < batch.length; i++) batch[i]!.onTurnEnd()
  batch.length = 0
}

/** Flushes in a microtask. The caller asks once until it is flushed. */
export const scheduleFlush = (self: Flushable): void => {
  if (waiting.push(self) === 1) queueMicrotask(flushAll)
}
