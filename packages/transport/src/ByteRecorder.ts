/**
 * A sink for tests: it keeps what it was told.
 *
 * @since 0.1.0
 */
import type { ByteSink } from "./Push.ts"
import * as Effect from "effect/Effect"
import type * as Socket from "effect/socket/Socket"

/**
 * Records what a reader tells its subscriber.
 *
 * **Details**
 *
 * `log` has one word for each call, with runs of chunks as one: `["chunk", "end", "close"]` is an orderly end. `text`
 * is what arrived, unless `keepText` is `false`. `onBytes` and `onFin` are called with each chunk and at the end.
 *
 * @category models
 * @since 0.1.0
 */
export class ByteRecorder implements ByteSink {
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

  /** Waits until a condition holds. */
  until(condition: (self: ByteRecorder) => boolean): Effect.Effect<void> {
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

  /** Waits for the close. */
  get closed(): Effect.Effect<void> {
    return this.until((self) => self.log.includes("close"))
  }
}
