/**
 * Converts and checks the arguments of the standard's `WebSocket`: the conversions of Web IDL and the steps that throw.
 * Step numbers are those of https://websockets.spec.whatwg.org.
 */
import { maxReasonBytes } from "@effect-ws/protocol/CloseError"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import { isToken } from "@effect-ws/protocol/HeaderGrammar"
import * as Utf8 from "@effect-ws/protocol/Utf8"
import { types } from "node:util"

/**
 * Options that may stand in place of the subprotocols.
 *
 * **Details**
 *
 * Deviation: the standard accepts subprotocols only; Node, Bun and Deno accept this.
 *
 * @category models
 * @since 0.1.0
 */
export interface WebSocketInit {
  /** Subprotocols to offer, best first. Default: none. */
  readonly protocols?: string | Iterable<string> | undefined
  /** Headers to add to the handshake request. Default: none. */
  readonly headers?:
    | Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
    | Iterable<readonly [string, string]>
    | undefined
}

/** Steps 1 to 7 of the constructor. */
export const toUrl = (text: string): URL => {
  // There is no page, and therefore no base URL.
  if (!URL.canParse(text)) throw syntaxError(`expected an absolute URL, found ${quote(text)}`)
  const url = new URL(text)
  if (url.protocol === "http:") url.protocol = "ws:"
  else if (url.protocol === "https:") url.protocol = "wss:"
  if (url.protocol !== "ws:" && url.protocol !== "wss:") {
    throw syntaxError(`expected a URL of scheme ws, wss, http or https, found ${quote(url.protocol)}`)
  }
  // An empty fragment counts too, and is visible only in the whole URL.
  if (url.href.includes("#")) throw syntaxError("expected a URL without a fragment")
  return url
}

/** Steps 8 and 9 of the constructor, and the headers of an {@link WebSocketInit}. */
export const toHandshake = (
  input: unknown
): { readonly subprotocols: ReadonlyArray<string>; readonly headers: HeaderFields.HeaderFields } => {
  // Deviation: the standard accepts no headers; every implementation outside of browsers does.
  const init: WebSocketInit =
    isObject(input) && !(Symbol.iterator in input)
      ? input
      : { protocols: input as WebSocketInit["protocols"] | undefined }
  const { headers = {}, protocols = [] } = init
  const subprotocols = isObject(protocols)
    ? Array.from(protocols as Iterable<unknown>, (name) => `${name}`)
    : [`${protocols}`]
  for (const [index, name] of subprotocols.entries()) {
    if (!isToken(name)) throw syntaxError(`expected a token as subprotocol, found ${quote(name)}`)
    // RFC 6455 4.1: the elements "MUST all be unique strings". The comparison is case-sensitive.
    if (subprotocols.indexOf(name) !== index) throw syntaxError(`expected distinct subprotocols, found ${name} twice`)
  }
  return {
    subprotocols,
    headers: Symbol.iterator in headers ? HeaderFields.fromEntries(headers) : HeaderFields.fromInput(headers)
  }
}

/** The steps of `close` that throw. Returns the code and reason of the close frame. */
export const toClose = (
  code: unknown,
  reason: unknown
): { readonly code: number | undefined; readonly reason: string } => {
  const number = code === undefined ? undefined : clampToShort(code)
  const text = reason === undefined ? "" : toUsvString(reason)
  if (number !== undefined && number !== 1000 && (number < 3000 || number > 4999)) {
    throw new DOMException(`expected close code 1000 or 3000 to 4999, found ${number}`, "InvalidAccessError")
  }
  const bytes = Utf8.encode(text).length
  if (bytes > maxReasonBytes) {
    throw syntaxError(`expected a close reason of at most ${maxReasonBytes} bytes of UTF-8, found ${bytes}`)
  }
  // A close frame cannot carry a reason without a code.
  return { code: number ?? (text === "" ? undefined : 1000), reason: text }
}

/** Converts the argument of `send`, a union of BufferSource, Blob and USVString. */
export const toData = (data: unknown): string | Uint8Array | Blob => {
  if (data instanceof Blob) return data
  if (types.isArrayBuffer(data)) return bytesOf(data, data)
  if (ArrayBuffer.isView(data)) {
    if (types.isSharedArrayBuffer(data.buffer)) throw new TypeError("cannot send a view of a SharedArrayBuffer")
    return bytesOf(data.buffer, data)
  }
  return toUsvString(data)
}

// Web IDL: without [AllowResizable] a resizable buffer is a TypeError, and "the bytes held by" a detached one are none.
// The length of a DataView on a detached buffer throws, so the check comes first.
const bytesOf = (buffer: ArrayBuffer, source: ArrayBuffer | ArrayBufferView): Uint8Array => {
  if (buffer.resizable) throw new TypeError("cannot send a resizable ArrayBuffer")
  if (buffer.detached) return new Uint8Array(0)
  return new Uint8Array(buffer, "byteOffset" in source ? source.byteOffset : 0, source.byteLength)
}

/** Returns the size of the data in bytes. */
export const sizeOf = (data: string | Uint8Array | Blob): number =>
  // Deviation: for a view the standard says "the length of data's buffer"; every implementation counts the bytes it
  // sends.
  typeof data === "string" ? Buffer.byteLength(data) : data instanceof Blob ? data.size : data.length

/** Tests for the values that an EventHandler attribute keeps: any object is a handler, anything else is none. */
export const isObject = (value: unknown): value is object =>
  (typeof value === "object" && value !== null) || typeof value === "function"

// A template throws on a symbol, as Web IDL demands; `String` does not.
export const toUsvString = (value: unknown): string => `${value as string}`.toWellFormed()

// [Clamp] unsigned short: rounds to the nearest integer of the range, and to the even one when two are as near.
const clampToShort = (value: unknown): number => {
  const number = Math.min(Math.max(Number(value), 0), 65_535)
  const floor = Math.floor(number)
  const rest = number - floor
  return Number.isNaN(number) ? 0 : rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor
}

const syntaxError = (message: string): DOMException => new DOMException(message, "SyntaxError")

const quote = (text: string): string => JSON.stringify(text.slice(0, 64))
