/**
 * What the page knows: the open connections with their counts and rates, those that closed, and the refused handshakes.
 * Everything is bounded by what the inspector keeps. Other modules read it; only the functions here change it.
 */
/** @import { FromInspector } from "../InspectorProtocol.ts" */

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

/** How many updates the rates of a connection reach back. */
export const HISTORY = 60

/** @type {Map<number, Open>} */
export const open = new Map()
/** @type {Array<ClosedRow>} */
export let closed = []
/** @type {Array<RefusedRow>} */
export let refused = []
/** @type {Told<"Hello"> | undefined} */
export let hello
/** @type {Totals | undefined} */
export let totals
/** Counts the updates. */
export let tick = 0

/** The server's clock at the last update. */
export const now = () => totals?.now ?? Date.now()

/**
 * A connection to the inspector begins: it tells everything from the start.
 *
 * @param {Told<"Hello">} told
 */
export const begin = (told) => {
  hello = told
  open.clear()
  closed = []
  refused = []
  totals = undefined
}

/** @param {OpenedRow} is */
export const opened = (is) => {
  const words = [is.id, is.peer, is.path, is.subprotocol, ...is.extensions].join(" ").toLowerCase()
  const none = { inBytes: 0, inMessages: 0, outBytes: 0, outMessages: 0 }
  const inHistory = new Float32Array(HISTORY)
  const outHistory = new Float32Array(HISTORY)
  open.set(is.id, { is, words, ...none, waiting: 0, latency: -1, rate: 0, before: none, inHistory, outHistory })
}

/** @param {ReadonlyArray<ClosedRow>} rows */
export const ended = (rows) => {
  for (const { id } of rows) open.delete(id)
  closed = [...closed, ...rows].slice(-1000)
}

/** @param {ReadonlyArray<number>} ids */
export const forget = (ids) => {
  for (const id of ids) open.delete(id)
}

/** @param {ReadonlyArray<RefusedRow>} rows */
export const refuse = (rows) => {
  refused = [...refused, ...rows].slice(-1000)
}

/** @param {ReadonlyArray<number>} values */
export const applyTraffic = (values) => {
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
export const advance = (next) => {
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
  totals = next
}

/**
 * The values of a ring, oldest first.
 *
 * @param {Float32Array} ring
 * @param {number} length
 */
export const unroll = (ring, length) =>
  Array.from({ length }, (_, index) => ring[(tick + HISTORY - length + 1 + index) % HISTORY] ?? 0)
