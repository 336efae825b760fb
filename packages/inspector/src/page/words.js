/** Numbers in words: counts, bytes, rates and times. */

/** @param {number} n */
export const count = (n) =>
  n < 100_000
    ? n.toLocaleString("en")
    : n < 1e6
      ? (n / 1e3).toFixed(0) + " k"
      : (n / 1e6).toFixed(n < 1e7 ? 2 : 1) + " M"

/**
 * @param {number} n
 * @param {string} noun
 */
export const counted = (n, noun) => count(n) + " " + noun + (n === 1 ? "" : "s")
/** @param {number} n */
export const rate = (n) => (n === 0 ? "0" : n < 9.95 ? n.toFixed(1) : count(Math.round(n)))
/** @param {number} ms */
export const millis = (ms) =>
  ms < 0 ? "–" : ms.toLocaleString("en", { maximumFractionDigits: ms < 10 ? 2 : ms < 100 ? 1 : 0 })
/** @param {number} ms */
export const span = (ms) => {
  const s = Math.max(0, Math.floor(ms / 1000))
  if (s < 60) return s + " s"
  if (s < 3600) return Math.floor(s / 60) + " min " + (s % 60) + " s"
  if (s < 86_400) return Math.floor(s / 3600) + " h " + (Math.floor(s / 60) % 60) + " min"
  return Math.floor(s / 86_400) + " d " + (Math.floor(s / 3600) % 24) + " h"
}
/** @param {number} at */
export const clock = (at) => new Date(at).toLocaleTimeString("en-GB")

/** @param {number} ms */
export const since = (ms) => {
  const hours = Math.floor(ms / 3_600_000)
  const minutes = Math.floor(ms / 60_000) % 60
  const seconds = ((ms % 60_000) / 1000).toFixed(3)
  if (ms < 60_000) return seconds
  return (hours > 0 ? hours + ":" + String(minutes).padStart(2, "0") : minutes) + ":" + seconds.padStart(6, "0")
}

/** Who began to close a connection. */
export const CLOSED_BY = { local: "server", remote: "peer", transport: "network" }
