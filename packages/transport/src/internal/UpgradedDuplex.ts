/**
 * The socket of a request to upgrade that an HTTP server has read: it carries the request until that is answered.
 */
import type * as Context from "effect/Context"
import type * as Http from "node:http"
import type { Duplex } from "node:stream"
import { ParsedUpgradeTypeId } from "../Push.ts"
import type { ParsedUpgrade, RequestHead } from "../Push.ts"
import { NodeDuplex } from "./NodeDuplex.ts"
import type { NodeDuplexSettings } from "./NodeDuplex.ts"

export interface Upgrade {
  readonly request: Http.IncomingMessage
  readonly stream: Duplex
  /** What came behind the request. */
  readonly early: Uint8Array
  readonly services: Context.Context<never>
  /** Runs right before the answer is written. */
  readonly onAnswering: (() => void) | undefined
  /** Hears of the status of the answer, or that there will be none. */
  readonly onAnswer: ((status: number | undefined) => void) | undefined
}

export class UpgradedDuplex extends NodeDuplex {
  private _handover: ParsedUpgrade | undefined
  private _onAnswering: (() => void) | undefined
  private _onAnswer: ((status: number | undefined) => void) | undefined

  constructor({ early, onAnswer, onAnswering, request, services, stream }: Upgrade, settings: NodeDuplexSettings) {
    // A server of HTTPS ends both directions with the peer's FIN; what was sent before that may still want an answer.
    stream.allowHalfOpen = true
    super(stream, settings)
    this._handover = { head: requestHead(request), services }
    this._onAnswering = onAnswering
    this._onAnswer = onAnswer
    if (early.length > 0) this.putBack(early)
  }

  get [ParsedUpgradeTypeId](): ParsedUpgrade | undefined {
    return this._handover
  }

  protected override put(bytes: Uint8Array): boolean {
    if (this._handover === undefined) return super.put(bytes)
    this._onAnswering?.()
    this._answered(statusOf(bytes))
    return super.put(bytes)
  }

  /**
   * Leaves the stream to the HTTP server, which answers the request. To whoever reads or writes this socket, it is closed.
   * Does nothing once the request is answered.
   */
  giveBack(): void {
    if (this._handover === undefined || this.isClosed) return
    const stream = this.release()
    // The server ends the stream after its response, and nobody else reads the peer's FIN.
    stream.allowHalfOpen = false
    stream.resume()
    this.onClose()
  }

  override onClose(): void {
    this._answered(undefined)
    super.onClose()
  }

  // Idle connections should not hold on to the request.
  private _answered(status: number | undefined): void {
    const onAnswer = this._onAnswer
    this._handover = undefined
    this._onAnswering = undefined
    this._onAnswer = undefined
    onAnswer?.(status)
  }
}

/** The head of a request that Node has read. */
export const requestHead = (request: Http.IncomingMessage): RequestHead => {
  const { rawHeaders } = request
  const headers: Array<{ readonly name: string; readonly value: string }> = []
  // Node joins repeated fields, or drops them, everywhere but here.
  for (let at = 0; at < rawHeaders.length; at += 2) headers.push({ name: rawHeaders[at]!, value: rawHeaders[at + 1]! })
  return {
    method: request.method ?? "",
    target: request.url ?? "",
    version: `HTTP/${request.httpVersion}`,
    headers
  }
}

// What is written first is the head of a response: "HTTP/1.1 101 ...".
const statusOf = (bytes: Uint8Array): number => Number(Buffer.from(bytes.subarray(9, 12)).toString("latin1"))
