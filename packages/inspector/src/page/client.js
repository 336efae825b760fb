/**
 * The program of the inspector's page. It keeps what the inspector sends, which is what has changed, and draws it once for
 * each update: only the rows that can be seen have elements, so ten thousand connections cost what thirty do.
 *
 * Everything it keeps is bounded by what the inspector keeps. It is plain JavaScript with types in comments, because it
 * runs in the browser as it stands here; the types of messages are those of the Schemas that the server encodes with.
 */

/** @typedef {import("../InspectorProtocol.ts").FromInspector} FromInspector */
/** @typedef {import("../InspectorProtocol.ts").FromViewer} FromViewer */
/**
 * @template {FromInspector["_tag"]} K
 * @typedef {Extract<FromInspector, { readonly _tag: K }>} Told
 */
/** @typedef {Told<"Opened">["connections"][number]} OpenedRow */
/** @typedef {Told<"Closed">["connections"][number]} ClosedRow */
/** @typedef {Told<"Refused">["refusals"][number]} RefusedRow */
/** @typedef {Told<"Frames">["frames"][number]} Frame */
/** @typedef {Told<"Totals">} Totals */

/**
 * An open connection, with its counts now and at the last update, and its rates over the last updates.
 *
 * @typedef {object} Open
 * @property {OpenedRow} is
 * @property {string} words What a filter looks at.
 * @property {number} inBytes
 * @property {number} inMessages
 * @property {number} outBytes
 * @property {number} outMessages
 * @property {number} waiting Bytes that wait for the program or the peer.
 * @property {number} latency Milliseconds, or -1.
 * @property {number} rate Messages a second, both ways.
 * @property {{ inBytes: number, inMessages: number, outBytes: number, outMessages: number }} before
 * @property {Float32Array} inHistory Bytes a second, by the number of the update.
 * @property {Float32Array} outHistory
 */

/**
 * @template Row
 * @typedef {object} Column
 * @property {string} title
 * @property {string} width As in `grid-template-columns`.
 * @property {number} least The least width, in pixels: where there is no room, columns of low rank are left out.
 * @property {number} rank 0 is always there.
 * @property {(row: Row) => string | number} sort
 * @property {(row: Row) => string} text
 * @property {(row: Row) => string} [tone] A class for the cell.
 * @property {boolean} [end] Whether it is aligned to the right.
 * @property {string} [phone] Its place on a phone.
 * @property {string} [unit] What stands behind it there, where no header does.
 * @property {boolean} [spark] Whether it is drawn, and not written.
 */

const HISTORY = 60
const SHOWN_FRAMES = 200

// ---- elements and words -------------------------------------------------------------------------------------------

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

/**
 * @param {string} name
 * @param {string} kind
 * @param {string} [text]
 */
const make = (name, kind, text) => {
  const element = document.createElement(name)
  if (kind !== "") element.className = kind
  if (text !== undefined) element.textContent = text
  return element
}
/** @param {string} name */
const drawn = (name) => document.createElementNS("http://www.w3.org/2000/svg", name)

/**
 * Sets a text only where it is another: most cells stay as they are.
 *
 * @param {Element} element
 * @param {string} text
 */
const write = (element, text) => {
  if (element.textContent !== text) element.textContent = text
}

/** @param {number} n */
const count = (n) =>
  n < 100_000
    ? n.toLocaleString("en")
    : n < 1e6
      ? (n / 1e3).toFixed(0) + " k"
      : (n / 1e6).toFixed(n < 1e7 ? 2 : 1) + " M"

/** @param {number} bytes */
const size = (bytes) => {
  if (bytes < 1024) return Math.round(bytes) + " B"
  const units = ["KiB", "MiB", "GiB", "TiB"]
  let unit = -1
  do {
    bytes /= 1024
    unit += 1
  } while (bytes >= 1023.95 && unit < units.length - 1)
  return bytes.toFixed(bytes < 99.95 ? 1 : 0) + " " + units[unit]
}
/**
 * @param {number} n
 * @param {string} noun
 */
const counted = (n, noun) => count(n) + " " + noun + (n === 1 ? "" : "s")
/** @param {number} n */
const rate = (n) => (n === 0 ? "0" : n < 9.95 ? n.toFixed(1) : count(Math.round(n)))
/** @param {number} ms */
const millis = (ms) =>
  ms < 0 ? "–" : ms.toLocaleString("en", { maximumFractionDigits: ms < 10 ? 2 : ms < 100 ? 1 : 0 })
/** @param {number} ms */
const span = (ms) => {
  const s = Math.max(0, Math.floor(ms / 1000))
  if (s < 60) return s + " s"
  if (s < 3600) return Math.floor(s / 60) + " min " + (s % 60) + " s"
  if (s < 86_400) return Math.floor(s / 3600) + " h " + (Math.floor(s / 60) % 60) + " min"
  return Math.floor(s / 86_400) + " d " + (Math.floor(s / 3600) % 24) + " h"
}
/** @param {number} at */
const clock = (at) => new Date(at).toLocaleTimeString("en-GB")

// ---- sparklines ---------------------------------------------------------------------------------------------------

