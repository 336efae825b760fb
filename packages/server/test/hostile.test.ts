/**
 * Peers that want the server's memory: each case has its outcome, and the memory of the server's process is measured.
 * The server runs in a child process over TCP; the peers speak bytes. A line for each case says what it took.
 *
 * `EFFECT_WS_SLOW=1` streams 2 GiB each way in place of 256 MiB.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Queue } from "effect"
import type { Scope } from "effect"
import { fork } from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import { close, frame, requestHead, text } from "@effect-ws/test-peers/RawPeer"

const MIB = 1 << 20
const streamed = process.env["EFFECT_WS_SLOW"] === "1" ? 2048 * MIB : 256 * MIB

interface Figures {
  readonly sent: number
  readonly received: number
  readonly closes: ReadonlyArray<string>
}

interface Server {
  readonly port: number
  /** Asks for the figures, which also means a turn of the server's event loop. */
  readonly figures: Effect.Effect<Figures>
  readonly go: Effect.Effect<Figures>
  readonly terminate: Effect.Effect<number | string | null>
  /** The bytes of memory that the process has taken at most. */
  readonly peak: () => number
  /** The same, less what it took when it had just started, or at the last {@link Server.rebase}. */
  readonly growth: () => number
  /** Measures from here on. */
  readonly rebase: () => void
}

const memory = (pid: number, field: "VmRSS" | "VmHWM"): number => {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(Fs.readFileSync(`/proc/${pid}/status`, "utf8"))
  return Number(line![1]) * 1024
}

const start = Effect.fnUntraced(function* (
  env: Readonly<Record<string, string>> = {}
): Effect.fn.Return<Server, never, Scope.Scope> {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      fork(new URL("support/hostileServer.ts", import.meta.url), { env: { ...process.env, ...env }, execArgv: [] })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  const messages = yield* Queue.unbounded<unknown>()
  const exited = yield* Deferred.make<number | string | null>()
  child.on("message", (message) => Queue.offerUnsafe(messages, message))
  child.on("exit", (code, signal) => Deferred.doneUnsafe(exited, Effect.succeed(code ?? signal)))
  const { port } = (yield* Queue.take(messages)) as { port: number }
  const pid = child.pid!
  const ask = (question: string): Effect.Effect<Figures> =>
    Effect.andThen(
      Effect.sync(() => child.send(question)),
      Effect.map(Queue.take(messages), (answer) => answer as Figures)
    )
  // What the first connection loads and compiles is no growth.
  yield* Effect.scoped(
    Effect.gen(function* () {
      const peer = yield* connect(port, "/echo")
      peer.socket.write(text("x".repeat(100_000)))
      yield* peer.frames(1)
    })
  )
  let before = memory(pid, "VmRSS")
  return {
    port,
    figures: ask("figures"),
    go: ask("go"),
    terminate: Effect.andThen(
      Effect.sync(() => child.kill("SIGTERM")),
      Deferred.await(exited)
    ),
    peak: () => memory(pid, "VmHWM"),
    growth: () => memory(pid, "VmHWM") - before,
    rebase: () => {
      // Sets the high-water mark to what is taken now.
      Fs.writeFileSync(`/proc/${pid}/clear_refs`, "5")
      before = memory(pid, "VmRSS")
    }
  }
})

/** A raw client: it reads frames only as far as it is asked to. */
class Peer {
  readonly socket: Net.Socket
  private buffer: Buffer = Buffer.alloc(0)
  private ended = false
  private wake: () => void = () => {}

  constructor(socket: Net.Socket) {
    this.socket = socket
    socket.on("data", (chunk: Buffer) => {
      this.buffer = this.buffer.length === 0 ? chunk : Buffer.concat([this.buffer, chunk])
      this.wake()
    })
    socket.on("error", () => {})
    socket.on("close", () => {
      this.ended = true
      this.wake()
    })
  }

  get hasAnswer(): boolean {
    return this.buffer.length > 0
  }

  /** Reads until `find` finds something; `undefined` at the end of the stream. */
  read<A>(
    find: (buffer: Buffer) => { readonly value: A; readonly length: number } | undefined
  ): Effect.Effect<A | undefined> {
    return Effect.callback((resume) => {
      const attempt = (): void => {
        const found = find(this.buffer)
        if (found === undefined && !this.ended) {
          this.socket.resume()
          return
        }
        this.wake = () => {}
        this.socket.pause()
        if (found !== undefined) this.buffer = this.buffer.subarray(found.length)
        resume(Effect.succeed(found?.value))
      }
      this.wake = attempt
      attempt()
    })
  }

