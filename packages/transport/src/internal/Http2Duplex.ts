/**
 * A socket over one stream of an HTTP/2 session (RFC 8441). A connection uses it like any other transport. END_STREAM
 * ends the bytes and RST_STREAM aborts. Reading opens the flow-control window of the stream.
 */
import * as Context from "effect/Context"
import type * as NetAddress from "effect/net/NetAddress"
import type * as Socket from "effect/socket/Socket"
import type * as Http2 from "node:http2"
import type { Duplex } from "node:stream"
import type { PeerCertificate } from "node:tls"
import { ParsedUpgradeTypeId } from "../Push.ts"
import type { ParsedUpgrade, HeaderList, PeerInfo, RequestHead } from "../Push.ts"
import { readError, systemError } from "./errors.ts"
import { inetAddress, NodeDuplex } from "./NodeDuplex.ts"
import type { NodeDuplexSettings } from "./NodeDuplex.ts"
import * as TlsPeer from "./tlsPeer.ts"
import { UnansweredRequest } from "./UnansweredRequest.ts"
import type { AnswerListeners } from "./UnansweredRequest.ts"
import { unknownPeer } from "./unknownPeer.ts"

// RFC 9113 7: error codes
const NO_ERROR = 0x0
const CANCEL = 0x8

/** Addresses and TLS details of the peer of a session. All streams of the session share them. */
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

/** Returns the peer of the session that a stream belongs to. */
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

export class Http2Duplex extends NodeDuplex {
  protected readonly _http2: Http2.Http2Stream
  private readonly _peer: PeerInfo

  // The rest of a large write. Undefined if no write is cut into pieces at the moment.
  private _pieces: Array<Uint8Array> | undefined = undefined
  private _piecesBytes = 0

  constructor(stream: Http2.Http2Stream, peer: PeerInfo, settings: NodeDuplexSettings) {
    super(stream, settings)
    this._http2 = stream
    this._peer = peer
  }

  // Node reports a write only when the peer's flow-control window has let all of it through. Cut a large write into
  // pieces, so that a peer that reads slowly shows progress and is not taken for a dead one.
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

  /** Hands all remaining pieces to Node, so that the end of the stream can follow them. */
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

  // Node emits `end` after a reset too. Only without a reset is it an orderly end.
  override onEnd(): void {
    if (!this._http2.aborted) super.onEnd()
  }

  // RFC 8441 5: RST_STREAM with the error code CANCEL stands for a TCP reset.
  protected override abort(): void {
    this._pieces = undefined
    this._piecesBytes = 0
    this._http2.close(CANCEL)
  }

  protected override finish(): void {
    // Before the response head, the peer could take an end of the stream for a response. So reset the stream.
    if (!this.isAnswered) return this.abort()
    this._writeRest()
    super.finish()
  }

  /** Whether the head of the response was sent (server) or received (client). */
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

export interface RequestOptions extends AnswerListeners {
  readonly head: RequestHead
  readonly peer: PeerInfo
  /** Services added to the context of the decision and of the handler. Default: none. */
  readonly services?: Context.Context<never> | undefined
}

/** The server's socket for one request. It holds the request until the response is sent. */
export class Http2RequestDuplex extends Http2Duplex {
  private _unanswered: UnansweredRequest | undefined

  constructor(
    stream: Http2.ServerHttp2Stream,
    { head, peer, services = Context.empty(), ...listeners }: RequestOptions,
    settings: NodeDuplexSettings
  ) {
    super(stream, peer, settings)
    const respond: ParsedUpgrade["respond"] = (status, headers, body) => this._respond(stream, status, headers, body)
    this._unanswered = new UnansweredRequest({ head, services, respond }, listeners)
  }

  get [ParsedUpgradeTypeId](): ParsedUpgrade | undefined {
    return this._unanswered?.upgrade
  }

  /** Sends a complete text response, and closes. */
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
    if (this._unanswered === undefined || this.isClosed) return
    const stream = this.release() as Http2.ServerHttp2Stream
    stream.resume()
    // RFC 9113 8.1: after its response a server may ask the client, with NO_ERROR, to send nothing more.
    stream.once("finish", () => stream.close(NO_ERROR))
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
    this._unanswered?.answering()
    this._answered(status)
    const isEmpty = body?.length === 0
    stream.respond({ ...toHeaders(headers), ":status": status }, { endStream: isEmpty })
    if (body === undefined || isEmpty) return
    this.writeUnsafe(body)
    this.shutdown()
  }

  private _answered(status: number | undefined): void {
    const request = this._unanswered
    this._unanswered = undefined
    request?.answered(status)
  }
}

/** Converts fields to the form that Node sends. The values of a repeated field become an array. */
export const toHeaders = (headers: HeaderList): Http2.OutgoingHttpHeaders => {
  const record: Record<string, string | Array<string>> = Object.create(null)
  for (const { name, value } of headers) {
    const earlier = record[name]
    record[name] = earlier === undefined ? value : Array.isArray(earlier) ? [...earlier, value] : [earlier, value]
  }
  return record
}

/** Returns the head of a request. Its `headers` include the pseudo-headers. */
export const requestHeadOf = (headers: HeaderList): RequestHead => {
  const valueOf = (wanted: string): string => headers.find(({ name }) => name === wanted)?.value ?? ""
  return { method: valueOf(":method"), target: valueOf(":path"), version: "HTTP/2", headers }
}
