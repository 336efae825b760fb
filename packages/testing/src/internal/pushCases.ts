/** The cases of sockets that push: calls of the sink, pausing, corking, and pending writes. */
import { free, isPushSocket } from "@effect-ws/transport/Push"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Socket from "effect/socket/Socket"
import { ByteRecorder } from "@effect-ws/transport/ByteRecorder"
import * as assert from "./assert.ts"
import { asPush, closeCode, connectPair, echoByPush, encoder, expectText, pullToEnd } from "./pair.ts"
import type { Add } from "./pair.ts"

/** Adds the cases of sockets that push; a transfer that is to fill all buffers has `transferBytes`. */
export const addPushCases = (test: Add, transferBytes: number): void => {
  test(
    "pushes: chunks, end and close, once each and in order",
    Effect.gen(function* () {
      const pair = yield* connectPair
      assert.isTrue(isPushSocket(pair.far))
      const { reader, writer } = asPush(pair.reader, pair.writer)
      const near = new ByteRecorder()
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
      const near = new ByteRecorder()
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
      const sink = new ByteRecorder()
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
      const [first, second, third] = [new ByteRecorder(), new ByteRecorder(), new ByteRecorder()]
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
      const sink = new ByteRecorder()
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
      const sink = new ByteRecorder()
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
      const sink = new ByteRecorder()
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
      const sink = new ByteRecorder()
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
      const sink = new ByteRecorder()
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
      const sink = new ByteRecorder()
      sink.keepText = false
      reader.subscribe(sink)
      reader.pause()
      const far = new ByteRecorder()
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
      const sink = new ByteRecorder()
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
      const near = new ByteRecorder()
      near.keepText = false
      reader.subscribe(near)
      reader.pause()
      const far = new ByteRecorder()
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
    "reads no buffer that it does not retain",
    Effect.gen(function* () {
      const pair = yield* connectPair
      const { writer } = asPush(pair.reader, pair.writer)
      const sink = new ByteRecorder()
      pair.far.readerUnsafe.subscribe(sink)
      let total = 0
      let retained: Array<Uint8Array> = []
      for (let round = 0; round < 60; round++) {
        // Every third write finds earlier ones under way; every sixth is corked.
        const isCorked = round % 6 === 5
        if (isCorked) writer.cork()
        for (let at = 0; at < 1 + (round % 3); at++) {
          const bytes = encoder.encode(`${round}.${at} `.repeat(1 + ((round * 97) % 3000)))
          total += bytes.length
          retained.push(bytes)
          writer.writeUnsafe(bytes)
        }
        if (isCorked) writer.uncork()
        if (!writer.retainsBuffers) {
          for (const bytes of retained) bytes.fill(0x21)
          retained = []
        }
        if (round % 3 === 2) yield* sink.until((self) => self.bytes === total)
      }
      assert.isFalse(sink.text.includes("!"))
      assert.isTrue(sink.text.endsWith("59.2 "))
    })
  )
}
