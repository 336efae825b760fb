/**
 * The two ends of an in-memory connection. Each end owns the pipe of bytes that it wrote and the peer has not read yet,
 * and moves them to the peer while the peer is flowing.
 */
import type * as Effect from "effect/Effect"
import type * as NetAddress from "effect/net/NetAddress"
import * as Socket from "effect/socket/Socket"
import { closeError, readError, systemError } from "./errors.ts"
import { PushDuplex } from "./PushDuplex.ts"

export interface MemorySettings {
  readonly pipeSize: number
  readonly readAhead: number
  readonly scheduler: MicrotaskScheduler
}

/**
 * Schedules the events of one network in microtasks, and now and then in a later turn of the event loop, because ends
 * that answer each other in microtasks would block the loop. It counts instead of using a clock, so that each run is
 * the same.
 */
export class MicrotaskScheduler {
  private _inBurst = 0

  later(task: () => void): void {
    if (this._inBurst < 256) {
      this._inBurst++
      queueMicrotask(task)
    } else {
      setImmediate(() => {
        this._inBurst = 0
        task()
      })
    }
  }
}

/** Makes a connection. Returns the dialling end and the accepting end. */
export const makePair = (
  settings: MemorySettings,
  near: NetAddress.SocketAddress,
  far: NetAddress.SocketAddress
): readonly [MemoryDuplex, MemoryDuplex] => {
  const a = new MemoryDuplex(settings, near, far)
  const b = new MemoryDuplex(settings, far, near)
  a.join(b)
  b.join(a)
  return [a, b]
}

export class MemoryDuplex extends PushDuplex {
  readonly localAddress: NetAddress.SocketAddress
  readonly remoteAddress: NetAddress.SocketAddress
  private _peer: MemoryDuplex | undefined = undefined
  private readonly _pipeSize: number
  private readonly _turns: MicrotaskScheduler
  private _pipe: Array<Uint8Array> = []
  private _pipeBytes = 0
  private _finInPipe = false
  private _finPoured = false
  private _needsDrain = false
  private _corks = 0
  private _flowing = false
  private _scheduled = false
  private _gone = false

  constructor(settings: MemorySettings, local: NetAddress.SocketAddress, remote: NetAddress.SocketAddress) {
    super(settings.readAhead)
    this._pipeSize = settings.pipeSize
    this._turns = settings.scheduler
    this.localAddress = local
    this.remoteAddress = remote
  }

  join(peer: MemoryDuplex): void {
    this._peer = peer
  }

  protected startSource(): void {
    this._flowing = true
    this._peer?._schedule()
  }

  protected stopSource(): void {
    this._flowing = false
  }

  protected put(bytes: Uint8Array): boolean {
    this._pipe.push(new Uint8Array(bytes))
    this._pipeBytes += bytes.length
    this._schedule()
    if (this._pipeBytes > this._pipeSize) this._needsDrain = true
    return !this._needsDrain
  }

  protected putEnd(): void {
    this._finInPipe = true
    this._corks = 0
    this._schedule()
  }

  protected abort(): void {
    const peer = this._peer
    this._turns.later(() => {
      this._leave(closeError(1006))
      peer?._leave(readError(systemError("ECONNRESET", "read", "the peer reset the connection")))
    })
  }

  // As with a real socket, written bytes stay in the pipe after their writer is gone.
  protected finish(): void {
    if (!this._finInPipe) this.putEnd()
    this._flowing = true
    this._peer?._schedule()
    this._turns.later(() => this._leave(undefined))
  }

  protected startTls(): Effect.Effect<void, Socket.SocketError> {
    return Socket.SocketUpgradeError.unsupported()
  }

  cork(): void {
    this._corks++
  }

  uncork(): void {
    if (this._corks > 0 && --this._corks === 0) this._schedule()
  }

  get pendingBytes(): number {
    return Math.max(0, this._pipeBytes - this._pipeSize)
  }

  get retainsBuffers(): boolean {
    return this.pendingBytes > 0
  }

  override get ownsMemory(): boolean {
    return true
  }

  protected get needsDrain(): boolean {
    return this._needsDrain
  }

  get secure(): boolean {
    return false
  }

  get alpnProtocol(): undefined {
    return undefined
  }

  get serverName(): undefined {
    return undefined
  }

  get authorized(): boolean {
    return false
  }

  get peerCertificate(): undefined {
    return undefined
  }

  private _schedule(): void {
    if (this._scheduled || this._peer === undefined) return
    this._scheduled = true
    this._turns.later(() => {
      this._scheduled = false
      this._pour()
    })
  }

  /** Moves bytes from the pipe to the peer while it reads. */
  private _pour(): void {
    const peer = this._peer
    if (peer === undefined || this._corks > 0) return
    let poured = 0
    while (peer._flowing && poured < this._pipe.length) {
      const bytes = this._pipe[poured++]!
      this._pipeBytes -= bytes.length
      peer.received(bytes)
    }
    if (poured > 0) this._pipe = this._pipe.slice(poured)
    if (this._needsDrain && this._pipeBytes <= this._pipeSize) {
      this._needsDrain = false
      this.drained()
    }
    if (this._finInPipe && !this._finPoured && this._pipe.length === 0 && peer._flowing) {
      this._finPoured = true
      peer.ended()
      peer._leaveIfDone()
    }
    this._leaveIfDone()
  }

  /** This end's FIN is in the pipe, and the peer's came out of the other pipe. */
  private _leaveIfDone(): void {
    if (this._gone || !this._finInPipe || this.pendingBytes > 0 || this._peer?._finPoured !== true) return
    this._turns.later(() => this._leave(undefined))
  }

  private _leave(error: Socket.SocketError | undefined): void {
    if (this._gone) return
    this._gone = true
    if (error !== undefined) {
      this._pipe = []
      this._pipeBytes = 0
    }
    this.closed(error)
  }
}
