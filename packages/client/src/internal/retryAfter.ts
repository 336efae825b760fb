/**
 * The delay that a server or proxy requests before the next attempt: by `Retry-After` (RFC 9110 10.2.3) where it
 * refused the handshake, by the close reason where it restarts.
 */
import * as CloseError from "@effect-ws/protocol/CloseError"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import * as RestartReason from "@effect-ws/protocol/RestartReason"
import * as Socket from "effect/socket/Socket"
import { ProxyError } from "../ProxyError.ts"
import { UnexpectedResponse } from "../UnexpectedResponse.ts"

/** Returns the delay in milliseconds that a refusal or a close requests; 0 without a request. */
export const retryAfterOf = (failure: unknown, now: number): number => {
  if (CloseError.isCloseError(failure)) return RestartReason.delayOf(failure.code, failure.reason)
  const refusal = Socket.isSocketError(failure) && "cause" in failure.reason ? failure.reason.cause : failure
  return refusal instanceof UnexpectedResponse || refusal instanceof ProxyError
    ? (retryAfterMillis(refusal.headers, now) ?? 0)
    : 0
}

/** Returns the requested delay in milliseconds, if any. `now` applies when the response has no `Date`. */
const retryAfterMillis = (headers: HeaderFields.HeaderFields, now: number): number | undefined => {
  const value = HeaderFields.get(headers, "Retry-After")?.trim()
  if (value === undefined) return undefined
  // "delay-seconds": a longer number would lose precision, so it is capped.
  if (/^[0-9]+$/.test(value)) return Math.min(Number(value), Number.MAX_SAFE_INTEGER / 1000) * 1000
  const date = parseHttpDate(value)
  if (date === undefined) return undefined
  // The server's clock may differ from ours, so its `Date` determines how far away its deadline is.
  const sent = parseHttpDate(HeaderFields.get(headers, "Date") ?? "")
  return Math.max(0, date - (sent ?? now))
}

const weekday = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
const month = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
const time = "[0-9]{2}:[0-9]{2}:[0-9]{2}"

// RFC 9110 5.6.7: "A recipient that parses a timestamp value in an HTTP field MUST accept all three HTTP-date formats."
const imfFixdate = new RegExp(`^${weekday}, [0-9]{2} ${month} [0-9]{4} ${time} GMT$`)
const rfc850 = new RegExp(`^[A-Z][a-z]+day, ([0-9]{2})-(${month})-([0-9]{2}) (${time}) GMT$`)
const asctime = new RegExp(`^${weekday} (${month}) ([0-9 ][0-9]) (${time}) ([0-9]{4})$`)

const parseHttpDate = (text: string): number | undefined => {
  const value = text.trim()
  const [, day850, month850, year850, time850] = rfc850.exec(value) ?? []
  const [, monthC, dayC, timeC, yearC] = asctime.exec(value) ?? []
  const written = imfFixdate.test(value)
    ? value
    : year850 !== undefined
      ? // A two-digit year means this century.
        `${day850} ${month850} 20${year850} ${time850} GMT`
      : yearC !== undefined
        ? `${dayC!.trim()} ${monthC} ${yearC} ${timeC} GMT`
        : undefined
  const date = written === undefined ? Number.NaN : Date.parse(written)
  return Number.isNaN(date) ? undefined : date
}
