/**
 * A connection over an open `WebSocket` of the browser. What arrives is put into a queue by the browser's events, and
 * taken from there by the program's fibers.
 */
import * as OneByOne from "@effect-ws/connection/OneByOne"
import * as CloseError from "@effect-ws/protocol/CloseError"
import * as Message from "@effect-ws/protocol/Message"
import { refuse } from "@effect-ws/protocol/internal"
import * as PreparedMessage from "@effect-ws/protocol/PreparedMessage"
import * as Utf8 from "@effect-ws/protocol/Utf8"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Stream from "effect/Stream"
import * as BrowserCloseCode from "../BrowserCloseCode.ts"
import { TypeId } from "../BrowserConnection.ts"
import type { BrowserCloseInfo, BrowserConnection } from "../BrowserConnection.ts"
import type { HeartbeatOptions } from "./HeartbeatOptions.ts"
import type { BrowserWebSocket } from "../BrowserWebSocket.ts"
import type { StreamSocket } from "./StreamSocket.ts"

interface Settings {
  readonly closeTimeout: Duration.Duration
  readonly receiveBufferSize: number
  readonly receiveHighWaterMark: number
  readonly writeHighWaterMark: number
  readonly heartbeat: HeartbeatOptions | undefined
}

const OPEN = 1

// A `WebSocket` has no event for it.
const pollInterval: Duration.Input = "10 millis"

export class OpenWebSocket implements BrowserConnection {
  readonly [TypeId] = TypeId
  readonly settings: Settings
  /** How many signs of life have arrived: messages, and turns to read on. */
  arrived = 0
  /** Whether reading waits for the program. */
  isPaused = false
  private readonly socket: BrowserWebSocket & Partial<Pick<StreamSocket, "drained" | "pause" | "resume">>
  // The numbers of heartbeats sent and answered, and the fibers that wait for an answer.
  private asked = 0
  private answered = 0
  private readonly proofs: Array<{ readonly answers: number; readonly proof: Deferred.Deferred<void> }> = []
  private readonly queue: Queue.Queue<Message.Message, CloseError.CloseError>
  private readonly end = Deferred.makeUnsafe<BrowserCloseInfo>()
  private inbound = 0
  private isClosing = false
  private info: BrowserCloseInfo | undefined = undefined

  constructor(
    socket: BrowserWebSocket,
    settings: Settings,
    queue: Queue.Queue<Message.Message, CloseError.CloseError>
  ) {
    this.socket = socket
    this.queue = queue
    this.settings = settings
    socket.addEventListener("message", ({ data }: { readonly data: string | ArrayBuffer }) =>
      this.onMessage(typeof data === "string" ? Message.text(data) : Message.binary(new Uint8Array(data)))
    )
    socket.addEventListener("close", ({ code, reason, wasClean }: CloseEventLike) =>
      this.onEnd({
        initiator: this.isClosing ? "local" : wasClean ? "remote" : "transport",
        clean: wasClean,
        error: CloseError.fromCode(code, reason)
      })
    )
  }

  get url(): string {
    return this.socket.url
  }
  get subprotocol(): string | undefined {
    return this.socket.protocol === "" ? undefined : this.socket.protocol
  }
  get buffered(): { readonly inbound: number; readonly outbound: number } {
    return { inbound: this.inbound, outbound: this.socket.bufferedAmount }
  }

  // -- what arrives ---------------------------------------------------------------------------------------------------

  private onMessage(message: Message.Message): void {
    this.arrived++
    const { heartbeat, receiveBufferSize, receiveHighWaterMark } = this.settings
    if (heartbeat?.isAnswer?.(message) === true) return this.onAnswer()
    if (this.isClosing) return
    const size = sizeOf(message)
    const mayPause = this.socket.pause !== undefined
    if ((mayPause ? size : this.inbound + size) > receiveBufferSize) {
      return this.beginClose(4008, `more than ${receiveBufferSize} bytes wait for the program`)
    }
    this.inbound += size
    if (mayPause && this.inbound > receiveHighWaterMark) {
      this.isPaused = true
      this.socket.pause!()
    }
    Queue.offerUnsafe(this.queue, message)
  }

  private onAnswer(): void {
    this.answered++
    while (this.proofs.length > 0 && this.proofs[0]!.answers <= this.answered) {
      Deferred.doneUnsafe(this.proofs.shift()!.proof, Effect.void)
    }
  }

