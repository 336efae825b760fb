/** A table that draws only the rows in sight, so that ten thousand connections cost what thirty do. */
import { unroll } from "./connections.js"
import { drawn, make, write } from "./elements.js"
import { $, find, input } from "./find.js"
import { spark } from "./spark.js"
import { count } from "./words.js"
/** @import { Column } from "./columns.js" */
/** @import { Open } from "./connections.js" */

const phone = matchMedia("(max-width: 720px)")

/**
 * @typedef {object} Selection
 * @property {() => number | undefined} selected The id of the selected row.
 * @property {(id: number) => void} select
 */

/**
 * Makes a table of one kind of row. Several tables share the elements of the page, one at a time.
 *
 * @template Row
 * @param {object} options
 * @param {ReadonlyArray<Column<Row>>} options.columns
 * @param {() => Iterable<Row>} options.rows
 * @param {(row: Row) => string} options.words
 * @param {(row: Row) => number} options.id
 * @param {string} options.empty
 * @param {readonly [title: string, direction: 1 | -1]} options.sort
 * @param {Selection} [options.selection] Absent where rows cannot be selected.
 */
export const makeTable = ({ columns, empty, id, rows, selection, sort, words }) => {
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
    if (selection !== undefined) {
      element.addEventListener("click", () => selection.select(Number(element.dataset.id)))
    }
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
      if (selection !== undefined) {
        element.setAttribute("aria-selected", String(id(row) === selection.selected()))
      }
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
    const at = listed.findIndex((row) => id(row) === selection?.selected())
    const row = listed[Math.min(listed.length - 1, Math.max(0, at + by))]
    if (row === undefined) return
    const height = phone.matches ? 58 : 34
    const top = listed.indexOf(row) * height
    if (top < box.scrollTop) box.scrollTop = top
    if (top + height + 36 > box.scrollTop + box.clientHeight) box.scrollTop = top + height + 36 - box.clientHeight
    selection?.select(id(row))
  }

  /** @param {number} at */
  const sortByColumn = (at) => {
    const column = columns[at]
    if (column !== undefined) sortBy(column)
  }

  return { hasSelection: selection !== undefined, layOut, refresh, draw, step, sortByColumn }
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
