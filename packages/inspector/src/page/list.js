/** The list of connections: three tables under tabs, with a filter, of which one row may be selected. */
import { closedColumns, openColumns, refusedColumns } from "./columns.js"
import { closed, open, refused } from "./connections.js"
import { notice, showDetail } from "./detail.js"
import { $, find, input } from "./find.js"
import { choose, selected } from "./selection.js"
import { send } from "./socket.js"
import { makeTable } from "./table.js"

/**
 * Asks the inspector for a connection from the start: its request, and its frames from now on.
 *
 * @param {number | undefined} id
 */
export const request = (id) => {
  choose(id)
  $("frames").replaceChildren()
  $("closing").hidden = true
  notice("")
  send({ _tag: "Select", id: id ?? null })
}

/** @param {number | undefined} id */
export const select = (id) => {
  if (id !== selected) request(id)
  const wasHidden = $("detail").hidden
  $("detail").hidden = id === undefined
  if (wasHidden !== $("detail").hidden) grid.layOut()
  // A paused list shows what is selected, and stays as it is.
  grid.draw()
  showDetail()
}

const selection = { selected: () => selected, select }
const tables = {
  open: makeTable({
    selection,
    columns: openColumns,
    rows: () => open.values(),
    words: ({ words }) => words,
    id: ({ is }) => is.id,
    empty: "No connection is open.",
    sort: ["#", 1]
  }),
  closed: makeTable({
    selection,
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
export let grid = tables.open

/** @param {Tab} next */
export const turnTo = (next) => {
  grid = tables[next]
  for (const name of /** @type {Array<Tab>} */ (Object.keys(tables))) {
    $("tab-" + name).setAttribute("aria-selected", String(name === next))
    $("tab-" + name).tabIndex = name === next ? 0 : -1
  }
  $("grid").scrollTop = 0
  grid.layOut()
  grid.refresh()
}

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
  if (by === undefined || event.target !== $("grid") || !grid.hasSelection) return
  event.preventDefault()
  grid.step(by)
})
new ResizeObserver(() => {
  grid.layOut()
  grid.draw()
}).observe($("grid"))
