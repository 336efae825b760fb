/**
 * The 4-bit opcode of a frame, which says what kind of frame it is.
 *
 * RFC 6455 reserves the opcodes 0x3-0x7 and 0xB-0xF for extensions, so every value from 0 to 15 is an `Opcode`. The
 * session, not the parser, decides whether it may be received.
 *
 * @since 0.1.0
 */

/**
 * An opcode: an integer from 0 to 15 (RFC 6455 5.2).
 *
 * @category models
 * @since 0.1.0
 */
export type Opcode = number

/**
 * Continues the message that an earlier frame began.
 *
 * @category constants
 * @since 0.1.0
 */
export const Continuation = 0x0

/**
 * Begins a message whose payload is UTF-8 text.
 *
 * @category constants
 * @since 0.1.0
 */
export const Text = 0x1

/**
 * Begins a message whose payload is arbitrary bytes.
 *
 * @category constants
 * @since 0.1.0
 */
export const Binary = 0x2

/**
 * Begins or answers the closing handshake.
 *
 * @category constants
 * @since 0.1.0
 */
export const Close = 0x8

/**
 * Asks the peer for a pong.
 *
 * @category constants
 * @since 0.1.0
 */
export const Ping = 0x9

/**
 * Answers a ping, or tells the peer unasked that this end is alive.
 *
 * @category constants
 * @since 0.1.0
 */
export const Pong = 0xa

/**
 * Returns whether an opcode is that of a control frame.
 *
 * @category guards
 * @since 0.1.0
 */
export const isControl = (opcode: Opcode): boolean => (opcode & 0x8) !== 0 // RFC 6455 5.5: the high bit of the opcode

/**
 * Returns whether RFC 6455 leaves the meaning of an opcode to extensions.
 *
 * @category guards
 * @since 0.1.0
 */
export const isReserved = (opcode: Opcode): boolean => (opcode & 0x7) > 2

const names: { readonly [opcode: number]: string } = {
  [Continuation]: "CONTINUATION",
  [Text]: "TEXT",
  [Binary]: "BINARY",
  [Close]: "CLOSE",
  [Ping]: "PING",
  [Pong]: "PONG"
}

/**
 * Returns the name of an opcode for logs: `TEXT`, `CLOSE`, or `0xB` for a reserved one.
 *
 * @category formatting
 * @since 0.1.0
 */
export const name = (opcode: Opcode): string => names[opcode] ?? `0x${opcode.toString(16).toUpperCase()}`
