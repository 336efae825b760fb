/** The WebSocket to the inspector, beside the page's own address. It connects again for as long as the page is open. */
import { write } from "./elements.js"
import { $ } from "./find.js"
/** @import { FromInspector, FromViewer } from "../InspectorProtocol.ts" */

const address =
  (location.protocol === "https:" ? "wss://" : "ws://") + location.host + location.pathname.replace(/\/?$/, "/socket")
/** @type {WebSocket | undefined} */
let socket
let attempts = 0

/** @param {FromViewer} command */
export const send = (command) => {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(command))
}

/**
 * @param {"connecting" | "live" | "lost"} state
 * @param {string} words
 */
export const status = (state, words) => {
  write($("status"), words)
  $("status").dataset.state = state
}

/** @param {(told: FromInspector) => void} hear */
export const connect = (hear) => {
  const connecting = new WebSocket(address)
  socket = connecting
  connecting.addEventListener("message", ({ data }) => {
    attempts = 0
    hear(/** @type {FromInspector} */ (JSON.parse(data)))
  })
  connecting.addEventListener("close", ({ reason }) => {
    attempts++
    status("lost", reason === "" ? "Disconnected" : "Disconnected: " + reason)
    setTimeout(() => connect(hear), Math.min(10_000, 250 * 2 ** attempts))
  })
}
