/** The state of the connection, as the page shows it. */
import { $, button, find, input } from "@effect-ws/inspector/page/find.js"
/** @import { End } from "./ending.js" */

/** @typedef {"closed" | "connecting" | "open" | "closing"} State */

export const text = find("text", HTMLTextAreaElement)

/** @type {WebSocket | undefined} */
export let socket
/** @type {End | undefined} What is known of the end of `socket`. */
export let ending
/** @type {State} */
export let state = "closed"

/**
 * @param {WebSocket} opening
 * @param {End} end
 */
export const hold = (opening, end) => {
  socket = opening
  ending = end
}

export const release = () => {
  socket = undefined
  ending = undefined
}

const NAMES = { closed: "Disconnected", connecting: "Connecting", open: "Connected", closing: "Closing" }

/** @param {State} next */
export const enter = (next) => {
  state = next
  const status = $("status")
  status.textContent = NAMES[next]
  status.dataset.state = next
  document.documentElement.dataset.state = next
  const focused = document.activeElement
  button("connect").disabled = next !== "closed"
  button("disconnect").disabled = next !== "open" && next !== "connecting"
  $("disconnect").textContent = next === "connecting" ? "Cancel" : "Disconnect"
  for (const control of [button("send-text"), button("send-binary"), input("file")]) control.disabled = next !== "open"
  // A button that is disabled under the keyboard's focus would leave the reader nowhere.
  // Not on a phone, where focus would call up the keyboard.
  if (next === "open" && focused === $("connect") && matchMedia("(hover: hover)").matches) {
    text.focus({ preventScroll: true })
  }
  if (next === "closed" && (focused === document.body || (focused instanceof HTMLButtonElement && focused.disabled)))
    $("connect").focus({ preventScroll: true })
}

/**
 * @param {string} words
 * @param {"" | "clean" | "bad"} tone
 */
export const outcome = (words, tone) => {
  $("outcome").textContent = words
  $("outcome").dataset.tone = tone
}
