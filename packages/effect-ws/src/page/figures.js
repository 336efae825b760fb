/** The counters, and the round trips of messages that came back. */
import { $, find } from "@effect-ws/inspector/page/find.js"
import { size } from "@effect-ws/inspector/page/size.js"
import { socket, state } from "./state.js"
import { millis, span } from "./words.js"

const PENDING_LIMIT = 500
const TRIP_LIMIT = 64

let totals = { sent: 0, sentBytes: 0, received: 0, receivedBytes: 0 }
/** @type {Array<{ readonly mark: string; readonly at: number }>} Sent messages that may come back as an echo. */
let pending = []
/** @type {Array<number>} The last round trips, in milliseconds. */
let trips = []
let openedAt = 0
let lastTraffic = 0

export const resetCounters = () => {
  totals = { sent: 0, sentBytes: 0, received: 0, receivedBytes: 0 }
  pending = []
  trips = []
  lastTraffic = performance.now()
}

/** Notes that the connection is open from now on. */
export const noteOpened = () => {
  openedAt = lastTraffic = performance.now()
}

/** Seconds since anything was sent or received. */
export const idleFor = () => (performance.now() - lastTraffic) / 1000

/**
 * @param {string} mark
 * @param {number} bytes
 */
export const countSent = (mark, bytes) => {
  totals.sent += 1
  totals.sentBytes += bytes
  lastTraffic = performance.now()
  pending.push({ mark, at: lastTraffic })
  if (pending.length > PENDING_LIMIT) pending.shift()
}

/**
 * Counts a message, and returns its round trip in milliseconds if it is the echo of one that was sent.
 *
 * @param {string} mark
 * @param {number} bytes
 * @param {number} now When it arrived.
 */
export const countReceived = (mark, bytes, now) => {
  lastTraffic = now
  totals.received += 1
  totals.receivedBytes += bytes
  const at = pending.findIndex((sent) => sent.mark === mark)
  const echoed = pending[at]
  if (echoed === undefined) return undefined
  const elapsed = now - echoed.at
  // Messages arrive in order: what was sent before this one will not come back any more.
  pending.splice(0, at + 1)
  trips.push(elapsed)
  if (trips.length > TRIP_LIMIT) trips.shift()
  return elapsed
}

export const showCounters = () => {
  $("sent").textContent = totals.sent.toLocaleString("en")
  $("sent-bytes").textContent = size(totals.sentBytes)
  $("received").textContent = totals.received.toLocaleString("en")
  $("received-bytes").textContent = size(totals.receivedBytes)
  $("buffered").textContent = size(socket === undefined ? 0 : socket.bufferedAmount)
  if (state === "open") showUptime()
}

export const showUptime = () => {
  $("uptime").textContent = span((performance.now() - openedAt) / 1000)
}

export const showTrips = () => {
  const bars = find("bars", SVGElement)
  bars.replaceChildren()
  if (trips.length === 0) {
    $("rtt").textContent = "–"
    $("rtt-range").textContent = "no message has come back yet"
    return
  }
  const sorted = trips.toSorted((a, b) => a - b)
  const [least = 0] = sorted
  const most = sorted.at(-1) ?? 0
  $("rtt").textContent = millis(trips.at(-1) ?? 0)
  $("rtt-range").textContent =
    "min " + millis(least) + ", median " + millis(sorted[sorted.length >> 1] ?? 0) + ", max " + millis(most)
  trips.forEach((trip, i) => {
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect")
    const height = Math.max(1, (trip / Math.max(most, 0.001)) * 32)
    bar.setAttribute("x", String(i * 4))
    bar.setAttribute("y", String(32 - height))
    bar.setAttribute("width", "3")
    bar.setAttribute("height", String(height))
    bars.append(bar)
  })
}

let painting = false
export const paint = () => {
  if (painting) return
  painting = true
  setTimeout(() => {
    painting = false
    showCounters()
    showTrips()
  }, 16)
}
