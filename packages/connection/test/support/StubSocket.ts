import { Session } from "@effect-ws/protocol/Session"
import type { SessionOptions } from "@effect-ws/protocol/Session"
import type { UpgradeRequest } from "@effect-ws/protocol/ServerHandshake"
import type { ByteSink, PushReader, PushWriter } from "@effect-ws/transport/Push"
import { PushTypeId } from "@effect-ws/transport/Push"
import type { Context, Scope } from "effect"
import { Clock, Effect } from "effect"
import { Socket } from "effect/socket"
import { Budget } from "../../src/Budget.ts"
import * as ConnectionOptions from "../../src/ConnectionOptions.ts"
import { ConnectionImpl } from "../../src/internal/ConnectionImpl.ts"
import { ConnectionMetrics } from "../../src/internal/telemetry/ConnectionMetrics.ts"
import type { ConnectionObserver } from "../../src/ServerObserver.ts"

/** A socket whose every move the test makes: what arrives, how much is taken, when it drains. */
export class StubSocket implements PushReader, PushWriter {
  readonly [PushTypeId] = PushTypeId
  readonly pull = Effect.die("a connection subscribes")
  readonly upgrade = () => Effect.die("no TLS here")
  readonly write = () => Effect.die("a connection pushes")
  readonly writeAll = () => Effect.die("a connection pushes")
  ownsMemory = false
  /** What was written, write by write. */
  readonly written: Array<Uint8Array> = []
  /** What the next writes say: whether the writer is below its high-water mark. */
  accepts = true
  /** Whether the system takes what is written, so that nothing is pending. */
  takes = true
  pendingBytes = 0

  get retainsBuffers(): boolean {
    return this.pendingBytes > 0
  }
  isPaused = false
  isShut = false
  isDestroyed = false
  private sink: ByteSink | undefined = undefined

  /** As any reader does, it starts out flowing, whatever was asked for before. */
  subscribe(sink: ByteSink): void {
    this.sink = sink
    this.isPaused = false
  }
  pause(): void {
    this.isPaused = true
  }
  resume(): void {
    this.isPaused = false
  }
  writeUnsafe(bytes: Uint8Array): boolean {
    this.written.push(new Uint8Array(bytes))
    if (!this.takes || !this.accepts) this.pendingBytes += bytes.length
    return this.accepts && this.pendingBytes < 65_536
  }
  cork(): void {}
  uncork(): void {}
  shutdown(): void {
    this.isShut = true
  }
  destroy(): void {
    this.isDestroyed = true
  }

  /** The peer sends bytes. */
  receive(...bytes: ReadonlyArray<number | Uint8Array>): void {
    this.receiveChunk(Uint8Array.from(bytes.flatMap((part) => (typeof part === "number" ? [part] : [...part]))))
  }
  /** The peer sends bytes that arrive in this very memory. */
  receiveChunk(chunk: Uint8Array): void {
    this.sink!.onChunk(chunk)
  }
  /** The peer ends its stream. */
  end(): void {
    this.sink!.onEnd()
  }
  /** Everything that was written has left. */
  drain(): void {
    this.accepts = true
    this.pendingBytes = 0
    this.sink!.onDrain()
  }

  /** The opcodes of the frames that were written, in order. */
  get opcodes(): ReadonlyArray<number> {
    const bytes = Buffer.concat(this.written)
    const opcodes: Array<number> = []
    for (let at = 0; at < bytes.length;) {
      opcodes.push(bytes[at]! & 0x0f)
      const isMasked = (bytes[at + 1]! & 0x80) !== 0
      const short = bytes[at + 1]! & 0x7f
      const [header, length] =
        short === 126
          ? [4, bytes.readUInt16BE(at + 2)]
          : short === 127
            ? [10, Number(bytes.readBigUInt64BE(at + 2))]
            : [2, short]
      at += header + (isMasked ? 4 : 0) + length
    }
    return opcodes
  }
}

const request: UpgradeRequest = {
  version: "HTTP/1.1",
  target: "/",
  path: "/",
  query: "",
  host: "localhost",
  origin: undefined,
  key: "dGhlIHNhbXBsZSBub25jZQ==",
  subprotocols: [],
  extensions: [],
  headers: [],
  secure: undefined
}

export interface OpenOptions
  extends ConnectionOptions.ConnectionOptions, Partial<Pick<SessionOptions, "extensions" | "maskingKey" | "role">> {
  readonly budget?: Budget | undefined
  readonly observer?: Partial<ConnectionObserver> | undefined
}

const nothing = (): void => undefined

const meterOf = (observer: Partial<ConnectionObserver>, context: Context.Context<never>): ConnectionMetrics =>
  new ConnectionMetrics(undefined, undefined, { logAnnotations: false, messageSpans: false }, context, {
    opened: () => ({
      arrived: nothing,
      received: nothing,
      sent: nothing,
      written: nothing,
      closed: nothing,
      ...observer
    }),
    refused: nothing,
    started: () => nothing
  })

/** An end of a connection over a stub: the server's, unless told otherwise. `early` came behind the handshake. */
export const open = Effect.fnUntraced(function* (
  options: OpenOptions = {},
  early: ReadonlyArray<Uint8Array> = []
): Effect.fn.Return<{ readonly connection: ConnectionImpl; readonly socket: StubSocket }, never, Scope.Scope> {
  const context = (yield* Effect.context<Scope.Scope>()) as Context.Context<never>
  const socket = new StubSocket()
  const settings = ConnectionOptions.settings(options, yield* Clock.Clock)
  const budget = options.budget ?? new Budget()
  const meter = options.observer === undefined ? undefined : meterOf(options.observer, context)
  const connection = new ConnectionImpl(
    {
      environment: { settings, context, logsDebug: false, budget },
      session: new Session({
        role: options.role ?? "server",
        maskingKey: options.maskingKey ?? (() => 0),
        limits: options,
        extensions: options.extensions
      }),
      socket: Socket.make({ reader: Effect.succeed(socket), writer: Effect.succeed(socket) }),
      reader: socket,
      writer: socket,
      request,
      subprotocol: undefined,
      extensions: []
    },
    meter
  )
  meter?.observe(connection)
  connection.start(early)
  yield* Effect.addFinalizer(() => Effect.sync(() => connection.release()))
  return { connection, socket }
})

/** A client's frame with a mask of zeros. */
export const frame = (first: number, payload: Uint8Array | string = ""): Uint8Array => {
  const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload
  if (bytes.length > 65_535) throw new Error("too long for a test's frame")
  const length = bytes.length < 126 ? [0x80 | bytes.length] : [0xfe, bytes.length >> 8, bytes.length & 0xff]
  return Uint8Array.from([first, ...length, 0, 0, 0, 0, ...bytes])
}
