/**
 * The PROXY protocol headers of a listening socket, which come before everything else, TLS included. A connection
 * without a valid header, or from an untrusted peer, is dropped.
 */
import type * as NetAddress from "effect/net/NetAddress"
import type * as Net from "node:net"
import { ProxyHeaderParser } from "../ProxyProtocol.ts"
import type { ProxyHeader, ProxyProtocolOptions } from "../ProxyProtocol.ts"
import * as TrustedProxies from "../TrustedProxies.ts"
import { millis } from "./options.ts"

/** The addresses of a connection's socket. */
export interface Ends {
  readonly remoteAddress: NetAddress.SocketAddress | undefined
  readonly localAddress: NetAddress.SocketAddress | undefined
}

export interface ProxyHeadersOptions extends ProxyProtocolOptions {
  /** Maximum headers that are pending at once; beyond it the oldest pending connection is dropped. */
  readonly maxPending: number
  /** Reports why a connection was dropped. */
  readonly onDropped: (from: NetAddress.SocketAddress | undefined, why: string) => void
}

// Maximum delay of a Node timer.
const longestTimer = 2 ** 31 - 1

type Done = (header: ProxyHeader) => void

export class ProxyHeaders {
  private readonly options: ProxyHeadersOptions
  private readonly trusted: TrustedProxies.TrustedProxies | undefined
  private readonly timeout: number
  // In the order of their accept.
  private readonly pending = new Set<PendingHeader>()

  constructor(options: ProxyHeadersOptions) {
    this.options = options
    this.trusted = options.trustedProxies === undefined ? undefined : TrustedProxies.make(options.trustedProxies)
    this.timeout = Math.min(millis("headerTimeout", options.headerTimeout ?? "5 seconds"), longestTimer)
    // Throws for an invalid limit before there is a connection.
    void new ProxyHeaderParser(options)
  }

  /**
   * Reads the header from a paused socket. Leaves the socket paused, puts the bytes after the header back, and calls
   * `done`; or drops the socket.
   */
  read(raw: Net.Socket, ends: Ends, done: Done): void {
    if (this.trusted !== undefined && !TrustedProxies.hasPeer(this.trusted, ends)) {
      raw.destroy()
      return this.options.onDropped(ends.remoteAddress, "the peer is not a trusted proxy")
    }
    if (this.pending.size >= this.options.maxPending) {
      for (const oldest of this.pending) {
        oldest.drop("too many connections without a complete PROXY header")
        break
      }
    }
    this.pending.add(
      new PendingHeader(raw, new ProxyHeaderParser(this.options), this.timeout, (pending, outcome) => {
        this.pending.delete(pending)
        if (typeof outcome === "string") this.options.onDropped(ends.remoteAddress, outcome)
        else done(outcome)
      })
    )
  }

  /** Drops the connections whose header is not complete. */
  stop(): void {
    for (const pending of this.pending) pending.drop("the server stopped accepting connections")
  }
}

class PendingHeader {
  private readonly raw: Net.Socket
  private readonly parser: ProxyHeaderParser
  private readonly timer: NodeJS.Timeout
  private readonly onEnd: (pending: PendingHeader, outcome: ProxyHeader | string) => void

  constructor(
    raw: Net.Socket,
    parser: ProxyHeaderParser,
    timeout: number,
    onEnd: (pending: PendingHeader, outcome: ProxyHeader | string) => void
  ) {
    this.raw = raw
    this.parser = parser
    this.onEnd = onEnd
    this.timer = setTimeout(() => this.drop("no complete PROXY header within headerTimeout"), timeout)
    raw.on("data", this.take)
    raw.on("end", this.gone)
    raw.on("error", this.gone)
    raw.on("close", this.gone)
    raw.resume()
  }

  drop(why: string): void {
    this.release()
    // The next owner of a socket listens for its errors; a dropped socket has no other listener.
    this.raw.on("error", ignoreError)
    this.raw.destroy()
    this.onEnd(this, why)
  }

  private readonly take = (chunk: Buffer): void => {
    const parsed = this.parser.push(chunk)
    if (parsed === undefined) return
    if (parsed._tag === "ProxyProtocolError") return this.drop(parsed.message)
    const { raw } = this
    this.release()
    raw.pause()
    if (parsed.rest.length > 0) raw.unshift(parsed.rest)
    this.onEnd(this, parsed.header)
  }

  private readonly gone = (): void => this.drop("the connection ended before its PROXY header was complete")

  private release(): void {
    const { raw } = this
    clearTimeout(this.timer)
    raw.off("data", this.take)
    raw.off("end", this.gone)
    raw.off("close", this.gone)
    raw.off("error", this.gone)
  }
}

const ignoreError = (): void => {}
