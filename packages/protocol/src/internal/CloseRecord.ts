/**
 * The record of how a session ends: which end began, what each end sent, and the error that says so.
 *
 * A session has none until one end begins to close.
 */
import * as CloseCode from "../CloseCode.ts"
import * as CloseError from "../CloseError.ts"
import type * as CloseFrame from "../CloseFrame.ts"
import type * as ProtocolViolation from "../ProtocolViolation.ts"

/**
 * How a session ended, or how far its close has come.
 *
 * @category models
 * @since 0.1.0
 */
export interface CloseInfo {
  /** The side that began: this end, the peer, or the transport if the connection was lost. */
  readonly initiator: "local" | "remote" | "transport"
  /** The close frame that this end sent. */
  readonly sent: CloseFrame.CloseFrame | undefined
  /** The close frame that the peer sent. */
  readonly received: CloseFrame.CloseFrame | undefined
  /** Whether both ends sent a close frame (RFC 6455 7.1.4). */
  readonly clean: boolean
  /** Whether this end failed the connection (RFC 6455 7.1.7), as opposed to the program closing it. */
  readonly failed: boolean
  /** The rule that the peer broke, if that was the reason. */
  readonly violation: ProtocolViolation.ProtocolViolation | undefined
  /**
   * The close as an error: the code of the side that began, or 1006 if the connection was lost before the peer's close.
   */
  readonly error: CloseError.CloseError
}

/** The reason of a 1006 whose stream ended, if the owner gives no other. */
export const brokenStream = "the stream broke off without a close frame"

/** The close of one session. */
export class CloseRecord {
  readonly initiator: CloseInfo["initiator"]
  sent: CloseFrame.CloseFrame | undefined = undefined
  received: CloseFrame.CloseFrame | undefined = undefined
  failed = false
  violation: ProtocolViolation.ProtocolViolation | undefined = undefined
  private cause: CloseError.CloseError | undefined = undefined

  constructor(initiator: CloseInfo["initiator"], error?: CloseError.CloseError) {
    this.initiator = initiator
    this.cause = error
  }

  /** Records that the stream was lost. RFC 6455 7.1.5: without a close frame from the peer the code is 1006. */
  lost(why: string): void {
    this.cause = abnormal(why)
  }

  /** The close as an error. */
  get error(): CloseError.CloseError {
    this.cause ??=
      this.initiator === "transport"
        ? abnormal(brokenStream)
        : ofFrame(this.initiator === "remote" ? this.received : this.sent)
    return this.cause
  }

  get info(): CloseInfo {
    const { error, failed, initiator, received, sent, violation } = this
    return { initiator, sent, received, clean: sent !== undefined && received !== undefined, failed, violation, error }
  }
}

let latest: CloseError.CloseError | undefined

// Most connections that are lost are lost for one reason, such as a reset by the peer. Without a stack, their errors
// are equal, and to make an error costs more than the rest of a short connection's close. So they share one.
const abnormal = (why: string): CloseError.CloseError => {
  if (latest === undefined || latest.reason !== why) latest = CloseError.fromCode(1006, why)
  return latest
}

const ofFrame = (frame: CloseFrame.CloseFrame | undefined): CloseError.CloseError =>
  CloseError.fromCode(frame?.code ?? CloseCode.registered.NoStatusReceived, frame?.reason)
