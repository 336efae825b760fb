/**
 * A socket whose bytes pass through two fault pipes, run by one fiber, to and from another socket. That socket is only
 * pulled and written through Effect, so any Effect `Socket` can be made faulty.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as NetAddress from "effect/net/NetAddress"
import * as Socket from "effect/socket/Socket"
import type { PeerCertificate } from "node:tls"
import { peerInfo } from "../Push.ts"
import type { PeerInfo } from "../Push.ts"
import { closeError } from "./errors.ts"
import type { FaultPipe, Item } from "./FaultPipe.ts"
import { PushDuplex } from "./PushDuplex.ts"

export interface Inner {
  readonly reader: Socket.Reader
  readonly writer: Socket.Writer
  /** Half-closes. */
  readonly end: Effect.Effect<void>
  readonly close: () => void
  readonly destroy: () => void
}

export interface FaultySettings {
  readonly inbound: FaultPipe
  readonly outbound: FaultPipe
  readonly pipeSize: number
  readonly lingerTimeout: Duration.Input
  readonly runFork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
}

const encoder = new TextEncoder()

export class FaultyDuplex extends PushDuplex {
  private readonly _inner: Inner
  private readonly _settings: FaultySettings
  private _out: Array<Uint8Array> = []
  private _outBytes = 0
  private _finOut = false
  private _corks = 0
  private _needsDrain = false
  private _takeWaiter: ((item: Effect.Effect<Item>) => void) | undefined = undefined
  private _flowing = false
  private _flowWaiter: (() => void) | undefined = undefined
  private _gone = false
  private _pump: Fiber.Fiber<void> | undefined = undefined
  private _linger: Fiber.Fiber<void> | undefined = undefined

  constructor(inner: Inner, settings: FaultySettings) {
    super(settings.pipeSize)
    this._inner = inner
    this._settings = settings
  }

  /** Starts the pipes. */
  start(): void {
    const inbound = Effect.flatMap(this._settings.inbound.run(this._arriving, this._deliverIn), (error) => {
      if (error !== undefined) return Effect.fail(error)
      this.ended()
      return Effect.void
    })
    const outbound = Effect.flatMap(this._settings.outbound.run(this._leaving, this._deliverOut), () =>
      Effect.map(this._inner.end, () => {
        if (this.isClosing) this._leave(undefined, false)
      })
    )
    this._pump = this._settings.runFork(
      Effect.all([inbound, outbound], { concurrency: 2, discard: true }).pipe(
        Effect.matchEager({
          onFailure: (error) => this._leave(error, true),
          onSuccess: () => this._leave(undefined, false)
        })
      )
    )
    if (this._gone) this._pump.interruptUnsafe()
  }

  protected startSource(): void {
    this._flowing = true
    const waiter = this._flowWaiter
    this._flowWaiter = undefined
    if (waiter !== undefined) queueMicrotask(waiter)
  }

  protected stopSource(): void {
    this._flowing = false
  }

  protected put(bytes: Uint8Array): boolean {
    this._out.push(new Uint8Array(bytes))
    this._outBytes += bytes.length
    if (this._outBytes > this._settings.pipeSize) this._needsDrain = true
    this._wakeTaker()
    return !this._needsDrain
  }

  protected putEnd(): void {
    this._finOut = true
    this._corks = 0
    this._wakeTaker()
  }

  protected abort(): void {
    this._leave(closeError(1006), true)
  }

  protected finish(): void {
    if (!this._finOut) this.putEnd()
    this.startSource()
    this._linger = this._settings.runFork(
      Effect.andThen(
        Effect.sleep(this._settings.lingerTimeout),
        Effect.sync(() => this._leave(undefined, true))
      )
    )
    // The pipes may already have passed everything on.
    if (this._gone) this._linger.interruptUnsafe()
  }

  protected startTls(): Effect.Effect<void, Socket.SocketError> {
    return Socket.SocketUpgradeError.unsupported()
  }

  cork(): void {
    this._corks++
  }

  uncork(): void {
    if (this._corks > 0 && --this._corks === 0) this._wakeTaker()
  }

  get pendingBytes(): number {
    return Math.max(0, this._outBytes - this._settings.pipeSize)
  }

  get retainsBuffers(): boolean {
    return this.pendingBytes > 0
  }

  protected get needsDrain(): boolean {
    return this._needsDrain
  }

  get remoteAddress(): NetAddress.SocketAddress | undefined {
    return this._peer?.remoteAddress
  }

  get localAddress(): NetAddress.SocketAddress | undefined {
    return this._peer?.localAddress
  }

  get secure(): boolean {
    return this._peer?.secure === true
  }

  get alpnProtocol(): string | undefined {
    return this._peer?.alpnProtocol
  }

  get serverName(): string | undefined {
    return this._peer?.serverName
  }

  get authorized(): boolean {
    return this._peer?.authorized === true
  }

  get peerCertificate(): PeerCertificate | undefined {
    return this._peer?.peerCertificate
  }

  private get _peer(): PeerInfo | undefined {
    return peerInfo(this._inner.reader)
  }

  private get _arriving(): Effect.Effect<Item> {
    return Effect.match(this._inner.reader.pull, {
      onSuccess: (batch): Item => ({
        _tag: "Chunks",
        chunks: batch.map((chunk) => (typeof chunk === "string" ? encoder.encode(chunk) : chunk))
      }),
      onFailure: (error): Item => ({ _tag: "End", error: isEndOfStream(error) ? undefined : error })
    })
  }

  private readonly _deliverIn = (piece: Uint8Array): Effect.Effect<void> | undefined => {
    if (this._flowing) return void this.received(piece)
    return Effect.flatMap(
      Effect.callback<void>((resume) => {
        this._flowWaiter = () => resume(Effect.void)
      }),
      () => this._deliverIn(piece) ?? Effect.void
    )
  }

  private get _leaving(): Effect.Effect<Item> {
    return Effect.callback<Item>((resume) => {
      this._takeWaiter = resume
      this._wakeTaker()
    })
  }

  private _wakeTaker(): void {
    const waiter = this._takeWaiter
    if (waiter === undefined || this._corks > 0 || (this._out.length === 0 && !this._finOut)) return
    this._takeWaiter = undefined
    const chunks = this._out
    this._out = []
    waiter(Effect.succeed(chunks.length > 0 ? { _tag: "Chunks", chunks } : { _tag: "End", error: undefined }))
  }

  private readonly _deliverOut = (piece: Uint8Array): Effect.Effect<void, Socket.SocketError> =>
    Effect.map(this._inner.writer.write(piece), () => {
      this._outBytes -= piece.length
      if (!this._needsDrain || this._outBytes > this._settings.pipeSize) return
      this._needsDrain = false
      this.drained()
    })

  /** Releases everything, and reports it on a later turn. */
  private _leave(error: Socket.SocketError | undefined, abruptly: boolean): void {
    if (this._gone) return
    this._gone = true
    this._linger?.interruptUnsafe()
    this._pump?.interruptUnsafe()
    if (abruptly) this._inner.destroy()
    else this._inner.close()
    queueMicrotask(() => this.closed(error))
  }
}

const isEndOfStream = (error: Socket.SocketError): boolean =>
  error.reason._tag === "SocketCloseError" && error.reason.code === 1000
