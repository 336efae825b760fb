/**
 * `effect-ws serve`: an echo server to try clients against, with a page that is a client for it.
 *
 * The first line on standard output is the listening address; logs go to standard error. The server runs until it is
 * interrupted, and then drains.
 */
import * as Peer from "@effect-ws/connection/Peer"
import * as DeflateFrame from "@effect-ws/extensions/DeflateFrame"
import * as Extensions from "@effect-ws/extensions/Extensions"
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import * as Tcp from "@effect-ws/transport/Tcp"
import * as Tls from "@effect-ws/transport/Tls"
import * as Unix from "@effect-ws/transport/Unix"
import { formatAddress } from "@effect-ws/transport/Dialer"
import * as Inspector from "@effect-ws/inspector/Inspector"
import * as InspectorServer from "@effect-ws/inspector/InspectorServer"
import * as Limits from "@effect-ws/protocol/Limits"
import * as Auth from "@effect-ws/server/Auth"
import * as AuthNonces from "@effect-ws/server/AuthNonces"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { SocketServer, SocketServerError } from "effect/socket/SocketServer"
import * as Echo from "./Echo.ts"
import * as PemFile from "./PemFile.ts"
import * as ServeFlags from "./ServeFlags.ts"
import * as Site from "./Site.ts"

const run = Effect.fnUntraced(function* (input: ServeFlags.Input) {
  const settings = yield* ServeFlags.resolve(input)
  const transport = yield* transportOf(settings.listen)
  const nonces = yield* AuthNonces.make().pipe(Effect.provide(SecureRandom.layerWebCrypto))
  const policy = settings.auth && policyOf(settings.auth)
  const options = {
    maxMessageSize: settings.maxMessageSize,
    // Enough for the largest message in fragments of 64 bytes, which test suites send.
    maxFragments: Math.max(Limits.make().maxFragments, Math.ceil(settings.maxMessageSize / 64)),
    subprotocols: settings.subprotocols,
    origins: settings.origins,
    paths: settings.paths,
    decide: policy && Auth.required(policy),
    keepalive: settings.keepaliveSeconds > 0 && {
      interval: Duration.seconds(settings.keepaliveSeconds),
      timeout: Duration.seconds(settings.keepaliveSeconds)
    },
    respond: Site.make(settings.paths ?? [], policy && guard(policy, nonces)),
    drainTimeout: Duration.seconds(settings.drainSeconds)
  }
  const server =
    settings.server === "queue"
      ? WebSocketServer.layerQueue(Echo.handlers, options)
      : WebSocketServer.layer(Echo.make(settings.maxMessageSize), options)
  const program =
    settings.inspect === undefined
      ? Layer.effectDiscard(announce(settings)).pipe(Layer.provide(server))
      : Layer.effectDiscard(Effect.andThen(announce(settings), announceInspector)).pipe(
          Layer.provide([server, InspectorServer.layer(inspection(settings.inspect))]),
          Layer.provide(Inspector.layer({ payloads: "full" }))
        )
  yield* program.pipe(
    Layer.provide(Layer.succeed(AuthNonces.AuthNonces, nonces)),
    Layer.provide(Extensions.layer(settings.extensions.map((name) => extensions[name]))),
    Layer.provide(transport),
    Layer.launch,
    Effect.catchTag("SocketServerError", (error) => unable(error, error.message))
  )
})

/** The subcommand. */
export const serve = Command.make("serve", ServeFlags.flags, run).pipe(
  Command.withDescription(
    "Start an echo server, with a page to talk to it from a browser. Interrupt it (Ctrl-C) to drain and stop; " +
      "interrupt it again to stop at once."
  ),
  Command.withShortDescription("Start an echo server with a page to talk to it"),
  Command.withExamples([
    { command: "effect-ws serve --port 0", description: "Take any free port" },
    { command: "effect-ws serve --unix /tmp/echo.sock", description: "Listen on a Unix socket" },
    { command: "effect-ws serve --tls-cert cert.pem --tls-key key.pem", description: "Use TLS" },
    { command: "effect-ws serve --auth alice:secret --auth-scheme digest", description: "Require a password" },
    { command: "effect-ws serve --origin https://example.com --path /chat", description: "Restrict origins and paths" },
    { command: "effect-ws serve --inspect", description: "Show the connections on a page of their own" }
  ])
)

