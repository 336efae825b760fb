/** Messages: their kind and length, how the log shows them, and how an echo is recognised. */
import { count, quote } from "./words.js"

/** @typedef {"text" | "binary"} Kind */

const SHOWN_CHARACTERS = 1000
const SHOWN_BYTES = 64

export const encoder = new TextEncoder()

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

/** @param {string | Uint8Array} data */
export const kindOf = (data) => (typeof data === "string" ? "text" : "binary")
/** @param {string | Uint8Array} data */
export const byteLength = (data) => (typeof data === "string" ? encoder.encode(data) : data).length
/** @param {string | Uint8Array} data */
export const shown = (data) => (typeof data === "string" ? shownText(data) : shownBytes(data))

/**
 * Tells messages apart well enough to pair an echo with what was sent, without keeping large payloads alive.
 *
 * @param {Kind} kind
 * @param {string | Uint8Array} data
 */
export const fingerprint = (kind, data) => {
  const edge = 2048
  const length = data.length
  const ends = length <= 2 * edge ? [data] : [data.slice(0, edge), data.slice(length - edge)]
  return kind + ":" + length + ":" + ends.map((part) => (typeof part === "string" ? part : part.join())).join("|")
}

/**
 * @param {string} typed
 * @returns {string | Uint8Array<ArrayBuffer>} The bytes, or what is wrong.
 */
export const parseHex = (typed) => {
  const digits = typed.replace(/0x|[\s,:;_-]/gi, "")
  const wrong = /[^0-9a-f]/i.exec(digits)
  if (wrong) return quote(wrong[0]) + " is not a hexadecimal digit. Expected bytes such as 00 7f ff."
  if (digits.length % 2 === 1) {
    return "A byte has two hexadecimal digits, and there are " + digits.length + " digits: one is missing."
  }
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => parseInt(digits.slice(2 * i, 2 * i + 2), 16))
}
