/**
 * Formats the cause of a socket failure as one line. Node and OpenSSL report failures in several shapes: a failed
 * system call, one error for each address of a host, or a dump of OpenSSL's error queue. Error messages and close
 * records use this module, so that the same failure has the same text everywhere.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"
import * as Socket from "effect/socket/Socket"

/**
 * Describes the cause of a socket failure: the cause inside a `SocketError`, a Node error, or any other value.
 *
 * **Details**
 *
 * A TLS alert from the peer becomes `the peer sent the TLS alert "certificate required"`. A peer that does not use TLS
 * is named as well.
 *
 * @category rendering
 * @since 0.1.0
 */
export const describe = (cause: unknown): string => {
  if (Socket.isSocketError(cause)) {
    const inner: unknown = "cause" in cause.reason ? cause.reason.cause : undefined
    return inner === undefined || cause.reason._tag === "SocketOpenError" ? cause.message : describe(inner)
  }
  // Node tries each address of a host; the message of the aggregate is empty.
  if (cause instanceof AggregateError) return cause.errors.map(describe).join("; ")
  if (isEndOfHandshake(cause)) return "the peer closed the connection during the TLS handshake"
  const reason = tlsReason(cause)
  if (reason !== undefined) return describeTls(reason)
  return cause instanceof Error ? cause.message : String(cause)
}

/**
 * Returns the name of the TLS alert that the peer sent, such as `"certificate required"`, or `undefined` for other
 * failures.
 *
 * **Details**
 *
 * RFC 8446 6: "Alert messages convey a description of the alert".
 *
 * @category accessors
 * @since 0.1.0
 */
export const tlsAlert = (cause: unknown): string | undefined => alert.exec(tlsReason(cause) ?? "")?.[1]

/**
 * Tests whether TLS itself failed: by an alert, a damaged record, or bytes that are not TLS.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTls = (cause: unknown): boolean => tlsReason(cause) !== undefined

/**
 * Tests whether the peer's first bytes were not a TLS record, as from a plain HTTP server.
 *
 * @category guards
 * @since 0.1.0
 */
export const isNotTls = (cause: unknown): boolean => notTls.test(tlsReason(cause) ?? "")

/**
 * Tests whether the peer closed the connection during the TLS handshake.
 *
 * @category guards
 * @since 0.1.0
 */
export const isEndOfHandshake = (cause: unknown): boolean => {
  const inner = Socket.isSocketError(cause) && "cause" in cause.reason ? cause.reason.cause : cause
  // Node's error, or ours from `endOfHandshake`: no system call failed.
  return inner instanceof Error && "code" in inner && inner.code === "ECONNRESET" && / TLS /.test(inner.message)
}

// OpenSSL 3.5 writes "ssl/tls" for the alerts that date from SSL 3; earlier versions write "sslv3".
const alert = /^(?:(?:ssl|tls)v\d+|ssl\/tls) alert (.+)$/

const notTls = /^(?:wrong version number|packet length too long|http request|https proxy request)$/

const describeTls = (reason: string): string => {
  const name = alert.exec(reason)?.[1]
  if (name !== undefined) return `the peer sent the TLS alert "${name}"`
  return notTls.test(reason) ? "the peer does not speak TLS" : `TLS failed: ${reason}`
}

/** OpenSSL's reason. Node keeps it apart from the dump in the message. */
const tlsReason = (cause: unknown): string | undefined => {
  if (Socket.isSocketError(cause)) return "cause" in cause.reason ? tlsReason(cause.reason.cause) : undefined
  return Predicate.hasProperty(cause, "library") &&
    cause.library === "SSL routines" &&
    Predicate.hasProperty(cause, "reason") &&
    typeof cause.reason === "string"
    ? cause.reason
    : undefined
}
