/**
 * The flags of `serve`: their values, their defaults, and the conflicts between them.
 *
 * The parser rejects an invalid value. {@link resolve} rejects invalid combinations, such as a certificate without its
 * key or a port with a path, before anything is started.
 */
import * as Authority from "@effect-ws/protocol/Authority"
import type { Origins } from "@effect-ws/protocol/HandshakePolicy"
import * as Limits from "@effect-ws/protocol/Limits"
import * as Subprotocol from "@effect-ws/protocol/Subprotocol"
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"

const longestDrain = 86_400
const longestKeepalive = 86_400

const each = (name: string, isValid: (value: string) => boolean, expected: string): Flag.Flag<ReadonlyArray<string>> =>
  Flag.String(name).pipe(
    Flag.atLeast(0),
    Flag.filter(
      (values) => values.every(isValid),
      () => `Expected ${expected}`
    ),
    Flag.filter(
      (values) => new Set(values).size === values.length,
      () => "Expected each value once"
    )
  )

const isOrigin = (value: string): boolean => value === "null" || Authority.parseOrigin(value) !== undefined

const isToken = (value: string): boolean => {
  const names = Subprotocol.parse(value)
  return Result.isSuccess(names) && names.success.length === 1 && names.success[0] === value
}

const parseUser = (
  text: Redacted.Redacted<string>
): Option.Option<readonly [name: string, password: Redacted.Redacted<string>]> => {
  const value = Redacted.value(text)
  const colon = value.indexOf(":")
  return colon < 1
    ? Option.none()
    : Option.some([value.slice(0, colon), Redacted.make(value.slice(colon + 1), { label: "password" })])
}

