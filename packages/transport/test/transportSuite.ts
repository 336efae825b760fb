import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Layer, Queue, Scope } from "effect"
import { Socket, SocketServer } from "effect/socket"
import { runInNewContext } from "node:vm"
import type { DialAddress } from "../src/Dialer.ts"
import { Dialer } from "../src/Dialer.ts"
import type { PushReader, PushSocket, PushWriter } from "../src/Push.ts"
import { free, isPushReader, isPushSocket, isPushWriter, peerInfo } from "../src/Push.ts"
import { PushSocketServer } from "../src/PushSocketServer.ts"
import { Recorder } from "./Recorder.ts"

type Services = SocketServer.SocketServer | PushSocketServer | Dialer

export interface TransportCase<R = never> {
  readonly name: string
  /** A server on a free address, and a dialer that reaches it. */
  readonly layer: Layer.Layer<Services | R, SocketServer.SocketServerError>
  /** A server on a given address: the one that `layer`'s server reports. */
  readonly listenAgain: (
    address: DialAddress
  ) => Layer.Layer<SocketServer.SocketServer, SocketServer.SocketServerError, Services | R>
  readonly unused: DialAddress
  /** Whether a reset reaches the peer as a reset. */
  readonly resets: boolean
  /** Whether sockets push. */
  readonly pushes: boolean
  readonly connects: number
  readonly transferBytes: number
}

const decoder = new TextDecoder()
const encoder = new TextEncoder()

const closeCode = (error: Socket.SocketError): number | undefined =>
  error.reason._tag === "SocketCloseError" ? error.reason.code : undefined

const pullText = (reader: Socket.Reader): Effect.Effect<string, Socket.SocketError> =>
  Effect.map(reader.pull, (batch) =>
    batch.map((chunk) => (typeof chunk === "string" ? chunk : decoder.decode(chunk))).join("")
  )

/** Pulls until `text` is complete. */
const expectText = Effect.fnUntraced(function* (reader: Socket.Reader, text: string) {
  let got = ""
  while (got.length < text.length) got += yield* pullText(reader)
  assert.strictEqual(got, text)
})

/** Pulls to the end and gives its error. */
const pullToEnd = (reader: Socket.Reader): Effect.Effect<Socket.SocketError> =>
  Effect.flip(Effect.forever(reader.pull)) as Effect.Effect<Socket.SocketError>

/** Both ends of a connection; the client's in a Scope of its own. */
const connectPair = Effect.gen(function* () {
  const server = yield* PushSocketServer
  const dialer = yield* Dialer
  const accepted = yield* Queue.unbounded<PushSocket>()
  yield* Effect.forkScoped(server.accept((socket) => Queue.offerUnsafe(accepted, socket)))
  const socket = yield* dialer.dial(server.address)
  const scope = yield* Scope.fork(yield* Effect.scope)
  const reader = yield* Scope.provide(socket.reader, scope)
  const writer = yield* Scope.provide(socket.writer, scope)
  const far = yield* Queue.take(accepted)
  yield* Effect.addFinalizer(() => Effect.sync(() => far.writerUnsafe.destroy()))
  return { socket, reader, writer, scope, far }
})

const asPush = (reader: Socket.Reader, writer: Socket.Writer): { reader: PushReader; writer: PushWriter } => {
  if (!isPushReader(reader) || !isPushWriter(writer)) throw new Error("the socket does not push")
  return { reader, writer }
}

const echoByPush = (socket: PushSocket): Recorder => {
  const sink = new Recorder()
  sink.keepText = false
  const { readerUnsafe: reader, writerUnsafe: writer } = socket
  sink.onBytes = (bytes) => {
    if (!writer.writeUnsafe(bytes)) reader.pause()
  }
  const onDrain = sink.onDrain.bind(sink)
  sink.onDrain = () => {
    onDrain()
    reader.resume()
  }
  sink.onFin = () => writer.shutdown()
  reader.subscribe(sink)
  return sink
}

