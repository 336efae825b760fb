/**
 * The program of the inspector's page. It keeps what the inspector sends, which is what has changed, and draws it once
 * for each update.
 *
 * It is plain JavaScript with types in comments, because it runs in the browser as it stands here; the types of
 * messages are those of the Schemas that the server encodes with. `readPage` joins its modules for the page that is
 * served.
 */
import { advance, applyTraffic, begin, ended, forget, opened, refuse, totals } from "./connections.js"
import { notice, saved, showDetail } from "./detail.js"
import { write } from "./elements.js"
import { $, find, input } from "./find.js"
import { framed } from "./frames.js"
import { grid, request, select, turnTo } from "./list.js"
import { selected, watch } from "./selection.js"
import { connect, send, status } from "./socket.js"
import { clearTiles, showTiles } from "./tiles.js"
import { count } from "./words.js"
/** @import { FromInspector } from "../InspectorProtocol.ts" */
/** @import { Totals } from "./connections.js" */

let paused = false

/** @param {Totals} next */
const updated = (next) => {
  const before = totals
  advance(next)
  if (before !== undefined) showTiles(before, next)
  if (!paused) grid.refresh()
  showDetail()
}

/** @param {FromInspector} told */
const hear = (told) => {
  switch (told._tag) {
    case "Hello":
      begin(told)
      clearTiles()
      status("live", "Live")
      $("drain").hidden = !told.allowDrain
      if (selected !== undefined) request(selected)
      return
    case "Opened":
      return told.connections.forEach(opened)
    case "Traffic":
      return applyTraffic(told.values)
    case "Closed":
      return ended(told.connections)
    case "Forgotten":
      return forget(told.ids)
    case "Refused":
      return refuse(told.refusals)
    case "Selected":
      watch(told)
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

document.addEventListener("keydown", ({ key, target }) => {
  if (key !== "Escape" || find("confirm", HTMLDialogElement).open) return
  // There the browser clears the filter.
  if (target === input("filter") && input("filter").value !== "") return
  select(undefined)
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

turnTo("open")
connect(hear)
