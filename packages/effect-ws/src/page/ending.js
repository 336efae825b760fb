/** Why a connection ended, in words: browsers tell little more than a number. */
import { quote, span } from "./words.js"

/**
 * What is known of a connection when it has ended.
 *
 * @typedef {object} End
 * @property {boolean} opened
 * @property {boolean} asked Whether the person at the page asked for the end.
 * @property {boolean} failed
 * @property {string} host
 * @property {boolean} secure
 * @property {ReadonlyArray<string>} offered Subprotocols.
 * @property {number} code
 * @property {string} reason
 * @property {boolean} clean
 * @property {number} idle Seconds since anything was sent or received.
 */

/** @type {Record<number, readonly [name: string, meaning: string]>} */
const CODES = {
  1000: ["normal closure", "The conversation did what it was meant to do and ended."],
  1001: ["going away", "The server is shutting down, or the page was left."],
  1002: ["protocol error", "The end that closed received bytes that break the WebSocket protocol."],
  1003: [
    "unsupported data",
    "The end that closed cannot handle this kind of message, such as binary where it wants text."
  ],
  1004: ["reserved", "This code has no meaning yet and should never be seen."],
  1005: ["no code given", "The closing handshake was complete, but the close frame carried no code."],
  1006: ["abnormal closure", "The connection ended without a closing handshake."],
  1007: [
    "invalid payload",
    "A message did not match its type: mostly text that is not valid UTF-8, or data that does not inflate."
  ],
  1008: [
    "policy violation",
    "A message broke a rule of the end that closed; the code is the general one for refusals."
  ],
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

/**
 * @param {number} code
 * @returns {readonly [name: string, meaning: string]}
 */
export const describeCode = (code) => {
  const known = CODES[code]
  if (known !== undefined) return known
  if (code >= 3000 && code < 4000)
    return ["library code", "Codes 3000 to 3999 belong to libraries and frameworks; this one is not known here."]
  if (code >= 4000 && code < 5000)
    return ["application code", "Codes 4000 to 4999 are private: only the application knows what this one means."]
  return ["unknown code", "No meaning is registered for this code."]
}

/** @param {End} end */
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
    return (
      "The connection never opened. Most likely " +
      causes.slice(0, -1).join(", or ") +
      ", or " +
      causes[causes.length - 1] +
      "."
    )
  }
  if (end.asked) return "You asked to close, but the connection broke off before the server answered."
  const idle =
    end.idle >= 30
      ? " Nothing had passed for " + span(end.idle) + ", so a proxy that cuts idle connections is likely."
      : ""
  if (end.failed) {
    return (
      "The browser gave up the connection: the server sent bytes that break the protocol, or the network failed. " +
      "The console of the developer tools says which."
    )
  }
  return "The connection broke off without a closing handshake: the server process ended, or the network failed." + idle
}

/** @param {End} end */
export const explain = (end) => {
  if (end.code === 1006) return explainBrokenOff(end)
  const who = end.asked ? "You closed, and the server answered. " : "The server closed. "
  const reason = end.reason === "" ? "" : " Reason: " + quote(end.reason) + "."
  const unclean = end.clean ? "" : " The closing handshake was not completed."
  return who + describeCode(end.code)[1] + reason + unclean
}