export const transportSuite = <R = never>(transport: TransportCase<R>): void => {
  const test = (
    name: string,
    program: Effect.Effect<void, unknown, Services | R | Scope.Scope>,
    timeout = 10_000
  ): void => {
    it.live(name, () => Effect.provide(program, Layer.fresh(transport.layer)), timeout)
  }

  describe(transport.name, () => {
    test(
      "echoes through SocketServer.run, by pull",
      Effect.gen(function* () {
        const server = yield* SocketServer.SocketServer
        const dialer = yield* Dialer
        yield* Effect.forkScoped(
          server.run(
            Effect.fnUntraced(function* (socket) {
              const { pull } = yield* socket.reader
              const { writeAll } = yield* socket.writer
              yield* Effect.flatMap(pull, writeAll).pipe(Effect.forever, Effect.ignore)
            }, Effect.scoped)
          )
        )
        const socket = yield* dialer.dial(server.address)
        const reader = yield* socket.reader
        const { write, writeAll } = yield* socket.writer
        yield* write("one")
        yield* expectText(reader, "one")
        yield* writeAll(["two ", encoder.encode("three")])
        yield* expectText(reader, "two three")
      })
    )

    test(
      "dies in the writer's fiber of what is neither bytes nor text, writes nothing of it, and goes on",
      Effect.gen(function* () {
        const { far, writer } = yield* connectPair
        const foreign: Uint8Array = runInNewContext("new Uint8Array([111, 110, 101])")
        for (const value of [5, {}, [1], { length: 300 }, null, new ArrayBuffer(3), new Float32Array(3)]) {
          for (const writing of [writer.write(value as never), writer.writeAll(["no", value as never])]) {
            const exit = yield* Effect.exit(writing)
            assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
            if (Exit.isFailure(exit))
              assert.include(String(Cause.squash(exit.cause)), "expected a string or a Uint8Array")
          }
        }
        yield* writer.writeAll([foreign])
        yield* expectText(far.readerUnsafe, "one")
      })
    )

    test(
      "accepts connections that arrived before anybody took them",
      Effect.gen(function* () {
        const server = yield* PushSocketServer
        const dialer = yield* Dialer
        const socket = yield* dialer.dial(server.address)
        const reader = yield* socket.reader
        const writer = yield* socket.writer
        yield* writer.write("early")
        yield* Effect.forkScoped(server.accept((accepted) => void echoByPush(accepted)))
        yield* expectText(reader, "early")
      })
    )

    test(
      "connects anew for each reader, and gives the writer of the open connection",
      Effect.gen(function* () {
        const server = yield* PushSocketServer
        const dialer = yield* Dialer
        yield* Effect.forkScoped(server.accept((accepted) => void echoByPush(accepted)))
        const socket = yield* dialer.dial(server.address)
        const detached = yield* socket.writer
        const pending = yield* Effect.forkScoped(detached.write("waited"))
        for (const text of ["waited", "again"]) {
          yield* Effect.gen(function* () {
            const reader = yield* socket.reader
            if (text === "again") yield* (yield* socket.writer).write(text)
            yield* expectText(reader, text)
          }).pipe(Effect.scoped)
        }
        yield* Fiber.join(pending)
      })
    )

    test(
      "has writers of no connection: they write to the one that is open, and wait while there is none",
      Effect.gen(function* () {
        const server = yield* PushSocketServer
        const dialer = yield* Dialer
        yield* Effect.forkScoped(server.accept((accepted) => void echoByPush(accepted)))
        const socket = yield* dialer.dial(server.address)
        const first = yield* Scope.make()
        const one = yield* Scope.provide(socket.reader, first)
        const writer = yield* socket.writer
        yield* writer.write("one")
        yield* expectText(one, "one")
        yield* Scope.close(first, Exit.void)

        const waiting = yield* Effect.forkScoped(writer.write("two"), { startImmediately: true })
        const batch = yield* Effect.forkScoped(writer.writeAll([" and", " three"]), { startImmediately: true })
        yield* Effect.sleep("20 millis")
        assert.deepStrictEqual([waiting.pollUnsafe(), batch.pollUnsafe()], [undefined, undefined])
        const two = yield* socket.reader
        yield* expectText(two, "two and three")
        yield* Fiber.join(waiting)
        yield* Fiber.join(batch)
        yield* writer.write("four")
        yield* expectText(two, "four")
      })
    )

    test(
      "keeps the chunks of a batch together while writers wait for the peer",
      Effect.gen(function* () {
        const { writer, far } = yield* connectPair
        // More than all buffers on the way hold, so that batches wait.
        const piece = "x".repeat(Math.min(200_000, transport.transferBytes / 160))
        const batch = (name: string) => writer.writeAll([`<${name}`, piece, piece, piece, piece, `${name}>`])
        const names = ["a", "b", "c", "d", "e"]
        const writing = yield* Effect.forkScoped(Effect.forEach(names, batch, { concurrency: "unbounded" }))
        let text = ""
        while ([...text].filter((letter) => letter === ">").length < names.length) {
          text += (yield* pullText(far.readerUnsafe)).replaceAll("x", "")
        }
        assert.match(text, /^(?:<(\w)\1>){5}$/)
        yield* Fiber.join(writing)
      })
    )

    test(
      "ends in order after a CloseEvent above 1000",
      Effect.gen(function* () {
        const { reader, writer, far } = yield* connectPair
        yield* writer.write("last")
        yield* writer.write(new Socket.CloseEvent(4000, "bye"))
        yield* expectText(far.readerUnsafe, "last")
        assert.strictEqual(closeCode(yield* pullToEnd(far.readerUnsafe)), 1000)
        assert.strictEqual(closeCode(yield* pullToEnd(reader)), 1006)
        assert.strictEqual((yield* Effect.flip(writer.write("more"))).reason._tag, "SocketWriteError")
      })
    )

    test(
      "fails a write that waits when the Scope of the reader closes",
      Effect.gen(function* () {
        const server = yield* PushSocketServer
        const dialer = yield* Dialer
        yield* Effect.forkScoped(server.accept(() => {}))
        const socket = yield* dialer.dial(server.address)
        const writer = yield* socket.writer
        const scope = yield* Scope.make()
        yield* Scope.provide(socket.reader, scope)
        // The other end does not read.
        const writing = yield* Effect.forkChild(Effect.flip(Effect.forever(writer.write(new Uint8Array(100_000)))), {
          startImmediately: true
        })
        yield* Effect.sleep("50 millis")
        assert.isUndefined(writing.pollUnsafe())
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(((yield* Fiber.join(writing)) as Socket.SocketError).reason._tag, "SocketWriteError")
      })
    )

    test(
      "fails a suspended pull when the Scope of the reader closes",
      Effect.gen(function* () {
        const { reader, scope } = yield* connectPair
        const pull = yield* Effect.forkChild(Effect.flip(reader.pull))
        yield* Effect.yieldNow
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(closeCode(yield* Fiber.join(pull)), 1006)
        assert.strictEqual(closeCode(yield* Effect.flip(reader.pull)), 1006)
      })
    )

    test(
      "sends what is pending, then FIN, when the Scope closes",
      Effect.gen(function* () {
        const { writer, scope, far } = yield* connectPair
        yield* writer.write("last words")
        yield* Scope.close(scope, Exit.void)
        const reader = far.readerUnsafe
        yield* expectText(reader, "last words")
        assert.strictEqual(closeCode(yield* pullToEnd(reader)), 1000)
      })
    )

    test(
      "keeps every byte when a suspended pull is interrupted",
      Effect.gen(function* () {
        const { reader, far } = yield* connectPair
        for (let i = 0; i < 3; i++) {
          const pull = yield* Effect.forkChild(reader.pull)
          yield* Effect.yieldNow
          yield* Fiber.interrupt(pull)
        }
        yield* far.writerUnsafe.write("whole")
        yield* expectText(reader, "whole")
      })
    )

    test(
      "half-closes in each direction",
      Effect.gen(function* () {
        const { reader, writer, far } = yield* connectPair
        const { readerUnsafe: farReader, writerUnsafe: farWriter } = far
        yield* writer.write("question")
        yield* writer.write(new Socket.CloseEvent(1000))
        yield* expectText(farReader, "question")
        assert.strictEqual(closeCode(yield* pullToEnd(farReader)), 1000)
        assert.strictEqual((yield* Effect.flip(writer.write("more"))).reason._tag, "SocketWriteError")
        yield* farWriter.write("answer")
        yield* expectText(reader, "answer")
        farWriter.shutdown()
        assert.strictEqual(closeCode(yield* pullToEnd(reader)), 1000)
      })
    )

    test(
      "half-closes when the Scope of the writer closes",
      Effect.gen(function* () {
        const { socket, reader, far } = yield* connectPair
        yield* Effect.scoped(Effect.flatMap(socket.writer, (writer) => writer.write("bye")))
        yield* expectText(far.readerUnsafe, "bye")
        assert.strictEqual(closeCode(yield* pullToEnd(far.readerUnsafe)), 1000)
        yield* far.writerUnsafe.write("still open")
        yield* expectText(reader, "still open")
      })
    )

    test(
      "tells a reset from an end",
      Effect.gen(function* () {
        const { reader, writer, far } = yield* connectPair
        yield* writer.write("x")
        yield* far.readerUnsafe.pull
        far.writerUnsafe.destroy()
        const error = yield* pullToEnd(reader)
        if (transport.resets) {
          assert.strictEqual(error.reason._tag, "SocketReadError")
          assert.include(String((error.reason as Socket.SocketReadError).cause), "ECONNRESET")
        }
        assert.strictEqual(closeCode(yield* pullToEnd(far.readerUnsafe)), 1006)
        const late = yield* Effect.flip(Effect.forever(Effect.andThen(writer.write("late"), Effect.yieldNow)))
        assert.strictEqual(late.reason._tag, "SocketWriteError")
      })
    )

    test(
      "makes the writer wait for the reader, and loses nothing",
      Effect.gen(function* () {
        const { reader, writer, far } = yield* connectPair
        const chunk = new Uint8Array(65536)
        for (let i = 0; i < chunk.length; i++) chunk[i] = i % 251
        const chunks = Math.ceil(transport.transferBytes / chunk.length)
        let written = 0
        const writing = yield* Effect.forkChild(
          Effect.gen(function* () {
            for (let i = 0; i < chunks; i++) {
              yield* writer.write(chunk.slice())
              written++
            }
            yield* writer.write(new Socket.CloseEvent(1000))
          })
        )
        // Nobody reads: the writer must come to a stand, whatever the system buffers.
        let before = -1
        while (before !== written) {
          before = written
          yield* Effect.sleep("100 millis")
        }
        assert.isBelow(written, chunks)
        let total = 0
        let sum = 0
        const farReader = far.readerUnsafe
        yield* Effect.flip(
          Effect.forever(
            Effect.map(farReader.pull, (batch) => {
              for (const bytes of batch as ReadonlyArray<Uint8Array>) {
                for (let i = 0; i < bytes.length; i += 4099) sum += ((total + i) % 65536) % 251 === bytes[i] ? 0 : 1
                total += bytes.length
              }
            })
          )
        )
        yield* Fiber.join(writing)
        assert.strictEqual(total, chunks * chunk.length)
        assert.strictEqual(sum, 0)
        far.writerUnsafe.shutdown()
        assert.strictEqual(closeCode(yield* pullToEnd(reader)), 1000)
      }),
      60_000
    )

    test(
      "refuses with a typed error where nobody listens",
      Effect.gen(function* () {
        const dialer = yield* Dialer
        const socket = yield* dialer.dial(transport.unused)
        const error = yield* Effect.flip(Effect.scoped(socket.reader))
        assert.strictEqual(error.reason._tag, "SocketOpenError")
        assert.match(error.message, /^cannot connect to .+: connect (ECONNREFUSED|ENOENT)/)
      })
    )

    test(
      "fails with a typed error where somebody listens already",
      Effect.gen(function* () {
        const server = yield* SocketServer.SocketServer
        const error = yield* Effect.flip(Layer.build(transport.listenAgain(server.address)))
        assert.strictEqual(error.reason._tag, "SocketServerOpenError")
        assert.match(error.message, /^cannot listen on .+: .*(in use|listens)/)
        const port = server.address._tag === "UnixPathAddress" ? server.address.path : String(server.address.port)
        assert.include(error.message, port)
      })
    )

    test(
      "frees the address when it stops accepting, and leaves open connections alone",
      Effect.gen(function* () {
        const server = yield* PushSocketServer
        const dialer = yield* Dialer
        const { reader, far } = yield* connectPair
        yield* server.stopAccepting
        yield* server.stopAccepting
        yield* far.writerUnsafe.write("still here")
        yield* expectText(reader, "still here")
        const late = yield* dialer.dial(server.address)
        assert.strictEqual((yield* Effect.flip(Effect.scoped(late.reader))).reason._tag, "SocketOpenError")
        yield* Layer.build(transport.listenAgain(server.address))
      })
    )

    test(
      "ends a handler's connection with it, whether it fails, returns or is interrupted",
      Effect.gen(function* () {
        const server = yield* SocketServer.SocketServer
        const dialer = yield* Dialer
        const interrupted = yield* Deferred.make<void>()
        const running = yield* Effect.forkScoped(
          server.run((socket) =>
            Effect.gen(function* () {
              const reader = yield* socket.reader
              let command = ""
              while (command.length < 4) command += yield* pullText(reader)
              if (command === "fail") return yield* Effect.fail("on purpose")
              if (command === "wait") return yield* Effect.never
            }).pipe(
              Effect.scoped,
              Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined)),
              Effect.catch(() => Effect.void)
            )
          )
        )
        const open = Effect.fnUntraced(function* (command: string) {
          const socket = yield* dialer.dial(server.address)
          const reader = yield* socket.reader
          yield* (yield* socket.writer).write(command)
          return reader
        })
        for (const command of ["fail", "back"]) {
          assert.strictEqual(closeCode(yield* pullToEnd(yield* open(command))), 1000)
        }
        const reader = yield* open("wait")
        yield* Effect.sleep("50 millis")
        yield* Fiber.interrupt(running)
        yield* Deferred.await(interrupted)
        assert.strictEqual(closeCode(yield* pullToEnd(reader)), 1000)
      })
    )

    test(
      "tells who is at the other end",
      Effect.gen(function* () {
        const { socket, reader, writer, far } = yield* connectPair
        const server = yield* PushSocketServer
        const near = [socket, reader, writer].map(peerInfo)
        assert.strictEqual(near[0], near[1])
        assert.deepStrictEqual(near[0]?.remoteAddress ?? server.address, server.address)
        assert.deepStrictEqual(peerInfo(far)?.localAddress ?? server.address, server.address)
        assert.deepStrictEqual(peerInfo(far)?.remoteAddress, near[0]?.localAddress)
        assert.strictEqual(peerInfo(far)?.secure, near[0]?.secure)
      })
    )

    test(
      "opens and closes many connections and leaves none behind",
      Effect.gen(function* () {
        const server = yield* PushSocketServer
        const dialer = yield* Dialer
        const sinks: Array<Recorder> = []
        yield* Effect.forkScoped(server.accept((socket) => void sinks.push(echoByPush(socket))))
        yield* Effect.forEach(
          Array.from({ length: transport.connects }, (_, i) => i),
          Effect.fnUntraced(function* (i) {
            const socket = yield* dialer.dial(server.address)
            const reader = yield* socket.reader
            const writer = yield* socket.writer
            yield* writer.write(`hello ${i}`)
            yield* expectText(reader, `hello ${i}`)
          }, Effect.scoped),
          { concurrency: 32, discard: true }
        )
        assert.strictEqual(sinks.length, transport.connects)
        yield* Effect.forEach(sinks, (sink) => sink.closed, { discard: true })
        for (const sink of sinks) {
          assert.deepStrictEqual(sink.log, ["chunk", "end", "close"])
          assert.isUndefined(sink.error)
        }
      }),
      60_000
    )

    if (transport.pushes) pushSuite(test, transport.transferBytes)
  })
}

