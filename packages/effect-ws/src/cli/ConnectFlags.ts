/**
 * The flags of `connect`: their values, their defaults, and the conflicts between them.
 */
import type * as Client from "@effect-ws/client/Client"
import * as HttpProxy from "@effect-ws/client/HttpProxy"
import * as ClientAuth from "@effect-ws/protocol/ClientAuth"
import * as Authority from "@effect-ws/protocol/Authority"
import * as HeaderGrammar from "@effect-ws/protocol/HeaderGrammar"
import type { HeaderFields } from "@effect-ws/protocol/HeaderFields"
import * as Argument from "effect/cli/Argument"
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"

const longestWait = 86_400

const seconds = (name: string, least: number, description: string): Flag.Flag<Option.Option<number>> =>
  Flag.Finite(name).pipe(
    Flag.withMetavar("SECONDS"),
    Flag.withDescription(description),
    Flag.filter(
      (value) => value >= least && value <= longestWait,
      () => `Expected a number of seconds from ${least} to ${longestWait}`
    ),
    Flag.optional
  )

const file = (name: string, description: string): Flag.Flag<Option.Option<string>> =>
  Flag.String(name).pipe(Flag.withMetavar("FILE"), Flag.withDescription(description), Flag.optional)

const on = (name: string, description: string): Flag.Flag<boolean> =>
  Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false), Flag.withoutNegation)

const nameAndValue = /^([^:]+):[ \t]*(.*?)[ \t]*$/

/** The argument and the flags, as parsed. */
export const flags = {
  url: Argument.String("url").pipe(
    Argument.withDescription(
      "The URL to connect to: ws://, wss://, http:// or https://, or ws+unix:PATH:/TARGET; HOST:PORT is ws://HOST:PORT"
    )
  ),
  headers: Flag.String("header").pipe(
    Flag.withMetavar("NAME:VALUE"),
    Flag.withDescription("A header to add to the request; repeat it for several"),
    Flag.atLeast(0),
    Flag.filterMap(
      (lines) => Option.all(lines.map(parseHeader)),
      () => "Expected a header such as Cookie: a=b"
    )
  ),
  subprotocols: Flag.String("subprotocol").pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription("A subprotocol to offer; repeat it for several, best first (default: none)"),
    Flag.atLeast(0),
    Flag.filter(
      (names) => names.every(HeaderGrammar.isToken) && new Set(names).size === names.length,
      () => "Expected names without spaces, commas or quotes, each once"
    )
  ),
  origin: Flag.String("origin").pipe(
    Flag.withDescription("The Origin header, as a page from there would send it (default: none)"),
    Flag.filter(
      (origin) => origin === "null" || Authority.parseOrigin(origin) !== undefined,
      () => "Expected an origin such as https://example.com or http://localhost:3000"
    ),
    Flag.optional
  ),
  user: Flag.Redacted("user").pipe(
    Flag.withMetavar("USER:PASSWORD"),
    Flag.withDescription("The username and password for the server, sent by Digest or Basic when it asks for them"),
    Flag.filterMap(parseUser, () => "Expected a username and a password, separated by a colon"),
    Flag.optional
  ),
  bearer: Flag.Redacted("bearer").pipe(
    Flag.withMetavar("TOKEN"),
    Flag.withDescription("The Bearer token to send with the request"),
    Flag.filter(
      (token) => HeaderGrammar.isFieldValue(Redacted.value(token)) && Redacted.value(token) !== "",
      () => "Expected a token without line breaks"
    ),
    Flag.optional
  ),
  insecure: on("insecure", "Skip verification of the server's certificate; insecure, for tests only"),
  ca: file("ca", "Trust only the certificate authorities in this PEM file for the server"),
  cert: file("cert", "Send the certificate in this PEM file to a server that requests one; needs --key"),
  key: file("key", "The PEM file with the certificate's private key"),
  proxy: Flag.Redacted("proxy").pipe(
    Flag.withMetavar("URL"),
    Flag.withDescription(
      "Go through http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT, or none (default: the proxy of the environment)"
    ),
    Flag.filterMap(parseProxy, () => "Expected none, or a URL such as http://host:3128 or socks5://user:password@host"),
    Flag.optional
  ),
  proxyCa: file("proxy-ca", "Trust only the certificate authorities in this PEM file for an https proxy"),
  proxyInsecure: on("proxy-insecure", "Skip verification of the https proxy's certificate; insecure, for tests only"),
  http2: on("http2", "Connect over HTTP/2; with a ws: URL the server must be known to speak it"),
  noDeflate: on("no-deflate", "Do not offer permessage-deflate"),
  commands: on("commands", "Treat lines of a pipe that begin with / as commands, as on a terminal"),
  connectTimeout: seconds(
    "connect-timeout",
    0.001,
    "Maximum seconds for dialling, a proxy and TLS together (default: 10)"
  ),
  handshakeTimeout: seconds(
    "handshake-timeout",
    0.001,
    "Maximum seconds that the server may take to answer the handshake (default: 10)"
  ),
  closeTimeout: seconds("close-timeout", 0, "Maximum seconds that the server may take to answer a close (default: 2)"),
  pongTimeout: seconds(
    "pong-timeout",
    0.001,
    "Maximum seconds that the server may take to answer a ping, also the one after the end of a pipe (default: 60)"
  ),
  linger: seconds("linger", 0, "Seconds of silence after the end of a pipe before the connection closes (default: 1)")
}

function parseHeader(line: string): Option.Option<HeaderFields[number]> {
  const [, name, value] = nameAndValue.exec(line) ?? []
  return name !== undefined && value !== undefined && HeaderGrammar.isToken(name) && HeaderGrammar.isFieldValue(value)
    ? Option.some({ name, value })
    : Option.none()
}

