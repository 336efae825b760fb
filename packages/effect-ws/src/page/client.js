/**
 * The program of the demo page: a WebSocket client for people. It uses nothing but the browser's own `WebSocket`, so it
 * shows what any web page sees of a connection, and says in words what browsers only tell as numbers.
 *
 * Everything it keeps is bounded: the log, the sent messages that wait for their echo, and the round trips on display.
 * It is plain JavaScript with types in comments, because it runs in the browser as it stands here, without a compiler.
 * `readPage` of the inspector joins its modules for the page that is served.
 */
import { $, find, input } from "@effect-ws/inspector/page/find.js"
import { size } from "@effect-ws/inspector/page/size.js"
import { connect, disconnect, send } from "./connection.js"
import { resetCounters, showCounters, showTrips } from "./figures.js"
import { clearProblem, form, problem } from "./forms.js"
import { logged } from "./log.js"
import { parseHex } from "./messages.js"
import { enter, state, text } from "./state.js"

const FILE_LIMIT = 64 * 1024 * 1024

/** @param {File} file */
const sendFile = async (file) => {
  if (file.size > FILE_LIMIT) {
    return problem(
      input("binary"),
      file.name + " has " + size(file.size) + "; this page sends up to " + size(FILE_LIMIT) + "."
    )
  }
  try {
    const bytes = new Uint8Array(await file.arrayBuffer())
    if (state === "open") send(bytes, file.name)
    else problem(input("binary"), "The connection closed before " + file.name + " was read.")
  } catch (error) {
    problem(input("binary"), "Could not read " + file.name + ": " + String(error))
  }
}

/**
 * @param {string} id
 * @param {() => void} action
 */
const submitted = (id, action) =>
  form(id).addEventListener("submit", (event) => {
    event.preventDefault()
    action()
  })

submitted("connection", () => {
  if (state === "closed") connect()
})
submitted("message", () => {
  send(text.value)
  text.select()
})
submitted("bytes", () => {
  clearProblem(form("bytes"))
  const parsed = parseHex(input("binary").value)
  if (typeof parsed === "string") problem(input("binary"), parsed)
  else send(parsed)
})
submitted("closing", disconnect)

for (const edited of document.forms) edited.addEventListener("input", () => clearProblem(edited))
text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return
  event.preventDefault()
  if (state === "open") form("message").requestSubmit()
})
input("file").addEventListener("change", () => {
  const file = input("file").files?.[0]
  clearProblem(form("bytes"))
  input("file").value = ""
  if (file !== undefined) void sendFile(file)
})

// On a phone the log comes first: what is used less starts folded.
if (matchMedia("(max-width: 859px)").matches) find("more", HTMLDetailsElement).open = false

const own =
  location.host === ""
    ? "ws://127.0.0.1:8000/"
    : (location.protocol === "https:" ? "wss://" : "ws://") + location.host + location.pathname
input("url").value = own
setInterval(() => {
  if (state !== "closed") showCounters()
}, 500)
resetCounters()
logged()
showTrips()
enter("closed")
showCounters()
$("connect").focus({ preventScroll: true })