  /** The next frames, each as its opcode and payload; fewer at the end of the stream. */
  frames(count: number): Effect.Effect<ReadonlyArray<{ readonly opcode: number; readonly payload: Buffer }>> {
    const frames: Array<{ opcode: number; payload: Buffer }> = []
    const one = this.read((buffer) => {
      if (buffer.length < 2) return undefined
      const short = buffer[1]! & 0x7f
      const head = short === 126 ? 4 : short === 127 ? 10 : 2
      if (buffer.length < head) return undefined
      const length = head === 2 ? short : head === 4 ? buffer.readUInt16BE(2) : Number(buffer.readBigUInt64BE(2))
      if (buffer.length < head + length) return undefined
      return {
        value: { opcode: buffer[0]! & 15, payload: Buffer.from(buffer.subarray(head, head + length)) },
        length: head + length
      }
    })
    return Effect.as(
      Effect.repeat(
        Effect.map(one, (frame) => {
          if (frame !== undefined) frames.push(frame)
          return frame === undefined || frames.length === count
        }),
        { until: (done) => done }
      ),
      frames
    )
  }

  /** Throws away what arrives, and counts it, until so many bytes have come. */
  skip(bytes: number): Effect.Effect<number> {
    let seen = 0
    return Effect.map(
      Effect.repeat(
        this.read((buffer) => (buffer.length === 0 ? undefined : { value: buffer.length, length: buffer.length })).pipe(
          Effect.map((length) => {
            seen += length ?? 0
            return length === undefined || seen >= bytes
          })
        ),
        { until: (done) => done }
      ),
      () => seen
    )
  }

  /**
   * Writes the same bytes again and again, as fast as the other end takes them, until it has gone or `enough` says so.
   */
  pump(bytes: Uint8Array, enough: (written: number) => boolean): Effect.Effect<number> {
    return Effect.callback((resume) => {
      const { socket } = this
      let written = 0
      const more = (): void => {
        while (!socket.destroyed && socket.writable && !enough(written)) {
          written++
          if (!socket.write(bytes)) return void socket.once("drain", more)
        }
        socket.off("close", more)
        resume(Effect.succeed(written))
      }
      socket.once("close", more)
      more()
    })
  }
}

