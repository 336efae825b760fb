/**
 * The HTTP/2 sessions of a listening socket. Each stream is handed to the server as a socket. The list of sessions
 * serves to close idle ones, and to send GOAWAY to all of them when the server stops accepting.
 */
import type * as Http2 from "node:http2"
import type * as Net from "node:net"
import type { PeerInfo } from "../Push.ts"
import type { Http2Options } from "../Http2.ts"
import type { Arrival } from "../PushSocketServer.ts"
import type { Acceptor } from "./Acceptor.ts"
import { Http2RequestDuplex, requestHeadOf, SessionPeer } from "./Http2Duplex.ts"
import { nodeHttp2 } from "./nodeHttp2.ts"
import { fromRawHeaders } from "./rawHeaders.ts"
import type { NodeDuplexSettings } from "./NodeDuplex.ts"
import { integer, limit, millis } from "./options.ts"

export interface Http2Settings {
  readonly server: Http2.ServerOptions
  readonly sessionWindow: number
  readonly idleTimeout: number
  readonly maxIdleSessions: number
  readonly prefaceTimeout: number
}

// RFC 9113 6.9.1: the largest flow-control window.
const largestWindow = 2 ** 31 - 1
// Node's timers fire at once if the delay is longer.
const largestDelay = 2 ** 31 - 1

/** Returns the options for Node. Throws if a value is out of range. */
export const http2Settings = (options: Http2Options): Http2Settings => ({
  server: {
    settings: {
      enableConnectProtocol: true,
      enablePush: false,
      maxConcurrentStreams: integer("maxStreams", options.maxStreams ?? 100, 1),
      initialWindowSize: windowSize("streamWindow", options.streamWindow ?? 256 * 1024),
      maxHeaderListSize: integer("maxHeaderListSize", options.maxHeaderListSize ?? 32 * 1024, 1)
    },
    streamResetBurst: integer("streamResetBurst", options.streamResetBurst ?? 200),
    streamResetRate: integer("streamResetRate", options.streamResetRate ?? 33)
  },
  sessionWindow: windowSize("sessionWindow", options.sessionWindow ?? 1024 * 1024),
  idleTimeout: Math.min(millis("idleTimeout", options.idleTimeout ?? "60 seconds"), largestDelay),
  prefaceTimeout: Math.min(millis("prefaceTimeout", options.prefaceTimeout ?? "10 seconds"), largestDelay),
  maxIdleSessions: limit("maxIdleSessions", options.maxIdleSessions ?? 1024)
})

/** Returns the size of a flow-control window in bytes. Throws if it is out of range. */
export const windowSize = (name: string, value: number): number => {
  if (integer(name, value, 1) <= largestWindow) return value
  throw new RangeError(`${name}: expected at most ${largestWindow}, found ${value}`)
}

/** Called with the error message of a session that failed. */
type OnFailed = (remoteAddress: PeerInfo["remoteAddress"], why: string) => void

export class Http2Sessions {
  private readonly all = new Set<Session>()
  // Ordered by when they became idle: the longest idle session comes first.
  private readonly idle = new Set<Session>()
  readonly settings: Http2Settings
  readonly acceptor: Acceptor
  readonly onFailed: OnFailed
  private stopped = false

  constructor(settings: Http2Settings, acceptor: Acceptor, onFailed: OnFailed) {
    this.settings = settings
    this.acceptor = acceptor
    this.onFailed = onFailed
  }

  /**
   * Starts a session on a connection. The first stream is handed over as the socket of `arrival`. If the connection
   * closes without a stream, the arrival departs.
   */
  start(
    stream: Net.Socket,
    ends: Pick<PeerInfo, "localAddress" | "remoteAddress">,
    duplex: NodeDuplexSettings,
    arrival: Arrival
  ): void {
    const session = new Session(this, stream, new SessionPeer(stream, ends), duplex, arrival)
    this.all.add(session)
    if (this.stopped) session.close()
  }

