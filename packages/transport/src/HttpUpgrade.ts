/**
 * WebSockets on a port that belongs to an HTTP server of Node. Its `upgrade` events become an Effect `SocketServer`, and
 * our `PushSocketServer`, so whatever accepts connections from a port accepts them from here too. A socket comes with the
 * request that Node has read; the handshake is then the same as everywhere: same checks, same answers.
 *
 * The HTTP server stays its owner's. Nothing here listens, closes it, or touches a request that is no upgrade.
 *
 * For a WebSocket that is a route of Effect's `HttpRouter` see `WebSocketRoute` of the server package.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import type * as Scope from "effect/Scope"
import type { SocketServer, SocketServerError } from "effect/socket/SocketServer"
import type * as Http from "node:http"
import type * as Http2 from "node:http2"
import type * as Https from "node:https"
import * as Net from "node:net"
import type { Duplex } from "node:stream"
import { Acceptor, defaultMaxPending, makeServices } from "./internal/Acceptor.ts"
import { listenError } from "./internal/errors.ts"
import * as Connects from "./internal/ConnectDispatcher.ts"
import { fromRawHeaders, Http2RequestDuplex, requestHeadOf, sessionPeerOf } from "./internal/Http2Duplex.ts"
import { boundAddress } from "./internal/nodeServer.ts"
import { duplexSettings } from "./internal/NodeDuplex.ts"
import { requestHead, UpgradedDuplex } from "./internal/UpgradedDuplex.ts"
import * as Upgrades from "./internal/UpgradeDispatcher.ts"
import type { NodeDuplexOptions } from "./NodeDuplex.ts"
import type { PushSocket, RequestHead } from "./Push.ts"
import type { PushSocketServer } from "./PushSocketServer.ts"

/**
 * The servers of Node that read HTTP. One of HTTP/2 speaks HTTP/1.1 as well where it has `allowHTTP1`.
 *
 * @category models
 * @since 0.1.0
 */
export type HttpServer = Http.Server | Https.Server | Http2.Http2SecureServer | Http2.Http2Server

/**
 * What holds for each socket that was upgraded.
 *
 * @category models
 * @since 0.1.0
 */
export interface UpgradeOptions extends NodeDuplexOptions {
  /** Whether small writes leave at once (TCP_NODELAY). Default: true. */
  readonly noDelay?: boolean | undefined
}

/**
 * Options of a server over the upgrades of an HTTP server.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerOptions extends UpgradeOptions {
  /** The paths whose upgrades are taken, compared exactly and without the query. Default: every path. */
  readonly paths?: ReadonlyArray<string> | undefined
  /** Says of a request for a WebSocket, at one of the paths, whether it is taken. Where it throws, that is logged and the
   * client gets 500. Default: it is. */
  readonly filter?: ((request: Http.IncomingMessage | Http2.Http2ServerRequest) => boolean) | undefined
  /** How many upgrades wait for `run` or `accept`; what comes above that gets 503. Default: 1024. */
  readonly maxPending?: number | undefined
}

