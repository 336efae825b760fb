/**
 * The socket of an upgrade request that an HTTP server has read. It carries the request until that is answered.
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
  /** Bytes after the request. */
  readonly head: Uint8Array
  readonly services: Context.Context<never>
  /** Runs right before the response is written. */
  readonly onAnswering: (() => void) | undefined
  /** Gets the status of the response, or `undefined` when there is none. */
  readonly onAnswer: ((status: number | undefined) => void) | undefined
}

export class UpgradedDuplex extends NodeDuplex {
  private _parsedUpgrade: ParsedUpgrade | undefined
  private _onAnswering: (() => void) | undefined
  private _onAnswer: ((status: number | undefined) => void) | undefined

  constructor({ head, onAnswer, onAnswering, request, services, stream }: Upgrade, settings: NodeDuplexSettings) {
    // An HTTPS server ends both directions at the peer's FIN; a request sent before that may still expect a response.
    stream.allowHalfOpen = true
    super(stream, settings)
    this._parsedUpgrade = { head: requestHead(request), services }
    this._onAnswering = onAnswering
    this._onAnswer = onAnswer
    if (head.length > 0) this.unread(head)
  }

  get [ParsedUpgradeTypeId](): ParsedUpgrade | undefined {
    return this._parsedUpgrade
  }

  protected override put(bytes: Uint8Array): boolean {
    if (this._parsedUpgrade === undefined) return super.put(bytes)
    this._onAnswering?.()
    this._answered(statusOf(bytes))
    return super.put(bytes)
  }

  /**
   * Returns the stream to the HTTP server, which answers the request. Readers and writers of this socket see it closed.
   * Does nothing once the request is answered.
   */
  giveBack(): void {
    if (this._parsedUpgrade === undefined || this.isClosed) return
    const stream = this.release()
    // The server ends the stream after its response, and no other code reads the peer's FIN.
    stream.allowHalfOpen = false
    stream.resume()
    this.onClose()
  }

  override onClose(): void {
    this._answered(undefined)
    super.onClose()
  }

  // Idle connections should not retain the request.
  private _answered(status: number | undefined): void {
    const onAnswer = this._onAnswer
    this._parsedUpgrade = undefined
    this._onAnswering = undefined
    this._onAnswer = undefined
    onAnswer?.(status)
  }
}

/** Returns the head of a request that Node has read. */
export const requestHead = (request: Http.IncomingMessage): RequestHead => {
  const { rawHeaders } = request
  const headers: Array<{ readonly name: string; readonly value: string }> = []
  // Everywhere else Node joins or drops repeated fields.
  for (let at = 0; at < rawHeaders.length; at += 2) headers.push({ name: rawHeaders[at]!, value: rawHeaders[at + 1]! })
  return {
    method: request.method ?? "",
    target: request.url ?? "",
    version: `HTTP/${request.httpVersion}`,
    headers
  }
}

// The first bytes written are the head of a response: "HTTP/1.1 101 ...".
const statusOf = (bytes: Uint8Array): number => Number(Buffer.from(bytes.subarray(9, 12)).toString("latin1"))
