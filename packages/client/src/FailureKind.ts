/**
 * Decides whether a retry may succeed, by the cause of a failure and not by the stage at which it happened: a reset
 * means the same while dialling, in TLS and in the handshake, and a rejected certificate will be rejected again. {@link
 * kinds} is the only table of these rules; `docs/client.md` prints it.
 *
 * @since 0.1.0
 */
import * as CloseError from "@effect-ws/protocol/CloseError"
import * as Predicate from "effect/Predicate"
import type { SocketError } from "effect/socket/Socket"
import type { ConnectError } from "./ConnectError.ts"
import type { ProxyError } from "./ProxyError.ts"

/**
 * The kinds of failure: whether a retry may succeed, and which failures belong to the kind. `inBrowser` says the same
 * of the `Reconnect` of `effect-ws/browser`: what a page sees, and whether it retries.
 *
 * @category constants
 * @since 0.1.0
 */
export const kinds = {
  Network: {
    transient: true,
    means: "unknown host name, connection refused, or connection lost (FIN or RST) at any stage; 1006",
    inBrowser: { sees: "`Failed`; 1006", transient: true }
  },
  Timeout: {
    transient: true,
    means: "`connectTimeout` or `handshakeTimeout` passed",
    inBrowser: { sees: "`Timeout`", transient: true }
  },
  NotTls: {
    transient: true,
    means: "a plain-text answer in place of TLS, such as HTTP of a gateway without a backend; a TLS internal error",
    inBrowser: { sees: "`Failed`", transient: true }
  },
  Certificate: {
    transient: false,
    means: "the client rejected the server's certificate, or the server rejected the client's",
    inBrowser: { sees: "`Failed`", transient: true }
  },
  TlsSettings: {
    transient: false,
    means: "no common TLS version, cipher or protocol; an unknown server name; a certificate that is not PEM",
    inBrowser: { sees: "`Failed`", transient: true }
  },
  Overloaded: {
    transient: true,
    means: "status 408, 425, 429, or 5xx except 501 and 505, from the server or a proxy, even if the rest is malformed",
    inBrowser: { sees: "`Failed`", transient: true }
  },
  Refused: {
    transient: false,
    means: "any other status, a redirect that is not followed, credentials or a destination that a proxy refused",
    inBrowser: { sees: "`Failed`", transient: true }
  },
  NotWebSocket: {
    transient: false,
    means: "the response is not HTTP, has a wrong accept header, or violates the proxy's protocol",
    inBrowser: { sees: "`Failed`", transient: true }
  },
  Closed: {
    transient: true,
    means: "an open connection closed with 1000, 1001, 1002, 1005, 1007, 1011 to 1014 or 3008",
    inBrowser: { sees: "the same codes", transient: true }
  },
  ClosedForGood: {
    transient: false,
    means: "1003, 1008, 1009, 1010, 3000, 3003, and application codes, which only the program understands",
    inBrowser: { sees: "the same codes", transient: false }
  },
  InvalidOptions: {
    transient: false,
    means: "the URL, a header, a subprotocol or the proxy of the environment is invalid",
    inBrowser: { sees: "`Invalid`, or `Blocked` for what the page may not do", transient: false }
  },
  Program: {
    transient: false,
    means: "an error of the program's effects `url` and `options`",
    inBrowser: { sees: "the same", transient: false }
  }
} as const satisfies Record<
  string,
  {
    readonly transient: boolean
    readonly means: string
    readonly inBrowser: { readonly sees: string; readonly transient: boolean }
  }
>

/**
 * A kind of failure.
 *
 * @category models
 * @since 0.1.0
 */
export type FailureKind = keyof typeof kinds

/**
 * Tests whether a retry may succeed, by {@link kinds}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTransient = (failure: unknown): boolean => kinds[of(failure)].transient

/**
 * Returns the kind of a failure: a `ConnectError`, a close, or any other error, which is the program's own.
 *
 * @category constructors
 * @since 0.1.0
 */
export const of = (failure: unknown): FailureKind => {
  if (CloseError.isCloseError(failure)) return ofClose(failure)
  if (!Predicate.hasProperty(failure, "_tag")) return "Program"
  const error = failure as ConnectError
  switch (error._tag) {
    case "SocketError":
      return ofCause(error)
    case "TlsError":
      return ofCause(error.cause)
    case "ConnectTimeout":
    case "HandshakeTimeout":
      return "Timeout"
    case "ProxyError":
      return ofProxy(error)
    case "UnexpectedResponse":
      return error.status === 101 ? "NotWebSocket" : ofStatus(error.status)
    case "HttpHeadError":
      return error.responseStatus !== undefined && isOverloaded(error.responseStatus) ? "Overloaded" : "NotWebSocket"
    case "Http2Unavailable":
      return "NotWebSocket"
    case "HandshakeConfigError":
    case "InvalidProxy":
      return "InvalidOptions"
    default:
      return "Program"
  }
}

