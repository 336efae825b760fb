/**
 * The arguments of the standard's `WebSocket`, from what a script passes to what the standard's steps speak of: the
 * conversions of Web IDL and the checks that throw. Numbered steps are those of https://websockets.spec.whatwg.org.
 */
import { maxReasonBytes } from "@effect-ws/protocol/CloseError"
import type { HeaderField, HeaderFields } from "@effect-ws/protocol/HeaderFields"
import { isToken } from "@effect-ws/protocol/HeaderGrammar"
import * as Utf8 from "@effect-ws/protocol/Utf8"
import { types } from "node:util"

/** Options that may stand in place of subprotocols, as in Node, Bun and Deno. */
export interface Init {
  readonly protocols?: string | Iterable<string> | undefined
  readonly headers?: Readonly<Record<string, string>> | Iterable<readonly [string, string]> | undefined
}

/** The steps 1 to 7 of the constructor. */
export const toUrl = (text: string): URL => {
  // There is no page, so no base URL either.
  if (!URL.canParse(text)) throw syntaxError(`expected an absolute URL, found ${quote(text)}`)
  const url = new URL(text)
  if (url.protocol === "http:") url.protocol = "ws:"
  else if (url.protocol === "https:") url.protocol = "wss:"
  if (url.protocol !== "ws:" && url.protocol !== "wss:") {
    throw syntaxError(`expected a URL of scheme ws, wss, http or https, found ${quote(url.protocol)}`)
  }
  // A fragment that is empty is one as well, and shows in the whole URL only.
  if (url.href.includes("#")) throw syntaxError("expected a URL without a fragment")
  return url
}

/** The steps 8 and 9 of the constructor, and the headers of an {@link Init}. */
export const toHandshake = (
  input: unknown
): { readonly subprotocols: ReadonlyArray<string>; readonly headers: HeaderFields } => {
  // Deviation: the standard takes no headers; every implementation outside of browsers does.
  const init: Init =
    isObject(input) && !(Symbol.iterator in input) ? input : { protocols: input as Init["protocols"] | undefined }
  const { headers = {}, protocols = [] } = init
  const subprotocols = isObject(protocols)
    ? Array.from(protocols as Iterable<unknown>, (name) => `${name}`)
    : [`${protocols}`]
  for (const [index, name] of subprotocols.entries()) {
    if (!isToken(name)) throw syntaxError(`expected a token as subprotocol, found ${quote(name)}`)
    // RFC 6455 4.1: the elements "MUST all be unique strings", and case is part of a string.
    if (subprotocols.indexOf(name) !== index) throw syntaxError(`expected distinct subprotocols, found ${name} twice`)
  }
  const pairs = Symbol.iterator in headers ? headers : Object.entries(headers)
  return { subprotocols, headers: Array.from(pairs, ([name, value]): HeaderField => ({ name, value })) }
}

/** The steps of `close` that throw: what to put into the close frame. */
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
  // A reason cannot be sent without a code.
  return { code: number ?? (text === "" ? undefined : 1000), reason: text }
}

/** What `send` is to send, as the union (BufferSource or Blob or USVString) takes it. */
export const toData = (data: unknown): string | Uint8Array | Blob => {
  if (data instanceof Blob) return data
  if (types.isArrayBuffer(data)) return bytesOf(data, data)
  if (ArrayBuffer.isView(data)) {
    if (types.isSharedArrayBuffer(data.buffer)) throw new TypeError("a view of shared memory cannot be sent")
    return bytesOf(data.buffer, data)
  }
  return toUsvString(data)
}

// Web IDL: without [AllowResizable] a buffer that can be resized is a TypeError, and of one that was transferred "the bytes
// held by" it are none. A DataView of such a buffer throws where it is asked for its length.
const bytesOf = (buffer: ArrayBuffer, source: ArrayBuffer | ArrayBufferView): Uint8Array => {
  if (buffer.resizable) throw new TypeError("a buffer that can be resized cannot be sent")
  if (buffer.detached) return new Uint8Array(0)
  return new Uint8Array(buffer, "byteOffset" in source ? source.byteOffset : 0, source.byteLength)
}

/** How many bytes of application data it is. */
export const sizeOf = (data: string | Uint8Array | Blob): number =>
  // Deviation: of a view the standard says "the length of data's buffer"; every implementation counts what it sends.
  typeof data === "string" ? Buffer.byteLength(data) : data instanceof Blob ? data.size : data.length

/** What an attribute of type EventHandler keeps: what is no object is no handler. */
export const isObject = (value: unknown): value is object =>
  (typeof value === "object" && value !== null) || typeof value === "function"

// A template throws on a symbol, as Web IDL wants, where String does not.
export const toUsvString = (value: unknown): string => `${value as string}`.toWellFormed()

// [Clamp] unsigned short: the nearest integer of the range, the even one where two are as near.
const clampToShort = (value: unknown): number => {
  const number = Math.min(Math.max(Number(value), 0), 65_535)
  const floor = Math.floor(number)
  const rest = number - floor
  return Number.isNaN(number) ? 0 : rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor
}

const syntaxError = (message: string): DOMException => new DOMException(message, "SyntaxError")

const quote = (text: string): string => JSON.stringify(text.slice(0, 64))
