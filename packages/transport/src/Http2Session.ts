/**
 * The client's end of an HTTP/2 session, on an open connection for which ALPN or prior knowledge has chosen HTTP/2.
 * Each request opens a stream, and each stream is a socket. All streams share the connection.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import type * as Http2 from "node:http2"
import type * as Net from "node:net"
import { openError } from "./internal/errors.ts"
import { Http2Duplex, SessionPeer, toHeaders } from "./internal/Http2Duplex.ts"
import { fromRawHeaders } from "./internal/rawHeaders.ts"
import { windowSize } from "./internal/http2Sessions.ts"
import { nodeHttp2 } from "./internal/nodeHttp2.ts"
import { duplexSettings, NodeDuplex } from "./internal/NodeDuplex.ts"
import type { NodeDuplexSettings } from "./internal/NodeDuplex.ts"
import type { NodeDuplexOptions } from "./NodeDuplex.ts"
import type { HeaderList, PeerInfo, PushSocket } from "./Push.ts"

/**
 * The head of a response. Interim responses (status 1xx) come before the final one.
 *
 * @category models
 * @since 0.1.0
 */
export interface ResponseHead {
  readonly status: number
  readonly headers: HeaderList
}

/**
 * A session with a server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Http2Session {
  readonly peer: PeerInfo
  /** Whether the server supports extended CONNECT (SETTINGS_ENABLE_CONNECT_PROTOCOL, RFC 8441 3). */
  readonly acceptsConnect: boolean
  /** Maximum concurrent streams that the server allows. `Infinity` if it sets no limit. */
  readonly maxStreams: number
  /** Whether new streams can be opened. False once either end has sent GOAWAY. */
  readonly isOpen: boolean
  /** Sends a request, which opens a stream. Calls `onResponse` for each response head. The Scope closes the stream. */
  readonly request: (
    fields: HeaderList,
    onResponse: (head: ResponseHead) => void
  ) => Effect.Effect<PushSocket, Socket.SocketError, Scope.Scope>
  /** Calls `listener` once: when the session receives GOAWAY or, if that comes first, when it closes. */
  readonly onceClosed: (listener: () => void) => void
  /** Sets whether the session keeps the process alive. */
  readonly keepAlive: (keeps: boolean) => void
}

/**
 * Options of a session.
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionOptions extends NodeDuplexOptions {
  /** Maximum bytes that the server may send on a stream before the program reads them. Default: 256 KiB. */
  readonly streamWindow?: number | undefined
  /** Maximum bytes that the server may send on all streams before Node reads them. Default: 1 MiB. */
  readonly sessionWindow?: number | undefined
}

/**
 * Tests whether {@link connect} supports an open connection. It needs a stream of Node, so not one of `Memory`.
 *
 * @category guards
 * @since 0.1.0
 */
export const canConnect = (reader: Socket.Reader): boolean => reader instanceof NodeDuplex

/**
 * Starts a session on an open connection, and waits for the server's SETTINGS.
 *
 * **Details**
 *
 * The session owns the connection from then on. There is no timeout: the caller sets one. Closing the Scope sends
 * GOAWAY, waits up to the linger timeout for open streams to finish, and closes the connection.
 *
 * @category constructors
 * @since 0.1.0
 */
export const connect = (
  reader: Socket.Reader,
  name: string,
  options: SessionOptions = {}
): Effect.Effect<Http2Session, Socket.SocketError, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) =>
    Effect.suspend(() => {
      if (!(reader instanceof NodeDuplex)) {
        return Effect.fail(openError(name, new Error("HTTP/2 needs a TCP, TLS or Unix socket of Node")))
      }
      const session = new Session(reader, options)
      return Effect.andThen(
        Scope.addFinalizer(
          scope,
          Effect.sync(() => session.close())
        ),
        Effect.callback<Http2Session, Socket.SocketError>((resume) => {
          session.whenReady(
            () => resume(Effect.succeed(session)),
            (cause) => resume(Effect.fail(openError(name, cause)))
          )
        })
      )
    })
  )

class Session implements Http2Session {
  readonly peer: PeerInfo
  private readonly stream: Net.Socket
  private readonly session: Http2.ClientHttp2Session
  private readonly settings: NodeDuplexSettings
  private linger: NodeJS.Timeout | undefined = undefined

