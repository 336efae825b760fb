/**
 * The program of the demo page, as the text of one classic script.
 *
 * It is kept as text because it runs in a browser and never here: no bundler, no DOM types in a package for Node, and
 * the page's Content-Security-Policy can name its hash. It uses nothing but the browser's own `WebSocket`, so it shows
 * what any web page sees of a connection, and says in words what browsers only tell as numbers.
 *
 * Everything it keeps is bounded: the log, the sent messages that wait for their echo, and the round trips on display.
 */

/**
 * Holds the script of the demo page.
 *
 * **Gotchas**
 *
 * A raw template: it must contain neither a backtick nor a dollar sign followed by a brace, nor the end tag of a script.
 *
 * @category page
 * @since 0.1.0
 */
export const script: string = String.raw`"use strict"
;(() => {
  const LOG_LIMIT = 500
  const PENDING_LIMIT = 500
  const TRIP_LIMIT = 64
  const SHOWN_CHARACTERS = 1000
  const SHOWN_BYTES = 64
  const FILE_LIMIT = 64 * 1024 * 1024

  const CODES = {
    1000: ["normal closure", "The conversation did what it was meant to do and ended."],
    1001: ["going away", "The server is shutting down, or the page was left."],
    1002: ["protocol error", "The end that closed received bytes that break the WebSocket protocol."],
    1003: ["unsupported data", "The end that closed cannot handle this kind of message, such as binary where it wants text."],
    1004: ["reserved", "This code has no meaning yet and should never be seen."],
    1005: ["no code given", "The closing handshake was complete, but the close frame carried no code."],
    1006: ["abnormal closure", "The connection ended without a closing handshake."],
    1007: ["invalid payload", "A message did not match its type: mostly text that is not valid UTF-8, or data that does not inflate."],
    1008: ["policy violation", "A message broke a rule of the end that closed; the code is the general one for refusals."],
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

  const $ = (id) => document.getElementById(id)
  const count = (n, noun) => n.toLocaleString("en") + " " + noun + (n === 1 ? "" : "s")
  const encoder = new TextEncoder()

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

  const millis = (ms) => ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0)

  const span = (seconds) => {
    const s = Math.floor(seconds)
    if (s < 60) return s + " s"
    if (s < 3600) return Math.floor(s / 60) + " min " + (s % 60) + " s"
    return Math.floor(s / 3600) + " h " + Math.floor((s % 3600) / 60) + " min"
  }

  const quote = (reason) => "“" + reason + "”"

  // ---- what codes mean ------------------------------------------------------------------------------------------

  const describeCode = (code) => {
    const known = CODES[code]
    if (known) return known
    if (code >= 3000 && code < 4000) return ["library code", "Codes 3000 to 3999 belong to libraries and frameworks; this one is not known here."]
    if (code >= 4000 && code < 5000) return ["application code", "Codes 4000 to 4999 are private: only the application knows what this one means."]
    return ["unknown code", "No meaning is registered for this code."]
  }

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
      return "The connection never opened. Most likely " + causes.slice(0, -1).join(", or ") + ", or " + causes[causes.length - 1] + "."
    }
    if (end.asked) return "You asked to close, but the connection broke off before the server answered."
    const idle = end.idle >= 30
      ? " Nothing had passed for " + span(end.idle) + ", so a proxy that cuts idle connections is likely."
      : ""
    if (end.failed) {
      return "The browser gave up the connection: the server sent bytes that break the protocol, or the network failed. " +
        "The console of the developer tools says which."
    }
    return "The connection broke off without a closing handshake: the server process ended, or the network failed." + idle
  }

  const explain = (end) => {
    if (end.code === 1006) return explainBrokenOff(end)
    const who = end.asked ? "You closed, and the server answered. " : "The server closed. "
    const reason = end.reason === "" ? "" : " Reason: " + quote(end.reason) + "."
    const unclean = end.clean ? "" : " The closing handshake was not completed."
    return who + describeCode(end.code)[1] + reason + unclean
  }

  // ---- the log --------------------------------------------------------------------------------------------------

  const log = $("log")
  const ARROWS = { out: ["↑", "sent"], in: ["↓", "received"], system: ["·", ""] }
  // Follows the newest entry, unless the reader has scrolled up to look at an older one.
  let following = true
  let scrolling = false

  const cell = (name, text) => {
    const element = document.createElement("span")
    element.className = name
    element.textContent = text
    return element
  }

  const clock = () => {
    const now = new Date()
    const two = (n) => String(n).padStart(2, "0")
    return two(now.getHours()) + ":" + two(now.getMinutes()) + ":" + two(now.getSeconds()) + "." +
      String(now.getMilliseconds()).padStart(3, "0")
  }

  const append = (direction, kind, body, data, meta, trip) => {
    const entry = document.createElement("li")
    entry.dataset.direction = direction
    entry.dataset.kind = kind
    for (const key in data) entry.dataset[key] = String(data[key])
    const time = document.createElement("time")
    time.textContent = clock()
    const arrow = cell("arrow", "")
    const sign = cell("", kind === "error" ? "!" : ARROWS[direction][0])
    sign.ariaHidden = "true"
    arrow.append(sign, cell("unseen", kind === "error" ? "error" : ARROWS[direction][1]))
    entry.append(time, arrow, cell("body", body), cell("meta", meta), cell("trip", trip))
    log.append(entry)
    while (log.childElementCount > LOG_LIMIT) log.firstElementChild.remove()
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
    $("clear").disabled = n === 0
  }

  const shownText = (text) => {
    if (text === "") return "(empty)"
    return text.length <= SHOWN_CHARACTERS
      ? text
      : text.slice(0, SHOWN_CHARACTERS) + " … and " + count(text.length - SHOWN_CHARACTERS, "more character")
  }

  const shownBytes = (bytes) => {
    if (bytes.length === 0) return "(empty)"
    let text = ""
    for (let i = 0; i < Math.min(bytes.length, SHOWN_BYTES); i++) {
      text += (i === 0 ? "" : " ") + bytes[i].toString(16).padStart(2, "0")
    }
    return bytes.length <= SHOWN_BYTES ? text : text + " … and " + count(bytes.length - SHOWN_BYTES, "more byte")
  }

  // ---- counters and round trips ---------------------------------------------------------------------------------

  let totals
  let pending
  let trips
  let openedAt = 0
  let lastTraffic = 0

  const resetCounters = () => {
    totals = { sent: 0, sentBytes: 0, received: 0, receivedBytes: 0, trips: 0 }
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
    const bars = $("bars")
    bars.replaceChildren()
    if (trips.length === 0) {
      $("rtt").textContent = "–"
      $("rtt-range").textContent = "no message has come back yet"
      return
    }
    const sorted = trips.slice().sort((a, b) => a - b)
    const most = sorted[sorted.length - 1]
    $("rtt").textContent = millis(trips[trips.length - 1])
    $("rtt-range").textContent = "min " + millis(sorted[0]) + ", median " + millis(sorted[sorted.length >> 1]) +
      ", max " + millis(most)
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
  const fingerprint = (kind, data) => {
    const edge = 2048
    const length = data.length
    const ends = length <= 2 * edge ? [data] : [data.slice(0, edge), data.slice(length - edge)]
    return kind + ":" + length + ":" + ends.map((part) => kind === "text" ? part : part.join()).join("|")
  }

  // ---- the connection -------------------------------------------------------------------------------------------

  let socket
  let state = "closed"

  const NAMES = { closed: "Disconnected", connecting: "Connecting", open: "Connected", closing: "Closing" }

  const enter = (next) => {
    state = next
    const status = $("status")
    status.textContent = NAMES[next]
    status.dataset.state = next
    document.documentElement.dataset.state = next
    const focused = document.activeElement
    $("connect").disabled = next !== "closed"
    $("disconnect").disabled = next !== "open" && next !== "connecting"
    $("disconnect").textContent = next === "connecting" ? "Cancel" : "Disconnect"
    for (const id of ["send-text", "send-binary", "file"]) $(id).disabled = next !== "open"
    // A button that is disabled under the keyboard's focus would leave the reader nowhere.
    // Not on a phone, where focus would call up the keyboard.
    if (next === "open" && focused === $("connect") && matchMedia("(hover: hover)").matches) {
      $("text").focus({ preventScroll: true })
    }
    if (next === "closed" && (focused === document.body || focused.disabled)) $("connect").focus({ preventScroll: true })
  }

  const outcome = (text, tone) => {
    $("outcome").textContent = text
    $("outcome").dataset.tone = tone
  }

  const clearProblem = (form) => {
    form.querySelector(".problem").textContent = ""
    for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid")
  }

  const problem = (field, text) => {
    field.setAttribute("aria-invalid", "true")
    field.closest("form").querySelector(".problem").textContent = text
    append("system", "error", text, {}, "", "")
    field.focus()
  }

  const connect = () => {
    const form = $("connection")
    clearProblem(form)
    let url
    try {
      url = new URL($("url").value.trim())
    } catch {
      return problem($("url"), "This is not a URL. Expected something like ws://127.0.0.1:8000/path.")
    }
    if (url.protocol === "http:") url.protocol = "ws:"
    if (url.protocol === "https:") url.protocol = "wss:"
    if (url.protocol !== "ws:" && url.protocol !== "wss:") {
      return problem($("url"), "A WebSocket URL starts with ws:// or wss://, this one with " + url.protocol)
    }
    if (url.hash !== "") return problem($("url"), "A WebSocket URL has no fragment: leave out " + url.hash)
    const offered = $("protocols").value.split(/[\s,]+/).filter((name) => name !== "")
    let opening
    try {
      opening = offered.length === 0 ? new WebSocket(url.href) : new WebSocket(url.href, offered)
    } catch (error) {
      if (error.name === "SyntaxError") {
        return problem($("protocols"), "Subprotocols are different tokens, separated by commas: letters, digits and signs such as . - _ +")
      }
      if (error.name === "SecurityError") {
        return problem($("url"), "A page served over https may only open wss:// connections.")
      }
      return problem($("url"), error.message)
    }
    attach(opening, url, offered)
  }

  const attach = (opening, url, offered) => {
    socket = opening
    socket.binaryType = "arraybuffer"
    const end = { opened: false, asked: false, failed: false, host: url.host, secure: url.protocol === "wss:", offered }
    socket.end = end
    resetCounters()
    lastTraffic = performance.now()
    const startedAt = performance.now()
    $("subprotocol").textContent = "–"
    $("extensions").textContent = "–"
    $("uptime").textContent = "–"
    outcome("", "")
    enter("connecting")
    paint()

    opening.onopen = () => {
      end.opened = true
      openedAt = lastTraffic = performance.now()
      const handshake = openedAt - startedAt
      $("subprotocol").textContent = opening.protocol || "none"
      $("extensions").textContent = opening.extensions || "none"
      append("system", "open", "Connected to " + opening.url, { protocol: opening.protocol, extensions: opening.extensions },
        "open", millis(handshake) + " ms")
      outcome("", "")
      enter("open")
    }

    opening.onmessage = (event) => {
      const now = performance.now()
      lastTraffic = now
      const text = typeof event.data === "string"
      const data = text ? event.data : new Uint8Array(event.data)
      const kind = text ? "text" : "binary"
      const bytes = text ? encoder.encode(data).length : data.length
      totals.received += 1
      totals.receivedBytes += bytes
      const mark = fingerprint(kind, data)
      const at = pending.findIndex((sent) => sent.mark === mark)
      const info = { size: bytes }
      let trip = ""
      if (at >= 0) {
        const elapsed = now - pending[at].at
        // Messages arrive in order: what was sent before this one will not come back any more.
        pending.splice(0, at + 1)
        trips.push(elapsed)
        if (trips.length > TRIP_LIMIT) trips.shift()
        info.rtt = elapsed.toFixed(3)
        trip = millis(elapsed) + " ms"
      }
      append("in", kind, text ? shownText(data) : shownBytes(data), info, kind + " " + size(bytes), trip)
      paint()
    }

    opening.onerror = () => {
      if (end.asked && !end.opened) return
      end.failed = true
      append("system", "error", end.opened ? "The connection failed." : "Could not connect to " + opening.url, {}, "", "")
    }

    opening.onclose = (event) => {
      end.code = event.code
      end.reason = event.reason
      end.clean = event.wasClean
      end.idle = (performance.now() - lastTraffic) / 1000
      const words = explain(end)
      append("system", "close", "Closed with " + event.code + ", " + describeCode(event.code)[0] + ". " + words,
        { code: event.code, reason: event.reason, clean: event.wasClean }, event.wasClean ? "clean" : "not clean", "")
      showCounters()
      outcome(event.code + ", " + describeCode(event.code)[0] + ". " + words, event.wasClean ? "clean" : "bad")
      if (end.opened) $("uptime").textContent = span((performance.now() - openedAt) / 1000)
      socket = undefined
      enter("closed")
      paint()
    }
  }

  const send = (kind, data, note) => {
    if (state !== "open") return
    const bytes = kind === "text" ? encoder.encode(data).length : data.length
    const mark = fingerprint(kind, data)
    append("out", kind, note || (kind === "text" ? shownText(data) : shownBytes(data)), { size: bytes },
      kind + " " + size(bytes), "")
    totals.sent += 1
    totals.sentBytes += bytes
    pending.push({ mark, at: performance.now() })
    if (pending.length > PENDING_LIMIT) pending.shift()
    lastTraffic = performance.now()
    socket.send(data)
    paint()
  }

  const parseHex = (input) => {
    const digits = input.replace(/0x|[\s,:;_-]/gi, "")
    const wrong = /[^0-9a-f]/i.exec(digits)
    if (wrong) return { error: quote(wrong[0]) + " is not a hexadecimal digit. Expected bytes such as 00 7f ff." }
    if (digits.length % 2 === 1) {
      return { error: "A byte has two hexadecimal digits, and there are " + digits.length + " digits: one is missing." }
    }
    return { bytes: Uint8Array.from({ length: digits.length / 2 }, (_, i) => parseInt(digits.slice(2 * i, 2 * i + 2), 16)) }
  }

  const sendFile = async (file) => {
    if (file.size > FILE_LIMIT) {
      return problem($("binary"), file.name + " has " + size(file.size) + "; this page sends up to " + size(FILE_LIMIT) + ".")
    }
    try {
      const bytes = new Uint8Array(await file.arrayBuffer())
      if (state === "open") send("binary", bytes, file.name)
      else problem($("binary"), "The connection closed before " + file.name + " was read.")
    } catch (error) {
      problem($("binary"), "Could not read " + file.name + ": " + error.message)
    }
  }

  const disconnect = () => {
    clearProblem($("closing"))
    const reason = $("close-reason").value
    const input = $("close-code").value.trim()
    const code = Number(input)
    if (input === "" && reason !== "") {
      return problem($("close-code"), "A reason can only follow a code. Give one, such as 1000, or leave both empty.")
    }
    if (input !== "" && !(/^\d+$/.test(input) && (code === 1000 || (code >= 3000 && code <= 4999)))) {
      return problem($("close-code"), "A web page may close with 1000, or 3000 to 4999, or without a code.")
    }
    const length = encoder.encode(reason).length
    if (length > 123) return problem($("close-reason"), "A reason has up to 123 bytes of UTF-8; this one has " + length + ".")
    if (socket === undefined) return
    socket.end.asked = true
    enter("closing")
    if (input === "") socket.close()
    else socket.close(code, reason)
  }

  // ---- wiring ---------------------------------------------------------------------------------------------------

  const submitted = (id, action) => $(id).addEventListener("submit", (event) => {
    event.preventDefault()
    action()
  })

  submitted("connection", () => {
    if (state === "closed") connect()
  })
  submitted("message", () => {
    send("text", $("text").value)
    $("text").select()
  })
  submitted("bytes", () => {
    clearProblem($("bytes"))
    const parsed = parseHex($("binary").value)
    if (parsed.error) problem($("binary"), parsed.error)
    else send("binary", parsed.bytes)
  })
  submitted("closing", disconnect)

  for (const form of document.forms) {
    if (form.querySelector(".problem")) form.addEventListener("input", () => clearProblem(form))
  }
  $("text").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return
    event.preventDefault()
    if (state === "open") $("message").requestSubmit()
  })
  $("file").addEventListener("change", () => {
    const file = $("file").files[0]
    clearProblem($("bytes"))
    $("file").value = ""
    if (file) sendFile(file)
  })
  $("clear").addEventListener("click", () => {
    log.replaceChildren()
    logged()
    log.focus()
  })

  const own = location.host === "" ? "ws://127.0.0.1:8000/" : (location.protocol === "https:" ? "wss://" : "ws://") + location.host + location.pathname
  $("url").value = own
  setInterval(() => {
    if (state !== "closed") showCounters()
  }, 500)
  resetCounters()
  logged()
  showTrips()
  enter("closed")
  showCounters()
  $("connect").focus({ preventScroll: true })
})()
`
