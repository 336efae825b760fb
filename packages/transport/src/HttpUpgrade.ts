/**
 * WebSockets on the port of a Node HTTP server. Its `upgrade` events become an Effect `SocketServer` and a
 * `PushSocketServer`, so a WebSocket server runs on them as on a port. Node has already read the request of such a
 * socket; the handshake then makes the same checks and sends the same responses as elsewhere.
 *
 * The HTTP server belongs to the caller. This module does not listen, does not close it, and ignores requests without
 * an upgrade.
 *
 * For a WebSocket on a route of Effect's `HttpRouter`, see `WebSocketRoute` of the server package.
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
import { Http2RequestDuplex, requestHeadOf, sessionPeerOf } from "./internal/Http2Duplex.ts"
import { fromRawHeaders } from "./internal/rawHeaders.ts"
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
 * Options of each upgraded socket.
 *
 * @category models
 * @since 0.1.0
 */
export interface UpgradeOptions extends NodeDuplexOptions {
  /** Whether small writes are sent at once (TCP_NODELAY). Default: true. */
  readonly noDelay?: boolean | undefined
}

/**
 * Options of a server on the upgrades of an HTTP server.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerOptions extends UpgradeOptions {
  /** Paths whose upgrades the server accepts, compared exactly and without the query. Default: every path. */
  readonly paths?: ReadonlyArray<string> | undefined
  /**
   * Whether the server accepts a WebSocket request on one of the paths. A filter that throws is logged, and the client
   * gets 500. Default: true.
   */
  readonly filter?: ((request: Http.IncomingMessage | Http2.Http2ServerRequest) => boolean) | undefined
  /** Maximum upgrades that wait for `run` or `accept`; more get 503. Default: 1024. */
  readonly maxPending?: number | undefined
}

/**
 * Accepts the WebSocket requests of an HTTP server.
 *
 * **Details**
 *
 * Several of these Layers may share a server, each with its own paths; the first that accepts a request gets it. Other
 * requests go to the server's other `upgrade` listeners. Without such a listener they get 404, and an upgrade to
 * another protocol, such as the `h2c` that `curl --http2` offers, is an ordinary request.
 *
 * Of an HTTP/2 server it also takes extended CONNECTs (RFC 8441), and lets it announce that to sessions that begin from
 * then on. The server needs a `request` listener, as `createSecureServer(options, onRequest)` gives it one. A `connect`
 * listener of the program has to leave those with `:protocol` `websocket` alone.
 *
 * The Layer is built once the server listens, since only then its address is known; earlier upgrades wait for `run` or
 * `accept`. Closing its Scope removes the listener from the server. `peerInfo` reports whether a socket uses TLS.
 *
 * **Gotchas**
 *
 * A request with a body that offers another upgrade gets 426, because Node does not read its body while there is an
 * `upgrade` listener. `createServer({ shouldUpgradeCallback: HttpUpgrade.isWebSocketUpgrade })` makes it an ordinary
 * request (Node 24.9 and later).
 *
 * Another listener that answers every upgrade, such as Effect's `HttpServer` or `ws` without `noServer`, also answers
 * the upgrades of this Layer.
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
          handle: (request, stream, head) => {
            if (isCut(request, server)) return Upgrades.answer(stream, 431, "too many header fields")
            acceptor.offer(fromUpgrade(request, stream, { ...options, head, localAddress: unixAddressOf(server) }))
          },
          failed
        })
        const unclaimConnects = Connects.isHttp2Server(server)
          ? Connects.register(server, {
              accepts: isWanted,
              handle: (request, { stream }) => acceptor.offer(fromConnect(request, stream, options)),
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
 * Makes a socket from an `upgrade` event, for callers that listen to the event themselves.
 *
 * **Details**
 *
 * `head` is the event's third argument: the bytes after the request. `services` are added to the context of the
 * handshake's decision and of the handler. `onAnswering` runs right before the response is written. `onAnswer` gets the
 * response's status once, or `undefined` when the socket closes without a response. `localAddress` is for a server on a
 * Unix socket, whose connections do not know it. Call this inside the event: afterwards the socket handles errors of
 * the stream, such as a reset.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromUpgrade = (
  request: Http.IncomingMessage,
  stream: Duplex,
  options: UpgradeOptions & {
    readonly head?: Uint8Array | undefined
    readonly localAddress?: NetAddress.SocketAddress | undefined
    readonly services?: Context.Context<never> | undefined
    readonly onAnswering?: (() => void) | undefined
    readonly onAnswer?: ((status: number | undefined) => void) | undefined
  } = {}
): PushSocket => {
  if (stream instanceof Net.Socket) {
    // A timeout of the HTTP server would end an idle WebSocket.
    stream.setTimeout(0)
    stream.setNoDelay(options.noDelay ?? true)
  }
  const { head = new Uint8Array(0), onAnswer, onAnswering, services = Context.empty() } = options
  const settings = { ...duplexSettings(options, true), localAddress: options.localAddress }
  const duplex = new UpgradedDuplex({ request, stream, head, services, onAnswer, onAnswering }, settings)
  // The response to an earlier request of this client is pending; the client would take ours for it.
  if (isBusy(stream)) duplex.destroy()
  return duplex
}

/**
 * Creates a socket from an extended CONNECT, for programs that handle the `connect` events of an HTTP/2 server.
 *
 * **Details**
 *
 * `services`, `onAnswering` and `onAnswer` are those of {@link fromUpgrade}.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConnect = (
  request: Http2.Http2ServerRequest,
  stream: Http2.ServerHttp2Stream,
  options: NodeDuplexOptions & {
    readonly services?: Context.Context<never> | undefined
    readonly onAnswering?: (() => void) | undefined
    readonly onAnswer?: ((status: number | undefined) => void) | undefined
  } = {}
): PushSocket => {
  const { onAnswer, onAnswering, services } = options
  const head = headOfHttp2(request)
  const peer = sessionPeerOf(stream)
  return new Http2RequestDuplex(stream, { head, peer, services, onAnswering, onAnswer }, duplexSettings(options, true))
}

/**
 * Handles the extended CONNECTs (RFC 8441) of an HTTP/2 server that no {@link layerServer} on it accepts. The server
 * announces to new sessions that it supports them. Returns a function that ends both.
 *
 * **Details**
 *
 * The server needs a `request` listener. Another CONNECT gets 405, unless the program listens to `connect` itself.
 *
 * @category combinators
 * @since 0.1.0
 */
