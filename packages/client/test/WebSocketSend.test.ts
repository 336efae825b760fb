// The attributes are what is tested.
/* oxlint-disable unicorn/prefer-add-event-listener */
/**
 * The method `send`, step by step as https://websockets.spec.whatwg.org numbers them.
 */
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { assert, describe } from "@effect/vitest"
import { Deferred, Effect, Queue, Stream } from "effect"
import { engineOf } from "../src/internal/WebSocketImpl.ts"
import { classOf, echo, keeping, record, served, test, thrown, turn, until, url } from "./support/standard.ts"
import { acceptance, listening } from "./support/web.ts"

describe("send", () => {
  test(
    "step 1: throws an InvalidStateError while connecting, and a TypeError for what cannot be sent",
    Effect.gen(function* () {
      const Class = yield* served(echo)
      const socket = new Class(url)
      assert.strictEqual(
        thrown(() => socket.send("x")),
        "InvalidStateError"
      )
      assert.strictEqual(socket.bufferedAmount, 0)
      yield* record(socket).opened
      assert.strictEqual(
        thrown(() => (socket.send as () => void)()),
        "TypeError"
      )
      assert.strictEqual(
        thrown(() => socket.send(Symbol("x") as never)),
        "TypeError"
      )
      assert.strictEqual(
        thrown(() => socket.send(new Uint8Array(new SharedArrayBuffer(1)))),
        "TypeError"
      )
      assert.strictEqual(socket.bufferedAmount, 0)
    })
  )

  test(
    "a buffer that can be resized throws, and so does a view of one",
    Effect.gen(function* () {
      const { WebSocketClass } = yield* keeping()
      const socket = new WebSocketClass(url)
      yield* record(socket).opened
      const buffer = new ArrayBuffer(4, { maxByteLength: 8 })
      for (const data of [buffer, new Uint8Array(buffer), new DataView(buffer)]) {
        assert.strictEqual(
          thrown(() => socket.send(data)),
          "TypeError"
        )
      }
      assert.strictEqual(socket.bufferedAmount, 0)
    })
  )

  test(
    "a buffer that was transferred has no bytes, and neither has a view of one",
    Effect.gen(function* () {
      const { messages, WebSocketClass } = yield* keeping()
      const socket = new WebSocketClass(url)
      yield* record(socket).opened
      const buffer = new ArrayBuffer(4)
      const views = [buffer, new Uint8Array(buffer, 1, 2), new DataView(buffer, 1, 2)]
      structuredClone(buffer, { transfer: [buffer] })
      for (const data of views) socket.send(data)
      for (const _ of views) assert.strictEqual((yield* Queue.take(messages)).length, 0)
    })
  )

  test(
    "step 2: strings go as text, Blobs, buffers and views as binary, in their order",
    Effect.gen(function* () {
      const { messages, WebSocketClass } = yield* keeping()
      const socket = new WebSocketClass(url)
      yield* record(socket).opened
      const bytes = Uint8Array.of(0, 1, 2, 3, 255)
      socket.send("text ü \uD800")
      socket.send(new Blob(["blo", "b"]))
      socket.send(bytes.buffer)
      socket.send(bytes.subarray(1, 4))
      socket.send(new DataView(bytes.buffer, 4))
      socket.send(new Float64Array(2))
      socket.send("")
      socket.send(new Blob([]))
      socket.send(7 as unknown as string)
      const received: Array<string | Uint8Array> = []
      while (received.length < 9) received.push(yield* Queue.take(messages))
      assert.deepStrictEqual(
        received.map((data) => (typeof data === "string" ? data : [...data])),
        ["text ü \uFFFD", [98, 108, 111, 98], [0, 1, 2, 3, 255], [1, 2, 3], [255], Array(16).fill(0), "", [], "7"]
      )
    })
  )

  test(
    "step 2: a buffer may change as soon as send returns",
    Effect.gen(function* () {
      const texts = yield* Queue.unbounded<string>()
      yield* WebSocketServer.make(
        (connection) =>
          Stream.runForEach(connection.messages, ({ data }) => Queue.offer(texts, Buffer.from(data).toString())),
        {}
      )
      const Class = yield* classOf()
      const socket = new Class(url)
      const { opened } = record(socket)
      yield* opened
      assert.strictEqual(socket.extensions, "permessage-deflate")
      for (const size of [100, 100_000]) {
        socket.send(new Blob(["x"]))
        const behindBlob = Buffer.alloc(size, "a")
        socket.send(behindBlob)
        behindBlob.fill("b")
        yield* until(() => socket.bufferedAmount === 0)
        const compressed = Buffer.alloc(size, "c")
        socket.send(compressed)
        compressed.fill("d")
        assert.strictEqual(yield* Queue.take(texts), "x")
        assert.isTrue((yield* Queue.take(texts)) === "a".repeat(size), `${size} bytes behind a Blob`)
        assert.isTrue((yield* Queue.take(texts)) === "c".repeat(size), `${size} bytes, compressed`)
      }
    }).pipe(Effect.provide(PermessageDeflate.layer({ threshold: 0 })))
  )

  test(
    "step 2: bufferedAmount grows by the bytes of each message and falls when they are written, not in the same task",
    Effect.gen(function* () {
      const { WebSocketClass } = yield* keeping()
      const socket = new WebSocketClass(url)
      const amounts: Array<number> = []
      socket.onopen = () => {
        socket.send("éa")
        amounts.push(socket.bufferedAmount)
        socket.send(new Uint8Array(20).subarray(0, 10))
        amounts.push(socket.bufferedAmount)
        socket.send(new Blob(["1234"]))
        amounts.push(socket.bufferedAmount)
        queueMicrotask(() => queueMicrotask(() => amounts.push(socket.bufferedAmount)))
      }
      yield* until(() => amounts.length === 4)
      assert.deepStrictEqual(amounts, [3, 13, 17, 17])
      yield* until(() => socket.bufferedAmount === 0)
    })
  )

  test(
    "step 2: in CLOSING and CLOSED bufferedAmount only grows",
    Effect.gen(function* () {
      const { closeInfo, messages, WebSocketClass } = yield* keeping()
      const socket = new WebSocketClass(url)
      const { closed, opened } = record(socket)
      yield* opened
      socket.close()
      socket.send("abc")
      assert.strictEqual(socket.bufferedAmount, 3)
      yield* closed
      socket.send(new Blob(["de"]))
      socket.send(new Uint8Array(5))
      yield* turn
      assert.strictEqual(socket.bufferedAmount, 10)
      yield* closeInfo
      assert.strictEqual(Queue.sizeUnsafe(messages), 0)
    })
  )

  test(
    "step 2: a message that does not fit flags the WebSocket as full and closes it, with an error",
    Effect.gen(function* () {
      yield* WebSocketServer.make(() => Effect.never, { drainTimeout: "10 millis" })
      const Class = yield* classOf({ maxBufferedAmount: 1_000_000 })
      for (const flood of ["bytes", "messages"]) {
        const socket = new Class(url)
        const { closed, events, opened } = record(socket)
        yield* opened
        if (flood === "bytes") for (let sent = 0; sent < 20; sent++) socket.send(new Uint8Array(100_000))
        else for (let sent = 0; sent < 40_000; sent++) socket.send("")
        yield* closed
        assert.deepStrictEqual(events, ["open [OPEN]", "error [CLOSED]", "close 1006 [CLOSED]"], flood)
      }
    })
  )

  test(
    "is not held back by a server that does not read, and all of it arrives when it does",
    Effect.gen(function* () {
      const reads = yield* Deferred.make<void>()
      let bytes = 0
      const Class = yield* served((connection) =>
        Effect.andThen(
          Deferred.await(reads),
          Stream.runForEach(connection.messages, ({ data }) => Effect.sync(() => (bytes += data.length)))
        )
      )
      const socket = new Class(url)
      const { closed, events, opened } = record(socket)
      yield* opened
      for (let sent = 0; sent < 500; sent++) socket.send(new Uint8Array(10_000))
      socket.close()
      assert.strictEqual(socket.bufferedAmount, 5_000_000)
      for (let turns = 0; turns < 20; turns++) yield* turn
      assert.isAbove(socket.bufferedAmount, 4_000_000)
      yield* Deferred.succeed(reads, undefined)
      yield* closed
      yield* turn
      assert.deepStrictEqual([bytes, socket.bufferedAmount], [5_000_000, 0])
      assert.deepStrictEqual(events, ["open [OPEN]", "close 1005 clean [CLOSED]"])
    })
  )

  test(
    "keeps no place for messages that were written, though some always wait",
    Effect.gen(function* () {
      const permits = yield* Queue.unbounded<void>()
      const Class = yield* served((connection) =>
        Stream.runForEach(connection.messages, () => Queue.take(permits)).pipe(Effect.ignore)
      )
      const socket = new Class(url)
      yield* record(socket).opened
      for (let sent = 0; sent < 200; sent++) socket.send(new Uint8Array(10_000))
      for (let sent = 0; sent < 3000; sent++) {
        socket.send(new Uint8Array(10_000))
        yield* Queue.offer(permits, undefined)
        yield* turn
        assert.isAbove(socket.bufferedAmount, 0)
      }
      const unsent = Reflect.get(engineOf(socket), "unsent") as { readonly length: number }
      assert.isBelow(unsent.length, 1000)
    })
  )

  test(
    "a server that reads nothing until its own messages are read does not stop the class from reading",
    Effect.gen(function* () {
      const size = 100_000
      const count = 50
      let bytes = 0
      const Class = yield* served(
        Effect.fnUntraced(function* (connection) {
          for (let sent = 0; sent < count; sent++) yield* connection.send(new Uint8Array(size))
          yield* Stream.runForEach(connection.messages, ({ data }) => Effect.sync(() => (bytes += data.length)))
        })
      )
      const socket = new Class(url)
      socket.binaryType = "arraybuffer"
      let received = 0
      socket.addEventListener("message", () => received++)
      yield* record(socket).opened
      for (let sent = 0; sent < count; sent++) socket.send(new Uint8Array(size))
      yield* until(() => received === count && bytes === count * size)
      assert.strictEqual(socket.bufferedAmount, 0)
    })
  )
})

