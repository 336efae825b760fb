/** Numbers in words: counts, times, and what was said. */

/**
 * @param {number} n
 * @param {string} noun
 */
export const count = (n, noun) => n.toLocaleString("en") + " " + noun + (n === 1 ? "" : "s")

/** @param {number} ms */
export const millis = (ms) => ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0)

/** @param {number} seconds */
export const span = (seconds) => {
  const s = Math.floor(seconds)
  if (s < 60) return s + " s"
  if (s < 3600) return Math.floor(s / 60) + " min " + (s % 60) + " s"
  return Math.floor(s / 3600) + " h " + Math.floor((s % 3600) / 60) + " min"
}

/** @param {string} reason */
export const quote = (reason) => "“" + reason + "”"
