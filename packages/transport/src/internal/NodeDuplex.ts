/**
 * The socket on a Node stream; the public module of the same name says why it exists.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as NetAddress from "effect/net/NetAddress"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Socket from "effect/socket/Socket"
import * as Net from "node:net"
import type { Duplex } from "node:stream"
import * as Tls from "node:tls"
import { serverName } from "../Dialer.ts"
import { closeError, endOfHandshake, fromNode, upgradeError } from "./errors.ts"
import { PushDuplex } from "./PushDuplex.ts"
import * as Refable from "../Refable.ts"
import type { NodeDuplexOptions } from "./NodeDuplexOptions.ts"
import { limit, millis } from "./options.ts"
import * as TlsPeer from "./tlsPeer.ts"

const owner = Symbol("effect-ws/NodeDuplex")

interface OwnedDuplex extends Duplex {
  [owner]?: NodeDuplex | undefined
  /** Undocumented, but stable since streams exist, and used by many libraries. */
  readonly _writableState: { needDrain: boolean }
}

/**
 * What Node knows of a socket's output and does not publish: `writableLength` counts a whole write until its last byte
 * is taken, and `bytesWritten` counts it as soon as it starts. Undocumented; other runtimes do without.
 */
interface StreamHandle {
  readonly bytesWritten?: number
  /** Bytes that libuv holds because the kernel refused them. */
  readonly writeQueueSize?: number
  /** The handle below a TLS handle, whose own numbers count encrypted bytes. */
  readonly _parent?: StreamHandle
}

// Other runtimes may have different values under these names.
const isNode = process.versions["bun"] === undefined && process.versions["deno"] === undefined

export interface NodeDuplexSettings {
  readonly lingerTimeout: number
  readonly readAhead: number
  readonly upgradeTimeout: number
  /** The side of TLS that `upgrade` takes. */
  readonly tlsServer: boolean
  /** What Node does not know of a Unix socket. */
  readonly localAddress?: NetAddress.SocketAddress | undefined
  readonly remoteAddress?: NetAddress.SocketAddress | undefined
}

export const duplexSettings = (options: NodeDuplexOptions | undefined, tlsServer: boolean): NodeDuplexSettings => ({
  lingerTimeout: millis("lingerTimeout", options?.lingerTimeout ?? 2000),
  readAhead: limit("readAhead", options?.readAhead ?? 65536),
  upgradeTimeout: millis("upgradeTimeout", options?.upgradeTimeout ?? 10_000),
  tlsServer
})

export class NodeDuplex extends PushDuplex {
  private _stream: OwnedDuplex
  private readonly _settings: NodeDuplexSettings
  private _linger: NodeJS.Timeout | undefined = undefined
  private _listening = false
  private _remote: NetAddress.SocketAddress | undefined = undefined
  private _local: NetAddress.SocketAddress | undefined = undefined
  // Whether OpenSSL has encrypted all that was written: it does so inside `write`, into memory of its own. Node counts
  // these bytes as pending for a turn more.
  private _isEncrypted = false

  constructor(duplex: Duplex, settings: NodeDuplexSettings) {
    super(settings.readAhead)
    const stream = duplex as OwnedDuplex
    this._settings = settings
    this._stream = stream
    this._remote = settings.remoteAddress
    this._local = settings.localAddress
    this._adopt(stream)
  }

  private _adopt(stream: OwnedDuplex): void {
    this._stream = stream
    this._listening = false
    stream[owner] = this
    if (!stream.isPaused()) stream.pause()
    // Without a listener, an error such as a reset by the peer would end the process.
    endOnError(stream)
    stream.on("close", onClose)
    stream.on("drain", onDrain)
    if (stream.closed) queueMicrotask(() => this.onClose())
  }

  unread(bytes: Uint8Array): void {
    this.received(bytes)
  }

  onData(bytes: Uint8Array): void {
    this.received(bytes)
  }

  onEnd(): void {
    this.ended()
  }

