/**
 * Two ends of a connection inside the process. Each end owns the pipe of what it wrote and nobody has read yet, and
 * pours it into the other end while that one is flowing.
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
 * When things happen in one network: in microtasks, and once in a while in a later turn of the event loop, because ends
 * that answer each other in microtasks would never let it turn. Counts instead of asking a clock, so that it is the same
 * each time.
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

/** Makes a connection: the end that dialled, and the end that was dialled. */
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

  // As with a real socket, what was written stays in the pipe when the end that wrote it is gone.
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

  get copies(): boolean {
    return true
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

  /** Hands the peer what is in the pipe, while it reads. */
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

  /** Our end went into the pipe, and the peer's came out of the other one. */
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
