/**
 * The program of the demo page: a WebSocket client for people. It uses nothing but the browser's own `WebSocket`, so it
 * shows what any web page sees of a connection, and says in words what browsers only tell as numbers.
 *
 * Everything it keeps is bounded: the log, the sent messages that wait for their echo, and the round trips on display.
 * It is plain JavaScript with types in comments, because it runs in the browser as it stands here, without a compiler.
 */

/**
 * What is known of a connection when it has ended.
 *
 * @typedef {object} End
 * @property {boolean} opened
 * @property {boolean} asked Whether the person at the page asked for the end.
 * @property {boolean} failed
 * @property {string} host
 * @property {boolean} secure
 * @property {ReadonlyArray<string>} offered Subprotocols.
 * @property {number} code
 * @property {string} reason
 * @property {boolean} clean
 * @property {number} idle Seconds since anything was sent or received.
 */

/** @typedef {"closed" | "connecting" | "open" | "closing"} State */
/** @typedef {"out" | "in" | "system"} Direction */
/** @typedef {"text" | "binary"} Kind */

const LOG_LIMIT = 500
const PENDING_LIMIT = 500
const TRIP_LIMIT = 64
const SHOWN_CHARACTERS = 1000
const SHOWN_BYTES = 64
const FILE_LIMIT = 64 * 1024 * 1024

/** @type {Record<number, readonly [name: string, meaning: string]>} */
const CODES = {
  1000: ["normal closure", "The conversation did what it was meant to do and ended."],
  1001: ["going away", "The server is shutting down, or the page was left."],
  1002: ["protocol error", "The end that closed received bytes that break the WebSocket protocol."],
  1003: [
    "unsupported data",
    "The end that closed cannot handle this kind of message, such as binary where it wants text."
  ],
  1004: ["reserved", "This code has no meaning yet and should never be seen."],
  1005: ["no code given", "The closing handshake was complete, but the close frame carried no code."],
  1006: ["abnormal closure", "The connection ended without a closing handshake."],
  1007: [
    "invalid payload",
    "A message did not match its type: mostly text that is not valid UTF-8, or data that does not inflate."
  ],
  1008: [
    "policy violation",
    "A message broke a rule of the end that closed; the code is the general one for refusals."
  ],
  1009: ["message too big", "A message was larger than the end that closed is willing to take."],
  1010: ["extension missing", "The client needed an extension that the server did not agree to."],
  1011: ["internal error", "The server met something unexpected and gave up. Its own log knows more."],
  1012: ["service restart", "The server is restarting. Connect again in a moment."],
  1013: ["try again later", "The server is overloaded. Connect again after a while."],
  1014: ["bad gateway", "A gateway in between got an invalid answer from the server behind it."],
  1015: ["TLS failure", "The TLS handshake failed, for instance on a certificate that is not trusted."],
  3000: ["unauthorized", "The server wants credentials, or others than these."],
  3003: ["forbidden", "The server knows who asks, and does not allow it."],
  3008: ["timeout", "The server waited too long for something."]
}

/**
 * Returns the element with an id, which the page must have.
 *
 * @template {Element} E
 * @param {string} id
 * @param {new () => E} kind
 * @returns {E}
 */
const find = (id, kind) => {
  const element = document.getElementById(id)
  if (!(element instanceof kind)) throw new Error(`the page has no ${kind.name} with the id ${id}`)
  return element
}

/** @param {string} id */
const $ = (id) => find(id, HTMLElement)
/** @param {string} id */
const input = (id) => find(id, HTMLInputElement)
/** @param {string} id */
const button = (id) => find(id, HTMLButtonElement)
/** @param {string} id */
const form = (id) => find(id, HTMLFormElement)

const text = find("text", HTMLTextAreaElement)
/**
 * @param {number} n
 * @param {string} noun
 */
const count = (n, noun) => n.toLocaleString("en") + " " + noun + (n === 1 ? "" : "s")
const encoder = new TextEncoder()

/** @param {number} bytes */
const size = (bytes) => {
  if (bytes < 1024) return bytes + " B"
  const units = ["KiB", "MiB", "GiB", "TiB"]
  let unit = -1
  do {
    bytes /= 1024
    unit += 1
  } while (bytes >= 1023.95 && unit < units.length - 1)
  return bytes.toFixed(bytes < 99.95 ? 1 : 0) + " " + units[unit]
}

/** @param {number} ms */
const millis = (ms) => ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0)

/** @param {number} seconds */
const span = (seconds) => {
  const s = Math.floor(seconds)
  if (s < 60) return s + " s"
  if (s < 3600) return Math.floor(s / 60) + " min " + (s % 60) + " s"
  return Math.floor(s / 3600) + " h " + Math.floor((s % 3600) / 60) + " min"
}

/** @param {string} reason */
const quote = (reason) => "“" + reason + "”"

// ---- what codes mean ------------------------------------------------------------------------------------------