  onDrain(): void {
    this.drained()
  }

  onClose(): void {
    clearTimeout(this._linger)
    this.closed(this._outcome())
  }

  protected startSource(): void {
    if (!this._listening) {
      this._listening = true
      this._stream.on("data", onData)
      this._stream.on("end", onEnd)
      // A previous reader leaves the system's reading on, and the end may have come while there was no listener.
      if (this._stream.readableEnded) queueMicrotask(() => this.onEnd())
    }
    this._stream.resume()
  }

  protected stopSource(): void {
    this._stream.pause()
  }

  protected put(bytes: Uint8Array): boolean {
    const stream = this._stream
    this._isEncrypted = isNode && stream instanceof Tls.TLSSocket && writesAtOnce(stream)
    const room = stream.write(bytes)
    if (room && stream.writableLength !== 0) this._askForDrain()
    return room
  }

  /** Node emits `drain` only after a write that it refused; the contract promises one whenever bytes are pending. */
  private _askForDrain(): void {
    const stream = this._stream
    if (stream.writableLength !== 0 && stream.writableCorked === 0) stream._writableState.needDrain = true
  }

  protected putEnd(): void {
    this._stream.end()
  }

  protected abort(): void {
    const stream = this._stream
    // A reset tells the peer at once that bytes are missing; a FIN would look like an orderly end. Only TCP has resets.
    if (stream instanceof Net.Socket && !(stream instanceof Tls.TLSSocket) && stream.remoteFamily !== undefined) {
      stream.resetAndDestroy()
    } else {
      stream.destroy()
    }
  }

  protected finish(): void {
    const stream = this._stream
    if (stream.destroyed) return
    const linger = this._settings.lingerTimeout
    if (linger <= 0 || (stream instanceof Net.Socket && stream.connecting)) {
      stream.destroy()
      return
    }
    // Node destroys the stream by itself once both directions have ended.
    if (!stream.writableEnded) stream.end()
    this._linger = setTimeout(lingered, linger, this)
    stream.resume()
  }

  /** Destroys the stream at the linger timeout. */
  cutOff(): void {
    this._stream.destroy()
  }

  protected startTls(options: Socket.TlsUpgradeOptions): Effect.Effect<void, Socket.SocketError> {
    const { upgradeTimeout } = this._settings
    const upgrade = this._startTls(options)
    if (upgradeTimeout === Infinity) return upgrade
    return Effect.timeoutOrElse(upgrade, {
      duration: upgradeTimeout,
      orElse: () => Effect.fail(upgradeError(new Error(`TLS handshake timed out after ${upgradeTimeout} ms`)))
    })
  }

  private _startTls(options: Socket.TlsUpgradeOptions): Effect.Effect<void, Socket.SocketError> {
    return Effect.callback((resume) => {
      const raw = this._stream
      const isServer = this._settings.tlsServer
      const obstacle = this._upgradeObstacle(options)
      if (obstacle !== undefined) return resume(Effect.fail(upgradeError(new Error(obstacle))))
      const early = this.takeUnread()
      for (let i = early.length - 1; i >= 0; i--) raw.unshift(early[i])
      this.release()
      let tls: Tls.TLSSocket
      try {
        tls = secureSocket(raw as Net.Socket & OwnedDuplex, options, isServer)
      } catch (cause) {
        this._adopt(raw)
        return resume(Effect.fail(upgradeError(cause)))
      }
      this._adopt(tls as Tls.TLSSocket & OwnedDuplex)
      const secured = isServer ? "secure" : "secureConnect"
      const done = (outcome: Effect.Effect<void, Socket.SocketError>): void => {
        tls.off(secured, onSecured)
        tls.off("error", onFailure)
        tls.off("close", onEarlyClose)
        resume(outcome)
      }
      const onSecured = (): void => done(Effect.void)
      const onFailure = (cause: Error): void => done(Effect.fail(upgradeError(cause)))
      const onEarlyClose = (): void => onFailure(endOfHandshake())
      tls.on(secured, onSecured)
      tls.on("error", onFailure)
      tls.on("close", onEarlyClose)
      return Effect.sync(() => {
        done(Effect.void)
        this.destroy()
      })
    })
  }