// A fault of one message or one server may be gone on the next connection; the peer's policy will not change.
const transientCloses: ReadonlySet<number> = new Set([1000, 1001, 1002, 1005, 1007, 1011, 1012, 1013, 1014, 3008])

/**
 * Tests whether a retry may succeed after a close, as {@link isTransient} does. It brings less into a bundle.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTransientClose = ({ code }: CloseError.CloseError): boolean => code === 1006 || transientCloses.has(code)

const ofClose = ({ code }: CloseError.CloseError): FailureKind =>
  code === 1006 ? "Network" : code === 1015 ? "TlsSettings" : transientCloses.has(code) ? "Closed" : "ClosedForGood"

const isOverloaded = (status: number): boolean =>
  status === 408 ||
  status === 425 ||
  status === 429 ||
  // RFC 9110 15.6.2, 15.6.6: the server does not support the method or version, and will not on a retry.
  (status >= 500 && status <= 599 && status !== 501 && status !== 505)

const ofStatus = (status: number): FailureKind => (isOverloaded(status) ? "Overloaded" : "Refused")

// RFC 1928 6: not allowed by ruleset, command not supported, address type not supported
const finalReplies: ReadonlySet<number> = new Set([2, 7, 8])

const ofProxy = ({ cause, reply, rule, status }: ProxyError): FailureKind => {
  if (status !== undefined && isOverloaded(status)) return "Overloaded"
  switch (rule) {
    case "BrokenOff":
    case "TlsFailed":
      return ofCause(cause)
    case "Refused":
      return reply === undefined || finalReplies.has(reply) ? "Refused" : "Network"
    case "AuthenticationFailed":
      return "Refused"
    case "Malformed":
    case "UnexpectedBytes":
      return "NotWebSocket"
  }
}

// Node puts OpenSSL's reasons and alerts into the code of an error. In TLS 1.3 the client learns only when it reads
// that the server rejects its certificate, so these codes appear at any stage. Any other code is a network failure.
const byCode: ReadonlyArray<readonly [pattern: RegExp, kind: FailureKind]> = [
  // RFC 8446 6.2: the alerts about certificates, unknown_ca and access_denied; and errors of Node's own verification.
  [/^ERR_SSL_.*(?:CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)|^ERR_TLS_CERT_/, "Certificate"],
  [/^(?:CERT|CRL|UNABLE_TO|ERROR_IN_(?:CERT|CRL)|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_MISMATCH)_?/, "Certificate"],
  [/^(?:INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED)$/, "Certificate"],
  [/^ERR_SSL_.*(?:HANDSHAKE_FAILURE|PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|INSUFFICIENT_SECURITY)$/, "TlsSettings"],
  [/^ERR_SSL_.*(?:NO_APPLICATION_PROTOCOL|UNRECOGNIZED_NAME|_EXTENSION|INAPPROPRIATE_FALLBACK)$/, "TlsSettings"],
  [/^ERR_SSL_.*(?:NO_SHARED_CIPHER|NO_CIPHERS_AVAILABLE|NO_PROTOCOLS_AVAILABLE|DH_KEY_TOO_SMALL)$/, "TlsSettings"],
  // Errors of our own certificate, key or options, before any byte is sent.
  [/^ERR_(?:OSSL|TLS|INVALID|CRYPTO)_/, "TlsSettings"],
  [/^ERR_SSL_/, "NotTls"],
  [/^ETIMEDOUT$/, "Timeout"]
]

const ofCause = (cause: unknown, depth = 8): FailureKind => {
  if (depth === 0 || typeof cause !== "object" || cause === null) return "Network"
  if ("code" in cause && typeof cause.code === "string") {
    const { code } = cause
    const known = byCode.find(([pattern]) => pattern.test(code))
    if (known !== undefined) return known[1]
  }
  // Of several addresses, one transient failure is enough.
  if (cause instanceof AggregateError && cause.errors.length > 0) {
    const found = cause.errors.map((error) => ofCause(error, depth - 1))
    return found.find((kind) => kinds[kind].transient) ?? found[0]!
  }
  if ("_tag" in cause && cause._tag === "ProxyError") return ofProxy(cause as ProxyError)
  return ofCause(
    "reason" in cause ? (cause as SocketError).reason : "cause" in cause ? cause.cause : undefined,
    depth - 1
  )
}
