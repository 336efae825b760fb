import type { Connection } from "@effect-ws/connection/Connection"
import * as Connect from "@effect-ws/connection/Connect"
import { Dialer } from "@effect-ws/transport/Dialer"
import { Effect, Logger, Stream } from "effect"
import type { Cause, Layer, LogLevel, Scope } from "effect"
import type * as NetAddress from "effect/net/NetAddress"
import type { Handlers } from "../../src/Handlers.ts"

/** Sends every message back. */
export const echo = (connection: Connection): Effect.Effect<void, unknown> =>
  Stream.runForEach(connection.messages, (message) => connection.send(message))

/** The same, for a server that takes handlers. */
export const echoHandlers: Handlers<unknown> = { onMessage: (connection, message) => connection.send(message) }

/** What our own client may be told. */
export interface ClientOptions extends Connect.ConnectOptions {
  /** Path and query of the URL. Default: `/`. */
  readonly target?: string | undefined
}

/** A connection of our own client to a server. */
export const connect = Effect.fnUntraced(function* (
  server: { readonly address: NetAddress.SocketAddress },
  options?: ClientOptions
): Effect.fn.Return<Connection, Connect.ConnectError, Dialer | Scope.Scope> {
  const dialer = yield* Dialer
  const socket = yield* dialer.dial(server.address)
  return yield* Connect.connect(socket, `ws://localhost${options?.target ?? "/"}`, options)
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

/** A logger that keeps what it is told, in place of printing it. */
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