// Compresses every message, even without a gain, because the demo server is used to test compression.
const always = { threshold: 0, skipIfLarger: false }

const extensions = {
  "permessage-deflate": PermessageDeflate.make(always),
  "deflate-frame": DeflateFrame.make(always)
}

const realm = "effect-ws"

type Policy = Auth.Policy<string, AuthNonces.AuthNonces>

const policyOf = ({ scheme, users }: ServeFlags.Auth): Policy => {
  const options = { realm, ...Auth.users(users) }
  return scheme === "digest" ? Auth.digest(options) : Auth.basic(options)
}

// The page is answered synchronously, and these policies never wait, because all their data is in this process.
const guard =
  (policy: Policy, nonces: AuthNonces.AuthNonces["Service"]): Site.Guard =>
  (request) =>
    Effect.runSync(
      policy({ ...request, peer: Peer.unknown, context: Context.empty() }).pipe(
        Effect.as(undefined),
        Effect.catchTag("HandshakeRejection", (rejection) => Effect.succeed(rejection)),
        Effect.provideService(AuthNonces.AuthNonces, nonces)
      )
    )

const announce = Effect.fnUntraced(function* ({ listen, paths }: ServeFlags.Settings) {
  const { address } = yield* WebSocketServer.WebSocketServer
  if (listen._tag === "Unix") return yield* Console.log(`listening on unix:${listen.path}`)
  const authority = formatAddress(address)
  const [socket, page] = listen._tag === "Tls" ? ["wss", "https"] : ["ws", "http"]
  yield* Console.log(`listening on ${socket}://${authority}`)
  yield* Effect.logInfo(`Open ${page}://${authority}${paths?.[0] ?? "/"} in a browser to test the server`)
})

// All who can see the page have the token, and the server only echoes what its clients send: so viewers may act, unless
// a flag says otherwise.
const inspection = ({ port, readOnly }: ServeFlags.Inspect): InspectorServer.ServerOptions => ({
  port,
  allowClose: !readOnly,
  allowDrain: !readOnly,
  pingInterval: "1 second"
})

const announceInspector = Effect.gen(function* () {
  const { url } = yield* InspectorServer.InspectorServer
  yield* Console.log(`inspector on ${url}`)
})

const transportOf = (
  listen: ServeFlags.Settings["listen"]
): Effect.Effect<Layer.Layer<SocketServer, SocketServerError>, CliError.UserError, FileSystem.FileSystem> => {
  switch (listen._tag) {
    case "Tcp":
      return Effect.succeed(Tcp.layerServer({ host: listen.host, port: listen.port }))
    case "Unix":
      return Effect.succeed(Unix.layerServer({ path: listen.path }))
    case "Tls":
      return Effect.map(readFiles(listen.files), (pems) =>
        Tls.layerServer({ host: listen.host, port: listen.port, http2: listen.http2, ...pems })
      )
  }
}

const readFiles = Effect.fnUntraced(function* (files: ServeFlags.TlsFiles) {
  const cert = yield* PemFile.read("--tls-cert", files.cert)
  const key = yield* PemFile.read("--tls-key", files.key)
  const clientCa = files.clientCa === undefined ? undefined : yield* PemFile.read("--tls-client-ca", files.clientCa)
  return { cert, key: Redacted.make(key), clientCa }
})

const unable = (cause: unknown, userMessage: string): Effect.Effect<never, CliError.UserError> =>
  Effect.fail(new CliError.UserError({ cause, userMessage }))