/**
 * Takes the requests for WebSockets that an HTTP server receives.
 *
 * **Details**
 *
 * Several of these Layers may share a server, each with paths of its own: the first that wants a request takes it. What
 * none of them wants is left to the server's other `upgrade` listeners. Where there are none it is answered: 404, and an
 * upgrade that is not to WebSocket, such as the `h2c` that curl offers with `--http2`, is an ordinary request.
 *
 * Of an HTTP/2 server it also takes extended CONNECTs (RFC 8441), and lets it announce that to sessions that begin from
 * then on. The server needs a `request` listener, as `createSecureServer(options, onRequest)` gives it one. A `connect`
 * listener of the program has to leave those with `:protocol` `websocket` alone.
 *
 * The Layer is built when the server listens, since that is when its address is known; upgrades that arrive earlier than
 * `run` or `accept` wait. Closing its Scope takes the listener off the server. Sockets over TLS tell so by `peerInfo`.
 *
 * **Gotchas**
 *
 * A request with a body that offers another upgrade gets 426, since with an `upgrade` listener Node does not read its
 * body. `createServer({ shouldUpgradeCallback: HttpUpgrade.isWebSocketUpgrade })` makes it an ordinary request (Node 24.9
 * and later).
 *
 * Another listener that answers every upgrade, as Effect's `HttpServer` and `ws` without `noServer` do, answers those
 * taken here as well.
 *
 * **Example** (on the port of a `node:http` server)
 *
 * ```ts skip-type-checking
 * const server = createServer((request, response) => response.end("a page\n")).listen(8000)
 *
 * Echo.pipe(Layer.provide(HttpUpgrade.layerServer(server, { paths: ["/echo"] })), Layer.launch, NodeRuntime.runMain)
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerServer = (
  server: HttpServer,
  options: ServerOptions = {}
): Layer.Layer<SocketServer | PushSocketServer, SocketServerError> =>
  Layer.effectContext(
    Effect.contextWith((context: Context.Context<Scope.Scope>) =>
      Effect.suspend(() => {
        const runFork = Effect.runForkWith(context)
        const acceptor = makeAcceptor(options.maxPending)
        const { filter, paths } = options
        const isWanted = (request: Http.IncomingMessage | Http2.Http2ServerRequest): boolean =>
          (paths === undefined || paths.includes(pathOf(request))) && (filter === undefined || filter(request))
        const failed = (defect: unknown): void => void runFork(Effect.logError("The filter of upgrades failed", defect))
        const unclaimUpgrades = Upgrades.register(server, {
          accepts: (request) => isWebSocketUpgrade(request) && isWanted(request),
          handle: (request, stream, early) => {
            if (isCut(request, server)) return Upgrades.answer(stream, 431, "too many header fields")
            acceptor.offer(fromUpgrade(request, stream, { ...options, early, localAddress: unixAddressOf(server) }))
          },
          failed
        })
        const unclaimConnects = Connects.isHttp2Server(server)
          ? Connects.register(server, {
              accepts: isWanted,
              handle: (request, stream) => acceptor.offer(fromConnect(request, stream, options)),
              failed
            })
          : undefined
        const stopAccepting = Effect.sync(() => {
          unclaimUpgrades()
          unclaimConnects?.()
          acceptor.stop()
        })
        return Effect.andThen(
          Effect.addFinalizer(() => stopAccepting),
          Effect.map(addressOf(server), (address) => makeServices(acceptor, address, stopAccepting))
        )
      })
    )
  )

/**
 * Makes a socket of an `upgrade` event, for those who listen to it themselves.
 *
 * **Details**
 *
 * `early` is the event's third argument: what came behind the request. `services` are what the handshake's decision and
 * the program find in their context beside what their server has. `onAnswering` runs right before the answer is written.
 * `onAnswer` hears, once, with which status the request was answered, or `undefined` when the socket closes before it is.
 * `localAddress` is for servers on a Unix socket, whose connections do not know it. Call it inside of the event: from then
 * on an error of the stream, such as a reset, is the socket's.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromUpgrade = (
  request: Http.IncomingMessage,
  stream: Duplex,
  options: UpgradeOptions & {
    readonly early?: Uint8Array | undefined
    readonly localAddress?: NetAddress.SocketAddress | undefined
    readonly services?: Context.Context<never> | undefined
    readonly onAnswering?: (() => void) | undefined
    readonly onAnswer?: ((status: number | undefined) => void) | undefined
  } = {}
): PushSocket => {
  if (stream instanceof Net.Socket) {
    // Timeouts of the HTTP server would end a quiet connection.
    stream.setTimeout(0)
    stream.setNoDelay(options.noDelay ?? true)
  }
  const { early = new Uint8Array(0), onAnswer, onAnswering, services = Context.empty() } = options
  const settings = { ...duplexSettings(options, true), localAddress: options.localAddress }
  const duplex = new UpgradedDuplex({ request, stream, early, services, onAnswer, onAnswering }, settings)
  // A response to an earlier request of the same client is still to come: ours would pass for it.
  if (isBusy(stream)) duplex.destroy()
  return duplex
}

/**
 * Makes a socket of an extended CONNECT, for those who listen to the `connect` events of an HTTP/2 server themselves.
 * `services` are what the handshake's decision and the program find in their context beside what their server has.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConnect = (
  request: Http2.Http2ServerRequest,
  stream: Http2.ServerHttp2Stream,
  options: NodeDuplexOptions & { readonly services?: Context.Context<never> | undefined } = {}
): PushSocket =>
  new Http2RequestDuplex(
    stream,
    requestHeadOf(fromRawHeaders(request.rawHeaders)),
    sessionPeerOf(stream),
    duplexSettings(options, true),
    options.services
  )

/**
 * Gives the stream of a request that is not answered yet back to the HTTP server, which answers in our place. The socket
 * that {@link fromUpgrade} made of it is closed then. Does nothing when the request is answered, or for another socket.
 *
 * @category destructors
 * @since 0.1.0
 */
export const giveBack = (socket: PushSocket): void => {
  if (socket instanceof UpgradedDuplex) socket.giveBack()
}

