/** The cases that every transport passes, by pull and through the services. */
import { Dialer } from "@effect-ws/transport/Dialer"
import { peerInfo } from "@effect-ws/transport/Push"
import { PushSocketServer } from "@effect-ws/transport/PushSocketServer"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"
import { runInNewContext } from "node:vm"
import type { ByteRecorder } from "@effect-ws/transport/ByteRecorder"
import type { Transport } from "./Transport.ts"
import * as assert from "./assert.ts"
import { closeCode, connectPair, echoByPush, encoder, expectText, pullText, pullToEnd } from "./pair.ts"
import type { Add } from "./pair.ts"

/** Adds the cases. */
export const addCases = <R>(test: Add<R>, transport: Transport<R>): void => {
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
      // Nothing is read: the writer must come to a stop, whatever the system buffers.
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
    "refuses with a typed error where no server listens",
    Effect.gen(function* () {
      const dialer = yield* Dialer
      const socket = yield* dialer.dial(transport.unused)
      const error = yield* Effect.flip(Effect.scoped(socket.reader))
      assert.strictEqual(error.reason._tag, "SocketOpenError")
      assert.match(error.message, /^cannot connect to .+: connect (ECONNREFUSED|ENOENT)/)
    })
  )

  test(
    "fails with a typed error where a server listens already",
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
      const sinks: Array<ByteRecorder> = []
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
}
