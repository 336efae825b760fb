/**
 * The end of a connection: the closing handshake (RFC 6455 7), its timers, and what is released afterwards.
 *
 * The answer to the peer's close frame waits for the replies to the messages before it, `closeReplyTimeout` at most.
 * `CloseTimer` bounds the time from a close frame to the end of the stream. A connection that fails does not wait for
 * output that is blocked. A connection has one of these from when its end begins, or from its first `drain`.
 */
import * as CloseError from "@effect-ws/protocol/CloseError"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import { isPushSocket } from "@effect-ws/transport/Push"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Socket } from "effect/socket/Socket"
import { CloseTimer } from "./CloseTimer.ts"
import { guard, logDefect } from "../ConnectionParts.ts"
import type { Host } from "../ConnectionParts.ts"
import type { Watched } from "../keepalive/KeepaliveTimer.ts"
import type { Receiver } from "../receive/Receiver.ts"
import type { Sender } from "../send/Sender.ts"

/** The connection as its closing handshake sees it. */
export interface ClosingHost extends Host, Watched {
  /** Set here, once, when the connection is over. */
  isFinished: boolean
  readonly socket: Socket
  readonly sender: Sender
  readonly receiver: Receiver
  /** The milliseconds that the peer may need for what the system holds. */
  readonly backlogMillis: number
  /** The connection is over: calls the callbacks that wait for its end. */
  onFinish(closeInfo: CloseInfo): void
}

export class ClosingHandshake {
  /** Whether the program has detached, see `ConnectionImpl.detach`. */
  isDetached = false

  private readonly connection: ClosingHost
  // The close frame that is sent when the program has handled everything that was received.
  private draining: { readonly code: number; readonly reason: string } | undefined = undefined
  private replyTimer: Fiber.Fiber<void> | undefined = undefined
  private closeTimer: CloseTimer | undefined = undefined
  private streamEnded = false
  // Whether nothing more can be written: the transport is closed, or this end has aborted.
  private transportClosed = false
  // Whether the end does not wait until the peer has taken what was written.
  private isHurried = false
  private hasCrashed = false

  constructor(connection: ClosingHost) {
    this.connection = connection
  }

  // -- the handshake --------------------------------------------------------------------------------------------------

  get isDraining(): boolean {
    return this.draining !== undefined
  }

  /** Closes when the program has handled everything that was received; `undefined` cancels that. */
  drain(closeFrame: { readonly code: number; readonly reason: string } | undefined): void {
    this.draining = closeFrame
  }

  /** Sends the close frame of `drain`. */
  closeDrained(): void {
    const { connection, draining } = this
    if (draining === undefined) return
    this.draining = undefined
    connection.session.close(draining.code, draining.reason)
    connection.receiver.wake()
  }

  /** Sends the close frame that is due and need not wait any longer; before the rest is written. */
  sendClose(): void {
    const { environment, receiver, session } = this.connection
    if (session.mustAnswerClose) {
      // The replies to what came before the close frame go first, but a program that reads nothing sends none.
      if (receiver.isIdle) session.answerClose()
      else if (this.replyTimer === undefined) this.startReplyTimer(environment.settings.closeReplyTimeout)
    } else if (this.draining !== undefined && receiver.isIdle) this.closeDrained()
  }

  /**
   * Ends the connection if nothing is left to do, or else sees to it that it ends in time; after everything is written.
   */
  finishOrWait(): void {
    const { sender, session } = this.connection
    const isDone = session.isClosed && (session.shouldCloseTransport || this.streamEnded)
    // What was sent before the peer's close frame is still written, but not after the stream ended without one.
    const isBroken = this.streamEnded && session.closeInfo?.received === undefined
    if (this.transportClosed || (isDone && (isBroken || this.isHurried || sender.queue.isFlushed))) this.finish()
    else if (session.isClosing || session.isClosed) this.startCloseTimer()
  }

  private startReplyTimer(after: Duration.Duration): void {
    const { connection } = this
    this.replyTimer = Effect.runForkWith(connection.environment.context)(
      Effect.andThen(
        Effect.sleep(after),
        Effect.sync(() => {
          this.replyTimer = undefined
          guard(connection, () => connection.session.answerClose())
          connection.advance()
        })
      )
    )
  }

  private startCloseTimer(): void {
    if (this.closeTimer !== undefined) return this.closeTimer.look()
    const { connection } = this
    const { context, settings } = connection.environment
    // A connection that failed owes its peer nothing but the reason.
    const longest = connection.session.closeInfo?.failed === true ? settings.closeTimeout : settings.maxCloseTime
    const backlog = (): number => connection.backlogMillis
    this.closeTimer = new CloseTimer(settings.closeTimeout, longest, context, connection.sender.queue, backlog, () => {
      this.closeTimer = undefined
      guard(connection, () => this.leave("the peer did not finish the closing handshake in time"))
    })
  }

