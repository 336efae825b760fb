import { Effect } from "effect"
import type { Socket } from "effect/socket"
import type { ByteSink } from "../src/Push.ts"

/** Keeps what a sink was told, and wakes whoever waits for more. */
export class Recorder implements ByteSink {
  readonly log: Array<string> = []
  bytes = 0
  drains = 0
  text = ""
  error: Socket.SocketError | undefined = undefined
  private readonly _waiters = new Set<() => void>()
  private readonly _decoder = new TextDecoder()
  keepText = true
  onBytes: (bytes: Uint8Array) => void = () => {}
  onFin: () => void = () => {}

  onChunk(bytes: Uint8Array): void {
    this._note("chunk")
    this.bytes += bytes.length
    if (this.keepText) this.text += this._decoder.decode(bytes, { stream: true })
    this.onBytes(bytes)
    this._wake()
  }
  onDrain(): void {
    this.drains++
    this._wake()
  }
  onEnd(): void {
    this._note("end")
    this.onFin()
    this._wake()
  }
  onClose(error: Socket.SocketError | undefined): void {
    this._note("close")
    this.error = error
    this._wake()
  }

  /** What happened, with runs of chunks as one. */
  private _note(event: string): void {
    if (event !== "chunk" || this.log.at(-1) !== "chunk") this.log.push(event)
  }

  private _wake(): void {
    for (const wake of this._waiters) wake()
  }

  until(condition: (self: Recorder) => boolean): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const check = (): void => {
        if (!condition(this)) return
        this._waiters.delete(check)
        resume(Effect.void)
      }
      this._waiters.add(check)
      check()
      return Effect.sync(() => this._waiters.delete(check))
    })
  }

  get closed(): Effect.Effect<void> {
    return this.until((self) => self.log.includes("close"))
  }
}
