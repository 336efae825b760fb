/** The panel with the details of the selected connection. */
import { closed, hello, now, open, totals, unroll, HISTORY } from "./connections.js"
import { make, write } from "./elements.js"
import { $, button, find } from "./find.js"
import { showFrames } from "./frames.js"
import { selected, trips, watched } from "./selection.js"
import { size } from "./size.js"
import { keep, spark } from "./spark.js"
import { clock, CLOSED_BY, counted, millis, span } from "./words.js"
/** @import { Told } from "./connections.js" */

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

export const showDetail = () => {
  if (selected === undefined) return
  const row = open.get(selected)
  const end = row === undefined ? closed.find(({ id }) => id === selected) : undefined
  const is = row?.is ?? end
  button("close").hidden = hello?.allowClose !== true || row === undefined
  if (row === undefined) $("closing").hidden = true
  button("save").disabled = watched?.watched !== true
  showFrames()
  if (is === undefined) {
    // Before the first totals the inspector has not yet told of every connection.
    if (totals !== undefined) notice("The inspector no longer lists this connection.")
    return
  }
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
            ["Closed", `${end.code}${end.reason === "" ? "" : ` “${end.reason}”`}, by the ${CLOSED_BY[end.initiator]}`],
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

/**
 * @param {string} words
 * @param {"" | "bad"} [tone]
 */
export const notice = (words, tone = "") => {
  write($("notice"), words)
  $("notice").dataset.tone = tone
}

/** @param {Told<"Saved">} told */
export const saved = ({ id, lines }) => {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(new Blob([lines], { type: "application/jsonl" }))
  link.download = `connection-${id}.jsonl`
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
  const note = hello?.payloads === "full" ? "" : " It has no payloads (option payloads), so it cannot be replayed."
  notice(`Saved ${link.download}.${note}`)
}