export const onConnect = (
  server: Http2.Http2Server | Http2.Http2SecureServer,
  handle: (request: Http2.Http2ServerRequest, response: Http2.Http2ServerResponse) => void
): (() => void) => Connects.register(server, { accepts: () => true, handle, failed: () => {} })

/**
 * Tests whether a server speaks HTTP/2.
 *
 * @category guards
 * @since 0.1.0
 */
export const isHttp2Server: (server: HttpServer) => server is Http2.Http2Server | Http2.Http2SecureServer =
  Connects.isHttp2Server

/**
 * Returns the stream of an unanswered request to the HTTP server, which then sends the response. The socket that {@link
 * fromUpgrade} or {@link fromConnect} made closes. Does nothing for an answered request or another kind of socket.
 *
 * @category destructors
 * @since 0.1.0
 */
export const giveBack = (socket: PushSocket): void => {
  if (socket instanceof UpgradedDuplex || socket instanceof Http2RequestDuplex) socket.giveBack()
}

/**
 * Makes both services from sockets that the caller offers.
 *
 * **Details**
 *
 * Sockets wait for `run` or `accept`, up to `maxPending` (default: 1024); more get 503. Closing the Scope stops
 * accepting, and later offers get 503 too.
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
 * Returns the head of a request as Node read it: header fields in order, with repetitions.
 *
 * @category accessors
 * @since 0.1.0
 */
export const headOf: (request: Http.IncomingMessage) => RequestHead = requestHead

/**
 * Returns the head of a request over HTTP/2 as Node read it, pseudo-headers among its fields.
 *
 * @category accessors
 * @since 0.1.0
 */
export const headOfHttp2 = (request: Http2.Http2ServerRequest): RequestHead =>
  requestHeadOf(fromRawHeaders(request.rawHeaders))

/**
 * Tests whether a request asks for an upgrade to WebSocket.
 *
 * @category guards
 * @since 0.1.0
 */
export const isWebSocketUpgrade: (request: Http.IncomingMessage) => boolean = Upgrades.isWebSocketUpgrade

const kept = new WeakMap<Http.IncomingMessage, Uint8Array>()

/**
 * Keeps the bytes that clients send after an upgrade request, for code that does not get the `upgrade` event. Returns
 * the server.
 *
 * **Details**
 *
 * Node passes these bytes to `upgrade` listeners only. Only a client that does not wait for the response sends any, in
 * violation of RFC 6455 4.1. Call this before any other `upgrade` listener is added.
 *
 * @category combinators
 * @since 0.1.0
 */
export const keepUpgradeHead = <Server extends Net.Server>(server: Server): Server => {
  const events: Net.Server = server
  events.prependListener("upgrade", (request: Http.IncomingMessage, _: Duplex, head: Buffer) => {
    if (head.length > 0) kept.set(request, head)
  })
  return server
}

/**
 * Returns the bytes that a client sent after an upgrade request, if {@link keepUpgradeHead} kept them.
 *
 * @category accessors
 * @since 0.1.0
 */
export const upgradeHeadOf = (request: Http.IncomingMessage): Uint8Array | undefined => kept.get(request)

const makeAcceptor = (maxPending = defaultMaxPending): Acceptor => new Acceptor(maxPending, refuse)

const refuse = (socket: PushSocket): void =>
  socket instanceof UpgradedDuplex
    ? Upgrades.respond(socket, "503 Service Unavailable", "this server does not accept connections")
    : socket instanceof Http2RequestDuplex
      ? socket.answer(503, "this server does not accept connections")
      : socket.writerUnsafe.destroy()

const pathOf = (request: Http.IncomingMessage | Http2.Http2ServerRequest): string => {
  const target = (request.url ?? "").replace(/^https?:\/\/[^/?]*/i, "")
  const question = target.indexOf("?")
  return (question < 0 ? target : target.slice(0, question)) || "/"
}

// Node silently drops header fields beyond its limit, and with them duplicates that we have to reject.
const isCut = (request: Http.IncomingMessage, server: HttpServer): boolean =>
  request.rawHeaders.length >= 2 * (("maxHeadersCount" in server && server.maxHeadersCount) || 2000)

/** Undocumented, but stable in Node: the only place that shows which response is being written to a socket. */
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
