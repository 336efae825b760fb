/**
 * What of a request is never shown or recorded: its query, its credentials and its cookies. Browsers cannot send
 * headers with a WebSocket, so programs put tokens into the query, and sometimes into the subprotocols that they offer.
 */
import type { HeaderFields } from "@effect-ws/protocol/HeaderFields"

const secret = new Set(["authorization", "proxy-authorization", "cookie", "sec-websocket-protocol"])

export const redacted = "[redacted]"

const withoutQuery = (value: string): string => value.replace(/\?.*$/s, `?${redacted}`)

/** The header fields of a request without what is secret; `more` names further fields to redact, in lower case. */
export const headers = (
  fields: HeaderFields,
  more: ReadonlySet<string>
): ReadonlyArray<readonly [name: string, value: string]> =>
  fields.map(({ name, value }) => {
    const key = name.toLowerCase()
    return [name, secret.has(key) || more.has(key) ? redacted : withoutQuery(value)] as const
  })