  cork(): void {
    this._stream.cork()
  }

  uncork(): void {
    this._stream.uncork()
    this._askForDrain()
  }

  get pendingBytes(): number {
    return this._stream.writableLength
  }

  get refusedBytes(): number {
    return this._handle?.writeQueueSize ?? this._stream.writableLength
  }

  get takenBytes(): number | undefined {
    const handle = this._handle
    return handle?.bytesWritten === undefined || handle.writeQueueSize === undefined
      ? undefined
      : handle.bytesWritten - handle.writeQueueSize
  }

  private get _handle(): StreamHandle | undefined {
    if (!isNode) return undefined
    let handle = (this._stream as { readonly _handle?: StreamHandle | null })._handle ?? undefined
    while (handle?._parent !== undefined) handle = handle._parent
    return handle
  }

  override get ownsMemory(): boolean {
    // Node reads from the kernel into memory of its own. In a chunk that does not fill its memory, Node puts what TLS
    // decrypts next, for any socket. Other streams may keep what they deliver.
    return this._stream instanceof Net.Socket && !(this._stream instanceof Tls.TLSSocket)
  }

  get retainsBuffers(): boolean {
    // Inside `write`, Node passes a chunk to the kernel where it can, and otherwise counts it as pending.
    return this.pendingBytes > 0 && !this._isEncrypted
  }

  protected get needsDrain(): boolean {
    return this._stream.writableNeedDrain
  }

  [Refable.ref](): void {
    if (this._stream instanceof Net.Socket) this._stream.ref()
  }

  [Refable.unref](): void {
    if (this._stream instanceof Net.Socket) this._stream.unref()
  }

  get remoteAddress(): NetAddress.SocketAddress | undefined {
    const stream = this._stream
    if (this._remote === undefined && stream instanceof Net.Socket) {
      this._remote = inetAddress(stream.remoteAddress, stream.remotePort)
    }
    return this._remote
  }

  get localAddress(): NetAddress.SocketAddress | undefined {
    const stream = this._stream
    if (this._local === undefined && stream instanceof Net.Socket) {
      this._local = inetAddress(stream.localAddress, stream.localPort)
    }
    return this._local
  }

  get secure(): boolean {
    return this._stream instanceof Tls.TLSSocket
  }

  get alpnProtocol(): string | undefined {
    return TlsPeer.alpnProtocol(this._stream)
  }

  get serverName(): string | undefined {
    return TlsPeer.serverName(this._stream)
  }

  get authorized(): boolean {
    return TlsPeer.authorized(this._stream)
  }

  get peerCertificate(): Tls.PeerCertificate | undefined {
    return TlsPeer.peerCertificate(this._stream)
  }

  /** Returns the error to report for a stream that closed. */
  protected _outcome(): Socket.SocketError | undefined {
    const { errored, readableEnded, writableFinished } = this._stream
    if (this.wasAborted) return closeError(1006)
    // The caller of `close` is not interested in an error of the linger timeout.
    if (this.isClosing) return undefined
    if (errored !== null && errored !== undefined) return fromNode(errored)
    return readableEnded && writableFinished ? undefined : closeError(1006)
  }

  private _upgradeObstacle(options: Socket.TlsUpgradeOptions): string | undefined {
    const stream = this._stream
    if (this.isClosed || stream.destroyed) return "the socket is closed"
    if (!(stream instanceof Net.Socket)) return "only a TCP or Unix socket can be upgraded"
    // A client may speak TLS with a proxy, and TLS again with the server behind it.
    if (this._settings.tlsServer && stream instanceof Tls.TLSSocket)
      return "a server's socket can be upgraded only once"
    if (this.isRead) return "the socket is being read"
    if ((options.key === undefined) !== (options.cert === undefined)) return "key and cert must be given together"
    if (this._settings.tlsServer && options.key === undefined) return "the server's side needs key and cert"
    return undefined
  }