  private onEnd(info: BrowserCloseInfo): void {
    if (this.info !== undefined) return
    this.info = info
    this.isClosing = true
    Queue.failCauseUnsafe(this.queue, Cause.fail(info.error))
    Deferred.doneUnsafe(this.end, Effect.succeed(info))
  }

  get receive(): Effect.Effect<Message.Message, CloseError.CloseError> {
    return Effect.map(Queue.take(this.queue), (message) => {
      this.inbound -= sizeOf(message)
      if (this.isPaused && this.inbound <= this.settings.receiveHighWaterMark) {
        this.isPaused = false
        this.arrived++
        this.socket.resume!()
      }
      return message
    })
  }

  get messages(): Stream.Stream<Message.Message, CloseError.CloseError> {
    return OneByOne.stream(
      Effect.catch(this.receive, (error): Effect.Effect<never, CloseError.CloseError | Cause.Done> =>
        CloseError.isNormalClose(error) ? Cause.done() : Effect.fail(error)
      )
    )
  }

  // -- what is sent ---------------------------------------------------------------------------------------------------

  send(data: string | Uint8Array | Message.Message): Effect.Effect<void, CloseError.CloseError> {
    return Effect.suspend(() => {
      if (this.socket.readyState !== OPEN) return this.ended
      const content = PreparedMessage.contentOf(data)
      if (typeof content === "string") this.socket.send(content)
      else if (content instanceof Uint8Array) this.socket.send(content as Uint8Array<ArrayBuffer>)
      else refuse(content)
      return this.below(this.settings.writeHighWaterMark)
    })
  }

  get flushed(): Effect.Effect<void, CloseError.CloseError> {
    return this.below(0)
  }

  /** Sends a heartbeat. */
  get ask(): Effect.Effect<void, CloseError.CloseError> {
    return Effect.suspend(() => {
      this.asked++
      return this.send(this.settings.heartbeat!.message)
    })
  }

  /**
   * Waits for a proof that what was sent has arrived, which is the answer to a heartbeat; without heartbeats that have
   * answers, only until the browser has handed everything to the system.
   */
  get received(): Effect.Effect<void, CloseError.CloseError> {
    return Effect.suspend(() => {
      if (this.settings.heartbeat?.isAnswer === undefined) return this.flushed
      const proof = Deferred.makeUnsafe<void>()
      this.proofs.push({ answers: this.asked + 1, proof })
      return Effect.andThen(this.ask, Deferred.await(proof))
    })
  }

  // Waits until no more bytes than that wait for the network.
  private below(limit: number): Effect.Effect<void, CloseError.CloseError> {
    return Effect.suspend(() => {
      if (this.socket.bufferedAmount <= limit) return Effect.void
      if (this.info !== undefined) return Effect.fail(this.info.error)
      return Effect.andThen(this.socket.drained ?? Effect.sleep(pollInterval), this.below(limit))
    })
  }

  // What can still be said once nothing can be sent: the close that is under way is one of ours, or it has been told.
  private get ended(): Effect.Effect<never, CloseError.CloseError> {
    return Effect.fail(this.info?.error ?? new CloseError.NormalClosure())
  }

  // -- the end --------------------------------------------------------------------------------------------------------

  close(code: BrowserCloseCode.BrowserCloseCode = 1000, reason = ""): Effect.Effect<BrowserCloseInfo> {
    return Effect.suspend(() => {
      const sendable = BrowserCloseCode.toBrowser(code)
      if (sendable === undefined) return Effect.die(new RangeError(`close code ${String(code)} may not be sent`))
      this.beginClose(sendable, reason)
      return Effect.timeoutOrElse(this.closed, {
        duration: this.settings.closeTimeout,
        orElse: () => {
          this.onEnd({ initiator: "local", clean: false, error: CloseError.fromCode(1006, "the peer did not answer") })
          return this.closed
        }
      })
    })
  }

  get closed(): Effect.Effect<BrowserCloseInfo> {
    return Deferred.await(this.end)
  }

  private beginClose(code: BrowserCloseCode.BrowserCloseCode, reason: string): void {
    if (this.isClosing || this.socket.readyState !== OPEN) return
    this.isClosing = true
    this.socket.close(code, Utf8.truncate(reason, CloseError.maxReasonBytes))
  }
}

interface CloseEventLike {
  readonly code: number
  readonly reason: string
  readonly wasClean: boolean
}

// A text is counted as it is held, not as it came.
const sizeOf = (message: Message.Message): number => message.data.length * (message._tag === "Text" ? 2 : 1)