/** The flags, as parsed. */
export const flags = {
  host: Flag.String("host").pipe(
    Flag.withDescription("The address to listen on (default: 127.0.0.1, which only this machine reaches)"),
    Flag.filter(
      (host) => host !== "",
      () => "Expected a host name or an IP address"
    ),
    Flag.optional
  ),
  port: Flag.Int("port").pipe(
    Flag.withDescription("The port to listen on, 0 to 65535; 0 takes a free one (default: 8000)"),
    Flag.filter(
      (port) => port >= 0 && port <= 65_535,
      () => "Expected a port from 0 to 65535; 0 takes a free one"
    ),
    Flag.optional
  ),
  unix: Flag.String("unix").pipe(
    Flag.withDescription("Listen on a Unix socket at this path instead of a host and port"),
    Flag.filter(
      (path) => path !== "",
      () => "Expected the path of a socket file"
    ),
    Flag.optional
  ),
  server: Flag.Literals("server", ["fiber", "queue"]).pipe(
    Flag.withDescription("A fiber for each connection, or handlers that a few workers run for all (default: fiber)"),
    Flag.withDefault("fiber")
  ),
  tlsCert: Flag.String("tls-cert").pipe(
    Flag.withDescription("Use TLS with the certificate in this PEM file; needs --tls-key"),
    Flag.optional
  ),
  tlsKey: Flag.String("tls-key").pipe(
    Flag.withDescription("The PEM file with the certificate's private key"),
    Flag.optional
  ),
  tlsClientCa: Flag.String("tls-client-ca").pipe(
    Flag.withDescription("Require client certificates from the authorities in this PEM file"),
    Flag.optional
  ),
  http2: Flag.Boolean("http2").pipe(
    Flag.withDescription("Accept HTTP/2 beside HTTP/1.1 (by ALPN); needs --tls-cert and --tls-key"),
    Flag.withDefault(false),
    Flag.withoutNegation
  ),
  noDeflate: Flag.Boolean("no-deflate").pipe(
    Flag.withDescription("Do not accept permessage-deflate"),
    Flag.withDefault(false),
    Flag.withoutNegation
  ),
  deflateFrame: Flag.Boolean("deflate-frame").pipe(
    Flag.withDescription("Also accept deflate-frame and x-webkit-deflate-frame, which older clients offer"),
    Flag.withDefault(false),
    Flag.withoutNegation
  ),
  maxMessageSize: Flag.Int("max-message-size").pipe(
    Flag.withDescription(
      "Maximum bytes of a message; a larger one closes with 1009. A 64th of it, at least 16384, is the maximum fragments of a " +
        "message; more close with 1008 (default: 16777216, which is 16 MiB)"
    ),
    Flag.filter(
      (bytes) => bytes >= 1 && Number.isSafeInteger(bytes),
      () => "Expected a number of bytes, 1 or more"
    ),
    Flag.optional
  ),
  subprotocols: each("subprotocol", isToken, "a name without spaces, commas or quotes").pipe(
    Flag.withDescription("A subprotocol to speak; repeat it for several, best first (default: none)")
  ),
  origins: each(
    "origin",
    (value) => value === "any" || isOrigin(value),
    "any, or an origin such as https://example.com or http://localhost:3000"
  ).pipe(
    Flag.withDescription("An origin whose pages may connect, or any; repeat it for several (default: any)"),
    Flag.filter(
      (origins) => origins.length < 2 || !origins.includes("any"),
      () => "Expected either any, or origins without it"
    )
  ),
  paths: each("path", (path) => /^\/[^?#\s]*$/.test(path), "a path that begins with / and has no query").pipe(
    Flag.withDescription("A path where a WebSocket can be opened; repeat it for several (default: every path)")
  ),
  auth: Flag.Redacted("auth").pipe(
    Flag.withMetavar("USER:PASSWORD"),
    Flag.withDescription(
      "Require this username and password from clients; repeat it for several (default: no password)"
    ),
    Flag.atLeast(0),
    Flag.filterMap(
      (texts) => Option.all(texts.map(parseUser)),
      () => "Expected a username and a password, separated by a colon"
    ),
    Flag.filter(
      (users) => new Set(users.map(([name]) => name)).size === users.length,
      () => "Expected each name once"
    )
  ),
  authScheme: Flag.Literals("auth-scheme", ["basic", "digest"]).pipe(
    Flag.withDescription("The authentication scheme (default: basic, which sends passwords in plain text)"),
    Flag.optional
  ),
  keepalive: Flag.Finite("keepalive").pipe(
    Flag.withMetavar("SECONDS"),
    Flag.withDescription(
      "Seconds of silence before the server sends a ping, and maximum seconds for the client's answer; " +
        "0 sends none (default: 20)"
    ),
    Flag.filter(
      (seconds) => seconds >= 0 && seconds <= longestKeepalive,
      () => `Expected a number of seconds from 0 to ${longestKeepalive}`
    ),
    Flag.optional
  ),
  inspect: Flag.Int("inspect").pipe(
    Flag.withMetavar("PORT"),
    Flag.withDescription(
      "Show the connections on a page of its own, at a path with a random token that is printed; on this machine's " +
        "loopback address, at this port or a free one (default: no page)"
    ),
    Flag.filter(
      (port) => port >= 0 && port <= 65_535,
      () => "Expected a port from 0 to 65535; 0 takes a free one"
    ),
    Flag.withOptionalValue("0"),
    Flag.optional
  ),
  inspectReadOnly: Flag.Boolean("inspect-read-only").pipe(
    Flag.withDescription("Do not let that page close connections or drain the server; needs --inspect"),
    Flag.withDefault(false),
    Flag.withoutNegation
  ),
  drain: Flag.Finite("drain").pipe(
    Flag.withDescription("Maximum seconds that connections may take to finish when the server stops (default: 2)"),
    Flag.filter(
      (seconds) => seconds >= 0 && seconds <= longestDrain,
      () => `Expected a number of seconds from 0 to ${longestDrain}`
    ),
    Flag.optional
  )
}

/** The flags as they were read. */
export interface Input {
  readonly host: Option.Option<string>
  readonly port: Option.Option<number>
  readonly unix: Option.Option<string>
  readonly server: "fiber" | "queue"
  readonly tlsCert: Option.Option<string>
  readonly tlsKey: Option.Option<string>
  readonly tlsClientCa: Option.Option<string>
  readonly http2: boolean
  readonly noDeflate: boolean
  readonly deflateFrame: boolean
  readonly maxMessageSize: Option.Option<number>
  readonly subprotocols: ReadonlyArray<string>
  readonly origins: ReadonlyArray<string>
  readonly paths: ReadonlyArray<string>
  readonly auth: Auth["users"]
  readonly authScheme: Option.Option<"basic" | "digest">
  readonly keepalive: Option.Option<number>
  readonly inspect: Option.Option<number>
  readonly inspectReadOnly: boolean
  readonly drain: Option.Option<number>
}

/** The settings that result from the flags. */
export interface Settings {
  readonly listen:
    | { readonly _tag: "Tcp"; readonly host: string; readonly port: number }
    | { readonly _tag: "Unix"; readonly path: string }
    | {
        readonly _tag: "Tls"
        readonly host: string
        readonly port: number
        readonly files: TlsFiles
        readonly http2: boolean
      }
  readonly server: "fiber" | "queue"
  /** Extensions to accept. */
  readonly extensions: ReadonlyArray<"permessage-deflate" | "deflate-frame">
  readonly maxMessageSize: number
  readonly subprotocols: ReadonlyArray<string>
  readonly origins: Origins
  /** Paths; `undefined` means every path. */
  readonly paths: ReadonlyArray<string> | undefined
  /** Authentication; `undefined` means none. */
  readonly auth: Auth | undefined
  /** Keepalive interval in seconds; 0 disables pings. */
  readonly keepaliveSeconds: number
  /** The inspector; `undefined` means none. */
  readonly inspect: Inspect | undefined
  readonly drainSeconds: number
}

/** Users and authentication scheme. */
export interface Auth {
  readonly scheme: "basic" | "digest"
  readonly users: ReadonlyArray<readonly [name: string, password: Redacted.Redacted<string>]>
}

/** Port of the inspector, and whether its viewers may only look. */
export interface Inspect {
  readonly port: number
  readonly readOnly: boolean
}

/** Paths of the PEM files. */
export interface TlsFiles {
  readonly cert: string
  readonly key: string
  readonly clientCa: string | undefined
}

/** Combines the flags, or reports a conflict between them. */
export const resolve = (input: Input): Effect.Effect<Settings, CliError.UserError> =>
  Effect.gen(function* () {
    return {
      listen: yield* listenOf(input),
      server: input.server,
      extensions: [
        ...(input.noDeflate ? [] : ["permessage-deflate" as const]),
        ...(input.deflateFrame ? ["deflate-frame" as const] : [])
      ],
      maxMessageSize: yield* maxMessageSizeOf(input),
      subprotocols: input.subprotocols,
      origins: input.origins.length === 0 || input.origins[0] === "any" ? "any" : input.origins,
      paths: input.paths.length === 0 ? undefined : input.paths,
      auth: yield* authOf(input),
      keepaliveSeconds: Option.getOrElse(input.keepalive, () => 20),
      inspect: yield* inspectOf(input),
      drainSeconds: Option.getOrElse(input.drain, () => 2)
    }
  })

const authOf = ({ auth, authScheme }: Input): Effect.Effect<Auth | undefined, CliError.UserError> =>
  auth.length > 0
    ? Effect.succeed({ scheme: Option.getOrElse(authScheme, () => "basic" as const), users: auth })
    : Option.isSome(authScheme)
      ? refuse("--auth-scheme requires --auth, with the username and the password")
      : Effect.undefined

const inspectOf = ({ inspect, inspectReadOnly }: Input): Effect.Effect<Inspect | undefined, CliError.UserError> =>
  Option.isSome(inspect)
    ? Effect.succeed({ port: inspect.value, readOnly: inspectReadOnly })
    : inspectReadOnly
      ? refuse("--inspect-read-only requires --inspect, the page that it restricts")
      : Effect.undefined

const maxMessageSizeOf = ({ maxMessageSize, server }: Input): Effect.Effect<number, CliError.UserError> => {
  const most = Limits.make().maxMessageSize
  const size = Option.getOrElse(maxMessageSize, () => most)
  return server === "queue" && size > most
    ? refuse(
        `--server queue conflicts with a --max-message-size above ${most}: its handlers get whole messages, ` +
          "and only --server fiber echoes large ones piece by piece"
      )
    : Effect.succeed(size)
}

const listenOf = (input: Input): Effect.Effect<Settings["listen"], CliError.UserError> => {
  const cert = Option.getOrUndefined(input.tlsCert)
  const key = Option.getOrUndefined(input.tlsKey)
  const clientCa = Option.getOrUndefined(input.tlsClientCa)
  const { host, http2, port, unix } = input
  if (http2 && cert === undefined && key === undefined) {
    return refuse("--http2 requires --tls-cert and --tls-key: browsers use HTTP/2 over TLS only")
  }

  if (Option.isSome(unix)) {
    const clash = Option.isSome(host)
      ? "--host"
      : Option.isSome(port)
        ? "--port"
        : (cert ?? key ?? clientCa) !== undefined
          ? "TLS"
          : undefined
    if (clash !== undefined) {
      return refuse(`--unix conflicts with ${clash}: listen either on a path, or on a host and port`)
    }
    return Effect.succeed({ _tag: "Unix", path: unix.value })
  }

  const address = { host: Option.getOrElse(host, () => "127.0.0.1"), port: Option.getOrElse(port, () => 8000) }
  if (cert === undefined && key === undefined) {
    return clientCa === undefined
      ? Effect.succeed({ _tag: "Tcp", ...address })
      : refuse("--tls-client-ca requires --tls-cert and --tls-key")
  }
  if (cert === undefined) return refuse("--tls-key requires --tls-cert, the file with the certificate")
  if (key === undefined) return refuse("--tls-cert requires --tls-key, the file with the private key")
  return Effect.succeed({ _tag: "Tls", ...address, files: { cert, key, clientCa }, http2 })
}

const refuse = (userMessage: string): Effect.Effect<never, CliError.UserError> =>
  Effect.fail(new CliError.UserError({ cause: userMessage, userMessage }))
