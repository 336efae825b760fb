/**
 * The socket over one stream of an HTTP/2 session (RFC 8441). To the connection it is a transport as any other:
 * END_STREAM is the end of the bytes, RST_STREAM the abort, and the flow-control window of the stream follows what is
 * read.
 */
import * as Context from "effect/Context"
import type * as NetAddress from "effect/net/NetAddress"
import type * as Socket from "effect/socket/Socket"
import type * as Http2 from "node:http2"
import { constants } from "node:http2"
import type { Duplex } from "node:stream"
import type { PeerCertificate } from "node:tls"
import { ParsedUpgradeTypeId } from "../Push.ts"
import type { ParsedUpgrade, HeaderList, PeerInfo, RequestHead } from "../Push.ts"
import { readError, systemError } from "./errors.ts"
import { inetAddress, NodeDuplex } from "./NodeDuplex.ts"
import type { NodeDuplexSettings } from "./NodeDuplex.ts"
import * as TlsPeer from "./tlsPeer.ts"

/** The peer of a session, which all of its streams share. */
export class SessionPeer implements PeerInfo {
  readonly remoteAddress: NetAddress.SocketAddress | undefined
  readonly localAddress: NetAddress.SocketAddress | undefined
  readonly secure: boolean
  readonly alpnProtocol: string | undefined
  readonly serverName: string | undefined
  readonly authorized: boolean
  readonly peerCertificate: PeerCertificate | undefined

  constructor(stream: Duplex, ends: Pick<PeerInfo, "localAddress" | "remoteAddress">) {
    this.remoteAddress = ends.remoteAddress
    this.localAddress = ends.localAddress
    this.alpnProtocol = TlsPeer.alpnProtocol(stream)
    this.secure = "encrypted" in stream
    this.serverName = TlsPeer.serverName(stream)
    this.authorized = TlsPeer.authorized(stream)
    this.peerCertificate = TlsPeer.peerCertificate(stream)
  }
}

const pieceLength = 16 * 1024

const peers = new WeakMap<Http2.Http2Session, SessionPeer>()

/** The peer of the session of a stream. */
export const sessionPeerOf = ({ session }: Http2.Http2Stream): PeerInfo => {
  if (session === undefined) return unknownPeer
  let peer = peers.get(session)
  if (peer === undefined) {
    const { localAddress, localPort, remoteAddress, remotePort } = session.socket
    const ends = {
      remoteAddress: inetAddress(remoteAddress, remotePort),
      localAddress: inetAddress(localAddress, localPort)
    }
    peers.set(session, (peer = new SessionPeer(session.socket, ends)))
  }
  return peer
}

const unknownPeer: PeerInfo = {
  remoteAddress: undefined,
  localAddress: undefined,
  secure: false,
  alpnProtocol: undefined,
  serverName: undefined,
  authorized: false,
  peerCertificate: undefined
}

export class Http2Duplex extends NodeDuplex {
  protected readonly _http2: Http2.Http2Stream
  private readonly _peer: PeerInfo

  // What follows a write that is under way, where it was cut into pieces.
  private _pieces: Array<Uint8Array> | undefined = undefined
  private _piecesBytes = 0

  constructor(stream: Http2.Http2Stream, peer: PeerInfo, settings: NodeDuplexSettings) {
    super(stream, settings)
    this._http2 = stream
    this._peer = peer
  }

  // Node tells of a write when the peer's window has let all of it through. Large ones are cut, so that a peer that
  // reads slowly is seen to read.
  protected override put(bytes: Uint8Array): boolean {
    if (this._pieces === undefined && bytes.length <= pieceLength) return super.put(bytes)
    const isUnderWay = this._pieces !== undefined
    const pieces = (this._pieces ??= [])
    for (let at = 0; at < bytes.length; at += pieceLength) pieces.push(bytes.subarray(at, at + pieceLength))
    this._piecesBytes += bytes.length
    if (!isUnderWay) this._writePiece()
    return false
  }

  private _writePiece(): void {
    const piece = this._pieces?.shift()
    if (piece !== undefined) {
      this._piecesBytes -= piece.length
      this._http2.write(piece, (error) => {
        if (!(error instanceof Error)) this._writePiece()
      })
    } else if (this._pieces !== undefined) {
      this._pieces = undefined
      this.drained()
    }
  }

  /** Leaves the rest to Node, as before the end of the stream. */
  private _writeRest(): void {
    const pieces = this._pieces
    this._pieces = undefined
    this._piecesBytes = 0
    for (const piece of pieces ?? []) this._http2.write(piece)
  }

  override onDrain(): void {
    if (this._pieces === undefined) super.onDrain()
  }

  override get pendingBytes(): number {
    return this._piecesBytes + super.pendingBytes
  }

  override get refusedBytes(): number {
    return this.pendingBytes
  }

  protected override get needsDrain(): boolean {
    return this._pieces !== undefined || super.needsDrain
  }

  protected override putEnd(): void {
    this._writeRest()
    super.putEnd()
  }

  // Node ends a stream in the same way whether it was reset or not: what comes then is no end in order.
  override onEnd(): void {
    if (!this._http2.aborted) super.onEnd()
  }

  // RFC 8441 5: "RST_STREAM [...] CANCEL" is what closing TCP without an order is.
  protected override abort(): void {
    this._pieces = undefined
    this._piecesBytes = 0
    this._http2.close(constants.NGHTTP2_CANCEL)
  }