/**
 * @param {number} code
 * @returns {readonly [name: string, meaning: string]}
 */
const describeCode = (code) => {
  const known = CODES[code]
  if (known !== undefined) return known
  if (code >= 3000 && code < 4000)
    return ["library code", "Codes 3000 to 3999 belong to libraries and frameworks; this one is not known here."]
  if (code >= 4000 && code < 5000)
    return ["application code", "Codes 4000 to 4999 are private: only the application knows what this one means."]
  return ["unknown code", "No meaning is registered for this code."]
}

/** @param {End} end */
const explainBrokenOff = (end) => {
  if (!end.opened) {
    if (end.asked) return "You cancelled before the connection was open."
    if (!navigator.onLine) return "The connection never opened: this device is offline."
    const causes = [
      "nothing listens at " + end.host,
      "the server refused the handshake (browsers hide its answer from pages; the network panel of the developer tools shows it)"
    ]
    if (end.offered.length > 0) causes.push("the server agreed to none of the subprotocols " + end.offered.join(", "))
    if (end.secure) causes.push("its certificate is not trusted")
    return (
      "The connection never opened. Most likely " +
      causes.slice(0, -1).join(", or ") +
      ", or " +
      causes[causes.length - 1] +
      "."
    )
  }
  if (end.asked) return "You asked to close, but the connection broke off before the server answered."
  const idle =
    end.idle >= 30
      ? " Nothing had passed for " + span(end.idle) + ", so a proxy that cuts idle connections is likely."
      : ""
  if (end.failed) {
    return (
      "The browser gave up the connection: the server sent bytes that break the protocol, or the network failed. " +
      "The console of the developer tools says which."
    )
  }
  return "The connection broke off without a closing handshake: the server process ended, or the network failed." + idle
}

/** @param {End} end */
const explain = (end) => {
  if (end.code === 1006) return explainBrokenOff(end)
  const who = end.asked ? "You closed, and the server answered. " : "The server closed. "
  const reason = end.reason === "" ? "" : " Reason: " + quote(end.reason) + "."
  const unclean = end.clean ? "" : " The closing handshake was not completed."
  return who + describeCode(end.code)[1] + reason + unclean
}

