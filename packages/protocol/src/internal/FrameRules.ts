/**
 * The rules for the header of a frame, RFC 6455 5.2 to 5.5, as one table by opcode. They are the same in both
 * directions: a session checks received frames with it, and the frames that its own program sends.
 *
 * Masks and size limits are not here, since they bind one direction only.
 */
import type * as Extension from "../Extension.ts"
import * as Opcode from "../Opcode.ts"
import type { frameRules } from "./rules.ts"

/** What RFC 6455 allows for an opcode. */
interface Row {
  /** Whether RFC 6455 defines the opcode. An extension must claim one that it does not define. */
  readonly isDefined: boolean
  /** Whether the frame may lack FIN. */
  readonly mayBeFragment: boolean
  /** Maximum bytes of payload. */
  readonly maxLength: number
  /** Where the frame may come: as the first of a message, as a later one, or anywhere. */
  readonly place: "first" | "continuation" | "anywhere"
  /** The RSV bits that an extension may set on it: all, none, or those that every frame of a message may carry. */
  readonly rsv: "any" | "none" | "continued"
}

// RFC 6455 5.4: a data frame begins a message that continuation frames go on with, and "messages [...] MUST NOT be
// interleaved".
const data: Row = { isDefined: true, mayBeFragment: true, maxLength: Infinity, place: "first", rsv: "any" }
const continuation: Row = { ...data, place: "continuation", rsv: "continued" }
// RFC 6455 5.5: "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented." An RSV
// bit on a control frame is never defined: extensions work on data frames (RFC 7692 6 for RSV1).
const control: Row = { isDefined: true, mayBeFragment: false, maxLength: 125, place: "anywhere", rsv: "none" }
// RFC 6455 5.2: 3-7 are "reserved for further non-control frames", 11-15 "for further control frames". A frame with an
// extension's opcode is not part of a message, so it may come between the fragments of one.
const extensionData: Row = { ...data, isDefined: false, place: "anywhere" }
const extensionControl: Row = { ...control, isDefined: false }

const table: ReadonlyArray<Row> = Array.from({ length: 16 }, (_, opcode) => {
  const isControl = Opcode.isControl(opcode)
  if (Opcode.isReserved(opcode)) return isControl ? extensionControl : extensionData
  return isControl ? control : opcode === Opcode.Continuation ? continuation : data
})

const none: ReadonlyArray<never> = []

/** The name of a rule that a header can break. */
export type HeaderRule = Exclude<
  keyof typeof frameRules,
  "TruncatedCloseCode" | "InvalidCloseCode" | "InvalidCloseReason"
>

/** The rules of a session: those of RFC 6455, with the RSV bits and opcodes of its extensions. */
export class FrameRules {
  private readonly opcodes: ReadonlyArray<Opcode.Opcode>
  // The RSV bits of all extensions, and those that a continuation may carry too: a message-level extension marks only
  // the first frame of a message.
  private readonly rsv: number
  private readonly continuedRsv: number

  constructor(extensions: ReadonlyArray<Extension.ExtensionInstance>) {
    this.opcodes = extensions.length === 0 ? none : extensions.flatMap((extension) => extension.opcodes)
    const messageRsv = rsvOf(extensions, "message")
    this.rsv = messageRsv | rsvOf(extensions, "frame")
    this.continuedRsv = this.rsv & ~messageRsv
  }

  /**
   * Returns the rule that a header breaks, or `undefined`. `isInMessage` says whether a message was begun and not ended
   * in the direction of the frame.
   */
  check(
    opcode: Opcode.Opcode,
    fin: boolean,
    rsv: number,
    length: number,
    isInMessage: boolean
  ): HeaderRule | undefined {
    const row = table[opcode]!
    if (rsv !== 0 && (rsv & ~this.allowedRsv(row)) !== 0) return "UnnegotiatedRsvBit"
    if (!row.isDefined && !this.opcodes.includes(opcode)) return "ReservedOpcode"
    if (!fin && !row.mayBeFragment) return "FragmentedControlFrame"
    if (length > row.maxLength) return "ControlFrameTooLong"
    if (row.place === "first") return isInMessage ? "InterruptedMessage" : undefined
    return row.place === "continuation" && !isInMessage ? "UnexpectedContinuation" : undefined
  }

  private allowedRsv(row: Row): number {
    return row.rsv === "any" ? this.rsv : row.rsv === "none" ? 0 : this.continuedRsv
  }
}

const rsvOf = (
  extensions: ReadonlyArray<Extension.ExtensionInstance>,
  level: Extension.ExtensionInstance["level"]
): number => extensions.reduce((bits, extension) => (extension.level === level ? bits | extension.rsv : bits), 0)

const withoutExtensions = new FrameRules(none)

/** Returns the rules for a session with these extensions. Sessions without extensions share theirs. */
export const make = (extensions: ReadonlyArray<Extension.ExtensionInstance>): FrameRules =>
  extensions.length === 0 ? withoutExtensions : new FrameRules(extensions)

/** Describes a frame by what breaks the rule. */
export const describeFrame = (rule: HeaderRule, opcode: Opcode.Opcode, rsv: number, length: number): string => {
  const frame = `a ${Opcode.name(opcode)} frame`
  switch (rule) {
    case "UnnegotiatedRsvBit":
      return `${frame} with RSV bits ${(rsv >>> 4).toString(2).padStart(3, "0")}`
    case "ReservedOpcode":
      return `opcode ${Opcode.name(opcode)}`
    case "FragmentedControlFrame":
      return `${frame} without FIN`
    case "ControlFrameTooLong":
      return `${frame} of ${length} bytes`
    case "UnexpectedContinuation":
      return "a continuation frame"
    case "InterruptedMessage":
      return `${frame} in a message`
  }
}
