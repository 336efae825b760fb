/**
 * How `connect` fails: for each kind of failure a message for people and an exit code for scripts. The codes are those
 * that curl has for the same things, where it has one.
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

/** The exit codes. */
export const exitCodes = {
  /** A flag or a file that cannot be, or input that cannot be sent. */
  usage: 1,
  /** The URL is none, or none to connect to. */
  url: 3,
  /** The server closed with a code that says that something was wrong, or was closed because it did something wrong. */
  closed: 4,
  /** There is no such name. */
  dns: 6,
  /** Nobody listens there, or there is no way there. */
  refused: 7,
  /** The answer is not HTTP, or accepts what was not asked. */
  answer: 8,
  /** The answer is HTTP with another status than 101. */
  status: 22,
  /** It took too long. */
  timeout: 28,
  /** There is no TLS, or no trust. */
  tls: 35,
  /** Too many redirects, or one that is not to be followed. */
  redirects: 47,
  /** The connection broke off. */
  broken: 56,
  /** The proxy refused. */
  proxy: 97
} as const

/** Ends the command with an exit code, and what to say. */
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

/** Ends the command because of its input. */
export const ofInput = (message: string): ConnectFailure => failure("usage", message)

/** Says why there is no connection. */
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
      return failure("answer", `the server does not speak HTTP as it should: ${error.message}`)
    case "UnexpectedResponse":
      return ofResponse(error)
  }
}

/** What to do about a failure of TLS, where the message does not say it. */
const tlsAdvice = (cause: unknown, trust: string, ignore: string, show?: string): string => {
  const isDemanded = SocketFailure.tlsAlert(cause) === "certificate required"
  if (isDemanded && show !== undefined) return `; ${show} show a certificate`
  if (SocketFailure.isTls(cause) || SocketFailure.isEndOfHandshake(cause)) return ""
  return `; if that is as it should be, ${trust} trusts an authority and ${ignore} does without`
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
  const advice = status === 401 ? "; --user USER:PASSWORD or --bearer TOKEN says who you are" : ""
  const kind =
    rule === "TooManyRedirects" || rule === "InsecureRedirect" || rule === "InvalidRedirect"
      ? "redirects"
      : status === 101
        ? "answer"
        : "status"
  return failure(kind, `${url} opened no WebSocket: ${detail}${advice}${startOf(error)}`)
}

const shownBody = 300

/** The start of the body on lines of its own, without what would write anywhere else on a terminal. */
const startOf = ({ text, truncated }: UnexpectedResponse): string => {
  const start = text.trim().slice(0, shownBody)
  if (start === "") return ""
  const more = truncated || start.length < text.trim().length ? " ..." : ""
  return `\n\n${start.replaceAll(/^/gm, "  ")}${more}`
}

/** Says that the server was not seen to read what it was sent. */
export const ofUnread = (after: Duration.Duration): ConnectFailure =>
  failure(
    "timeout",
    `the server did not show within ${Duration.format(after)} that it has read everything; --pong-timeout gives it longer`
  )

/** Says that the conversation ended badly, or `undefined` where it did not. */
export const ofCloseInfo = (closeInfo: CloseInfo, isCut: boolean): ConnectFailure | undefined => {
  const { error, failed, initiator } = closeInfo
  if (initiator === "transport") return failure("broken", `the connection broke off: ${error.message}`)
  if (initiator === "local") {
    return failed ? failure("closed", `closed, because of what the server did: ${error.message}`) : undefined
  }
  if (isCut) return failure("closed", `the server closed with ${error.message} before it was sent everything`)
  return error.code === 1000 || error.code === 1001 || error.code === 1005
    ? undefined
    : failure("closed", `the server closed with ${error.message}`)
}
