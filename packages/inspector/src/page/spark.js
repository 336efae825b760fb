/** Sparklines: the last values of a figure as a line. */
import { drawn } from "./elements.js"

/**
 * Draws a line, and the area below it.
 *
 * @param {Element} svg
 * @param {ReadonlyArray<number>} values
 * @param {{ most?: number, line?: string, at?: number }} [options] `at` is the index of the line.
 */
export const spark = (svg, values, { at = 0, line = "", most = Math.max(...values, 0) } = {}) => {
  const width = 100
  const height = 30
  if (svg.childElementCount === 0) svg.setAttribute("viewBox", `0 0 ${width} ${height}`)
  while (svg.childElementCount < 2 * at + 2) {
    const path = drawn("path")
    path.setAttribute("class", (svg.childElementCount % 2 === 0 ? "area " : "") + line)
    svg.append(path)
  }
  const step = width / Math.max(1, values.length - 1)
  const points = values.map((value, index) => {
    const y = height - 2 - (most === 0 ? 0 : (value / most) * (height - 4))
    return (index * step).toFixed(1) + " " + y.toFixed(1)
  })
  const path = points.length < 2 ? "" : "M" + points.join("L")
  svg.children[2 * at + 1]?.setAttribute("d", path)
  svg.children[2 * at]?.setAttribute("d", path === "" ? "" : path + `L${width} ${height}L0 ${height}Z`)
}

/**
 * Adds a value to those that a sparkline shows.
 *
 * @param {Array<number>} history
 * @param {number} value
 */
export const keep = (history, value) => {
  history.push(value)
  if (history.length > 120) history.shift()
}
