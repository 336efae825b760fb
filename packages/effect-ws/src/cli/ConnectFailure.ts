/**
 * The failures of `connect`: a message for people and an exit code for scripts. Exit codes are those of curl where it
 * has one for the same failure.
 */
import type { ConnectError } from "@effect-ws/client/ConnectError"
import type { UnexpectedResponse } from "@effect-ws/client/UnexpectedResponse"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import * as SocketFailure from "@effect-ws/transport/SocketFailure"
import * as CliError from "effect/cli/CliError"
import * as Duration from "effect/Duration"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import type { SocketError } from "effect/socket/Socket"

/** Exit codes. */
export const exitCodes = {
  /** Invalid flag, file or input. */
  usage: 1,
  /** Invalid URL. */
  url: 3,
  /** The server closed with an error code, or the client closed because of a protocol violation of the server. */
  closed: 4,
  /** Unknown host name. */
  dns: 6,
  /** Connection refused, or host unreachable. */
  refused: 7,
  /** The response is not HTTP, or violates the handshake. */
  answer: 8,
  /** HTTP response with a status other than 101. */
  status: 22,
  /** Timeout. */
  timeout: 28,
  /** TLS failure, or untrusted certificate. */
  tls: 35,
  /** Too many redirects, or a redirect that must not be followed. */
  redirects: 47,
  /** The connection was lost. */
  broken: 56,
  /** The proxy refused. */
  proxy: 97
} as const

/** Ends the command with an exit code and a message. */
export class ConnectFailure extends Schema.TaggedError<ConnectFailure>()("ConnectFailure", {
  message: Schema.String,
  exitCode: Schema.Int
}) {
  override get [CliError.userMessage](): string {
    return this.message
  }
  override get [Runtime.errorExitCode](): number {
    return this.exitCode
  }
}

const failure = (kind: keyof typeof exitCodes, message: string): ConnectFailure =>
  new ConnectFailure({ message, exitCode: exitCodes[kind] })

/** Makes the failure for invalid input. */
export const ofInput = (message: string): ConnectFailure => failure("usage", message)

/** Makes the failure for a connection error. */
export const ofConnect = (error: ConnectError): ConnectFailure => {
  switch (error._tag) {
    case "HandshakeConfigError":
      return error.rule === "InvalidUrl" ? failure("url", error.detail) : failure("usage", error.message)
    case "SocketError":
      return ofSocket(error)
    case "InvalidProxy":
      return failure("usage", error.message)
    case "ConnectTimeout":
    case "HandshakeTimeout":
      return failure("timeout", error.message)
    case "TlsError":
      return failure(
        "tls",
        `${error.message}${tlsAdvice(error.cause, "--ca FILE", "--insecure", "--cert FILE and --key FILE")}`
      )
    case "ProxyError":
      return failure(
        "proxy",
        error.rule === "TlsFailed"
          ? `${error.message}${tlsAdvice(error.cause, "--proxy-ca FILE", "--proxy-insecure")}`
          : error.message
      )
    case "Http2Unavailable":
      return failure("answer", error.message)
    case "HttpHeadError":
      return failure("answer", `invalid HTTP response: ${error.message}`)
    case "UnexpectedResponse":
      return ofResponse(error)
  }
}

/** Returns advice for a TLS failure whose message has none. */
const tlsAdvice = (cause: unknown, trust: string, ignore: string, show?: string): string => {
  const isDemanded = SocketFailure.tlsAlert(cause) === "certificate required"
  if (isDemanded && show !== undefined) return `; ${show} send a client certificate`
  if (SocketFailure.isTls(cause) || SocketFailure.isEndOfHandshake(cause)) return ""
  return `; if this is expected, ${trust} trusts another authority, and ${ignore} skips verification (insecure)`
}

const ofSocket = (error: SocketError): ConnectFailure => {
  if (error.reason._tag === "SocketOpenError") {
    return failure(isUnknownName(error.reason.cause) ? "dns" : "refused", error.message)
  }
  return failure("broken", error.message)
}

const isUnknownName = (cause: unknown): boolean => {
  for (let at = cause; at instanceof Error; at = at.cause) {
    if ("syscall" in at && at.syscall === "getaddrinfo") return true
  }
  return false
}

const ofResponse = (error: UnexpectedResponse): ConnectFailure => {
  const { detail, rule, status, url } = error
  const advice = status === 401 ? "; send credentials with --user USER:PASSWORD or --bearer TOKEN" : ""
  const kind =
    rule === "TooManyRedirects" || rule === "InsecureRedirect" || rule === "InvalidRedirect"
      ? "redirects"
      : status === 101
        ? "answer"
        : "status"
  return failure(kind, `${url} opened no WebSocket: ${detail}${advice}${startOf(error)}`)
}

const shownBody = 300

/** Returns the start of the body, indented, without control characters that could move the terminal's cursor. */
const startOf = ({ text, truncated }: UnexpectedResponse): string => {
  const start = text.trim().slice(0, shownBody)
  if (start === "") return ""
  const more = truncated || start.length < text.trim().length ? " ..." : ""
  return `\n\n${start.replaceAll(/^/gm, "  ")}${more}`
}

/** Makes the failure for a server that did not confirm that it has read everything. */
export const ofUnread = (after: Duration.Duration): ConnectFailure =>
  failure(
    "timeout",
    `the server did not confirm within ${Duration.format(after)} that it has read everything; raise --pong-timeout`
  )

/** Makes the failure for a connection that ended badly; `undefined` for a good end. */
export const ofCloseInfo = (closeInfo: CloseInfo, isCut: boolean): ConnectFailure | undefined => {
  const { error, failed, initiator } = closeInfo
  if (initiator === "transport") return failure("broken", `connection lost: ${error.message}`)
  if (initiator === "local") {
    return failed ? failure("closed", `closed, because the server violated the protocol: ${error.message}`) : undefined
  }
  if (isCut) return failure("closed", `the server closed with ${error.message} before everything was sent`)
  return error.code === 1000 || error.code === 1001 || error.code === 1005
    ? undefined
    : failure("closed", `the server closed with ${error.message}`)
}
