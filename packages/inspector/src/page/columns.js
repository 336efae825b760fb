/** The columns of the three lists: open connections, closed connections, refused handshakes. */
import { HISTORY, now, tick } from "./connections.js"
import { size } from "./size.js"
import { clock, count, CLOSED_BY, millis, rate, span } from "./words.js"
/** @import { ClosedRow, Open, RefusedRow } from "./connections.js" */

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

/** @type {ReadonlyArray<Column<Open>>} */
export const openColumns = [
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

/** @type {ReadonlyArray<Column<ClosedRow>>} */
export const closedColumns = [
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
    text: (row) => CLOSED_BY[row.initiator]
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
export const refusedColumns = [
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
