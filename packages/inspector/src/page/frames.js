/** The frames of the selected connection: the list, newest first, and the timeline above it. */
import { now, open } from "./connections.js"
import { drawn, make, write } from "./elements.js"
import { $, find } from "./find.js"
import { addFrames, frames, framesSeen, selected, SHOWN_FRAMES, watched } from "./selection.js"
import { size } from "./size.js"
import { count, since } from "./words.js"
/** @import { Frame, Told } from "./connections.js" */

/** @type {Record<number, string>} */
const OPCODES = { 0: "cont.", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong" }

/** @param {Frame} frame */
const kindOf = ({ first, violation }) => {
  if (violation !== undefined) return "bad"
  const opcode = first & 15
  return opcode >= 8 ? "control" : opcode === 1 ? "text" : "binary"
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
export const framed = (told) => {
  if (told.id !== selected) return
  const fresh = addFrames(told)
  const place = $("frames")
  const away = place.scrollTop
  const before = place.scrollHeight
  place.prepend(...fresh.map(frameItem).reverse())
  while (place.childElementCount > SHOWN_FRAMES) place.lastElementChild?.remove()
  // A reader who has scrolled down keeps what is in sight.
  if (away > 0) place.scrollTop = away + place.scrollHeight - before
  showFrames()
}

export const showFrames = () => {
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
