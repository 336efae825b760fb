// The attributes are what is tested.
/* oxlint-disable unicorn/prefer-add-event-listener */
/**
 * The events, as the section "Feedback from the protocol" of https://websockets.spec.whatwg.org has them.
 */
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as WebSocketClass from "../src/WebSocketClass.ts"
import { classOf, echo, keeping, network, raw, record, served, test, turn, until, url } from "./support/standard.ts"
import { listening } from "./support/web.ts"

describe("when the connection is established", () => {
  test(
    "the state, the extensions and the subprotocol are set before the open event",
    Effect.gen(function* () {
      const Class = yield* served(echo, { subprotocols: ["b", "a"] })
      const socket = new Class(url, ["a", "b"])
      const seen: Array<unknown> = []
      socket.onopen = (event) => {
        seen.push(socket.readyState, socket.extensions, socket.protocol, event.type, event.target === socket)
      }
      yield* record(socket).opened
      assert.deepStrictEqual(seen, [1, "permessage-deflate", "b", "open", true])
    }).pipe(Effect.provide(PermessageDeflate.layer()))
  )
})

describe("when a message has been received", () => {
  test(
    "step 1: it is dropped unless the state is OPEN",
    Effect.gen(function* () {
      const Class = yield* served((connection) =>
        Effect.forEach(["a", "b", "c"], (text) => connection.send(text)).pipe(Effect.andThen(connection.closed))
      )
      const socket = new Class(url)
      const { closed, events } = record(socket)
      socket.addEventListener("message", (event) => {
        if (event.data === "b") socket.close()
      })
      yield* closed
      assert.deepStrictEqual(events, [
        "open [OPEN]",
        "message a [OPEN]",
        "message b [OPEN]",
        "close 1005 clean [CLOSED]"
      ])
    })
  )

  test(
    "step 2: text is a string, binary what binaryType says when the event fires; another type is ignored",
    Effect.gen(function* () {
      const Class = yield* served(echo)
      const socket = new Class(url)
      yield* record(socket).opened
      const data: Array<unknown> = []
      socket.onmessage = (event) => data.push(event.data)
      socket.send("text")
      socket.send(Uint8Array.of(1, 2))
      yield* until(() => data.length === 2)
      socket.binaryType = "arraybuffer"
      socket.binaryType = "nodebuffer" as "blob"
      assert.strictEqual(socket.binaryType, "arraybuffer")
      socket.send(Uint8Array.of(3, 4))
      yield* until(() => data.length === 3)
      const [text, blob, buffer] = data as [string, Blob, ArrayBuffer]
      assert.strictEqual(text, "text")
      assert.instanceOf(blob, Blob)
      assert.deepStrictEqual([...new Uint8Array(yield* Effect.promise(() => blob.arrayBuffer()))], [1, 2])
      assert.instanceOf(buffer, ArrayBuffer)
      assert.deepStrictEqual([...new Uint8Array(buffer)], [3, 4])
    })
  )

  test(
    "step 3: the event has the origin of the URL, and each is a task of its own",
    Effect.gen(function* () {
      const Class = yield* served((connection) =>
        Effect.forEach(["a", "b", "c"], (text) => connection.send(text)).pipe(Effect.andThen(connection.closed))
      )
      const socket = new Class("http://Server.test:80/path")
      // A program that waits for one message and then for the next gets both, although they came in one chunk.
      const next = (): Promise<MessageEvent> =>
        new Promise((resolve) => socket.addEventListener("message", resolve, { once: true }))
      const events = yield* Effect.promise(async () => [await next(), await next(), await next()])
      assert.deepStrictEqual(
        events.map((event) => [event.data, event.origin, event instanceof MessageEvent]),
        ["a", "b", "c"].map((text) => [text, "ws://server.test", true])
      )
    })
  )

  test(
    "a listener that throws harms no other",
    Effect.gen(function* () {
      const Class = yield* served(echo)
      const socket = new Class(url)
      const { events, opened } = record(socket)
      yield* opened
      const uncaught: Array<unknown> = []
      const previous = process.listeners("uncaughtException")
      process.removeAllListeners("uncaughtException")
      process.on("uncaughtException", (error) => uncaught.push(error))
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          process.removeAllListeners("uncaughtException")
          for (const listener of previous) process.on("uncaughtException", listener)
        })
      )
      socket.onmessage = () => {
        throw new Error("from a listener")
      }
      socket.send("1")
      socket.send("2")
      yield* until(() => events.length === 3 && uncaught.length === 2)
      assert.deepStrictEqual(events, ["open [OPEN]", "message 1 [OPEN]", "message 2 [OPEN]"])
    })
  )
})

