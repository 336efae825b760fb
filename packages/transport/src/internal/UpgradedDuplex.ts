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
import { fromRawHeaders } from "./rawHeaders.ts"
import { UnansweredRequest } from "./UnansweredRequest.ts"
import type { AnswerListeners } from "./UnansweredRequest.ts"

export interface Upgrade extends AnswerListeners {
  readonly request: Http.IncomingMessage
  readonly stream: Duplex
  /** Bytes after the request. */
  readonly head: Uint8Array
  readonly services: Context.Context<never>
}

export class UpgradedDuplex extends NodeDuplex {
  private _unanswered: UnansweredRequest | undefined

  constructor({ head, request, services, stream, ...listeners }: Upgrade, settings: NodeDuplexSettings) {
    // An HTTPS server ends both directions at the peer's FIN; a request sent before that may still expect a response.
    stream.allowHalfOpen = true
    super(stream, settings)
    this._unanswered = new UnansweredRequest({ head: requestHead(request), services }, listeners)
    if (head.length > 0) this.unread(head)
  }

  get [ParsedUpgradeTypeId](): ParsedUpgrade | undefined {
    return this._unanswered?.upgrade
  }

  protected override put(bytes: Uint8Array): boolean {
    if (this._unanswered === undefined) return super.put(bytes)
    this._unanswered.answering()
    this._answered(statusOf(bytes))
    return super.put(bytes)
  }

  /**
   * Returns the stream to the HTTP server, which answers the request. Readers and writers of this socket see it closed.
   * Does nothing once the request is answered.
   */
  giveBack(): void {
    if (this._unanswered === undefined || this.isClosed) return
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

  private _answered(status: number | undefined): void {
    const request = this._unanswered
    this._unanswered = undefined
    request?.answered(status)
  }
}

/** Returns the head of a request that Node has read. */
export const requestHead = ({ httpVersion, method = "", rawHeaders, url = "" }: Http.IncomingMessage): RequestHead => ({
  method,
  target: url,
  version: `HTTP/${httpVersion}`,
  headers: fromRawHeaders(rawHeaders)
})

// The first bytes written are the head of a response: "HTTP/1.1 101 ...".
const statusOf = (bytes: Uint8Array): number => Number(Buffer.from(bytes.subarray(9, 12)).toString("latin1"))
