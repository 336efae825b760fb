/**
 * Close codes: the number in a close frame that gives the reason of the close (RFC 6455 7.4 and the IANA registry).
 *
 * This module has the numbers. `CloseError` has a class for each registered code.
 *
 * @since 0.1.0
 */
/**
 * The codes of the IANA registry, by the names that this library uses.
 *
 * @category constants
 * @since 0.1.0
 */
export const registered = {
  NormalClosure: 1000,
  GoingAway: 1001,
  ProtocolError: 1002,
  UnsupportedData: 1003,
  NoStatusReceived: 1005,
  AbnormalClosure: 1006,
  InvalidPayload: 1007,
  PolicyViolation: 1008,
  MessageTooBig: 1009,
  MandatoryExtension: 1010,
  InternalError: 1011,
  ServiceRestart: 1012,
  TryAgainLater: 1013,
  BadGateway: 1014,
  TlsHandshakeFailed: 1015,
  Unauthorized: 3000,
  Forbidden: 3003,
  Timeout: 3008
} as const

/**
 * A code that only describes a close at this end. It must not appear in a close frame (RFC 6455 7.4.1).
 *
 * @category models
 * @since 0.1.0
 */
export type LocalCode = 1005 | 1006 | 1015

const names = new Map<number, string>(Object.entries(registered).map(([name, code]) => [code, name]))

/**
 * Returns the registered name of a code, or `undefined` for a code without one.
 *
 * @category formatting
 * @since 0.1.0
 */
export const name = (code: number): string | undefined => names.get(code)

/**
 * Returns whether a code may appear in a close frame.
 *
 * **Details**
 *
 * 1000-1003, 1007-1014 and 3000-4999 may. 1004 is reserved. 1005, 1006 and 1015 only describe a close at this end.
 * 0-999 are not used, and 1016-2999 are reserved for future RFCs.
 *
 * @category guards
 * @since 0.1.0
 */
export const isSendable = (code: number): boolean =>
  // RFC 6455 7.4.1: 1005, 1006 and 1015 "MUST NOT be set as a status code in a Close control frame by an endpoint."
  // RFC 6455 7.4.2: 3000-3999 are for libraries and applications (IANA), 4000-4999 for private use.
  Number.isInteger(code) &&
  ((code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999))