  constructor(duplex: NodeDuplex, options: SessionOptions) {
    this.settings = duplexSettings(options, false)
    const initialWindowSize = windowSize("streamWindow", options.streamWindow ?? 256 * 1024)
    const sessionWindow = windowSize("sessionWindow", options.sessionWindow ?? 1024 * 1024)
    const { localAddress, remoteAddress } = duplex
    const stream = duplex.detach() as Net.Socket
    // A session needs both directions, so close the connection when the peer ends its side.
    stream.allowHalfOpen = false
    this.stream = stream
    this.peer = new SessionPeer(stream, { localAddress, remoteAddress })
    // Node requires an authority here. It is never sent, because each request has its own `:authority`.
    const session = nodeHttp2().connect("http://localhost", {
      createConnection: () => stream,
      settings: { enablePush: false, initialWindowSize }
    })
    this.session = session
    session.on("error", () => {})
    session.on("connect", () => {
      if (!session.destroyed && sessionWindow > 65535) session.setLocalWindowSize(sessionWindow)
      // Node consumes the unshifted bytes in the next tick. Resume after that, or later bytes would come before them.
      setImmediate(() => stream.resume())
    })
    stream.once("close", () => clearTimeout(this.linger))
  }

  whenReady(onReady: () => void, onFailed: (cause: unknown) => void): void {
    const { session } = this
    session.once("remoteSettings", onReady)
    session.once("error", onFailed)
    session.once("close", () => onFailed(new Error("the server closed the HTTP/2 session before it sent its SETTINGS")))
  }

  get acceptsConnect(): boolean {
    return this.session.remoteSettings.enableConnectProtocol === true
  }

  get maxStreams(): number {
    return this.session.remoteSettings.maxConcurrentStreams ?? Infinity
  }

  get isOpen(): boolean {
    return !this.session.closed && !this.session.destroyed
  }

  request(
    fields: HeaderList,
    onResponse: (head: ResponseHead) => void
  ): Effect.Effect<PushSocket, Socket.SocketError, Scope.Scope> {
    return Effect.flatMap(Effect.scope, (scope) =>
      Effect.suspend(() => {
        let socket: PushSocket
        try {
          const stream = this.session.request(toHeaders(fields), { endStream: false })
          socket = new Http2ClientDuplex(stream, this.peer, this.settings, onResponse)
        } catch (cause) {
          return Effect.fail(openError("the server", cause))
        }
        return Effect.as(
          Scope.addFinalizer(
            scope,
            Effect.sync(() => socket.close())
          ),
          socket
        )
      })
    )
  }

  onceClosed(listener: () => void): void {
    const { session } = this
    const call = (): void => {
      session.off("goaway", call)
      session.off("close", call)
      listener()
    }
    session.on("goaway", call)
    session.on("close", call)
  }

  keepAlive(keeps: boolean): void {
    if (keeps) this.session.ref()
    else this.session.unref()
  }

  close(): void {
    const { lingerTimeout } = this.settings
    if (this.stream.destroyed) return
    if (this.isOpen) this.session.close()
    this.linger = setTimeout(() => this.stream.destroy(), lingerTimeout)
  }
}

class Http2ClientDuplex extends Http2Duplex {
  private answered = false

  constructor(
    stream: Http2.ClientHttp2Stream,
    peer: PeerInfo,
    settings: NodeDuplexSettings,
    onResponse: (head: ResponseHead) => void
  ) {
    super(stream, peer, settings)
    const onHead = (
      headers: Http2.IncomingHttpHeaders & Http2.IncomingHttpStatusHeader,
      _: number,
      raw: ReadonlyArray<string>
    ): void =>
      onResponse({
        status: headers[":status"] ?? 0,
        headers: fromRawHeaders(raw).filter(({ name }) => !name.startsWith(":"))
      })
    stream.on("headers", onHead)
    stream.once("response", (headers, flags, raw: ReadonlyArray<string>) => {
      this.answered = true
      stream.off("headers", onHead)
      onHead(headers, flags, raw)
    })
  }

  protected override get isAnswered(): boolean {
    return this.answered
  }
}
