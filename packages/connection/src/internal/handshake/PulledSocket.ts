/**
 * Any Effect `Socket` behind the push contract: one fiber pulls and hands on, one takes what was written and waits for
 * the socket to take it. This is what makes a connection out of a socket that is not of our transports.
 */
import type { ByteSink, PeerInfo, PushReader, PushWriter } from "@effect-ws/transport/Push"
import { peerInfo, PeerTypeId, PushTypeId } from "@effect-ws/transport/Push"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Cause from "effect/Cause"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Socket from "effect/socket/Socket"
import { toBytes } from "@effect-ws/protocol/internal"

const HIGH_WATER_MARK = 64 * 1024

type ReadExit = Exit.Exit<void, Socket.SocketError>

export class PulledSocket implements PushReader, PushWriter {
  readonly [PushTypeId] = PushTypeId
  readonly pull: PushReader["pull"]
  readonly upgrade: PushReader["upgrade"]
  readonly write: PushWriter["write"]
  readonly writeAll: PushWriter["writeAll"]
  // The socket may keep what it is given as long as it likes.
  readonly retainsBuffers = true
  pendingBytes = 0

  private readonly reader: Socket.Reader
  private readonly context: Context.Context<never>
  private readonly flowing = Latch.makeUnsafe(true)
  private readonly writable = Latch.makeUnsafe(false)
  private queue: Array<Uint8Array> = []
  private sink: ByteSink | undefined = undefined
  private readFiber: Fiber.Fiber<void, Socket.SocketError> | undefined = undefined
  private writeFiber: Fiber.Fiber<void, Socket.SocketError> | undefined = undefined
  private isShut = false
  private isClosed = false
  private error: Socket.SocketError | undefined = undefined

  constructor(reader: Socket.Reader, writer: Socket.Writer, context: Context.Context<never>) {
    this.reader = reader
    this.context = context
    this.pull = reader.pull
    this.upgrade = reader.upgrade
    this.write = writer.write
    this.writeAll = writer.writeAll
    this.writeFiber = this.run(this.writeLoop, (exit) => {
      if (exit._tag === "Failure") this.close(exit)
    })
  }

  subscribe(sink: ByteSink): void {
    this.sink = sink
    this.flowing.openUnsafe()
    if (this.isClosed) sink.onClose(this.error)
    else this.readFiber ??= this.run(this.readLoop, (exit) => this.onReadEnd(exit))
  }

  /** Who is at the other end, where the socket's reader knows. */
  get [PeerTypeId](): PeerInfo | undefined {
    return peerInfo(this.reader)
  }

  pause(): void {
    this.flowing.closeUnsafe()
  }

  resume(): void {
    this.flowing.openUnsafe()
  }

  writeUnsafe(bytes: Uint8Array): boolean {
    if (this.isShut || this.isClosed) return false
    this.queue.push(bytes)
    this.pendingBytes += bytes.length
    this.writable.openUnsafe()
    return this.pendingBytes < HIGH_WATER_MARK
  }

  cork(): void {}

  uncork(): void {}

  shutdown(): void {
    this.isShut = true
    this.writable.openUnsafe()
  }

  destroy(): void {
    this.queue = []
    this.pendingBytes = 0
    // Only the writer can drop the socket before the Scope is closed.
    if (!this.isClosed) Effect.runForkWith(this.context)(Effect.ignore(this.write(new Socket.CloseEvent(1006))))
    this.close(undefined)
  }

  private run<E>(effect: Effect.Effect<void, E>, onExit: (exit: Exit.Exit<void, E>) => void): Fiber.Fiber<void, E> {
    const fiber = Effect.runForkWith(this.context)(effect)
    fiber.addObserver(onExit)
    return fiber
  }

  private get readLoop(): Effect.Effect<void, Socket.SocketError> {
    return this.flowing.whenOpen(this.pull).pipe(
      Effect.map((chunks) => {
        // Effect's contract does not give the bytes away, and the session writes to what it gets.
        for (const chunk of chunks)
          this.sink!.onChunk(typeof chunk === "string" ? toBytes(chunk) : new Uint8Array(chunk))
      }),
      Effect.forever({ disableYield: true })
    )
  }

  private get writeLoop(): Effect.Effect<void, Socket.SocketError> {
    const writeSome = Effect.suspend(() => {
      this.writable.closeUnsafe()
      const chunks = this.queue
      if (chunks.length === 0) return Effect.void
      this.queue = []
      const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
      return Effect.andThen(
        this.writeAll(chunks as unknown as NonEmptyReadonlyArray<Uint8Array>),
        Effect.sync(() => {
          this.pendingBytes -= bytes
          if (this.pendingBytes === 0 && !this.isShut) this.sink?.onDrain()
        })
      )
    })
    return this.writable.whenOpen(writeSome).pipe(
      Effect.repeat({ until: () => this.isShut && this.queue.length === 0 }),
      // Effect's contract has no half-close: closing is all that can be asked for.
      Effect.andThen(this.write(new Socket.CloseEvent(1000)))
    )
  }

  private onReadEnd(exit: ReadExit): void {
    if (this.isClosed) return
    const isEnd =
      exit._tag === "Failure" &&
      exit.cause.reasons.some(
        (reason) =>
          reason._tag === "Fail" && reason.error.reason._tag === "SocketCloseError" && reason.error.reason.code === 1000
      )
    if (isEnd) this.sink?.onEnd()
    this.close(isEnd ? undefined : exit)
  }

  private close(exit: ReadExit | undefined): void {
    if (this.isClosed) return
    this.isClosed = true
    const fibers = [this.readFiber, this.writeFiber].filter((fiber) => fiber !== undefined)
    Effect.runForkWith(this.context)(Fiber.interruptAll(fibers))
    const failure = exit !== undefined && exit._tag === "Failure" ? Cause.findFail(exit.cause) : undefined
    this.error = failure !== undefined && failure._tag === "Success" ? failure.success.error : undefined
    this.sink?.onClose(this.error)
  }
}
