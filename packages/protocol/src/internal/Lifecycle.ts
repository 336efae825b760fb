/**
 * The state of a session and the record of its close. Both halves of the session ask it what they may do, and report
 * here what ends it. No other module moves the state; `SessionState` has the transitions.
 */
import type * as CloseError from "../CloseError.ts"
import type * as CloseFrame from "../CloseFrame.ts"
import type * as ProtocolViolation from "../ProtocolViolation.ts"
import * as SessionState from "../SessionState.ts"
import { brokenStream, CloseRecord } from "./CloseRecord.ts"

/** How far one session has come, from open to closed. */
export class Lifecycle {
  /** The state. Only the methods below change it. */
  state: SessionState.State = "Open"
  /** How the session ends, or `undefined` before either end has begun to close. */
  close: CloseRecord | undefined = undefined

  get canSend(): boolean {
    return SessionState.canSend(this.state)
  }

  get canReceive(): boolean {
    return SessionState.canReceive(this.state)
  }

  /** Records the close frame that this end sends. */
  sendClose(frame: CloseFrame.CloseFrame): void {
    this.record("local").sent = frame
    this.move("SendClose")
  }

  /** Records the close frame of the peer. */
  receiveClose(frame: CloseFrame.CloseFrame): void {
    this.record("remote").received = frame
    this.move("ReceiveClose")
  }

  /** Records that this end fails the connection (RFC 6455 7.1.7), and the rule that the peer broke, if one. */
  fail(error: CloseError.SendableCloseError, violation?: ProtocolViolation.ProtocolViolation): CloseRecord {
    // A close code that was sent stands. A later violation of the peer only ends the wait for its close frame.
    const close = this.record("local", error)
    close.failed = true
    if (violation !== undefined) close.violation = violation
    this.move("Violation")
    return close
  }

  /** Records that the peer's stream ended, or that this end aborts. `why` is the reason of the 1006. */
  end(trigger: "EndOfStream" | "Abort", why = brokenStream): void {
    if (this.canReceive) this.record("transport").lost(why)
    this.move(trigger)
  }

  private record(initiator: CloseRecord["initiator"], error?: CloseError.CloseError): CloseRecord {
    return (this.close ??= new CloseRecord(initiator, error))
  }

  private move(trigger: SessionState.Trigger): void {
    this.state = SessionState.next(this.state, trigger)
  }
}
