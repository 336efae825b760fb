/**
 * The client's end of an HTTP/2 session: made of an open connection on which ALPN, or prior knowledge, has chosen
 * HTTP/2. Each request is a stream, and each stream a socket; many share the connection.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import * as Http2 from "node:http2"
import type * as Net from "node:net"
import { openError } from "./internal/errors.ts"
import { fromRawHeaders, Http2Duplex, SessionPeer, toHeaders } from "./internal/Http2Duplex.ts"
import { windowSize } from "./internal/http2Sessions.ts"
import { duplexSettings, NodeDuplex } from "./internal/NodeDuplex.ts"
import type { NodeDuplexSettings } from "./internal/NodeDuplex.ts"
import type { NodeDuplexOptions } from "./NodeDuplex.ts"
import type { HeaderList, PeerInfo, PushSocket } from "./Push.ts"

/**
 * The head of an answer; those of the status 1xx come before the final one.
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
  /** Whether the server takes extended CONNECT (SETTINGS_ENABLE_CONNECT_PROTOCOL of RFC 8441). */
  readonly acceptsConnect: boolean
  /** How many streams the server allows at a time. */
  readonly maxStreams: number
  /** Whether new streams can be opened: neither end has said GOAWAY. */
  readonly isOpen: boolean
  /** Opens a stream by its request; the Scope closes it. `onResponse` hears each head of an answer. */
  readonly request: (
    fields: HeaderList,
    onResponse: (head: ResponseHead) => void
  ) => Effect.Effect<PushSocket, Socket.SocketError, Scope.Scope>
  /** Calls back when the session ends, or is to take no more streams. */
  readonly onceClosed: (listener: () => void) => void
  /** Whether the session keeps the process alive. */
  readonly keepAlive: (keeps: boolean) => void
}

/**
 * Options of a session.
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionOptions extends NodeDuplexOptions {
  /** Bytes that the server may send on a stream beyond what the program has read. Default: 256 KiB. */
  readonly streamWindow?: number | undefined
  /** Bytes that the server may send on all streams beyond what we have taken off the network. Default: 1 MiB. */
  readonly sessionWindow?: number | undefined
}

/**
 * Tests whether HTTP/2 can be spoken on an open connection: it is one of Node, and not of memory.
 *
 * @category guards
 * @since 0.1.0
 */
export const canConnect = (reader: Socket.Reader): boolean => reader instanceof NodeDuplex

/**
 * Begins a session on an open connection, and waits for the server's SETTINGS.
 *
 * **Details**
 *
 * The connection is the session's from then on. The time it may take is the caller's to bound. Closing the Scope says
 * GOAWAY, lets streams finish for the linger timeout, and ends the connection.
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
        return Effect.fail(openError(name, new Error("HTTP/2 needs a connection of Node")))
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
    // The end of one direction is the end of the session.
    stream.allowHalfOpen = false
    this.stream = stream
    this.peer = new SessionPeer(stream, { localAddress, remoteAddress })
    // The authority is that of each request; this one is not used.
    const session = Http2.connect("http://localhost", {
      createConnection: () => stream,
      settings: { enablePush: false, initialWindowSize }
    })
    this.session = session
    session.on("error", () => {})
    session.on("connect", () => {
      if (!session.destroyed && sessionWindow > 65535) session.setLocalWindowSize(sessionWindow)
      // Node takes what was read ahead in the next tick; reading goes on behind it.
      setImmediate(() => stream.resume())
    })
    stream.once("close", () => clearTimeout(this.linger))
  }

  whenReady(onReady: () => void, onFailed: (cause: unknown) => void): void {
    const { session } = this
    session.once("remoteSettings", onReady)
    session.once("error", onFailed)
    session.once("close", () => onFailed(new Error("the server ended the HTTP/2 session before its SETTINGS")))
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
    this.session.once("goaway", listener)
    this.session.once("close", listener)
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
