/** The connection: opening it, sending, and closing it. */
import { $, input } from "@effect-ws/inspector/page/find.js"
import { size } from "@effect-ws/inspector/page/size.js"
import { describeCode, explain } from "./ending.js"
import {
  countReceived,
  countSent,
  idleFor,
  noteOpened,
  paint,
  resetCounters,
  showCounters,
  showUptime
} from "./figures.js"
import { clearProblem, form, problem } from "./forms.js"
import { append } from "./log.js"
import { byteLength, encoder, fingerprint, kindOf, shown } from "./messages.js"
import { ending, enter, hold, outcome, release, socket, state } from "./state.js"
import { millis } from "./words.js"
/** @import { End } from "./ending.js" */

export const connect = () => {
  clearProblem(form("connection"))
  let url
  try {
    url = new URL(input("url").value.trim())
  } catch {
    return problem(input("url"), "This is not a URL. Expected something like ws://127.0.0.1:8000/path.")
  }
  if (url.protocol === "http:") url.protocol = "ws:"
  if (url.protocol === "https:") url.protocol = "wss:"
  if (url.protocol !== "ws:" && url.protocol !== "wss:") {
    return problem(input("url"), "A WebSocket URL starts with ws:// or wss://, this one with " + url.protocol)
  }
  if (url.hash !== "") return problem(input("url"), "A WebSocket URL has no fragment: leave out " + url.hash)
  const offered = input("protocols")
    .value.split(/[\s,]+/)
    .filter((name) => name !== "")
  let opening
  try {
    opening = offered.length === 0 ? new WebSocket(url.href) : new WebSocket(url.href, offered)
  } catch (cause) {
    const error = /** @type {Error} */ (cause)
    if (error.name === "SyntaxError") {
      return problem(
        input("protocols"),
        "Subprotocols are different tokens, separated by commas: letters, digits and signs such as . - _ +"
      )
    }
    if (error.name === "SecurityError") {
      return problem(input("url"), "A page served over https may only open wss:// connections.")
    }
    return problem(input("url"), error.message)
  }
  attach(opening, url, offered)
}

/**
 * @param {WebSocket} opening
 * @param {URL} url
 * @param {ReadonlyArray<string>} offered
 */
const attach = (opening, url, offered) => {
  opening.binaryType = "arraybuffer"
  /** @type {End} */
  const end = {
    opened: false,
    asked: false,
    failed: false,
    host: url.host,
    secure: url.protocol === "wss:",
    offered,
    code: 0,
    reason: "",
    clean: false,
    idle: 0
  }
  hold(opening, end)
  resetCounters()
  const startedAt = performance.now()
  $("subprotocol").textContent = "–"
  $("extensions").textContent = "–"
  $("uptime").textContent = "–"
  outcome("", "")
  enter("connecting")
  paint()

  opening.addEventListener("open", () => {
    end.opened = true
    noteOpened()
    const handshake = performance.now() - startedAt
    $("subprotocol").textContent = opening.protocol || "none"
    $("extensions").textContent = opening.extensions || "none"
    append(
      "system",
      "open",
      "Connected to " + opening.url,
      { protocol: opening.protocol, extensions: opening.extensions },
      "open",
      millis(handshake) + " ms"
    )
    outcome("", "")
    enter("open")
  })

  opening.addEventListener("message", (event) => {
    const now = performance.now()
    /** @type {string | Uint8Array} */
    const data = typeof event.data === "string" ? event.data : new Uint8Array(event.data)
    const kind = kindOf(data)
    const bytes = byteLength(data)
    const elapsed = countReceived(fingerprint(kind, data), bytes, now)
    /** @type {Record<string, unknown>} */
    const info = { size: bytes }
    let trip = ""
    if (elapsed !== undefined) {
      info.rtt = elapsed.toFixed(3)
      trip = millis(elapsed) + " ms"
    }
    append("in", kind, shown(data), info, kind + " " + size(bytes), trip)
    paint()
  })

  opening.addEventListener("error", () => {
    if (end.asked && !end.opened) return
    end.failed = true
    append("system", "error", end.opened ? "The connection failed." : "Could not connect to " + opening.url, {}, "", "")
  })

  opening.addEventListener("close", (event) => {
    end.code = event.code
    end.reason = event.reason
    end.clean = event.wasClean
    end.idle = idleFor()
    const words = explain(end)
    append(
      "system",
      "close",
      "Closed with " + event.code + ", " + describeCode(event.code)[0] + ". " + words,
      { code: event.code, reason: event.reason, clean: event.wasClean },
      event.wasClean ? "clean" : "not clean",
      ""
    )
    showCounters()
    outcome(event.code + ", " + describeCode(event.code)[0] + ". " + words, event.wasClean ? "clean" : "bad")
    if (end.opened) showUptime()
    release()
    enter("closed")
    paint()
  })
}

/**
 * Sends a message and adds it to the log, as `note` where its content is too long to be of use there.
 *
 * @param {string | Uint8Array<ArrayBuffer>} data
 * @param {string} [note]
 */
export const send = (data, note) => {
  if (state !== "open" || socket === undefined) return
  const kind = kindOf(data)
  const bytes = byteLength(data)
  const mark = fingerprint(kind, data)
  append("out", kind, note ?? shown(data), { size: bytes }, kind + " " + size(bytes), "")
  countSent(mark, bytes)
  socket.send(data)
  paint()
}

export const disconnect = () => {
  clearProblem(form("closing"))
  const reason = input("close-reason").value
  const typed = input("close-code").value.trim()
  const code = Number(typed)
  if (typed === "" && reason !== "") {
    return problem(input("close-code"), "A reason can only follow a code. Give one, such as 1000, or leave both empty.")
  }
  if (typed !== "" && !(/^\d+$/.test(typed) && (code === 1000 || (code >= 3000 && code <= 4999)))) {
    return problem(input("close-code"), "A web page may close with 1000, or 3000 to 4999, or without a code.")
  }
  const length = encoder.encode(reason).length
  if (length > 123)
    return problem(input("close-reason"), "A reason has up to 123 bytes of UTF-8; this one has " + length + ".")
  if (socket === undefined || ending === undefined) return
  ending.asked = true
  enter("closing")
  if (typed === "") socket.close()
  else socket.close(code, reason)
}
