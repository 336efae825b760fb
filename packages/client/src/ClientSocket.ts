/**
 * A client as an Effect `Socket`. It dials anew each time its reader is acquired, so that a program over sockets, such
 * as an RPC client, reconnects after its server was away.
 *
 * @since 0.1.0
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as ConnectionSocket from "@effect-ws/connection/ConnectionSocket"
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as Client from "./Client.ts"

/**
 * Makes a `Socket` to a WebSocket server.
 *
 * **Details**
 *
 * Acquiring `reader` connects, as `Client.connect` does, and the connection lives in the Scope of that acquisition.
 * Each acquisition opens a new connection; an effect given as `url` runs for each. A connect that fails is the cause of
 * a `SocketOpenError`, of kind `Timeout` after a timeout. A write without a connection waits for the next connection.
 * `ConnectionSocket` documents the rest.
 *
 * Closing the Scope of a reader sends pending writes and a close frame. A `Socket` does not report the peer's answer,
 * so `closeTimeout` is 1 second by default and `maxCloseTime` 10 seconds: a program that finds its peer dead reconnects
 * without a long delay.
 *
 * **Gotchas**
 *
 * Acquire `reader` once at a time: writers write to the connection that was opened last.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* <R = never>(
  url: string | URL | Effect.Effect<string | URL, never, R>,
  options?: Client.ClientOptions
): Effect.fn.Return<Socket.Socket, never, Dialer | R> {
  const context = yield* Effect.context<Dialer | R>()
  const connected = Latch.makeUnsafe(false)
  let current: Connection | undefined

  const connect = (Effect.isEffect(url) ? url : Effect.succeed(url)).pipe(
    Effect.flatMap((url) => Client.connect(url, { closeTimeout, maxCloseTime, ...options })),
    Effect.mapError(toOpenError),
    Effect.updateContext((scope: Context.Context<Scope.Scope>) => Context.merge(context, scope))
  )
  const reader = Effect.gen(function* () {
    const connection = yield* connect
    const reader = yield* ConnectionSocket.fromConnection(connection).reader
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        if (current !== connection) return
        current = undefined
        connected.closeUnsafe()
      })
    )
    current = connection
    connected.openUnsafe()
    return reader
  })
  const write = (
    use: (writer: Socket.Writer) => Effect.Effect<void, Socket.SocketError>
  ): Effect.Effect<void, Socket.SocketError> =>
    Effect.suspend(() =>
      current === undefined
        ? Effect.andThen(connected.await, write(use))
        : Effect.flatMap(Effect.scoped(ConnectionSocket.fromConnection(current).writer), use)
    )
  const writer: Socket.Writer = {
    write: (chunk) => write((writer) => writer.write(chunk)),
    writeAll: (chunks) => write((writer) => writer.writeAll(chunks))
  }
  return Socket.make({ reader, writer: Effect.succeed(writer) })
})

// A `Socket` does not report how its connection closed, so its Scope need not wait long for a peer that may be dead.
const closeTimeout = "1 second"
const maxCloseTime = "10 seconds"

const toOpenError = (cause: Effect.Error<ReturnType<typeof Client.connect>>): Socket.SocketError =>
  cause._tag === "SocketError" && cause.reason._tag === "SocketOpenError"
    ? cause
    : new Socket.SocketError({
        reason: new Socket.SocketOpenError({
          kind: cause._tag === "ConnectTimeout" || cause._tag === "HandshakeTimeout" ? "Timeout" : "Unknown",
          cause
        })
      })

/**
 * Provides a `Socket` to a WebSocket server, see {@link make}.
 *
 * **Example** (Effect RPC over WebSocket)
 *
 * ```ts skip-type-checking
 * RpcClient.layerProtocolSocket().pipe(
 *   Layer.provide(ClientSocket.layer("wss://api.example/rpc")),
 *   Layer.provide([Client.layerDialer(), RpcSerialization.layerJson])
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R = never>(
  url: string | URL | Effect.Effect<string | URL, never, R>,
  options?: Client.ClientOptions
): Layer.Layer<Socket.Socket, never, Dialer | R> => Layer.effect(Socket.Socket, make(url, options))

/**
 * Provides a `Socket` as {@link layer} does, with the URL and the options from `Config`.
 *
 * **Details**
 *
 * The Layer reads the configuration when it is built, and not for each connection. A value that is missing or invalid
 * fails with a `ConfigError` that names its key.
 *
 * **Example** (A URL and a token from the environment)
 *
 * ```ts skip-type-checking
 * ClientSocket.layerConfig(Config.URL("RPC_URL"), {
 *   credentials: Config.Redacted("RPC_TOKEN").pipe(Config.map(ClientAuth.token))
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  url: Config.Config<string | URL>,
  options: Config.Wrap<Client.ClientOptions> = {}
): Layer.Layer<Socket.Socket, Config.ConfigError, Dialer> =>
  Layer.effect(
    Socket.Socket,
    Effect.flatMap(Config.all([url, Config.unwrap(options)]), ([url, options]) => make(url, options))
  )
