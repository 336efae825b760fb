/** The log: what was sent, received, and happened to the connection. */
import { $, button } from "@effect-ws/inspector/page/find.js"
/** @import { Kind } from "./messages.js" */

/** @typedef {"out" | "in" | "system"} Direction */

const LOG_LIMIT = 500

const log = $("log")
/** @type {Record<Direction, readonly [arrow: string, word: string]>} */
const ARROWS = { out: ["↑", "sent"], in: ["↓", "received"], system: ["·", ""] }
// Follows the newest entry, unless the reader has scrolled up to look at an older one.
let following = true
let scrolling = false

/**
 * @param {string} name
 * @param {string} content
 */
const cell = (name, content) => {
  const element = document.createElement("span")
  element.className = name
  element.textContent = content
  return element
}

const clock = () => {
  const now = new Date()
  /** @param {number} n */
  const two = (n) => String(n).padStart(2, "0")
  return (
    two(now.getHours()) +
    ":" +
    two(now.getMinutes()) +
    ":" +
    two(now.getSeconds()) +
    "." +
    String(now.getMilliseconds()).padStart(3, "0")
  )
}

/**
 * Adds an entry to the log. `data` becomes its data attributes, for programs that read the page.
 *
 * @param {Direction} direction
 * @param {Kind | "open" | "close" | "error"} kind
 * @param {string} body
 * @param {Record<string, unknown>} data
 * @param {string} meta
 * @param {string} trip
 */
export const append = (direction, kind, body, data, meta, trip) => {
  const entry = document.createElement("li")
  entry.dataset.direction = direction
  entry.dataset.kind = kind
  for (const [key, value] of Object.entries(data)) entry.dataset[key] = String(value)
  const time = document.createElement("time")
  time.textContent = clock()
  const arrow = cell("arrow", "")
  const sign = cell("", kind === "error" ? "!" : ARROWS[direction][0])
  sign.ariaHidden = "true"
  arrow.append(sign, cell("unseen", kind === "error" ? "error" : ARROWS[direction][1]))
  entry.append(time, arrow, cell("body", body), cell("meta", meta), cell("trip", trip))
  log.append(entry)
  while (log.childElementCount > LOG_LIMIT) log.firstElementChild?.remove()
  logged()
  if (scrolling) return
  scrolling = true
  setTimeout(() => {
    scrolling = false
    if (following) log.scrollTop = log.scrollHeight
  }, 16)
}

log.addEventListener("scroll", () => {
  if (!scrolling) following = log.scrollHeight - log.scrollTop - log.clientHeight < 48
})

export const logged = () => {
  const n = log.childElementCount
  $("entries").textContent = n === LOG_LIMIT ? "last " + LOG_LIMIT : n === 0 ? "" : String(n)
  $("empty").hidden = n > 0
  button("clear").disabled = n === 0
}

$("clear").addEventListener("click", () => {
  log.replaceChildren()
  logged()
  log.focus()
})