function parseUser(text: Redacted.Redacted<string>): Option.Option<ClientAuth.ClientCredentials> {
  const value = Redacted.value(text)
  const colon = value.indexOf(":")
  return colon < 1 ? Option.none() : Option.some(ClientAuth.password(value.slice(0, colon), value.slice(colon + 1)))
}

function parseProxy(text: Redacted.Redacted<string>): Option.Option<HttpProxy.Proxy | "none"> {
  return Redacted.value(text) === "none" ? Option.some("none") : Result.getSuccess(HttpProxy.parse(text, "--proxy"))
}

/** The argument and the flags as they were read. */
export interface Input {
  readonly url: string
  readonly headers: HeaderFields
  readonly subprotocols: ReadonlyArray<string>
  readonly origin: Option.Option<string>
  readonly user: Option.Option<ClientAuth.ClientCredentials>
  readonly bearer: Option.Option<Redacted.Redacted<string>>
  readonly insecure: boolean
  readonly ca: Option.Option<string>
  readonly cert: Option.Option<string>
  readonly key: Option.Option<string>
  readonly proxy: Option.Option<HttpProxy.Proxy | "none">
  readonly proxyCa: Option.Option<string>
  readonly proxyInsecure: boolean
  readonly http2: boolean
  readonly noDeflate: boolean
  readonly commands: boolean
  readonly connectTimeout: Option.Option<number>
  readonly handshakeTimeout: Option.Option<number>
  readonly closeTimeout: Option.Option<number>
  readonly pongTimeout: Option.Option<number>
  readonly linger: Option.Option<number>
}

/** The settings that result from the flags. */
export interface Settings {
  readonly url: string
  /** Client options known before any file is read. */
  readonly options: Client.ClientOptions
  readonly insecure: boolean
  readonly caFile: string | undefined
  readonly identityFiles: { readonly cert: string; readonly key: string } | undefined
  /** TLS settings for the proxy, where they differ from Node's defaults. */
  readonly proxyTls: { readonly caFile: string | undefined; readonly insecure: boolean } | undefined
  readonly deflate: boolean
  /** Whether lines of a pipe can be commands. */
  readonly commands: boolean
  readonly pongTimeout: Duration.Duration
  readonly linger: Duration.Duration
}

/** Combines the flags, or reports a conflict between them. */
export const resolve = (input: Input): Effect.Effect<Settings, CliError.UserError> => {
  const { ca, cert, insecure, key } = input
  if (Option.isSome(input.user) && Option.isSome(input.bearer)) {
    return refuse("--user conflicts with --bearer: use one kind of credentials")
  }
  if (insecure && Option.isSome(ca)) {
    return refuse("--insecure conflicts with --ca: either the certificate is verified, or it is not")
  }
  if (Option.isSome(cert) && Option.isNone(key)) {
    return refuse("--cert requires --key, the file with the private key")
  }
  if (Option.isSome(key) && Option.isNone(cert)) {
    return refuse("--key requires --cert, the file with the certificate")
  }
  const isHttpsProxy = Option.exists(input.proxy, (proxy) => proxy !== "none" && proxy.kind === "https")
  const proxyFlag = input.proxyInsecure ? "--proxy-insecure" : Option.isSome(input.proxyCa) ? "--proxy-ca" : undefined
  if (proxyFlag !== undefined && !isHttpsProxy) {
    return refuse(`${proxyFlag} requires --proxy https://HOST:PORT: only such a proxy uses TLS`)
  }
  if (input.proxyInsecure && Option.isSome(input.proxyCa)) {
    return refuse("--proxy-insecure conflicts with --proxy-ca: either the certificate is verified, or it is not")
  }
  const wait = (value: Option.Option<number>, otherwise: number): Duration.Duration =>
    Duration.seconds(Option.getOrElse(value, () => otherwise))
  const pongTimeout = wait(input.pongTimeout, 60)
  return Effect.succeed({
    url: withScheme(input.url),
    options: {
      headers: input.headers,
      subprotocols: input.subprotocols,
      origin: Option.getOrUndefined(input.origin),
      credentials: Option.getOrUndefined(Option.orElse(input.user, () => Option.map(input.bearer, ClientAuth.token))),
      proxy: Option.getOrUndefined(input.proxy),
      http: input.http2 ? "2" : "1.1",
      connectTimeout: wait(input.connectTimeout, 10),
      handshakeTimeout: wait(input.handshakeTimeout, 10),
      closeTimeout: wait(input.closeTimeout, 2),
      keepalive: { interval: "20 seconds", timeout: pongTimeout }
    },
    insecure,
    caFile: Option.getOrUndefined(ca),
    identityFiles: Option.getOrUndefined(Option.all({ cert, key })),
    proxyTls:
      proxyFlag === undefined
        ? undefined
        : { caFile: Option.getOrUndefined(input.proxyCa), insecure: input.proxyInsecure },
    deflate: !input.noDeflate,
    commands: input.commands,
    pongTimeout,
    linger: wait(input.linger, 1)
  })
}

// A host without a scheme, such as `localhost:8000` or `[::1]/path`. The first colon of a host starts a port; in a URL
// with a scheme it ends the scheme.
const schemeless = /^(?:\[[^\]]*\]|(?![0-9]+$)[^/:@?#\s]+)(?::[0-9]+)?(?:[/?].*)?$/

/** Adds the scheme ws to a URL without a scheme. */
const withScheme = (url: string): string => (schemeless.test(url) ? `ws://${url}` : url)

const refuse = (userMessage: string): Effect.Effect<never, CliError.UserError> =>
  Effect.fail(new CliError.UserError({ cause: userMessage, userMessage }))
