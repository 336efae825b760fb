/**
 * Replays a recording against a handler, in memory and under `TestClock`: what the peer sent is sent again, frame by
 * frame and with the times between, and what the handler answers is compared with what the server answered then. A bug
 * report becomes a test.
 *
 * @since 0.1.0
 */
import * as Connect from "@effect-ws/connection/Connect"
import type { Connection } from "@effect-ws/connection/Connection"
import * as CloseFrame from "@effect-ws/protocol/CloseFrame"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import * as Opcode from "@effect-ws/protocol/Opcode"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import type { Program } from "@effect-ws/server/Handlers"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { Dialer } from "@effect-ws/transport/Dialer"
import * as Memory from "@effect-ws/transport/Memory"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { redacted } from "./internal/redact.ts"
import { replayed, stepsOf } from "./internal/replaySteps.ts"
import type { Step } from "./internal/replaySteps.ts"
import type { Recording } from "./Recording.ts"

/**
 * Options of a replay, in addition to those of the server.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReplayOptions<RD = never> extends WebSocketServer.ServerOptions<RD> {
  /** Header fields of the request, in place of those that the recording has redacted. Default: none. */
  readonly headers?: Connect.ConnectOptions["headers"]
  /** Whether to replay a recording that lacks the first frames of its connection. Default: false. */
  readonly partial?: boolean | undefined
  /**
   * Lets time pass. Default: `TestClock.adjust`, so the test runs under `TestClock`; `Effect.sleep` replays in real
   * time.
   */
  readonly advance?: ((duration: Duration.Duration) => Effect.Effect<void>) | undefined
}

/**
 * A message of the server.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReplayedMessage {
  /** Milliseconds since the connection opened. */
  readonly at: number
  readonly data: string | Uint8Array
}

/**
 * What came of a replay.
 *
 * @category models
 * @since 0.1.0
 */
export interface Replayed {
  /** The messages that the server sent then. */
  readonly recorded: ReadonlyArray<ReplayedMessage>
  /** The messages that it sends now. */
  readonly sent: ReadonlyArray<ReplayedMessage>
  /** How the connection ended, as the client saw it; `undefined` where it is still open. */
  readonly closed: CloseInfo | undefined
  /** What is different, a line each: messages, and the close code. Times are not compared. */
  readonly differences: ReadonlyArray<string>
}

/**
 * A recording that cannot be replayed.
 *
 * @category errors
 * @since 0.1.0
 */
export class ReplayError extends Schema.TaggedError<ReplayError>("@effect-ws/inspector/ReplayError")("ReplayError", {
  reason: Schema.String
}) {
  override get message(): string {
    return `cannot replay the recording: ${this.reason}`
  }
}