describe("replies to messages that arrived together", () => {
  // A server that sends the texts "a", "b" and "c" in one chunk, and notes the length of each chunk that it gets.
  const chunks = Effect.fnUntraced(function* () {
    const lengths: Array<number> = []
    yield* listening({ port: 8080 }, (asked) => (writer, reader) => {
      const texts = Uint8Array.of(0x81, 1, 97, 0x81, 1, 98, 0x81, 1, 99)
      const read = Effect.map(reader.pull, (chunks) => void lengths.push(...chunks.map((chunk) => chunk.length)))
      return Effect.andThen(
        writer.write(Buffer.concat([Buffer.from(acceptance(asked), "latin1"), texts])),
        Effect.forever(read)
      )
    })
    return lengths
  })
  const messageLength = 7

  test(
    "leave in one write, with those of a promise that a listener resolves",
    Effect.gen(function* () {
      const lengths = yield* chunks()
      const Class = yield* classOf()
      const socket = new Class("ws://server.test:8080/")
      socket.onmessage = async ({ data }) => {
        socket.send(String(data))
        await Promise.resolve()
        socket.send(String(data))
      }
      yield* until(() => lengths.reduce((sum, length) => sum + length, 0) === 6 * messageLength)
      // The last promise is resolved after the turn in which the last message was delivered.
      assert.isAtMost(lengths.length, 2)
    })
  )

  test(
    "do not wait for messages that the script has paused",
    Effect.gen(function* () {
      const lengths = yield* chunks()
      const Class = yield* classOf()
      const socket = new Class("ws://server.test:8080/")
      socket.onmessage = ({ data }) => {
        socket.send(String(data))
        if (data === "b") engineOf(socket).pause()
      }
      yield* until(() => lengths.length === 1)
      assert.deepStrictEqual(lengths, [2 * messageLength])
      socket.send("later")
      yield* until(() => lengths.length === 2)
      engineOf(socket).resume()
      yield* until(() => lengths.length === 3)
      assert.strictEqual(lengths[2], messageLength)
    })
  )
})
