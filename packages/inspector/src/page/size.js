/** A number of bytes in words, such as 1.5 KiB. The page of `serve` shares it. */

/** @param {number} bytes */
export const size = (bytes) => {
  if (bytes < 1024) return Math.round(bytes) + " B"
  const units = ["KiB", "MiB", "GiB", "TiB"]
  let unit = -1
  do {
    bytes /= 1024
    unit += 1
  } while (bytes >= 1023.95 && unit < units.length - 1)
  return bytes.toFixed(bytes < 99.95 ? 1 : 0) + " " + units[unit]
}