/**
 * Replays a recording against a program for a server.
 *
 * **Details**
 *
 * The server runs on a network of its own, in memory. Compressed messages are replayed as what they say, not
 * compressed. Frames that broke a rule are sent as they were.
 *
 * **Example** (A test)
 *
 * ```ts skip-type-checking
 * it.effect("does what it did", () =>
 *   Effect.gen(function* () {
 *     const recording = yield* Recording.parse(readFileSync("connection-42.jsonl", "utf8"))
 *     const { differences } = yield* Replay.run(recording, handler)
 *     assert.deepStrictEqual(differences, [])
 *   })
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const run = <E, R, RD = never>(
  recording: Recording,
  program: Program<E, R>,
  options: ReplayOptions<RD> = {}
): Effect.Effect<Replayed, ReplayError, Exclude<R | RD, WebSocketServer.Provided>> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { advance = TestClock.adjust, partial = false } = options
      const steps = stepsOf(recording)
      if (Result.isFailure(steps)) return yield* new ReplayError({ reason: steps.failure })
      if (recording.opening.missing !== "none" && !partial) {
        return yield* new ReplayError({
          reason: 'its first frames are missing (record with frames: "all", or set partial)'
        })
      }
      const network = yield* Layer.build(Layer.fresh(Memory.layer({ port: 80 })))
      const { address } = yield* Effect.provideContext(
        WebSocketServer.make(program, { origins: "any", ...options }),
        network as never
      ) as Effect.Effect<WebSocketServer.WebSocketServer["Service"]>
      const client = yield* connect(recording, options, address).pipe(Effect.provideContext(network))
      const clock = yield* Clock.Clock
      const begin = clock.currentTimeMillisUnsafe()
      const now = (): number => clock.currentTimeMillisUnsafe() - begin
      const sent: Array<ReplayedMessage> = []
      yield* Effect.forkScoped(
        Effect.ignore(
          Stream.runForEach(client.messages, ({ data }) =>
            Effect.sync(() => void sent.push({ at: now(), data: typeof data === "string" ? data : data.slice() }))
          )
        )
      )
      yield* settle
      for (const step of steps.success) {
        const wait = step.at - now()
        if (wait > 0) yield* advance(Duration.millis(wait))
        yield* take(client, step)
        yield* settle
      }
      const recorded = replayed(recording)
      const { closeInfo } = client
      return { recorded, sent, closed: closeInfo, differences: compare(recording, recorded, sent, closeInfo) }
    })
  ) as Effect.Effect<Replayed, ReplayError, Exclude<R | RD, WebSocketServer.Provided>>

// What the fields of the handshake itself say is up to the client.
const ofHandshake = /^(?:host|connection|upgrade|origin|sec-websocket-.*)$/i

const connect = Effect.fnUntraced(function* (
  { opening }: Recording,
  options: Pick<ReplayOptions, "headers">,
  address: WebSocketServer.WebSocketServer["Service"]["address"]
) {
  const headers = HeaderFields.fromInput(options.headers)
  const given = new Set(headers.map(({ name }) => name.toLowerCase()))
  const kept = opening.headers.flatMap(([name, value]) =>
    ofHandshake.test(name) || value === redacted || given.has(name.toLowerCase()) ? [] : [{ name, value }]
  )
  const socket = yield* (yield* Dialer).dial(address)
  const subprotocols = opening.subprotocol === undefined ? [] : [opening.subprotocol]
  return yield* Effect.mapError(
    Connect.connect(socket, `ws://replay.test${opening.path}`, { headers: [...kept, ...headers], subprotocols }),
    (error) => new ReplayError({ reason: `the server refuses the connection: ${error.message}` })
  )
})

const take = (client: Connection, step: Step): Effect.Effect<unknown> => {
  switch (step._tag) {
    case "Message":
      return Effect.ignore(client.send(step.data))
    case "Frame":
      return Effect.ignore(client.sendFrame(step.frame, { unchecked: step.violates }))
    case "Abort":
      return client.abort("the recorded connection broke off")
    case "Wait":
      return Effect.void
  }
}

// Lets everything happen that needs no time: a handler that does no I/O has answered then.
const settle: Effect.Effect<void> = Effect.callback((resume) => {
  let turns = TURNS
  const turn = (): void => {
    if (--turns === 0) resume(Effect.void)
    else setImmediate(turn)
  }
  turn()
})

const TURNS = 20

const compare = (
  { closing, frames }: Recording,
  recorded: ReadonlyArray<ReplayedMessage>,
  sent: ReadonlyArray<ReplayedMessage>,
  closed: CloseInfo | undefined
): ReadonlyArray<string> => {
  const differences: Array<string> = []
  for (let at = 0; at < Math.max(recorded.length, sent.length); at++) {
    const [then, now] = [show(recorded[at]?.data), show(sent[at]?.data)]
    if (then !== now) differences.push(`message ${at + 1}: recorded ${then}, replayed ${now}`)
  }
  // The close as the peer saw it: the server's own code, or what it answered with.
  const then = closeOf(frames) ?? (closing === undefined ? "open" : "no close frame")
  const now = closed === undefined ? "open" : codeOf(closed.received?.code, closed.received !== undefined)
  if (then !== now && closing?.closed.initiator !== "transport") {
    differences.push(`close: recorded ${then}, replayed ${now}`)
  }
  return differences
}

const closeOf = (frames: Recording["frames"]): string | undefined => {
  const close = frames.findLast(({ from, opcode }) => from === "server" && opcode === Opcode.Close)
  if (close === undefined) return undefined
  const decoded = CloseFrame.decode(Buffer.from(close.base64 ?? "", "base64"))
  return Result.isSuccess(decoded) ? codeOf(decoded.success.code, true) : "invalid"
}

const codeOf = (code: number | undefined, hasFrame: boolean): string =>
  hasFrame ? String(code ?? "no code") : "no close frame"

const show = (data: string | Uint8Array | undefined): string =>
  data === undefined
    ? "nothing"
    : typeof data === "string"
      ? JSON.stringify(data)
      : `0x${Buffer.from(data).toString("hex")}`