  // -- what the transport reports -------------------------------------------------------------------------------------

  /** The peer has ended its stream. */
  onEnd(): void {
    this.connection.session.receiveEnd()
    this.streamEnded = true
    this.connection.advance()
  }

  /** The transport is closed; `why` is the error, if there was one. */
  onClose(why: string | undefined): void {
    this.transportClosed = true
    this.connection.session.abort(why)
    this.connection.advance()
  }

  // -- ends without an answer of the peer -----------------------------------------------------------------------------

  /** Fails the connection. RFC 6455 7.1.7: the close frame does not wait for data that the peer does not take. */
  fail(error: CloseError.SendableCloseError): void {
    const { sender, session } = this.connection
    if (sender.queue.isBlocked && session.canSend) {
      sender.queue.discard()
      session.fail(error)
      sender.queue.writeLast()
      this.isHurried = true
    } else session.fail(error)
    this.connection.advance()
  }

  /** The same where this end cannot wait for the peer: without a close frame if that would not leave. */
  drop(error: CloseError.SendableCloseError): void {
    const { receiver, sender, session } = this.connection
    receiver.queue.clear()
    if (!sender.queue.isBlocked && sender.queue.refusedBytes === 0) return this.fail(error)
    session.fail(error)
    this.abort(error.reason)
  }

  /** Closes the connection because all connections together hold more memory than their budget. */
  shed(): void {
    const { environment, receiver, sender, session } = this.connection
    const error = new CloseError.TryAgainLater({ reason: "try again later" })
    receiver.queue.clear()
    // What the transport holds is freed with the socket, if the peer does not read it.
    const { writer } = sender.queue
    if (sender.queue.isBlocked && writer.pendingBytes > environment.settings.writeHighWaterMark) {
      session.fail(error)
      this.abort("the peer did not read, and memory was short")
    } else this.fail(error)
  }

  /** Destroys the socket without a closing handshake. */
  abort(why: string): void {
    this.connection.session.abort(why)
    this.connection.sender.queue.writer.destroy()
    this.finishNow()
  }

  /** Aborts the connection after something threw. What threw once may throw again: then the end is all that happens. */
  crash(why: string): void {
    const { connection } = this
    if (!this.hasCrashed) {
      this.hasCrashed = true
      connection.sender.queue.discard()
      try {
        this.abort(why)
      } catch (defect) {
        logDefect(connection, "A connection could not be aborted", defect)
      }
    }
    this.finish()
  }

  /** Ends the connection without waiting for the peer any longer. */
  leave(why: string): void {
    const { isFinished, sender, session } = this.connection
    if (isFinished) return
    session.abort(why)
    // A reset would destroy what the system has taken and the peer has not read yet.
    if (!sender.queue.isFlushed) sender.queue.writer.destroy()
    this.finishNow()
  }

  /** Releases the connection: the peer sees the stream end. */
  release(): void {
    this.connection.session.abort("this end let go of the connection")
    this.finishNow()
  }

  // The caller sees the connection finished when this returns, even where `advance` is already running.
  private finishNow(): void {
    const { connection } = this
    this.transportClosed = true
    connection.advance()
    if (connection.isFinished) return
    try {
      connection.sender.flush()
    } finally {
      this.finish()
    }
  }

  // Closes the socket and releases everything, once.
  private finish(): void {
    const { connection } = this
    const { environment, receiver, sender, session, socket } = connection
    if (connection.isFinished) return
    connection.isFinished = true
    if (this.replyTimer !== undefined) Effect.runForkWith(environment.context)(Fiber.interrupt(this.replyTimer))
    this.replyTimer = undefined
    this.closeTimer?.stop(environment.context)
    this.closeTimer = undefined
    environment.settings.keepalive.remove(connection)
    environment.settings.stalls?.remove(receiver)
    try {
      session.release()
    } catch (defect) {
      logDefect(connection, "An extension threw when it was closed", defect)
    }
    try {
      if (isPushSocket(socket)) socket.close()
      else sender.queue.writer.shutdown()
    } catch (defect) {
      logDefect(connection, "A transport threw when its socket was closed", defect)
    }
    const closeInfo = session.closeInfo!
    const { cause } = closeInfo.error
    if (cause !== undefined) {
      logDefect(connection, "An extension threw, and its connection was closed with 1011", cause)
    }
    connection.onFinish(closeInfo)
    sender.wakeAll()
    receiver.wake()
  }
}
