/** The tiles above the list: figures of all connections together, each with its sparkline. */
import { open } from "./connections.js"
import { write } from "./elements.js"
import { $, find } from "./find.js"
import { size } from "./size.js"
import { keep, spark } from "./spark.js"
import { count, millis, rate } from "./words.js"
/** @import { Totals } from "./connections.js" */

const tiles = {
  /** @type {Array<number>} */ open: [],
  /** @type {Array<number>} */ received: [],
  /** @type {Array<number>} */ sent: [],
  /** @type {Array<number>} */ trips: []
}

export const clearTiles = () => {
  for (const history of Object.values(tiles)) history.length = 0
}

/**
 * Shows what has happened between two updates.
 *
 * @param {Totals} before
 * @param {Totals} next
 */
export const showTiles = (before, next) => {
  const seconds = (next.now - before.now) / 1000
  if (seconds <= 0) return
  const trips = Array.from(open.values(), ({ latency }) => latency)
    .filter((latency) => latency >= 0)
    .sort((a, b) => a - b)
  const median = trips[trips.length >> 1] ?? -1
  const messages = {
    received: (next.received.messages - before.received.messages) / seconds,
    sent: (next.sent.messages - before.sent.messages) / seconds
  }
  keep(tiles.open, next.open)
  keep(tiles.received, messages.received)
  keep(tiles.sent, messages.sent)
  if (median >= 0) keep(tiles.trips, median)
  write($("open-count"), count(next.open))
  write($("open-note"), `${count(next.opened)} in all`)
  write($("in-rate"), rate(messages.received))
  write($("in-note"), size((next.received.bytes - before.received.bytes) / seconds) + "/s")
  write($("out-rate"), rate(messages.sent))
  write($("out-note"), size((next.sent.bytes - before.sent.bytes) / seconds) + "/s")
  write($("rtt"), millis(median))
  const slow = trips[Math.floor(trips.length * 0.95)]
  write($("rtt-note"), slow === undefined ? "no pings yet" : `95 %: ${millis(slow)} ms`)
  spark(find("open-spark", SVGElement), tiles.open)
  spark(find("in-spark", SVGElement), tiles.received)
  spark(find("out-spark", SVGElement), tiles.sent)
  spark(find("rtt-spark", SVGElement), tiles.trips)
}
