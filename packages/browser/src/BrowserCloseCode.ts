/**
 * The close codes that a page in a browser may send: 1000, and 3000 to 4999. The WHATWG WebSocket refuses all others.
 *
 * What would close with another code at a server closes with a code of the application's range here, 3000 above it:
 * 1003 becomes 4003, 1008 becomes 4008. {@link toBrowser} and {@link fromBrowser} translate.
 *
 * @since 0.1.0
 */
import * as CloseCode from "@effect-ws/protocol/CloseCode"

type Digit = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9

type ToNumber<S extends string> = S extends `${infer N extends number}` ? N : never

/**
 * A close code that a browser can send, as a type: a literal such as 4001 is checked by the compiler.
 *
 * @category models
 * @since 0.1.0
 */
export type BrowserCloseCode = 1000 | ToNumber<`${3 | 4}${Digit}${Digit}${Digit}`>

/**
 * Returns whether a browser can send a code.
 *
 * @category guards
 * @since 0.1.0
 */
export const isBrowserCloseCode = (code: number): code is BrowserCloseCode =>
  Number.isInteger(code) && (code === 1000 || (code >= 3000 && code <= 4999))

/**
 * Returns the code that a browser sends in place of one that it cannot send: 4001-4014 for 1001-1014, and the code
 * itself where it can. `undefined` for a number that is no close code.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toBrowser = (code: number): BrowserCloseCode | undefined =>
  isBrowserCloseCode(code) ? code : CloseCode.isSendable(code) ? ((code + 3000) as BrowserCloseCode) : undefined

/**
 * Returns the code that a browser meant: 1001-1014 for 4001-4014, and the code itself otherwise. For servers whose
 * application has no use of its own for 4001-4014.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromBrowser = (code: number): number =>
  code > 4000 && code < 4015 && CloseCode.isSendable(code - 3000) ? code - 3000 : code