  /** Releases the stream, with unread bytes put back. For readers and writers of this socket, it is closed. */
  detach(): Duplex {
    const early = this.takeUnread()
    const stream = this.release()
    for (let i = early.length - 1; i >= 0; i--) stream.unshift(early[i])
    this.onClose()
    return stream
  }

  /** Stops listening to the stream, which has a new owner from then on. */
  protected release(): Duplex {
    const stream = this._stream
    stream.pause()
    stream.off("close", onClose)
    stream.off("drain", onDrain)
    stream.off("data", onData)
    stream.off("end", onEnd)
    stream[owner] = undefined
    return stream
  }
}

function onData(this: OwnedDuplex, bytes: Uint8Array): void {
  this[owner]?.onData(bytes)
}

function onEnd(this: OwnedDuplex): void {
  this[owner]?.onEnd()
}

function onDrain(this: OwnedDuplex): void {
  this[owner]?.onDrain()
}

function onClose(this: OwnedDuplex): void {
  this[owner]?.onClose()
}

/**
 * Destroys the stream on an error. The error is read off the stream when it closes.
 *
 * After its handshake a `TLSSocket` emits errors (an alert of the peer, a damaged record, too many renegotiations) and
 * stays open, so the listener has to destroy it. Any other stream is already destroyed then, and this changes nothing.
 */
export const endOnError = (stream: Duplex): void => {
  stream.on("error", destroySelf)
}

function destroySelf(this: Duplex, cause: Error): void {
  this.destroy(cause)
}

/** Whether the next write is passed on at once. */
const writesAtOnce = (stream: Tls.TLSSocket): boolean =>
  stream.writableLength === 0 && stream.writableCorked === 0 && !stream.connecting

const lingered = (duplex: NodeDuplex): void => {
  duplex.cutOff()
}

export const inetAddress = (
  host: string | undefined,
  port: number | undefined
): NetAddress.SocketAddress | undefined => {
  if (host === undefined || port === undefined) return undefined
  // A zone, as in fe80::1%eth0, names a local interface and is not part of the peer's address.
  const zone = host.indexOf("%")
  const address = NetAddress.inetAddressFromIpString(zone === -1 ? host : host.slice(0, zone), port)
  return Result.isSuccess(address) ? NetAddress.toCanonical(address.success) : undefined
}

const secureSocket = (raw: Net.Socket, options: Socket.TlsUpgradeOptions, isServer: boolean): Tls.TLSSocket => {
  const settings: Tls.SecureContextOptions & Tls.CommonConnectionOptions = {
    key: options.key === undefined ? undefined : Arr.ensure(options.key).map((key) => toBuffer(Redacted.value(key))),
    cert: options.cert === undefined ? undefined : Arr.ensure(options.cert).map(toBuffer),
    ca: options.ca === undefined ? undefined : Arr.ensure(options.ca).map(toBuffer),
    passphrase: options.passphrase === undefined ? undefined : Redacted.value(options.passphrase)
  }
  const secureContext = Tls.createSecureContext(settings)
  const common = {
    secureContext,
    ...(options.alpnProtocols === undefined ? undefined : { ALPNProtocols: [...options.alpnProtocols] }),
    requestCert: options.requestCert,
    rejectUnauthorized: options.rejectUnauthorized
  }
  if (isServer) return new Tls.TLSSocket(raw, { ...common, isServer: true })
  const host = options.servername === undefined ? undefined : serverName(options.servername)
  // RFC 6066 3: "Literal IPv4 and IPv6 addresses are not permitted" as server names; the certificate is still verified.
  return Tls.connect({
    ...common,
    socket: raw,
    ...(host === undefined ? undefined : Net.isIP(host) === 0 ? { host, servername: host } : { host })
  })
}

const toBuffer = (input: string | Uint8Array): Buffer => Buffer.from(input as Uint8Array)