  /** Sends GOAWAY on every session: no new streams are accepted, and a session ends with its last stream. */
  stop(): void {
    this.stopped = true
    for (const session of this.all) session.close()
  }

  becameIdle(session: Session): void {
    const { maxIdleSessions } = this.settings
    this.idle.add(session)
    for (const oldest of this.idle) {
      if (this.idle.size <= maxIdleSessions) break
      oldest.close()
    }
  }

  becameBusy(session: Session): void {
    this.idle.delete(session)
  }

  forget(session: Session): void {
    this.all.delete(session)
    this.idle.delete(session)
  }
}

class Session {
  private readonly owner: Http2Sessions
  private readonly stream: Net.Socket
  private readonly peer: PeerInfo
  private readonly duplex: NodeDuplexSettings
  private readonly session: Http2.ServerHttp2Session
  // Undefined after the first stream.
  private arrival: Arrival | undefined
  private streams = 0
  private closing = false
  private timer: NodeJS.Timeout | undefined = undefined

  constructor(owner: Http2Sessions, stream: Net.Socket, peer: PeerInfo, duplex: NodeDuplexSettings, arrival: Arrival) {
    this.owner = owner
    this.stream = stream
    this.peer = peer
    this.duplex = duplex
    this.arrival = arrival
    // A session needs both directions, so close the connection when the peer ends its side.
    stream.allowHalfOpen = false
    const { server, sessionWindow } = owner.settings
    const session = nodeHttp2().performServerHandshake(stream, server)
    this.session = session
    session.on("error", (error: Error) => owner.onFailed(peer.remoteAddress, error.message))
    session.on("connect", () => {
      // RFC 9113 6.9.2: only WINDOW_UPDATE changes the window of a session, so it cannot be smaller than initially.
      if (!session.destroyed && sessionWindow > 65535) session.setLocalWindowSize(sessionWindow)
      // Node consumes the unshifted bytes in the next tick. Resume after that, or later bytes would come before them.
      setImmediate(() => stream.resume())
    })
    session.on("stream", this.onStream)
    stream.once("close", () => this.end())
  }

  /** Sends GOAWAY. The session ends with its last stream. */
  close(): void {
    this.owner.becameBusy(this)
    if (this.closing) return
    this.closing = true
    if (!this.session.destroyed) this.session.close()
    if (this.streams === 0) this.expire(this.duplex.lingerTimeout, destroy)
  }

  private readonly onStream = (
    stream: Http2.ServerHttp2Stream,
    _: Http2.IncomingHttpHeaders,
    __: number,
    rawHeaders: ReadonlyArray<string>
  ): void => {
    // A later frame in the same read has already ended the stream or the session. The stream emits its error in a
    // later tick, and without a listener that would end the process.
    if (stream.destroyed) return void stream.on("error", () => {})
    if (this.streams++ === 0) {
      clearTimeout(this.timer)
      this.owner.becameBusy(this)
    }
    stream.once("close", this.onStreamClose)
    const { arrival } = this
    this.arrival = undefined
    const head = requestHeadOf(fromRawHeaders(rawHeaders))
    this.owner.acceptor.offer(new Http2RequestDuplex(stream, { head, peer: this.peer }, this.duplex), arrival)
  }

  private readonly onStreamClose = (): void => {
    if (--this.streams > 0 || this.stream.destroyed) return
    if (this.closing) return this.expire(this.duplex.lingerTimeout, destroy)
    this.expire(this.owner.settings.idleTimeout, close)
    this.owner.becameIdle(this)
  }

  private expire(millis: number, then: (session: Session) => void): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(then, millis, this)
  }

  /** Closes the connection without waiting for the peer. */
  destroy(): void {
    this.stream.destroy()
  }

  private end(): void {
    clearTimeout(this.timer)
    this.owner.forget(this)
    const { arrival } = this
    this.arrival = undefined
    if (arrival !== undefined) this.owner.acceptor.depart(arrival)
  }
}

const close = (session: Session): void => session.close()
const destroy = (session: Session): void => session.destroy()
