import { Session } from "@effect-ws/protocol/Session"
import type { SessionOptions } from "@effect-ws/protocol/Session"
import type { Message } from "@effect-ws/protocol/Message"
import type * as CloseError from "@effect-ws/protocol/CloseError"
import { Clock, Effect } from "effect"
import type { Context } from "effect"
import { Budget } from "../../src/Budget.ts"
import * as ConnectionOptions from "../../src/ConnectionOptions.ts"
import type { Environment } from "../../src/internal/ConnectionParts.ts"
import { Receiver } from "../../src/internal/receive/Receiver.ts"
import type { ReceiverHost } from "../../src/internal/receive/Receiver.ts"
import { Sender } from "../../src/internal/send/Sender.ts"
import type { SenderHost } from "../../src/internal/send/Sender.ts"
import { StubSocket } from "./StubSocket.ts"

type HostOptions = ConnectionOptions.ConnectionOptions & Partial<Pick<SessionOptions, "extensions" | "role">>

/** A connection as its receiver and its sender see it: it notes what they ask of it, and does nothing by itself. */
export class FakeHost implements SenderHost, ReceiverHost {
  readonly id = 1
  /** What the parts asked for, in order. */
  readonly calls: Array<string> = []
  readonly defects: Array<unknown> = []
  readonly written: Array<Message["data"]> = []
  readonly reader = new StubSocket()
  readonly session: Session
  readonly environment: Environment
  readonly sender: Sender
  readonly receiver: Receiver
  isFinished = false
  isDetached = false
  isBusy = false
  isDraining = false
  sendWaits = true
  idleTicks = 0

  private constructor(environment: Environment, options: HostOptions) {
    this.environment = environment
    this.session = new Session({
      role: options.role ?? "server",
      maskingKey: () => 0,
      limits: options,
      extensions: options.extensions
    })
    this.sender = new Sender(this, this.reader, undefined)
    this.receiver = new Receiver(this)
    this.reader.subscribe({
      onChunk: () => {},
      onDrain: () => this.sender.onDrain(),
      onEnd: () => {},
      onClose: () => {}
    })
  }

  static make(options: HostOptions = {}): Effect.Effect<FakeHost> {
    return Effect.gen(function* () {
      const context: Context.Context<never> = yield* Effect.context<never>()
      const settings = ConnectionOptions.settings({ keepalive: false, ...options }, yield* Clock.Clock)
      return new FakeHost({ settings, context, logsDebug: false, budget: new Budget() }, options)
    })
  }

  /** Ends the connection as `ConnectionCore` does. */
  finish(): void {
    this.session.abort("the test ends it")
    this.isFinished = true
    this.sender.wakeAll()
    this.receiver.wake()
  }

  /** Takes what was asked for so far. */
  get asked(): ReadonlyArray<string> {
    return this.calls.splice(0)
  }

  advance(): void {
    this.calls.push("advance")
  }
  advanceAfterTurn(): void {
    this.calls.push("advanceAfterTurn")
  }
  fail(error: CloseError.SendableCloseError): void {
    this.calls.push(`fail ${error._tag}`)
  }
  abortNow(why: string): void {
    this.calls.push("abortNow")
    this.session.abort(why)
  }
  onDefect(defect: unknown): void {
    this.calls.push("onDefect")
    this.defects.push(defect)
    this.session.abort("a defect")
  }
  onWritten(messages: ReadonlyArray<Message>): void {
    this.written.push(...messages.map(({ data }) => data))
  }
  onClosed(): () => void {
    return () => {}
  }
  closeDrained(): void {
    this.calls.push("closeDrained")
  }
  onEvents(): void {}
  updateBudget(): void {
    this.calls.push("updateBudget")
  }
}
