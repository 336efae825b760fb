/**
 * Why a browser opened no connection. A browser says no more than that: to a page, a refused handshake, a server that
 * does not listen and a certificate that does not verify are all the same.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Reports that there is no connection.
 *
 * **Details**
 *
 * - `Invalid`: the URL or a subprotocol cannot be used. Trying again is of no use.
 * - `Blocked`: the browser does not allow it, such as `ws:` from a page that was loaded over HTTPS.
 * - `Failed`: the network, TLS or the server. The browser gives no reason; its console may.
 * - `Timeout`: the connection did not open within `connectTimeout`.
 *
 * @category errors
 * @since 0.1.0
 */
export class BrowserConnectError extends Schema.TaggedError<BrowserConnectError>(
  "@effect-ws/browser/BrowserConnectError"
)("BrowserConnectError", {
  reason: Schema.Literals(["Invalid", "Blocked", "Failed", "Timeout"]),
  /** The URL, without its query. */
  url: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `cannot connect to ${this.url}: ${reasons[this.reason]}`
  }

  /** Whether another attempt may succeed. */
  get isTransient(): boolean {
    return this.reason === "Failed" || this.reason === "Timeout"
  }
}

const reasons = {
  Invalid: "the URL or a subprotocol is invalid",
  Blocked: "the browser does not allow it",
  Failed: "the connection failed, and the browser does not say why",
  Timeout: "the connection did not open in time"
} as const
