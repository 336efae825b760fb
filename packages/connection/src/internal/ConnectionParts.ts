/**
 * What a connection is made of, and what the pieces of a connection see of it.
 *
 * `ConnectionCore` is composed of a `Receiver`, a `Sender`, and, from when they are needed, a `ClosingHandshake` and a
 * `ConnectionKeepalive`. Each piece declares the interface of the connection that it needs, so that imports only go
 * downwards.
 */
import * as CloseError from "@effect-ws/protocol/CloseError"
import type { ExtensionOffer } from "@effect-ws/protocol/ExtensionHeader"
import type { Http2ResponseHead } from "@effect-ws/protocol/Http2Head"
import type { ResponseHead } from "@effect-ws/protocol/HttpHead"
import type { UpgradeRequest } from "@effect-ws/protocol/ServerHandshake"
import type { Session } from "@effect-ws/protocol/Session"
import type { PushReader, PushWriter } from "@effect-ws/transport/Push"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Socket } from "effect/socket/Socket"
import type { Budget } from "../Budget.ts"
import type { Settings } from "../ConnectionOptions.ts"
import type { Peer } from "../Peer.ts"

/** What the connections of one server, or of one `connect` call, share. */
export interface Environment {
  readonly settings: Settings
  readonly context: Context.Context<never>
  /** Whether debug messages are logged. */
  readonly logsDebug: boolean
  readonly budget: Budget
}

/** What a connection is constructed from. */
export interface Parts {
  readonly environment: Environment
  readonly session: Session
  readonly socket: Socket
  readonly reader: PushReader
  readonly writer: PushWriter
  readonly request: UpgradeRequest
  readonly subprotocol: string | undefined
  readonly extensions: ReadonlyArray<ExtensionOffer>
  /** What the handshake passes to the handler: the decision's context on a server, the response on a client. */
  readonly attached?: Context.Context<never> | ResponseHead | Http2ResponseHead | undefined
  /** The client on whose behalf a trusted proxy connected. */
  readonly forwarded?: Peer | undefined
}

/** The end of a connection as a fiber sees it that waits for data. */
export type End = CloseError.CloseError | Cause.Done

/** The connection as each of its pieces sees it. */
export interface Host {
  readonly id: number
  readonly environment: Environment
  readonly session: Session
  /** Whether the connection is over: its socket is closed and its close information final. */
  readonly isFinished: boolean
  /** Whether the program has detached: it waits for nothing of the connection any more. */
  readonly isDetached: boolean
  /** Whether a callback is running that advances the connection at its end, so that no other caller has to. */
  isBusy: boolean
  /** Brings the connection in line with what has changed, see `ConnectionCore.advance`. Never throws. */
  advance(): void
  /** Advances at the end of the current turn, so that one write carries everything that is sent in a turn. */
  advanceAfterTurn(): void
  /** Fails the connection with a close frame (RFC 6455 7.1.7). Never throws. */
  fail(error: CloseError.SendableCloseError): void
  /** Destroys the socket without a closing handshake. */
  abortNow(why: string): void
  /**
   * Logs what was thrown where no fiber of the program runs, such as in a callback of the transport or a timer, and
   * aborts the connection. Never throws.
   */
  onDefect(defect: unknown): void
}

/** Returns the error with which calls fail after the end, or after `detach` before it. */
export const endErrorOf = (session: Session): CloseError.CloseError =>
  session.closeInfo?.error ?? new CloseError.NormalClosure()

/** Logs a defect that belongs to no fiber of the program. */
export const logDefect = (host: Host, message: string, defect: unknown): void => {
  Effect.runForkWith(host.environment.context)(
    Effect.annotateLogs(Effect.logError(message, Cause.die(defect)), { connection: host.id })
  )
}

/** Runs what no fiber of the program waits for. What it throws aborts the connection. */
export const guard = (host: Host, act: () => void): void => {
  try {
    act()
  } catch (defect) {
    host.onDefect(defect)
  }
}

/**
 * Runs a call of the program. An argument of the wrong type makes it throw: then the fiber dies, and the connection is
 * closed with 1011, so that the peer does not wait for a message that will never come.
 */
export const attempt = <A, E>(host: Host, call: () => Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    try {
      return call()
    } catch (defect) {
      return dieOf(host, defect)
    }
  })

/**
 * Dies of a defect in a call of the program, and closes the connection with 1011 without telling the peer the cause.
 */
export const dieOf = (host: Host, defect: unknown): Effect.Effect<never> => {
  host.fail(new CloseError.InternalError())
  return Effect.die(defect)
}