const dial = (port: number): Effect.Effect<Peer, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Peer>((resume) => {
      const socket = Net.connect(port, "127.0.0.1")
      socket.setNoDelay(true)
      const peer = new Peer(socket)
      socket.once("connect", () => resume(Effect.succeed(peer)))
      socket.once("close", () => resume(Effect.succeed(peer)))
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )

const readHead = (peer: Peer): Effect.Effect<number | undefined> =>
  peer.read((buffer) => {
    const end = buffer.indexOf("\r\n\r\n")
    return end < 0 ? undefined : { value: Number(buffer.toString("latin1", 9, 12)), length: end + 4 }
  })

const connect = Effect.fnUntraced(function* (port: number, target: string) {
  const peer = yield* dial(port)
  peer.socket.write(requestHead({}, `GET ${target} HTTP/1.1`))
  assert.strictEqual(yield* readHead(peer), 101)
  return peer
})

/** Asks for the figures until one of them has stood still for a good many turns of the server. */
const standsStill = Effect.fnUntraced(function* (server: Server, figure: (figures: Figures) => number) {
  let last = -1
  for (let turns = 0; turns < 200; turns++) {
    const now = figure(yield* server.figures)
    if (now !== last) turns = 0
    last = now
  }
  return last
})

const closeCode = (payload: Buffer): number => payload.readUInt16BE(0)

const test = (
  name: string,
  maxGrowth: number,
  program: (server: Server) => Effect.Effect<string, unknown, Scope.Scope>,
  env?: Readonly<Record<string, string>>
): void => {
  it.live(
    name,
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const server = yield* start(env)
          const outcome = yield* program(server)
          const [peak, growth] = [server.peak(), server.growth()]
          const mib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`
          process.stdout.write(`hostile: ${name}: ${outcome}; peak ${mib(peak)}, growth ${mib(growth)}\n`)
          assert.isBelow(growth, maxGrowth, `the server grew by ${mib(growth)}`)
          // It still serves.
          const peer = yield* connect(server.port, "/echo")
          peer.socket.write(text("alive"))
          assert.deepStrictEqual(yield* peer.frames(1), [{ opcode: 1, payload: Buffer.from("alive") }])
        })
      ),
    process.env["EFFECT_WS_SLOW"] === "1" ? 120_000 : 20_000
  )
}

describe("a hostile peer", () => {
  test("that stops reading makes send wait", 24 * MIB, (server) =>
    Effect.gen(function* () {
      const peer = yield* connect(server.port, "/flood")
      const sent = yield* standsStill(server, (figures) => figures.sent)
      assert.isAbove(sent, 0)
      assert.isBelow(sent, 64 * MIB)
      // When it reads again, everything goes on.
      const read = yield* peer.skip(sent + 16 * MIB)
      assert.isAtLeast(read, sent + 16 * MIB)
      return `${(sent / MIB).toFixed(1)} MiB were sent until send waited`
    })
  )

  test("that writes to a handler which is stuck is not read any more", 96 * MIB, (server) =>
    Effect.gen(function* () {
      const peer = yield* connect(server.port, "/stuck")
      const message = frame({ opcode: 2, payload: Buffer.alloc(32 * 1024) })
      const count = 4096
      yield* Effect.forkScoped(peer.pump(message, (written) => written === count))
      const taken = (): number => peer.socket.bytesWritten - peer.socket.writableLength
      const stopped = yield* standsStill(server, taken)
      assert.isBelow(stopped, 32 * MIB)
      assert.isBelow(server.growth(), 24 * MIB)
      yield* server.go
      const received = yield* Effect.repeat(server.figures, {
        until: (figures) => figures.received === count * 32 * 1024
      })
      assert.strictEqual(received.received, count * 32 * 1024)
      return `${(stopped / MIB).toFixed(1)} MiB were taken off it while the handler was stuck, all ${(received.received / MIB).toFixed(0)} MiB afterwards`
    })
  )

  test("that sends endless empty messages to a handler which is stuck is not read any more", 24 * MIB, (server) =>
    Effect.gen(function* () {
      const peer = yield* connect(server.port, "/stuck")
      const messages = Buffer.concat(Array.from({ length: 1000 }, () => text("")))
      yield* Effect.forkScoped(peer.pump(messages, (written) => written === 10_000))
      const stopped = yield* standsStill(server, () => peer.socket.bytesWritten - peer.socket.writableLength)
      assert.isBelow(stopped, 32 * MIB)
      return `${(stopped / MIB).toFixed(1)} MiB of 57.2 were taken off it`
    })
  )

  test("that sends 2000 tiny messages in one segment gets 2000 answers, in order", 16 * MIB, (server) =>
    Effect.gen(function* () {
      const peer = yield* connect(server.port, "/echo")
      const expected = Array.from({ length: 2000 }, (_, n) => `${n}`)
      peer.socket.write(Buffer.concat(expected.map((payload) => text(payload))))
      const frames = yield* peer.frames(2000)
      assert.deepStrictEqual(
        frames.map(({ payload }) => payload.toString()),
        expected
      )
      return "2000 of 2000"
    })
  )

  for (const [what, payload] of [
    ["a million fragments of one byte", "x"],
    ["endless empty fragments", ""]
  ] as const) {
    test(`that sends ${what} is closed with 1008`, 24 * MIB, (server) =>
      Effect.gen(function* () {
        const peer = yield* connect(server.port, "/echo")
        peer.socket.write(text("x", { fin: false }))
        const fragments = Buffer.concat(Array.from({ length: 1000 }, () => frame({ opcode: 0, payload, fin: false })))
        yield* Effect.forkScoped(peer.pump(fragments, (written) => written === 1000))
        const [last] = yield* peer.frames(1)
        assert.deepStrictEqual([last?.opcode, closeCode(last!.payload)], [8, 1008])
        const { closes } = yield* Effect.repeat(server.figures, { until: (figures) => figures.closes.length > 1 })
        assert.strictEqual(closes.at(-1), "1008 TooManyFragments")
        return last!.payload.toString("utf8", 2)
      })
    )
  }

  test("that sends 100 000 pings and reads no pong gets the newest answered", 48 * MIB, (server) =>
    Effect.gen(function* () {
      const peer = yield* connect(server.port, "/echo")
      const count = 100_000
      const payload = (n: number): string => `${n}`.padStart(120, ".")
      for (let at = 0; at < count; at += 1000) {
        const pings = Buffer.concat(
          Array.from({ length: 1000 }, (_, n) => frame({ opcode: 9, payload: payload(at + n + 1) }))
        )
        yield* peer.pump(pings, (written) => written === 1)
      }
      // All of them are at the server when its system has taken them and its turns are over.
      yield* standsStill(server, () => peer.socket.bytesWritten - peer.socket.writableLength)
      assert.strictEqual(peer.socket.writableLength, 0)
      let answers = 0
      for (;;) {
        const [pong] = yield* peer.frames(1)
        answers++
        assert.strictEqual(pong?.opcode, 10)
        if (pong?.payload.toString() === payload(count)) break
      }
      assert.isBelow(answers, count)
      return `${answers} of ${count} answered, the newest last`
    })
  )

  test("that announces 1 GiB is closed with 1009 at once", 16 * MIB, (server) =>
    Effect.gen(function* () {
      const peer = yield* connect(server.port, "/echo")
      peer.socket.write(frame({ opcode: 2, announced: 1 << 30 }))
      const [last] = yield* peer.frames(1)
      assert.deepStrictEqual([last?.opcode, closeCode(last!.payload)], [8, 1009])
      return last!.payload.toString("utf8", 2)
    })
  )

  test("that leaves 10 000 handshakes half open gets 503 above the limit", 96 * MIB, (server) =>
    Effect.gen(function* () {
      const halfOpen: Array<Peer> = []
      yield* Effect.forEach(
        Array.from({ length: 10_000 }),
        () =>
          Effect.map(dial(server.port), (peer) => {
            halfOpen.push(peer)
            peer.socket.write("GET /echo HTTP/1.1\r\nHost: localhost\r\n")
          }),
        { concurrency: 256, discard: true }
      )
      // Those beyond the limit get their answer; the others get none.
      for (const { socket } of halfOpen) socket.resume()
      const refused = yield* standsStill(server, () => halfOpen.filter((peer) => peer.hasAnswer).length)
      assert.strictEqual(refused, 10_000 - 1024)
      for (const peer of halfOpen) if (peer.hasAnswer) assert.strictEqual(yield* readHead(peer), 503)
      for (const { socket } of halfOpen) socket.destroy()
      // Those that it waited for have gone: it serves again.
      const back = yield* Effect.repeat(
        Effect.scoped(
          Effect.flatMap(dial(server.port), (peer) => {
            peer.socket.write(requestHead({}, "GET /echo HTTP/1.1"))
            return readHead(peer)
          })
        ),
        { until: (status) => status === 101 }
      )
      assert.strictEqual(back, 101)
      return `${refused} refused with 503, ${10_000 - refused} waited for`
    })
  )
})

describe("a peer of the queue server", () => {
  test(
    "that writes and reads no answer is not read any more",
    96 * MIB,
    (server) =>
      Effect.gen(function* () {
        const peer = yield* connect(server.port, "/echo")
        const message = frame({ opcode: 2, payload: Buffer.alloc(32 * 1024) })
        const count = 2048
        yield* Effect.forkScoped(peer.pump(message, (written) => written === count))
        const taken = yield* standsStill(server, (figures) => figures.received)
        assert.isBelow(taken, 32 * MIB)
        assert.isBelow(server.growth(), 48 * MIB)
        const read = yield* peer.skip(count * 32 * 1024)
        assert.isAtLeast(read, count * 32 * 1024)
        return `${(taken / MIB).toFixed(1)} MiB of 64 were taken off it before it read`
      }),
    { SERVER: "queue" }
  )
})

describe("a server with 1000 busy connections", () => {
  it.live.each(["fiber", "queue"])(
    "answers every message that it accepted before it closes, and its process exits with 0: %s",
    (kind) =>
      Effect.scoped(
        Effect.gen(function* () {
          const server = yield* start({ SERVER: kind })
          const messages = Array.from({ length: 50 }, (_, n) => `${n}`)
          const peers = yield* Effect.forEach(Array.from({ length: 1000 }), () => connect(server.port, "/busy"), {
            concurrency: 20
          })
          for (const { socket } of peers) {
            socket.write(Buffer.concat([...messages.map((payload) => text(payload)), frame({ opcode: 9 })]))
          }
          // The pong says that all messages before the ping were accepted.
          for (const peer of peers) assert.deepStrictEqual((yield* peer.frames(1))[0]?.opcode, 10)
          const began = performance.now()
          const exit = yield* Effect.forkChild(server.terminate, { startImmediately: true })
          let answered = 0
          for (const peer of peers) {
            const frames = yield* peer.frames(51)
            assert.deepStrictEqual(
              frames.map(({ opcode, payload }) => (opcode === 8 ? `close ${closeCode(payload)}` : payload.toString())),
              [...messages, "close 1001"]
            )
            answered += frames.length - 1
            peer.socket.write(close(1001))
          }
          assert.strictEqual(yield* Fiber.join(exit), 0)
          const took = performance.now() - began
          assert.isBelow(took, 10_000)
          process.stdout.write(
            `hostile: drain of 1000 busy connections, ${kind} server: ${answered} of 50000 messages answered, exit 0 after ${took.toFixed(0)} ms\n`
          )
        })
      ),
    20_000
  )
})

describe("a message of any size", () => {
  const env = { MAX_MESSAGE_SIZE: `${4 * 1024 * MIB}` }

  // Node makes a buffer for each read and collects them some 64 MiB later, however much is read, and by which program:
  // a bare `node:net` server grows by 120 MiB here. So what is measured is growth with the size of the message: once
  // this much has passed, no more is taken for any length.
  const warm = Effect.fnUntraced(function* (server: Server) {
    const peer = yield* connect(server.port, "/sink")
    peer.socket.write(frame({ opcode: 2, announced: 128 * MIB }))
    yield* peer.pump(Buffer.alloc(MIB), (written) => written === 128)
    yield* peer.frames(1)
    const cold = server.growth()
    server.rebase()
    return `${(cold / MIB).toFixed(1)} MiB for the first 128 MiB`
  }, Effect.scoped)

  test(
    `of ${streamed / MIB} MiB in one frame is received by a streaming handler`,
    64 * MIB,
    (server) =>
      Effect.gen(function* () {
        const first = yield* warm(server)
        const peer = yield* connect(server.port, "/sink")
        const began = performance.now()
        peer.socket.write(frame({ opcode: 2, announced: streamed, masked: true }))
        yield* peer.pump(Buffer.alloc(MIB), (written) => written === streamed / MIB)
        const [answer] = yield* peer.frames(1)
        assert.strictEqual(answer?.payload.toString(), `${streamed}`)
        return `${((performance.now() - began) / 1000).toFixed(1)} s; ${first}`
      }),
    env
  )

  test(
    `of ${streamed / MIB} MiB in fragments is received by a streaming handler`,
    64 * MIB,
    (server) =>
      Effect.gen(function* () {
        const first = yield* warm(server)
        const peer = yield* connect(server.port, "/sink")
        const began = performance.now()
        peer.socket.write(frame({ opcode: 2, fin: false }))
        const fragment = frame({ opcode: 0, payload: Buffer.alloc(MIB), fin: false })
        yield* peer.pump(fragment, (written) => written === streamed / MIB)
        peer.socket.write(frame({ opcode: 0 }))
        const [answer] = yield* peer.frames(1)
        assert.strictEqual(answer?.payload.toString(), `${streamed}`)
        return `${((performance.now() - began) / 1000).toFixed(1)} s; ${first}`
      }),
    env
  )

  test(`of ${streamed / MIB} MiB is sent by a streaming handler`, 64 * MIB, (server) =>
    Effect.gen(function* () {
      const peer = yield* connect(server.port, `/source?${streamed}`)
      const began = performance.now()
      // Every fragment has a header of 10 bytes, and the last one, which is empty, one of 2.
      const expected = streamed + (streamed / 65_536) * 10 + 2
      const read = yield* peer.skip(expected)
      assert.isAtLeast(read, expected)
      return `${((performance.now() - began) / 1000).toFixed(1)} s`
    })
  )
})