describe("when the closing handshake is started", () => {
  test(
    "the state is CLOSING, until the stream has ended",
    Effect.gen(function* () {
      // A close frame with 1000, and a server that never ends the stream.
      yield* listening({ port: 8080 }, raw([0x88, 2, 0x03, 0xe8]))
      const Class = yield* classOf({ closeTimeout: "50 millis" })
      const socket = new Class("ws://server.test:8080/")
      const { closed, events, opened } = record(socket)
      yield* opened
      yield* until(() => socket.readyState === 2)
      assert.deepStrictEqual(events, ["open [OPEN]"])
      yield* closed
    })
  )
})

describe("when the connection is closed", () => {
  const ends: ReadonlyArray<readonly [string, ReadonlyArray<number>, "end" | "wait", ReadonlyArray<string>]> = [
    ["with a code and a reason", [0x88, 5, 0x0f, 0xa0, 0x62, 0x79, 0x65], "end", ["close 4000 bye clean [CLOSED]"]],
    ["without a code", [0x88, 0], "end", ["close 1005 clean [CLOSED]"]],
    ["with a BOM in the reason", [0x88, 5, 0x03, 0xe8, 0xef, 0xbb, 0xbf], "end", ["close 1000 \uFEFF clean [CLOSED]"]],
    ["by the end of the stream", [], "end", ["error [CLOSED]", "close 1006 [CLOSED]"]],
    ["in the middle of a frame", [0x81, 5, 0x61], "end", ["error [CLOSED]", "close 1006 [CLOSED]"]],
    ["because of a reserved opcode", [0x83, 0], "wait", ["error [CLOSED]", "close 1006 [CLOSED]"]],
    ["because of text that is not UTF-8", [0x81, 1, 0xff], "wait", ["error [CLOSED]", "close 1006 [CLOSED]"]],
    [
      "because of a close code that may not be",
      [0x88, 2, 0x03, 0xed],
      "wait",
      ["error [CLOSED]", "close 1006 [CLOSED]"]
    ]
  ]
  for (const [name, frames, then, expected] of ends) {
    test(
      `${name}: ${expected.join(", ")}`,
      Effect.gen(function* () {
        yield* listening({ port: 8080 }, raw([0x81, 1, 0x61, ...frames], then))
        const Class = yield* classOf({ closeTimeout: "100 millis" })
        const { closed, events } = record(new Class("ws://server.test:8080/"))
        yield* closed
        assert.deepStrictEqual(events, ["open [OPEN]", "message a [OPEN]", ...expected])
      })
    )
  }

  test(
    "and the server never answered our close: an error, and 1006",
    Effect.gen(function* () {
      yield* listening({ port: 8080 }, raw([]))
      const Class = yield* classOf({ closeTimeout: "50 millis" })
      const socket = new Class("ws://server.test:8080/")
      const { closed, events, opened } = record(socket)
      yield* opened
      socket.close()
      yield* closed
      assert.deepStrictEqual(events, ["open [OPEN]", "error [CLOSED]", "close 1006 [CLOSED]"])
    })
  )

  test(
    "by the Scope of the class, the server hears 1001, as when a page goes away",
    Effect.gen(function* () {
      const { closeInfo } = yield* keeping()
      const scope = yield* Scope.make()
      const Class = yield* Scope.provide(WebSocketClass.make(), scope)
      const socket = new Class(url)
      const { closed, events, opened } = record(socket)
      yield* opened
      yield* Scope.close(scope, Exit.void)
      yield* closed
      assert.strictEqual((yield* closeInfo).received?.code, 1001)
      assert.deepStrictEqual(events, ["open [OPEN]", "close 1001 clean [CLOSED]"])
      const late = record(new Class(url))
      yield* late.closed
      assert.deepStrictEqual(late.events, ["error [CLOSED]", "close 1006 [CLOSED]"])
    })
  )
})

describe("ping and pong", () => {
  for (const [name, options, seen] of [
    ["after 20 seconds of silence the class pings", undefined, ["Ping"]],
    ["unless it is told not to", { keepalive: false }, []]
  ] as const) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const events: Array<string> = []
        yield* WebSocketServer.make(
          (connection) =>
            Stream.runForEach(connection.events(["Ping"]), ({ _tag }) => Effect.sync(() => events.push(_tag))),
          { keepalive: false }
        )
        const Class = yield* classOf(options)
        yield* record(new Class(url)).opened
        yield* TestClock.adjust("19 seconds")
        yield* turn
        assert.deepStrictEqual(events, [])
        yield* TestClock.adjust("2 seconds")
        yield* turn
        assert.deepStrictEqual(events, [...seen])
      }).pipe(Effect.scoped, Effect.provide(network))
    )
  }
})
