/**
 * The drain of a server in the middle of its work: a thousand connections, each of which sends without a pause, and a
 * process that is told to end.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Scope } from "effect"
import * as Net from "node:net"
import * as ServeProcess from "../support/ServeProcess.ts"

const CONNECTIONS = 1000
const MESSAGES = 5

/** A client's frame, under a mask of zeros, which leaves the payload as it is. */
const frame = (opcode: number, payload: string): Buffer => {
  const bytes = Buffer.alloc(6 + payload.length)
  bytes[0] = 0x80 | opcode
  bytes[1] = 0x80 | payload.length
  bytes.write(payload, 6, "latin1")
  return bytes
}

/**
 * Sends numbers and after some of them a ping, as fast as they are answered: two rounds are on their way at any time. A
 * pong proves that the server has accepted what was sent before its ping.
 */
class Talker {
  /** How many messages were answered, in order. */
  answered = 0
  /** How many the server has accepted at least. */
  accepted = 0
  closeCode: number | undefined = undefined
  /** What is wrong with what it got, if anything is. */
  wrong: string | undefined = undefined
  private sent = 0
  private buffer: Buffer = Buffer.alloc(0)
  private readonly socket: Net.Socket

  constructor(socket: Net.Socket, onOpen: () => void, onEnd: () => void) {
    this.socket = socket
    socket.setNoDelay(true)
    let head = ""
    const onHead = (chunk: Buffer): void => {
      head += chunk.toString("latin1")
      if (!head.endsWith("\r\n\r\n")) return
      socket.off("data", onHead)
      if (!head.startsWith("HTTP/1.1 101 ")) this.wrong = head
      socket.on("data", (more: Buffer) => this.read(more))
      onOpen()
    }
    socket.on("data", onHead)
    socket.on("error", (error) => (this.wrong ??= error.message))
    socket.once("close", onEnd)
    socket.write(
      "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
  }

  begin(): void {
    this.round()
    this.round()
  }

  private round(): void {
    const frames: Array<Buffer> = []
    for (let n = 0; n < MESSAGES; n++) frames.push(frame(1, `${this.sent++}`))
    frames.push(frame(9, `${this.sent}`))
    this.socket.write(Buffer.concat(frames))
  }

  private read(chunk: Buffer): void {
    this.buffer = this.buffer.length === 0 ? chunk : Buffer.concat([this.buffer, chunk])
    while (this.buffer.length >= 2 && this.buffer.length >= 2 + this.buffer[1]!) {
      const payload = this.buffer.toString("latin1", 2, 2 + this.buffer[1]!)
      const opcode = this.buffer[0]! & 15
      if (opcode === 8) this.onClose(this.buffer.readUInt16BE(2))
      else if (opcode === 10) this.onPong(Number(payload))
      else if (payload === `${this.answered}`) this.answered++
      else this.wrong ??= `message ${payload} where ${this.answered} was expected`
      this.buffer = this.buffer.subarray(2 + this.buffer[1]!)
    }
  }

  private onPong(count: number): void {
    this.accepted = count
    if (this.closeCode === undefined) this.round()
  }

  private onClose(code: number): void {
    this.closeCode = code
    this.socket.end(frame(8, String.fromCharCode(code >> 8, code & 0xff)))
  }
}

/** A talker, and the end of it. */
const talk = (
  port: number
): Effect.Effect<{ readonly talker: Talker; readonly end: Promise<void> }, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly talker: Talker; readonly end: Promise<void>; readonly socket: Net.Socket }>(
        (resume) => {
          const socket = Net.connect(port, "127.0.0.1")
          let onEnd = (): void => {}
          const end = new Promise<void>((resolve) => (onEnd = resolve))
          const talker: Talker = new Talker(socket, () => resume(Effect.succeed({ talker, end, socket })), onEnd)
        }
      ),
      ({ socket }) => Effect.sync(() => socket.destroy())
    ),
    ({ end, talker }) => ({ talker, end })
  )

describe("serve, told to end while a thousand connections send", { timeout: 60_000 }, () => {
  it.live.each(["fiber", "queue"])("answers all that it has accepted, closes with 1001, and ends in time: %s", (kind) =>
    Effect.gen(function* () {
      const server = yield* ServeProcess.serve("--port", "0", "--server", kind, "--drain", "20", "--log-level", "info")
      const talkers = yield* Effect.forEach(Array.from({ length: CONNECTIONS }), () => talk(server.port), {
        concurrency: 50
      })
      for (const { talker } of talkers) talker.begin()
      // All of them are in the middle of it.
      yield* Effect.sleep("500 millis")
      const before = talkers.reduce((sum, { talker }) => sum + talker.answered, 0)
      const began = performance.now()
      yield* server.signal("SIGTERM")
      const { code, stderr } = yield* server.ended
      const took = performance.now() - began
      yield* Effect.promise(() => Promise.all(talkers.map(({ end }) => end)))

      assert.strictEqual(code, 0, stderr)
      assert.include(stderr, `Draining ${CONNECTIONS} connections`)
      assert.isBelow(took, 20_000)
      const wrong = talkers.map(({ talker }) => talker.wrong).filter((what) => what !== undefined)
      assert.deepStrictEqual(wrong, [])
      const codes = new Set(talkers.map(({ talker }) => talker.closeCode))
      assert.deepStrictEqual([...codes], [1001])
      const missing = talkers.filter(({ talker }) => talker.answered < talker.accepted)
      assert.strictEqual(missing.length, 0)
      const answered = talkers.reduce((sum, { talker }) => sum + talker.answered, 0)
      assert.isAtLeast(answered, before)
      process.stdout.write(
        `drain: ${CONNECTIONS} sending connections, ${kind} server: ${answered} messages answered, ` +
          `${answered - before} of them after the signal, exit ${code} after ${took.toFixed(0)} ms\n`
      )
    }).pipe(Effect.scoped)
  )
})