/**
 * Draws a line, and the area below it.
 *
 * @param {Element} svg
 * @param {ReadonlyArray<number>} values
 * @param {{ most?: number, line?: string, at?: number }} [options] `at` is which of several lines it is.
 */
const spark = (svg, values, { at = 0, line = "", most = Math.max(...values, 0) } = {}) => {
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
 * The values of a ring, oldest first.
 *
 * @param {Float32Array} ring
 * @param {number} length
 */
const unroll = (ring, length) =>
  Array.from({ length }, (_, index) => ring[(tick + HISTORY - length + 1 + index) % HISTORY] ?? 0)

// ---- what is known ------------------------------------------------------------------------------------------------

/** @type {Map<number, Open>} */
const open = new Map()
/** @type {Array<ClosedRow>} */
let closed = []
/** @type {Array<RefusedRow>} */
let refused = []
/** @type {Told<"Hello"> | undefined} */
let hello
/** @type {Totals | undefined} */
let totals
/** Counts the updates. */
let tick = 0
let paused = false
const tiles = {
  /** @type {Array<number>} */ open: [],
  /** @type {Array<number>} */ received: [],
  /** @type {Array<number>} */ sent: [],
  /** @type {Array<number>} */ trips: []
}

const forget = () => {
  open.clear()
  closed = []
  refused = []
  totals = undefined
  for (const history of Object.values(tiles)) history.length = 0
}

/** @param {OpenedRow} is */
const opened = (is) => {
  const words = [is.id, is.peer, is.path, is.subprotocol, ...is.extensions].join(" ").toLowerCase()
  const none = { inBytes: 0, inMessages: 0, outBytes: 0, outMessages: 0 }
  const inHistory = new Float32Array(HISTORY)
  const outHistory = new Float32Array(HISTORY)
  open.set(is.id, { is, words, ...none, waiting: 0, latency: -1, rate: 0, before: none, inHistory, outHistory })
}

/** @param {ReadonlyArray<number>} values */
const applyTraffic = (values) => {
  for (let at = 0; at < values.length; at += 8) {
    const row = open.get(values[at] ?? -1)
    if (row === undefined) continue
    const [, inBytes = 0, inMessages = 0, outBytes = 0, outMessages = 0, inbound = 0, outbound = 0, latency = -1] =
      values.slice(at, at + 8)
    Object.assign(row, { inBytes, inMessages, outBytes, outMessages, waiting: inbound + outbound, latency })
  }
}

/**
 * An update is complete: makes rates of what has changed since the last one.
 *
 * @param {Totals} next
 */
const updated = (next) => {
  const seconds = totals === undefined ? 0 : (next.now - totals.now) / 1000
  tick++
  for (const row of open.values()) {
    const { before, inBytes, inMessages, outBytes, outMessages } = row
    // What came before this page did has no rate.
    const isNew = seconds === 0 || (before.inBytes === 0 && before.outBytes === 0)
    const per = isNew ? 0 : 1 / seconds
    row.rate = (inMessages - before.inMessages + outMessages - before.outMessages) * per
    row.inHistory[tick % HISTORY] = (inBytes - before.inBytes) * per
    row.outHistory[tick % HISTORY] = (outBytes - before.outBytes) * per
    row.before = { inBytes, inMessages, outBytes, outMessages }
  }
  const before = totals
  totals = next
  if (before !== undefined && seconds > 0) showTiles(before, next, seconds)
  if (!paused) grid.refresh()
  showDetail()
}

/**
 * @param {Totals} before
 * @param {Totals} next
 * @param {number} seconds
 */
const showTiles = (before, next, seconds) => {
  const trips = Array.from(open.values(), ({ latency }) => latency)
    .filter((latency) => latency >= 0)
    .sort((a, b) => a - b)
  const median = trips[trips.length >> 1] ?? -1
  const messages = {
    received: (next.received.messages - before.received.messages) / seconds,
    sent: (next.sent.messages - before.sent.messages) / seconds
  }
  keep(tiles.open, next.open)
  keep(tiles.received, messages.received)
  keep(tiles.sent, messages.sent)
  if (median >= 0) keep(tiles.trips, median)
  write($("open-count"), count(next.open))
  write($("open-note"), `${count(next.opened)} in all`)
  write($("in-rate"), rate(messages.received))
  write($("in-note"), size((next.received.bytes - before.received.bytes) / seconds) + "/s")
  write($("out-rate"), rate(messages.sent))
  write($("out-note"), size((next.sent.bytes - before.sent.bytes) / seconds) + "/s")
  write($("rtt"), millis(median))
  const slow = trips[Math.floor(trips.length * 0.95)]
  write($("rtt-note"), slow === undefined ? "no pings yet" : `95 %: ${millis(slow)} ms`)
  spark(find("open-spark", SVGElement), tiles.open)
  spark(find("in-spark", SVGElement), tiles.received)
  spark(find("out-spark", SVGElement), tiles.sent)
  spark(find("rtt-spark", SVGElement), tiles.trips)
}

/**
 * @param {Array<number>} history
 * @param {number} value
 */
const keep = (history, value) => {
  history.push(value)
  if (history.length > 120) history.shift()
}

// ---- columns ------------------------------------------------------------------------------------------------------

const now = () => totals?.now ?? Date.now()

/** @type {ReadonlyArray<Column<Open>>} */
const openColumns = [
  {
    title: "#",
    width: "3.6rem",
    least: 50,
    rank: 0,
    sort: ({ is }) => is.id,
    text: ({ is }) => String(is.id),
    tone: () => "dim"
  },
  {
    title: "Peer",
    width: "minmax(9.5rem, 1fr)",
    least: 140,
    rank: 0,
    phone: "under",
    sort: ({ is }) => is.peer ?? "",
    text: ({ is }) => is.peer ?? "unknown",
    tone: () => "mono"
  },
  {
    title: "Path",
    width: "minmax(7rem, 1.4fr)",
    least: 110,
    rank: 0,
    phone: "name",
    sort: ({ is }) => is.path,
    text: ({ is }) => is.path,
    tone: () => "mono"
  },
  {
    title: "Subprotocol",
    width: "6.2rem",
    least: 90,
    rank: 5,
    sort: ({ is }) => is.subprotocol ?? "",
    text: ({ is }) => is.subprotocol ?? "–",
    tone: () => "dim"
  },
  {
    title: "Open for",
    width: "5.4rem",
    least: 80,
    rank: 3,
    end: true,
    sort: ({ is }) => -is.openedAt,
    text: ({ is }) => span(now() - is.openedAt),
    tone: () => "dim"
  },
  {
    title: "Received",
    width: "4.6rem",
    least: 66,
    rank: 2,
    end: true,
    sort: ({ inMessages }) => inMessages,
    text: ({ inMessages }) => count(inMessages)
  },
  {
    title: "Bytes in",
    width: "5rem",
    least: 72,
    rank: 6,
    end: true,
    sort: ({ inBytes }) => inBytes,
    text: ({ inBytes }) => size(inBytes),
    tone: () => "dim"
  },
  {
    title: "Sent",
    width: "4.6rem",
    least: 66,
    rank: 2,
    end: true,
    sort: ({ outMessages }) => outMessages,
    text: ({ outMessages }) => count(outMessages)
  },
  {
    title: "Bytes out",
    width: "5rem",
    least: 72,
    rank: 6,
    end: true,
    sort: ({ outBytes }) => outBytes,
    text: ({ outBytes }) => size(outBytes),
    tone: () => "dim"
  },
  {
    title: "Msg/s",
    width: "3.8rem",
    least: 56,
    rank: 0,
    end: true,
    phone: "middle",
    unit: "msg/s",
    sort: (row) => row.rate,
    text: (row) => rate(row.rate),
    tone: (row) => (row.rate === 0 ? "dim" : "")
  },
  {
    title: "Traffic",
    width: "6.5rem",
    least: 104,
    rank: 1,
    phone: "end",
    spark: true,
    sort: (row) => row.inHistory[tick % HISTORY] ?? 0,
    text: () => ""
  },
  {
    title: "Buffered",
    width: "5rem",
    least: 72,
    rank: 4,
    end: true,
    sort: ({ waiting }) => waiting,
    text: ({ waiting }) => (waiting === 0 ? "–" : size(waiting)),
    tone: ({ waiting }) => (waiting > 65_536 ? "warn" : "dim")
  },
  {
    title: "Round trip",
    width: "5.4rem",
    least: 76,
    rank: 3,
    end: true,
    phone: "middle-under",
    sort: ({ latency }) => latency,
    text: ({ latency }) => (latency < 0 ? "–" : millis(latency) + " ms"),
    tone: ({ latency }) => (latency > 500 ? "warn" : latency < 0 ? "dim" : "")
  }
]

const BEGAN = { local: "server", remote: "peer", transport: "network" }

/** @type {ReadonlyArray<Column<ClosedRow>>} */
const closedColumns = [
  {
    title: "#",
    width: "3.6rem",
    least: 50,
    rank: 0,
    sort: (row) => row.id,
    text: (row) => String(row.id),
    tone: () => "dim"
  },
  {
    title: "Closed at",
    width: "5.4rem",
    least: 80,
    rank: 1,
    phone: "end",
    sort: (row) => row.closedAt,
    text: (row) => clock(row.closedAt),
    tone: () => "dim"
  },
  {
    title: "Peer",
    width: "minmax(9.5rem, 1fr)",
    least: 140,
    rank: 3,
    sort: (row) => row.peer ?? "",
    text: (row) => row.peer ?? "unknown",
    tone: () => "mono"
  },
  {
    title: "Path",
    width: "minmax(7rem, 1fr)",
    least: 100,
    rank: 0,
    phone: "name",
    sort: (row) => row.path,
    text: (row) => row.path,
    tone: () => "mono"
  },
  {
    title: "Code",
    width: "3.4rem",
    least: 50,
    rank: 0,
    end: true,
    phone: "middle",
    sort: (row) => row.code,
    text: (row) => String(row.code),
    tone: (row) => toneOf(row)
  },
  {
    title: "Reason",
    width: "minmax(9rem, 1.6fr)",
    least: 130,
    rank: 0,
    phone: "under",
    sort: (row) => row.reason,
    text: (row) => row.reason || "–"
  },
  {
    title: "Began",
    width: "4.4rem",
    least: 62,
    rank: 2,
    sort: (row) => row.initiator,
    text: (row) => BEGAN[row.initiator]
  },
  {
    title: "Broken rule",
    width: "minmax(8rem, 1fr)",
    least: 120,
    rank: 2,
    sort: (row) => row.violation ?? "",
    text: (row) => row.violation ?? "–",
    tone: (row) => (row.violation === undefined ? "dim" : "alert")
  },
  {
    title: "Lived",
    width: "5.4rem",
    least: 80,
    rank: 4,
    end: true,
    sort: (row) => row.closedAt - row.openedAt,
    text: (row) => span(row.closedAt - row.openedAt),
    tone: () => "dim"
  },
  {
    title: "Received",
    width: "5rem",
    least: 70,
    rank: 5,
    end: true,
    sort: (row) => row.received.messages,
    text: (row) => count(row.received.messages)
  },
  {
    title: "Sent",
    width: "5rem",
    least: 70,
    rank: 5,
    end: true,
    sort: (row) => row.sent.messages,
    text: (row) => count(row.sent.messages)
  }
]

/** @type {ReadonlyArray<Column<RefusedRow>>} */
const refusedColumns = [
  {
    title: "At",
    width: "5.4rem",
    least: 80,
    rank: 0,
    phone: "end",
    sort: (row) => row.at,
    text: (row) => clock(row.at),
    tone: () => "dim"
  },
  {
    title: "Status",
    width: "4rem",
    least: 60,
    rank: 0,
    phone: "middle",
    sort: (row) => row.status ?? 0,
    text: (row) => String(row.status ?? "none"),
    tone: () => "warn"
  },
  { title: "Rule", width: "10rem", least: 130, rank: 2, sort: (row) => row.rule, text: (row) => row.rule },
  {
    title: "Path",
    width: "minmax(7rem, 1fr)",
    least: 100,
    rank: 0,
    phone: "name",
    sort: (row) => row.path ?? "",
    text: (row) => row.path ?? "not read",
    tone: (row) => (row.path === undefined ? "dim" : "mono")
  },
  {
    title: "Peer",
    width: "minmax(9.5rem, 1fr)",
    least: 140,
    rank: 1,
    sort: (row) => row.peer ?? "",
    text: (row) => row.peer ?? "unknown",
    tone: () => "mono"
  },
  {
    title: "Why",
    width: "minmax(12rem, 2fr)",
    least: 180,
    rank: 0,
    phone: "under",
    sort: (row) => row.reason,
    text: (row) => row.reason
  }
]

/** @param {ClosedRow} row */
const toneOf = ({ clean, code, violation }) =>
  violation !== undefined || !clean ? "alert" : code <= 1001 ? "dim" : "warn"

// ---- the table ----------------------------------------------------------------------------------------------------

const phone = matchMedia("(max-width: 720px)")

/**
 * A table of which only the rows in sight have elements. What it lists is one of several kinds of row.
 *
 * @template Row
 * @param {object} options
 * @param {ReadonlyArray<Column<Row>>} options.columns
 * @param {() => Iterable<Row>} options.rows
 * @param {(row: Row) => string} options.words
 * @param {(row: Row) => number} options.id
 * @param {string} options.empty
 * @param {readonly [title: string, direction: 1 | -1]} options.sort
 */
const makeTable = ({ columns, empty, id, rows, sort, words }) => {
  const space = $("space")
  const box = $("grid")
  const [by] = sort
  let direction = sort[1]
  let key = columns.find(({ title }) => title === by) ?? columns[0]
  /** @type {ReadonlyArray<Column<Row>>} */
  let visible = []
  /** @type {Array<Row>} */
  let listed = []
  /** @type {Array<{ readonly element: HTMLElement, readonly cells: ReadonlyArray<Element> }>} */
  let pool = []

  const layOut = () => {
    const room = box.clientWidth - 40
    let used = columns.reduce((sum, { least }) => sum + least + 16, 0)
    visible = columns
    const byRank = [...columns].sort((a, b) => b.rank - a.rank)
    for (const column of phone.matches ? [] : byRank) {
      if (used <= room || column.rank === 0) break
      visible = visible.filter((other) => other !== column)
      used -= column.least + 16
    }
    box.style.setProperty("--least", phone.matches ? "0" : used + 24 + "px")
    box.style.setProperty("--columns", visible.map(({ width }) => width).join(" "))
    space.replaceChildren()
    pool = []
    showHead()
  }

  /** @param {Column<Row>} column */
  const sortBy = (column) => {
    direction = column === key ? (direction === 1 ? -1 : 1) : column.end === true || column.spark === true ? -1 : 1
    key = column
    showHead()
    refresh()
  }

  // A phone has no room for the headers, so it has a list of them.
  const showOrder = () => {
    const order = find("order", HTMLSelectElement)
    order.replaceChildren(...columns.map((column, at) => new Option(column.title, String(at), false, column === key)))
  }

  const showHead = () => {
    showOrder()
    $("head").replaceChildren(
      ...visible.map((column) => {
        const cell = make("div", "")
        cell.setAttribute("role", "columnheader")
        cell.setAttribute("aria-sort", column !== key ? "none" : direction === 1 ? "ascending" : "descending")
        if (column.end === true) cell.dataset.align = "end"
        const sorter = make("button", "", column.title)
        sorter.setAttribute("type", "button")
        sorter.addEventListener("click", () => sortBy(column))
        cell.append(sorter)
        return cell
      })
    )
  }

  const addRow = () => {
    const element = make("div", "")
    element.setAttribute("role", "row")
    const cells = visible.map((column) => {
      const cell = make("div", "")
      cell.setAttribute("role", "gridcell")
      if (column.end === true) cell.dataset.align = "end"
      if (column.phone !== undefined) cell.dataset.phone = column.phone
      if (column.unit !== undefined) cell.dataset.unit = column.unit
      if (column.spark === true) {
        const svg = drawn("svg")
        svg.setAttribute("class", "spark")
        svg.setAttribute("preserveAspectRatio", "none")
        cell.append(svg)
      }
      element.append(cell)
      return cell
    })
    element.addEventListener("click", () => select(Number(element.dataset.id)))
    space.append(element)
    const entry = { element, cells }
    pool.push(entry)
    return entry
  }

  /** Puts what is in sight on the page. */
  const draw = () => {
    const height = phone.matches ? 58 : 34
    space.style.height = listed.length * height + "px"
    const first = Math.max(0, Math.floor(box.scrollTop / height) - 4)
    const last = Math.min(listed.length, Math.ceil((box.scrollTop + box.clientHeight) / height) + 4)
    for (let at = first; at < last; at++) {
      const row = listed[at]
      if (row === undefined) break
      const { cells, element } = pool[at - first] ?? addRow()
      element.hidden = false
      element.style.transform = `translateY(${at * height}px)`
      element.dataset.id = String(id(row))
      element.id = "row-" + id(row)
      element.setAttribute("aria-rowindex", String(at + 2))
      element.setAttribute("aria-selected", String(id(row) === selected))
      visible.forEach((column, index) => {
        const cell = cells[index]
        if (cell === undefined) return
        if (column.spark === true) return sparkRow(cell, /** @type {Open} */ (row))
        write(cell, column.text(row))
        cell.className = column.tone?.(row) ?? ""
      })
    }
    for (let at = Math.max(0, last - first); at < pool.length; at++) pool[at]?.element.setAttribute("hidden", "")
    box.setAttribute("aria-rowcount", String(listed.length + 1))
  }

  /** Filters and sorts what there is, and draws it. */
  const refresh = () => {
    const sought = input("filter").value.trim().toLowerCase().split(/\s+/)
    const all = [...rows()]
    listed = sought[0] === "" ? all : all.filter((row) => sought.every((word) => words(row).includes(word)))
    if (key !== undefined) {
      const { sort } = key
      const values = new Map(listed.map((row) => [row, sort(row)]))
      listed.sort((a, b) => {
        const [x = 0, y = 0] = [values.get(a), values.get(b)]
        return (x < y ? -1 : x > y ? 1 : id(a) - id(b)) * direction
      })
    }
    write($("matches"), sought[0] === "" ? "" : `${count(listed.length)} of ${count(all.length)}`)
    write($("none"), listed.length > 0 ? "" : all.length > 0 ? "Nothing matches the filter." : empty)
    draw()
  }

  /** @param {number} by */
  const step = (by) => {
    const at = listed.findIndex((row) => id(row) === selected)
    const row = listed[Math.min(listed.length - 1, Math.max(0, at + by))]
    if (row === undefined) return
    const height = phone.matches ? 58 : 34
    const top = listed.indexOf(row) * height
    if (top < box.scrollTop) box.scrollTop = top
    if (top + height + 36 > box.scrollTop + box.clientHeight) box.scrollTop = top + height + 36 - box.clientHeight
    select(id(row))
  }

  /** @param {number} at */
  const sortByColumn = (at) => {
    const column = columns[at]
    if (column !== undefined) sortBy(column)
  }

  return { layOut, refresh, draw, step, sortByColumn }
}

/**
 * @param {Element} cell
 * @param {Open} row
 */
const sparkRow = (cell, row) => {
  const svg = cell.firstElementChild
  if (svg === null) return
  const received = unroll(row.inHistory, 30)
  const sent = unroll(row.outHistory, 30)
  const most = Math.max(...received, ...sent)
  spark(svg, received, { most, line: "in" })
  spark(svg, sent, { most, line: "out", at: 1 })
}

const tables = {
  open: makeTable({
    columns: openColumns,
    rows: () => open.values(),
    words: ({ words }) => words,
    id: ({ is }) => is.id,
    empty: "No connection is open.",
    sort: ["#", 1]
  }),
  closed: makeTable({
    columns: closedColumns,
    rows: () => closed,
    words: (row) => [row.id, row.peer, row.path, row.code, row.reason, row.violation].join(" ").toLowerCase(),
    id: (row) => row.id,
    empty: "No connection has closed yet.",
    sort: ["Closed at", -1]
  }),
  refused: makeTable({
    columns: refusedColumns,
    rows: () => refused,
    words: (row) => [row.status, row.rule, row.path, row.peer, row.reason].join(" ").toLowerCase(),
    id: (row) => row.number,
    empty: "No handshake was refused.",
    sort: ["At", -1]
  })
}

/** @typedef {keyof typeof tables} Tab */
/** @type {Tab} */
let tab = "open"
let grid = tables.open

/** @param {Tab} next */
const turnTo = (next) => {
  tab = next
  grid = tables[next]
  for (const name of /** @type {Array<Tab>} */ (Object.keys(tables))) {
    $("tab-" + name).setAttribute("aria-selected", String(name === next))
    $("tab-" + name).tabIndex = name === next ? 0 : -1
  }
  $("grid").scrollTop = 0
  grid.layOut()
  grid.refresh()
}

// ---- one connection -----------------------------------------------------------------------------------------------

/** @type {number | undefined} */
let selected
/** @type {Told<"Selected"> | undefined} */
let watched
/** @type {Array<Frame>} */
let frames = []
let framesSeen = 0
/** @type {Array<number>} */
let trips = []

/** @param {number | undefined} id */
const select = (id) => {
  if (tab === "refused" || Number.isNaN(id)) return
  if (id !== selected) {
    selected = id
    watched = undefined
    frames = []
    framesSeen = 0
    trips = []
    $("frames").replaceChildren()
    $("closing").hidden = true
    notice("")
    send({ _tag: "Select", id: id ?? null })
  }
  const wasHidden = $("detail").hidden
  $("detail").hidden = id === undefined
  if (wasHidden !== $("detail").hidden) grid.layOut()
  grid.refresh()
  showDetail()
}

/**
 * @param {string} id
 * @param {ReadonlyArray<readonly [name: string, value: string]>} entries
 */
const list = (id, entries) => {
  const place = $(id)
  const words = entries.flat()
  if (place.childElementCount !== words.length) {
    place.replaceChildren(...words.map((_, at) => make(at % 2 === 0 ? "dt" : "dd", "")))
  }
  words.forEach((word, at) => {
    const cell = place.children[at]
    if (cell !== undefined) write(cell, word)
  })
}

const showDetail = () => {
  if (selected === undefined) return
  const row = open.get(selected)
  const end = row === undefined ? closed.find(({ id }) => id === selected) : undefined
  const is = row?.is ?? end
  button("close").hidden = hello?.allowClose !== true || row === undefined
  button("save").disabled = watched?.watched !== true
  showFrames()
  if (is === undefined) return
  write($("detail-name"), `#${is.id} ${is.path}`)
  list("facts", [
    ["Peer", (is.peer ?? "unknown") + (is.secure ? ", TLS" : "")],
    ["Opened", clock(is.openedAt) + ", " + span((end?.closedAt ?? now()) - is.openedAt) + (end ? " long" : " ago")],
    ["Subprotocol", is.subprotocol ?? "none"],
    ["Extensions", is.extensions.join(", ") || "none"],
    [
      "Received",
      row === undefined
        ? `${counted(end?.received.messages ?? 0, "message")}, ${size(end?.received.bytes ?? 0)}`
        : `${counted(row.inMessages, "message")}, ${size(row.inBytes)}`
    ],
    [
      "Sent",
      row === undefined
        ? `${counted(end?.sent.messages ?? 0, "message")}, ${size(end?.sent.bytes ?? 0)}`
        : `${counted(row.outMessages, "message")}, ${size(row.outBytes)}`
    ],
    .../** @type {Array<[string, string]>} */ (
      end === undefined
        ? [["Buffered", size(row?.waiting ?? 0)]]
        : [
            ["Closed", `${end.code}${end.reason === "" ? "" : ` “${end.reason}”`}, by the ${BEGAN[end.initiator]}`],
            ["Close", end.clean ? "clean" : "not clean"],
            ...(end.violation === undefined ? [] : [["Broken rule", end.violation]])
          ]
    )
  ])
  list("headers", watched?.headers ?? [])
  const latency = row?.latency ?? end?.latency ?? -1
  if (latency >= 0 && row !== undefined) keep(trips, latency)
  write($("own-rtt"), latency < 0 ? "no ping yet" : millis(latency) + " ms")
  spark(find("own-rtt-spark", SVGElement), trips)
  const received = row === undefined ? [] : unroll(row.inHistory, HISTORY)
  const sent = row === undefined ? [] : unroll(row.outHistory, HISTORY)
  const most = Math.max(...received, ...sent, 1)
  write($("own-in"), row === undefined ? "" : "↓ " + size(received.at(-1) ?? 0) + "/s")
  write($("own-out"), row === undefined ? "" : "↑ " + size(sent.at(-1) ?? 0) + "/s")
  spark(find("own-spark", SVGElement), received, { most, line: "in" })
  spark(find("own-spark", SVGElement), sent, { most, line: "out", at: 1 })
}

// ---- frames -------------------------------------------------------------------------------------------------------

/** @type {Record<number, string>} */
const OPCODES = { 0: "cont.", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong" }

/** @param {Frame} frame */
const kindOf = ({ first, violation }) => {
  if (violation !== undefined) return "bad"
  const opcode = first & 15
  return opcode >= 8 ? "control" : opcode === 1 ? "text" : "binary"
}

/** @param {number} ms */
const since = (ms) => {
  const hours = Math.floor(ms / 3_600_000)
  const minutes = Math.floor(ms / 60_000) % 60
  const seconds = ((ms % 60_000) / 1000).toFixed(3)
  if (ms < 60_000) return seconds
  return (hours > 0 ? hours + ":" + String(minutes).padStart(2, "0") : minutes) + ":" + seconds.padStart(6, "0")
}

/** @param {Frame} frame */
const frameItem = (frame) => {
  const { at, first, from, length, masked, preview, violation } = frame
  const item = make("li", "")
  item.dataset.from = from
  item.dataset.opcode = String(first & 15)
  const bits = [first & 128 ? "fin" : "", first & 64 ? "rsv1" : "", first & 32 ? "rsv2" : "", first & 16 ? "rsv3" : ""]
  const flags = [...bits, masked ? "mask" : ""].filter((flag) => flag !== "").join(" ")
  item.append(
    make("span", "at", since(at)),
    make("span", "arrow " + from, from === "peer" ? "↓" : "↑"),
    make("span", "opcode", OPCODES[first & 15] ?? "0x" + (first & 15).toString(16)),
    make("span", "flags", flags),
    make("span", "size", size(length))
  )
  // The payload of a ping is a number of ours, or noise.
  if (preview !== undefined && (first & 15) < 9) item.append(make("span", "preview", preview))
  if (violation !== undefined) item.append(make("span", "broke", "breaks a rule: " + violation))
  return item
}

/** @param {Told<"Frames">} told */
const framed = (told) => {
  if (told.id !== selected) return
  framesSeen += told.frames.length + told.dropped
  const fresh = told.frames.slice(-SHOWN_FRAMES)
  frames = [...frames, ...fresh].slice(-SHOWN_FRAMES)
  const place = $("frames")
  const away = place.scrollTop
  const before = place.scrollHeight
  place.prepend(...fresh.map(frameItem).reverse())
  while (place.childElementCount > SHOWN_FRAMES) place.lastElementChild?.remove()
  // Whoever has scrolled down to read something keeps it in sight.
  if (away > 0) place.scrollTop = away + place.scrollHeight - before
  showFrames()
}

const showFrames = () => {
  write(
    $("frame-count"),
    framesSeen <= SHOWN_FRAMES ? count(framesSeen) : `last ${SHOWN_FRAMES} of ${count(framesSeen)}`
  )
  write(
    $("no-frames"),
    watched === undefined || frames.length > 0
      ? ""
      : watched.watched
        ? "None since you selected it."
        : "None are kept of this connection."
  )
  const svg = find("timeline", SVGElement)
  const row = selected === undefined ? undefined : open.get(selected)
  const latest = row === undefined ? (frames.at(-1)?.at ?? 0) : now() - row.is.openedAt
  const spent = Math.min(30_000, Math.max(2000, latest - (frames[0]?.at ?? latest)))
  svg.setAttribute("viewBox", "0 0 1000 66")
  while (svg.childElementCount <= frames.length) svg.append(drawn(svg.childElementCount === 0 ? "line" : "rect"))
  while (svg.childElementCount > frames.length + 1) svg.lastElementChild?.remove()
  const line = svg.firstElementChild
  for (const [name, value] of [
    ["x1", 0],
    ["x2", 1000],
    ["y1", 33],
    ["y2", 33]
  ])
    line?.setAttribute(String(name), String(value))
  frames.forEach((frame, at) => {
    const bar = svg.children[at + 1]
    const height = Math.min(30, 4 + Math.log2(frame.length + 1) * 1.5)
    const x = 1000 - ((latest - frame.at) / spent) * 1000
    bar?.setAttribute("x", x.toFixed(1))
    bar?.setAttribute("y", (frame.from === "peer" ? 34 : 32 - height).toFixed(1))
    bar?.setAttribute("width", "5")
    bar?.setAttribute("height", height.toFixed(1))
    bar?.setAttribute("class", "kind-" + kindOf(frame))
  })
  write($("scale-from"), frames.length === 0 ? "" : `${(spent / 1000).toFixed(0)} s ago`)
  write($("scale-to"), frames.length === 0 ? "" : row === undefined ? "the end" : "now")
}

/**
 * @param {string} words
 * @param {"" | "bad"} [tone]
 */
const notice = (words, tone = "") => {
  write($("notice"), words)
  $("notice").dataset.tone = tone
}

/** @param {Told<"Saved">} told */
const saved = ({ id, lines }) => {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(new Blob([lines], { type: "application/jsonl" }))
  link.download = `connection-${id}.jsonl`
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
  const note = hello?.payloads === "full" ? "" : " It has no payloads (option payloads), so it cannot be replayed."
  notice(`Saved ${link.download}.${note}`)
}

// ---- the connection to the inspector ------------------------------------------------------------------------------

const address =
  (location.protocol === "https:" ? "wss://" : "ws://") + location.host + location.pathname.replace(/\/?$/, "/socket")
/** @type {WebSocket | undefined} */
let socket
let attempts = 0

/** @param {FromViewer} command */
const send = (command) => {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(command))
}

/**
 * @param {"connecting" | "live" | "lost"} state
 * @param {string} words
 */
const status = (state, words) => {
  write($("status"), words)
  $("status").dataset.state = state
}

/** @param {FromInspector} told */
const hear = (told) => {
  switch (told._tag) {
    case "Hello":
      hello = told
      forget()
      status("live", "Live")
      $("drain").hidden = !told.allowDrain
      if (selected !== undefined) send({ _tag: "Select", id: selected })
      return
    case "Opened":
      return told.connections.forEach(opened)
    case "Traffic":
      return applyTraffic(told.values)
    case "Closed":
      for (const { id } of told.connections) open.delete(id)
      closed = [...closed, ...told.connections].slice(-1000)
      return
    case "Refused":
      refused = [...refused, ...told.refusals].slice(-1000)
      return
    case "Selected":
      watched = told
      frames = []
      framesSeen = 0
      $("frames").replaceChildren()
      return showDetail()
    case "Frames":
      return framed(told)
    case "Saved":
      return saved(told)
    case "Denied":
      return notice(told.reason, "bad")
    case "Totals":
      write($("servers"), told.servers.join(", ") || "no server runs")
      write($("tab-open-count"), count(told.open))
      write($("tab-closed-count"), count(told.closed))
      write($("tab-refused-count"), count(told.refused))
      return updated(told)
  }
}

const connect = () => {
  const connecting = new WebSocket(address)
  socket = connecting
  connecting.addEventListener("message", ({ data }) => {
    attempts = 0
    hear(/** @type {FromInspector} */ (JSON.parse(data)))
  })
  connecting.addEventListener("close", ({ reason }) => {
    attempts++
    status("lost", reason === "" ? "Disconnected" : "Disconnected: " + reason)
    setTimeout(connect, Math.min(10_000, 250 * 2 ** attempts))
  })
}

// ---- what the person at the page does -----------------------------------------------------------------------------

const tabs = /** @type {ReadonlyArray<Tab>} */ (["open", "closed", "refused"])
for (const name of tabs) {
  $("tab-" + name).addEventListener("click", () => turnTo(name))
  $("tab-" + name).addEventListener("keydown", ({ key }) => {
    const by = key === "ArrowRight" ? 1 : key === "ArrowLeft" ? -1 : 0
    const next = tabs[(tabs.indexOf(name) + by + tabs.length) % tabs.length]
    if (by === 0 || next === undefined) return
    turnTo(next)
    $("tab-" + next).focus()
  })
}
find("order", HTMLSelectElement).addEventListener("change", ({ currentTarget }) => {
  grid.sortByColumn(Number(/** @type {HTMLSelectElement} */ (currentTarget).value))
})
input("filter").addEventListener("input", () => {
  $("grid").scrollTop = 0
  grid.refresh()
})
$("grid").addEventListener("scroll", () => requestAnimationFrame(() => grid.draw()), { passive: true })
$("grid").addEventListener("keydown", (event) => {
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity }
  const by = steps[/** @type {keyof typeof steps} */ (event.key)]
  if (by === undefined || event.target !== $("grid")) return
  event.preventDefault()
  grid.step(by)
})
document.addEventListener("keydown", ({ key }) => {
  if (key === "Escape" && !find("confirm", HTMLDialogElement).open) select(undefined)
})
$("leave").addEventListener("click", () => select(undefined))
$("pause").addEventListener("click", () => {
  paused = !paused
  $("pause").setAttribute("aria-pressed", String(paused))
  write($("pause"), paused ? "Paused" : "Pause")
  if (!paused) grid.refresh()
})
$("save").addEventListener("click", () => {
  if (selected !== undefined) send({ _tag: "Save", id: selected })
})
$("close").addEventListener("click", () => {
  $("closing").hidden = !$("closing").hidden
  if (!$("closing").hidden) input("close-code").focus()
})
$("closing").addEventListener("submit", (event) => {
  event.preventDefault()
  const code = Number(input("close-code").value)
  if (selected === undefined) return
  if (!Number.isInteger(code)) return notice("A close code is a number such as 1001.", "bad")
  notice("")
  send({ _tag: "Close", id: selected, code, reason: input("close-reason").value })
  $("closing").hidden = true
})
$("drain").addEventListener("click", () => find("confirm", HTMLDialogElement).showModal())
find("confirm", HTMLDialogElement).addEventListener("close", () => {
  const dialog = find("confirm", HTMLDialogElement)
  if (dialog.returnValue === "drain") send({ _tag: "Drain" })
  dialog.returnValue = ""
})
new ResizeObserver(() => {
  grid.layOut()
  grid.draw()
}).observe($("grid"))

turnTo("open")
connect()
