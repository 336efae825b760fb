/**
 * A request for a WebSocket that Node has read. The socket holds it until the handshake answers, and then drops it, so
 * that an idle connection does not retain the request.
 */
import type { ParsedUpgrade } from "../Push.ts"

export interface AnswerListeners {
  /** Called right before the response is sent. */
  readonly onAnswering?: (() => void) | undefined
  /** Called with the status of the response, or with `undefined` if the socket closes without one. */
  readonly onAnswer?: ((status: number | undefined) => void) | undefined
}

export class UnansweredRequest {
  readonly upgrade: ParsedUpgrade
  private readonly _listeners: AnswerListeners

  constructor(upgrade: ParsedUpgrade, listeners: AnswerListeners) {
    this.upgrade = upgrade
    this._listeners = listeners
  }

  answering(): void {
    this._listeners.onAnswering?.()
  }

  answered(status: number | undefined): void {
    this._listeners.onAnswer?.(status)
  }
}
