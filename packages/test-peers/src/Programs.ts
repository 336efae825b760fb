/** Programs that tests run at either end of a connection, and our own client to any server. */
import type { Connection } from "@effect-ws/connection/Connection"
import * as Connect from "@effect-ws/connection/Connect"
import type * as Message from "@effect-ws/protocol/Message"
import { Dialer } from "@effect-ws/transport/Dialer"
import * as Http2Session from "@effect-ws/transport/Http2Session"
import { Context, Effect, Layer, Logger, Scope, Semaphore, Stream } from "effect"
import type { Cause, LogLevel } from "effect"
import type { SocketError } from "effect/socket/Socket"
import type * as NetAddress from "effect/net/NetAddress"

/** Sends every message back. */
export const echo = (connection: Connection): Effect.Effect<void, unknown> =>
  Stream.runForEach(connection.messages, (message) => connection.send(message))

/** The same, for a server that takes handlers. */
export const echoHandlers = {
  onMessage: (connection: Connection, message: Message.Message): Effect.Effect<void, unknown> =>
    connection.send(message)
}

/** Options of our own client. */
export interface ClientOptions extends Connect.ConnectOptions {
  /** Path and query of the URL. Default: `/`. */
  readonly target?: string | undefined
}

/** Gives the session of HTTP/2 with a server. */
type OpenSession = (address: NetAddress.SocketAddress) => Effect.Effect<Http2Session.Http2Session, SocketError>

/** What connections of our own client are streams of. Default: each is a connection of HTTP/1.1. */
const SharedSession = Context.Reference<OpenSession | undefined>("effect-ws/test/SharedSession", {
  defaultValue: () => undefined
})

/** Makes the connections of our own client streams of one session of HTTP/2. */
export const layerSharedSession: Layer.Layer<never, never, Dialer> = Layer.effect(
  SharedSession,
  Effect.gen(function* () {
    const dialer = yield* Dialer
    const scope = yield* Effect.scope
    const lock = Semaphore.makeUnsafe(1)
    let session: Http2Session.Http2Session | undefined
    return (address: NetAddress.SocketAddress) =>
      Effect.gen(function* () {
        if (session?.isOpen === true) return session
        const reader = yield* (yield* dialer.dial(address)).reader
        return (session = yield* Http2Session.connect(reader, "the server"))
      }).pipe(Effect.provideService(Scope.Scope, scope), lock.withPermits(1))
  })
)

/** A connection of our own client to a server. */
export const connect = Effect.fnUntraced(function* (
  server: { readonly address: NetAddress.SocketAddress },
  options?: ClientOptions
): Effect.fn.Return<Connection, Connect.ConnectError, Dialer | Scope.Scope> {
  const url = `ws://localhost${options?.target ?? "/"}`
  const sessions = yield* SharedSession
  if (sessions !== undefined) return yield* Connect.handshakeHttp2(yield* sessions(server.address), url, options ?? {})
  const dialer = yield* Dialer
  const socket = yield* dialer.dial(server.address)
  return yield* Connect.connect(socket, url, options)
})

/** The text of the next message. */
export const receiveText = (connection: Connection): Effect.Effect<string, unknown> =>
  Effect.flatMap(connection.receive, (message) =>
    message._tag === "Text" ? Effect.succeed(message.data) : Effect.fail("expected a text message, found a binary one")
  )

/** A log entry. */
export interface Entry {
  readonly level: LogLevel.LogLevel
  readonly message: string
  readonly cause: Cause.Cause<unknown>
}

/** A logger that collects the entries instead of printing them. */
export const captureLogs = (entries: Array<Entry>): Layer.Layer<never> =>
  Logger.layer([
    Logger.make(({ cause, logLevel, message }) => {
      entries.push({ level: logLevel, message: Array.isArray(message) ? message.join(" ") : String(message), cause })
    })
  ])

/** Bytes that look random and are the same each time. */
export const patterned = (length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  let state = 0x9e3779b9
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[at] = state >>> 24
  }
  return bytes
}