  protected override finish(): void {
    // Without an answer, an end would be an answer.
    if (!this.isAnswered) return this.abort()
    this._writeRest()
    super.finish()
  }

  /** Whether the head of the answer was sent, or came. */
  protected get isAnswered(): boolean {
    return "headersSent" in this._http2 && this._http2.headersSent === true
  }

  override cutOff(): void {
    this.abort()
  }

  protected override _outcome(): Socket.SocketError | undefined {
    const { aborted, errored } = this._http2
    if (this.wasAborted || this.isClosing || errored !== null || !aborted) return super._outcome()
    return readError(systemError("ECONNRESET", "read", "the peer reset the stream, or its HTTP/2 session ended"))
  }

  override get remoteAddress(): NetAddress.SocketAddress | undefined {
    return this._peer.remoteAddress
  }

  override get localAddress(): NetAddress.SocketAddress | undefined {
    return this._peer.localAddress
  }

  override get secure(): boolean {
    return this._peer.secure
  }

  override get alpnProtocol(): string | undefined {
    return this._peer.alpnProtocol
  }

  override get serverName(): string | undefined {
    return this._peer.serverName
  }

  override get authorized(): boolean {
    return this._peer.authorized
  }

  override get peerCertificate(): PeerCertificate | undefined {
    return this._peer.peerCertificate
  }
}

export interface RequestOptions {
  readonly head: RequestHead
  readonly peer: PeerInfo
  /** Services added to the context of the decision and of the handler. Default: none. */
  readonly services?: Context.Context<never> | undefined
  /** Runs right before the response is sent. */
  readonly onAnswering?: (() => void) | undefined
  /** Gets the status of the response, or `undefined` when there is none. */
  readonly onAnswer?: ((status: number | undefined) => void) | undefined
}

/** The socket of a request: it carries the request until that is answered. */
export class Http2RequestDuplex extends Http2Duplex {
  private _handover: ParsedUpgrade | undefined
  private _onAnswering: (() => void) | undefined
  private _onAnswer: ((status: number | undefined) => void) | undefined

  constructor(
    stream: Http2.ServerHttp2Stream,
    { head, onAnswer, onAnswering, peer, services = Context.empty() }: RequestOptions,
    settings: NodeDuplexSettings
  ) {
    super(stream, peer, settings)
    this._handover = {
      head,
      services,
      respond: (status, headers, body) => this._respond(stream, status, headers, body)
    }
    this._onAnswering = onAnswering
    this._onAnswer = onAnswer
  }

  get [ParsedUpgradeTypeId](): ParsedUpgrade | undefined {
    return this._handover
  }

  /** Sends a complete answer, and closes. */
  answer(status: number, text: string): void {
    const headers = [{ name: "content-type", value: "text/plain; charset=utf-8" }]
    this._respond(this._http2 as Http2.ServerHttp2Stream, status, headers, Buffer.from(`${text}\n`))
    this.close()
  }

  /**
   * Returns the stream to the HTTP server, which answers the request. Readers and writers of this socket see it closed.
   * Does nothing once the request is answered.
   */
  giveBack(): void {
    if (this._handover === undefined || this.isClosed) return
    const stream = this.release() as Http2.ServerHttp2Stream
    stream.resume()
    // RFC 9113 8.1: after its response a server may ask the client, with NO_ERROR, to send nothing more.
    stream.once("finish", () => stream.close(constants.NGHTTP2_NO_ERROR))
    this.onClose()
  }

  override onClose(): void {
    this._answered(undefined)
    super.onClose()
  }

  private _respond(
    stream: Http2.ServerHttp2Stream,
    status: number,
    headers: HeaderList,
    body: Uint8Array | undefined
  ): void {
    if (stream.destroyed || stream.closed || stream.headersSent) return this._answered(undefined)
    this._onAnswering?.()
    this._answered(status)
    const isEmpty = body?.length === 0
    stream.respond({ ...toHeaders(headers), ":status": status }, { endStream: isEmpty })
    if (body === undefined || isEmpty) return
    this.writeUnsafe(body)
    this.shutdown()
  }

  // Idle connections should not retain the request.
  private _answered(status: number | undefined): void {
    const onAnswer = this._onAnswer
    this._handover = undefined
    this._onAnswering = undefined
    this._onAnswer = undefined
    onAnswer?.(status)
  }
}

/** Fields as Node takes them: those that are repeated in an array. */
export const toHeaders = (headers: HeaderList): Http2.OutgoingHttpHeaders => {
  const record: Record<string, string | Array<string>> = Object.create(null)
  for (const { name, value } of headers) {
    const earlier = record[name]
    record[name] = earlier === undefined ? value : Array.isArray(earlier) ? [...earlier, value] : [earlier, value]
  }
  return record
}

/** Fields as Node gives them: names and values in turn. */
export const fromRawHeaders = (raw: ReadonlyArray<string>): HeaderList => {
  const headers: Array<{ readonly name: string; readonly value: string }> = []
  for (let at = 0; at < raw.length; at += 2) headers.push({ name: raw[at]!, value: raw[at + 1]! })
  return headers
}

/** The head of a request, pseudo-headers among its fields. */
export const requestHeadOf = (headers: HeaderList): RequestHead => {
  const valueOf = (wanted: string): string => headers.find(({ name }) => name === wanted)?.value ?? ""
  return { method: valueOf(":method"), target: valueOf(":path"), version: "HTTP/2", headers }
}