/**
 * Makes both services over sockets that somebody else obtains and offers.
 *
 * **Details**
 *
 * What nobody takes is kept up to `maxPending` (default 1024), and beyond that answered with 503. Closing the Scope ends
 * the taking; what is offered afterwards gets 503 as well.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeFromSockets = (
  address: NetAddress.SocketAddress,
  options?: { readonly maxPending?: number | undefined }
): Effect.Effect<
  {
    readonly offer: (socket: PushSocket) => void
    readonly services: Context.Context<SocketServer | PushSocketServer>
  },
  never,
  Scope.Scope
> =>
  Effect.suspend(() => {
    const acceptor = makeAcceptor(options?.maxPending)
    let stopped = false
    const stopAccepting = Effect.sync(() => {
      stopped = true
      acceptor.stop()
    })
    return Effect.as(
      Effect.addFinalizer(() => stopAccepting),
      {
        offer: (socket: PushSocket) => (stopped ? refuse(socket) : acceptor.offer(socket)),
        services: makeServices(acceptor, address, stopAccepting)
      }
    )
  })

/**
 * Gives the head of a request as Node has read it: fields in their order, repeated ones repeated.
 *
 * @category accessors
 * @since 0.1.0
 */
export const headOf: (request: Http.IncomingMessage) => RequestHead = requestHead

/**
 * Tests whether a request asks for a WebSocket.
 *
 * @category guards
 * @since 0.1.0
 */
export const isWebSocketUpgrade: (request: Http.IncomingMessage) => boolean = Upgrades.isWebSocketUpgrade

const kept = new WeakMap<Http.IncomingMessage, Uint8Array>()

/**
 * Keeps what clients send behind a request to upgrade, for whoever is not told of it, and gives the server back.
 *
 * **Details**
 *
 * Node tells the listeners of `upgrade` alone of these bytes. Only a client that does not wait for the answer sends
 * any, against RFC 6455 4.1. Call it before anything else listens to `upgrade`.
 *
 * @category combinators
 * @since 0.1.0
 */
export const keepUpgradeHead = <Server extends Net.Server>(server: Server): Server => {
  const events: Net.Server = server
  events.prependListener("upgrade", (request: Http.IncomingMessage, _: Duplex, early: Buffer) => {
    if (early.length > 0) kept.set(request, early)
  })
  return server
}

/**
 * Gives what a client sent behind a request, where {@link keepUpgradeHead} was told to keep it.
 *
 * @category accessors
 * @since 0.1.0
 */
export const upgradeHeadOf = (request: Http.IncomingMessage): Uint8Array | undefined => kept.get(request)

const makeAcceptor = (maxPending = defaultMaxPending): Acceptor => new Acceptor(maxPending, refuse)

const refuse = (socket: PushSocket): void =>
  socket instanceof UpgradedDuplex
    ? Upgrades.respond(socket, "503 Service Unavailable", "nobody accepts connections here")
    : socket instanceof Http2RequestDuplex
      ? socket.answer(503, "nobody accepts connections here")
      : socket.writerUnsafe.destroy()

const pathOf = (request: Http.IncomingMessage | Http2.Http2ServerRequest): string => {
  const target = (request.url ?? "").replace(/^https?:\/\/[^/?]*/i, "")
  const question = target.indexOf("?")
  return (question < 0 ? target : target.slice(0, question)) || "/"
}

// Node drops the fields beyond its limit without a word, and with them what may not come twice.
const isCut = (request: Http.IncomingMessage, server: HttpServer): boolean =>
  request.rawHeaders.length >= 2 * (("maxHeadersCount" in server && server.maxHeadersCount) || 2000)

/** Not documented, but as old as Node's HTTP, and the only place where it says what it is writing to a socket. */
const isBusy = (stream: Duplex): boolean =>
  "_httpMessage" in stream && stream._httpMessage !== null && stream._httpMessage !== undefined

const unixAddressOf = (server: Net.Server): NetAddress.SocketAddress | undefined => {
  const address = server.address()
  return typeof address === "string" ? NetAddress.unixPathAddress(address) : undefined
}

const addressOf = (server: HttpServer): Effect.Effect<NetAddress.SocketAddress, SocketServerError> =>
  Effect.callback((resume) => {
    const events: Net.Server = server
    const done = (outcome: Effect.Effect<NetAddress.SocketAddress, SocketServerError>): void => {
      events.off("listening", onListening)
      events.off("error", onError)
      resume(outcome)
    }
    const onListening = (): void => done(Effect.sync(() => boundAddress(events)))
    const onError = (cause: unknown): void => done(Effect.fail(listenError("the HTTP server's address", cause)))
    if (events.listening) return onListening()
    events.on("listening", onListening)
    events.on("error", onError)
    return Effect.sync(() => done(Effect.never))
  })