// ---- the log --------------------------------------------------------------------------------------------------

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
const append = (direction, kind, body, data, meta, trip) => {
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

const logged = () => {
  const n = log.childElementCount
  $("entries").textContent = n === LOG_LIMIT ? "last " + LOG_LIMIT : n === 0 ? "" : String(n)
  $("empty").hidden = n > 0
  button("clear").disabled = n === 0
}

/** @param {string} data */
const shownText = (data) => {
  if (data === "") return "(empty)"
  return data.length <= SHOWN_CHARACTERS
    ? data
    : data.slice(0, SHOWN_CHARACTERS) + " … and " + count(data.length - SHOWN_CHARACTERS, "more character")
}

/** @param {Uint8Array} bytes */
const shownBytes = (bytes) => {
  if (bytes.length === 0) return "(empty)"
  const start = Array.from(bytes.subarray(0, SHOWN_BYTES), (byte) => byte.toString(16).padStart(2, "0")).join(" ")
  return bytes.length <= SHOWN_BYTES ? start : start + " … and " + count(bytes.length - SHOWN_BYTES, "more byte")
}

// ---- counters and round trips ---------------------------------------------------------------------------------

let totals = { sent: 0, sentBytes: 0, received: 0, receivedBytes: 0 }
/** @type {Array<{ readonly mark: string; readonly at: number }>} Sent messages that may come back as an echo. */
let pending = []
/** @type {Array<number>} The last round trips, in milliseconds. */
let trips = []
let openedAt = 0
let lastTraffic = 0

const resetCounters = () => {
  totals = { sent: 0, sentBytes: 0, received: 0, receivedBytes: 0 }
  pending = []
  trips = []
}

const showCounters = () => {
  $("sent").textContent = totals.sent.toLocaleString("en")
  $("sent-bytes").textContent = size(totals.sentBytes)
  $("received").textContent = totals.received.toLocaleString("en")
  $("received-bytes").textContent = size(totals.receivedBytes)
  $("buffered").textContent = size(socket === undefined ? 0 : socket.bufferedAmount)
  if (state === "open") $("uptime").textContent = span((performance.now() - openedAt) / 1000)
}

const showTrips = () => {
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
const paint = () => {
  if (painting) return
  painting = true
  setTimeout(() => {
    painting = false
    showCounters()
    showTrips()
  }, 16)
}

// Tells messages apart well enough to pair an echo with what was sent, without keeping large payloads alive.
/**
 * @param {Kind} kind
 * @param {string | Uint8Array} data
 */
const fingerprint = (kind, data) => {
  const edge = 2048
  const length = data.length
  const ends = length <= 2 * edge ? [data] : [data.slice(0, edge), data.slice(length - edge)]
  return kind + ":" + length + ":" + ends.map((part) => (typeof part === "string" ? part : part.join())).join("|")
}

// ---- the connection -------------------------------------------------------------------------------------------

/** @type {WebSocket | undefined} */
let socket
/** @type {End | undefined} What is known of the end of `socket`. */
let ending
/** @type {State} */
let state = "closed"

const NAMES = { closed: "Disconnected", connecting: "Connecting", open: "Connected", closing: "Closing" }

/** @param {State} next */
const enter = (next) => {
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
const outcome = (words, tone) => {
  $("outcome").textContent = words
  $("outcome").dataset.tone = tone
}

/**
 * Returns where a form says what is wrong with its fields.
 *
 * @param {HTMLFormElement | null} form
 */
const problemOf = (form) => form?.querySelector(".problem") ?? undefined

/** @param {HTMLFormElement} form */
const clearProblem = (form) => {
  const place = problemOf(form)
  if (place !== undefined) place.textContent = ""
  for (const field of form.elements) field.removeAttribute("aria-invalid")
}

/**
 * Says what is wrong with a field, shows the field, and goes there.
 *
 * @param {HTMLInputElement} field
 * @param {string} words
 */
const problem = (field, words) => {
  field.setAttribute("aria-invalid", "true")
  const details = field.closest("details")
  if (details !== null) details.open = true
  const place = problemOf(field.form)
  if (place !== undefined) place.textContent = words
  append("system", "error", words, {}, "", "")
  field.focus()
}

const connect = () => {
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
  socket = opening
  socket.binaryType = "arraybuffer"
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
  ending = end
  resetCounters()
  lastTraffic = performance.now()
  const startedAt = performance.now()
  $("subprotocol").textContent = "–"
  $("extensions").textContent = "–"
  $("uptime").textContent = "–"
  outcome("", "")
  enter("connecting")
  paint()

  opening.addEventListener("open", () => {
    end.opened = true
    openedAt = lastTraffic = performance.now()
    const handshake = openedAt - startedAt
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
    lastTraffic = now
    /** @type {string | Uint8Array} */
    const data = typeof event.data === "string" ? event.data : new Uint8Array(event.data)
    const kind = kindOf(data)
    const bytes = byteLength(data)
    totals.received += 1
    totals.receivedBytes += bytes
    const mark = fingerprint(kind, data)
    const at = pending.findIndex((sent) => sent.mark === mark)
    /** @type {Record<string, unknown>} */
    const info = { size: bytes }
    let trip = ""
    const echoed = pending[at]
    if (echoed !== undefined) {
      const elapsed = now - echoed.at
      // Messages arrive in order: what was sent before this one will not come back any more.
      pending.splice(0, at + 1)
      trips.push(elapsed)
      if (trips.length > TRIP_LIMIT) trips.shift()
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
    end.idle = (performance.now() - lastTraffic) / 1000
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
    if (end.opened) $("uptime").textContent = span((performance.now() - openedAt) / 1000)
    socket = undefined
    ending = undefined
    enter("closed")
    paint()
  })
}

/** @param {string | Uint8Array} data */
const kindOf = (data) => (typeof data === "string" ? "text" : "binary")
/** @param {string | Uint8Array} data */
const byteLength = (data) => (typeof data === "string" ? encoder.encode(data) : data).length
/** @param {string | Uint8Array} data */
const shown = (data) => (typeof data === "string" ? shownText(data) : shownBytes(data))

/**
 * Sends a message and adds it to the log, as `note` where its content is too long to be of use there.
 *
 * @param {string | Uint8Array<ArrayBuffer>} data
 * @param {string} [note]
 */
const send = (data, note) => {
  if (state !== "open" || socket === undefined) return
  const kind = kindOf(data)
  const bytes = byteLength(data)
  const mark = fingerprint(kind, data)
  append("out", kind, note ?? shown(data), { size: bytes }, kind + " " + size(bytes), "")
  totals.sent += 1
  totals.sentBytes += bytes
  pending.push({ mark, at: performance.now() })
  if (pending.length > PENDING_LIMIT) pending.shift()
  lastTraffic = performance.now()
  socket.send(data)
  paint()
}

/**
 * @param {string} typed
 * @returns {string | Uint8Array<ArrayBuffer>} The bytes, or what is wrong.
 */
const parseHex = (typed) => {
  const digits = typed.replace(/0x|[\s,:;_-]/gi, "")
  const wrong = /[^0-9a-f]/i.exec(digits)
  if (wrong) return quote(wrong[0]) + " is not a hexadecimal digit. Expected bytes such as 00 7f ff."
  if (digits.length % 2 === 1) {
    return "A byte has two hexadecimal digits, and there are " + digits.length + " digits: one is missing."
  }
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => parseInt(digits.slice(2 * i, 2 * i + 2), 16))
}

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

const disconnect = () => {
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

// ---- wiring ---------------------------------------------------------------------------------------------------

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
$("clear").addEventListener("click", () => {
  log.replaceChildren()
  logged()
  log.focus()
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