const pushSuite = (
  test: (name: string, program: Effect.Effect<void, unknown, Services | Scope.Scope>, timeout?: number) => void,
  transferBytes: number
): void => {
  test(
    "pushes: chunks, end and close, once each and in order",
    Effect.gen(function* () {
      const pair = yield* connectPair
      assert.isTrue(isPushSocket(pair.far))
      const { reader, writer } = asPush(pair.reader, pair.writer)
      const near = new Recorder()
      const far = echoByPush(pair.far)
      reader.subscribe(near)
      assert.isTrue(writer.writeUnsafe(encoder.encode("there and back")))
      yield* near.until((self) => self.text === "there and back")
      writer.shutdown()
      yield* near.closed
      yield* far.closed
      assert.deepStrictEqual(near.log, ["chunk", "end", "close"])
      assert.deepStrictEqual(far.log, ["chunk", "end", "close"])
      assert.isUndefined(near.error)
      assert.isUndefined(far.error)
      assert.isFalse(writer.writeUnsafe(new Uint8Array(1)))
    })
  )

  test(
    "pushes on when each chunk is freed at once, and what follows is whole",
    Effect.gen(function* () {
      const pair = yield* connectPair
      const { reader } = asPush(pair.reader, pair.writer)
      // Sizes that leave a little, much and nothing of the memory that a transport may read into.
      const sent = [40, 65_016, 65_536, 5000, 300_000, 16_000].map((size, at) => new Uint8Array(size).fill(at + 1))
      const total = Math.min(transferBytes / 4, 8 << 20)
      const expected = Buffer.concat(sent)
      const near = new Recorder()
      near.keepText = false
      let at = 0
      near.onBytes = (bytes) => {
        const { length } = bytes
        const copy = Buffer.from(bytes)
        free(reader, bytes)
        for (let from = 0; from < length;) {
          const part = Math.min(length - from, expected.length - (at % expected.length))
          const begin = at % expected.length
          assert.isTrue(copy.subarray(from, from + part).equals(expected.subarray(begin, begin + part)))
          from += part
          at += part
        }
      }
      reader.subscribe(near)
      for (let written = 0, next = 0; written < total; next++) {
        const bytes = sent[next % sent.length]!.slice(0, total - written)
        written += bytes.length
        yield* pair.far.writerUnsafe.write(bytes)
      }
      yield* near.until((self) => self.bytes === total)
    })
  )

  test(
    "replays to a late subscriber what was read ahead, and the end",
    Effect.gen(function* () {
      const pair = yield* connectPair
      const { reader } = asPush(pair.reader, pair.writer)
      const writer = pair.far.writerUnsafe
      yield* writer.write("a")
      yield* expectText(reader, "a")
      yield* writer.write("b")
      writer.shutdown()
      yield* Effect.sleep("50 millis")
      const sink = new Recorder()
      reader.subscribe(sink)
      yield* sink.until((self) => self.log.includes("end"))
      assert.strictEqual(sink.text, "b")
      assert.deepStrictEqual(sink.log, ["chunk", "end"])
      assert.isTrue(Exit.hasDies(yield* Effect.exit(reader.pull)))
    })
  )

  test(
    "hands the rest of the stream to a later subscriber, also from within a chunk and after a pause",
    Effect.gen(function* () {
      const pair = yield* connectPair
      const { reader } = asPush(pair.reader, pair.writer)
      const writer = pair.far.writerUnsafe
      const [first, second, third] = [new Recorder(), new Recorder(), new Recorder()]
      first.onBytes = () => reader.subscribe(second)
      second.onBytes = () => reader.pause()
      reader.subscribe(first)
      yield* writer.write("a")
      yield* first.until((self) => self.text === "a")
      yield* writer.write("b")
      yield* second.until((self) => self.text === "b")
      yield* writer.write("c")
      writer.shutdown()
      yield* Effect.sleep("20 millis")
      reader.subscribe(third)
      yield* third.until((self) => self.log.includes("end"))
      assert.strictEqual(third.text, "c")
      assert.deepStrictEqual([first.log, second.log], [["chunk"], ["chunk"]])
    })
  )

  test(
    "tells a late subscriber of what came before the close, then of the close",
    Effect.gen(function* () {
      const pair = yield* connectPair
      const { reader, writer } = asPush(pair.reader, pair.writer)
      yield* pair.far.writerUnsafe.write("a")
      yield* expectText(reader, "a")
      yield* pair.far.writerUnsafe.write("b")
      pair.far.writerUnsafe.shutdown()
      writer.shutdown()
      yield* Effect.sleep("50 millis")
      const sink = new Recorder()
      reader.subscribe(sink)
      yield* sink.closed
      assert.strictEqual(sink.text, "b")
      assert.deepStrictEqual(sink.log, ["chunk", "end", "close"])
      assert.isUndefined(sink.error)
    })
  )

  test(
    "tells a late subscriber of a close that already happened",
    Effect.gen(function* () {
      const pair = yield* connectPair
      const { reader, writer } = asPush(pair.reader, pair.writer)
      writer.destroy()
      yield* Effect.flip(reader.pull)
      yield* Effect.sleep("20 millis")
      const sink = new Recorder()
      reader.subscribe(sink)
      assert.deepStrictEqual(sink.log, ["close"])
      assert.strictEqual(closeCode(sink.error!), 1006)
    })
  )

  test(
    "destroy from within a chunk closes once, later",
    Effect.gen(function* () {
      const pair = yield* connectPair
      const { reader, writer } = asPush(pair.reader, pair.writer)
      const sink = new Recorder()
      let inside = ""
      sink.onBytes = () => {
        writer.destroy()
        writer.destroy()
        inside = sink.log.join()
      }
      reader.subscribe(sink)
      yield* pair.far.writerUnsafe.write("x")
      yield* sink.closed
      yield* Effect.sleep("20 millis")
      assert.strictEqual(inside, "chunk")
      assert.deepStrictEqual(sink.log, ["chunk", "close"])
      assert.strictEqual(closeCode(sink.error!), 1006)
    })
  )

  test(
    "close from within a chunk tells the sink of nothing but the close",
    Effect.gen(function* () {
      const pair = yield* connectPair
      const sink = new Recorder()
      sink.onBytes = () => pair.far.close()
      pair.far.readerUnsafe.subscribe(sink)
      yield* pair.writer.write("x")
      yield* pullToEnd(pair.reader)
      yield* Effect.ignore(pair.writer.write("thrown away"))
      yield* Effect.ignore(pair.writer.write(new Socket.CloseEvent()))
      yield* sink.closed
      assert.deepStrictEqual(sink.log, ["chunk", "close"])
      assert.strictEqual(sink.text, "x")
      assert.isUndefined(sink.error)
    })
  )

  test(
    "pauses at once and resumes without losing a byte",
    Effect.gen(function* () {
      const pair = yield* connectPair
      const { reader } = asPush(pair.reader, pair.writer)
      const sink = new Recorder()
      sink.keepText = false
      let paused = false
      sink.onBytes = () => {
        assert.isFalse(paused, "a chunk came while paused")
        paused = true
        reader.pause()
        setImmediate(() => {
          paused = false
          reader.resume()
        })
      }
      reader.subscribe(sink)
      const total = Math.min(2_000_000, Math.floor(transferBytes / 80_000) * 10_000)
      yield* Effect.forkChild(
        Effect.gen(function* () {
          for (let sent = 0; sent < total; sent += 10_000) yield* pair.far.writerUnsafe.write(new Uint8Array(10_000))
          pair.far.writerUnsafe.shutdown()
        })
      )
      yield* sink.until((self) => self.log.includes("end"))
      assert.strictEqual(sink.bytes, total)
    }),
    30_000
  )

  test(
    "holds the peer back while paused, and says when to go on",
    Effect.gen(function* () {
      const pair = yield* connectPair
      const { reader } = asPush(pair.reader, pair.writer)
      const sink = new Recorder()
      sink.keepText = false
      reader.subscribe(sink)
      reader.pause()
      const far = new Recorder()
      const writer = pair.far.writerUnsafe
      pair.far.readerUnsafe.subscribe(far)
      const chunk = new Uint8Array(65536)
      let sent = 0
      while (sent < 512) {
        sent++
        if (!writer.writeUnsafe(chunk)) {
          // The system may take it later: at a stand is who hears of no drain.
          const drained = yield* Effect.timeoutOption(
            far.until((self) => self.drains > 0),
            200
          )
          if (drained._tag === "None") break
          far.drains = 0
        }
      }
      assert.isBelow(sent, 512)
      assert.isAbove(writer.pendingBytes, 0)
      assert.strictEqual(sink.bytes, 0)
      reader.resume()
      yield* far.until((self) => self.drains > 0)
      yield* sink.until((self) => self.bytes === sent * chunk.length)
      assert.strictEqual(writer.pendingBytes, 0)
    }),
    30_000
  )

  test(
    "corks: nothing leaves before the last uncork",
    Effect.gen(function* () {
      const pair = yield* connectPair
      const { writer } = asPush(pair.reader, pair.writer)
      const sink = new Recorder()
      pair.far.readerUnsafe.subscribe(sink)
      writer.cork()
      writer.cork()
      for (const text of ["a", "b", "c"]) writer.writeUnsafe(encoder.encode(text))
      writer.uncork()
      yield* Effect.sleep("50 millis")
      assert.strictEqual(sink.bytes, 0)
      writer.uncork()
      yield* sink.until((self) => self.bytes === 3)
      assert.strictEqual(sink.text, "abc")
    })
  )

  test(
    "tells of the drain whenever something was pending, also below the high-water mark",
    Effect.gen(function* () {
      const pair = yield* connectPair
      const { reader } = asPush(pair.reader, pair.writer)
      const near = new Recorder()
      near.keepText = false
      reader.subscribe(near)
      reader.pause()
      const far = new Recorder()
      const writer = pair.far.writerUnsafe
      pair.far.readerUnsafe.subscribe(far)
      // Fill what the system holds, then see it empty, until a small write is what pends.
      let total = 0
      const write = (size: number, corked: boolean): void => {
        if (corked) writer.cork()
        writer.writeUnsafe(new Uint8Array(size))
        if (corked) writer.uncork()
        total += size
      }
      for (const corked of [false, true]) {
        for (let i = 0; i < 6400 && writer.pendingBytes === 0; i++) write(10_000, corked)
        assert.isAbove(writer.pendingBytes, 0)
        far.drains = 0
        reader.resume()
        yield* far.until((self) => self.drains > 0)
        assert.strictEqual(writer.pendingBytes, 0)
        yield* near.until((self) => self.bytes === total)
        reader.pause()
      }
    }),
    30_000
  )

  test(
    "lets a buffer be reused once nothing is pending",
    Effect.gen(function* () {
      const pair = yield* connectPair
      const { writer } = asPush(pair.reader, pair.writer)
      const sink = new Recorder()
      pair.far.readerUnsafe.subscribe(sink)
      const bytes = encoder.encode("before")
      writer.writeUnsafe(bytes)
      if (writer.copies && writer.pendingBytes === 0) bytes.fill(0x21)
      yield* sink.until((self) => self.bytes === 6)
      assert.strictEqual(sink.text, "before")
    })
  )
}
