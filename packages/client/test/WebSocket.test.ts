// The attributes are what is tested.
/* oxlint-disable unicorn/prefer-add-event-listener */
/**
 * The class, step by step as https://websockets.spec.whatwg.org numbers them.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import type { CloseFrame } from "@effect-ws/protocol/CloseFrame"
import type { Closure } from "@effect-ws/protocol/Session"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as Tcp from "@effect-ws/transport/Tcp"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Layer, Queue, Scope, Stream } from "effect"
import { SocketServer } from "effect/socket"
import * as WebSocket from "../src/WebSocket.ts"
import { classOf, network, record, served, thrown, turn, until } from "./support/standard.ts"
import type { Network } from "./support/standard.ts"
import { acceptance, accepting, listening, redirect, response } from "./support/web.ts"
import type { Respond } from "./support/web.ts"

const url = "ws://server.test/"

const test = (name: string, program: Effect.Effect<void, unknown, Network>): void => {
  it.live(name, () => program.pipe(Effect.scoped, Effect.provide(network)), 10_000)
}

const echo = (connection: Connection): Effect.Effect<void, unknown> =>
  Stream.runForEach(connection.messages, (message) => connection.send(message))

/** A server that keeps what it gets: the messages, and how the connection ended. */
const keeping = Effect.fnUntraced(function* () {
  const messages = yield* Queue.unbounded<string | Uint8Array>()
  const closure = yield* Deferred.make<Closure>()
  const WebSocketClass = yield* served((connection) =>
    Stream.runForEach(connection.messages, ({ data }) => Queue.offer(messages, data)).pipe(
      Effect.ignore,
      Effect.andThen(connection.closed),
      Effect.flatMap((closed) => Deferred.succeed(closure, closed))
    )
  )
  return { WebSocketClass, messages, closure: Deferred.await(closure) }
})

/** A server of bytes: what it sends behind its acceptance, before it ends the stream or waits for the client to. */
const raw =
  (frames: ReadonlyArray<number>, then: "end" | "wait" = "wait"): Respond =>
  (asked) =>
  (writer, reader) =>
    Effect.andThen(
      writer.write(Buffer.concat([Buffer.from(acceptance(asked), "latin1"), Uint8Array.from(frames)])),
      then === "end" ? Effect.void : Effect.forever(reader.pull)
    )

describe("the constructor", () => {
  const Class = WebSocket.makeWebSocketClass(Context.makeUnsafe<Dialer>(new Map()))

  test(
    "steps 2 and 3: a URL that does not parse on its own is a SyntaxError",
    Effect.sync(() => {
      for (const bad of ["", "/path", "//host/", "ws://", "ws://a b/", "ws://host:99999/", undefined, null, {}]) {
        assert.strictEqual(
          thrown(() => new Class(bad as string)),
          "SyntaxError",
          String(bad)
        )
      }
    })
  )

  test(
    "steps 4 and 5: http is ws and https is wss",
    Effect.gen(function* () {
      const Class = yield* classOf()
      assert.strictEqual(new Class("http://server.test/a").url, "ws://server.test/a")
      assert.strictEqual(new Class("https://server.test:443/a").url, "wss://server.test/a")
      assert.strictEqual(new Class("http://server.test:443/a").url, "ws://server.test:443/a")
    })
  )

  test(
    "step 6: any other scheme is a SyntaxError",
    Effect.sync(() => {
      for (const bad of ["ftp://host/", "mailto:a@b", "about:blank", "ws+unix:/tmp/x", "file:///x", "javascript:1"]) {
        assert.strictEqual(
          thrown(() => new Class(bad)),
          "SyntaxError",
          bad
        )
      }
    })
  )

  test(
    "step 7: a fragment is a SyntaxError, also an empty one",
    Effect.sync(() => {
      for (const bad of ["ws://host/#a", "ws://host/#", "http://host/?q#"]) {
        assert.strictEqual(
          thrown(() => new Class(bad)),
          "SyntaxError",
          bad
        )
      }
    })
  )

  test(
    "step 8: a string is a sequence of one subprotocol",
    Effect.gen(function* () {
      const Class = yield* served((connection) => connection.receive, { subprotocols: ["chat"] })
      for (const protocols of ["chat", ["chat"], new Set(["chat"]), { protocols: "chat" }]) {
        const socket = new Class(url, protocols)
        yield* record(socket).opened
        assert.strictEqual(socket.protocol, "chat")
      }
    })
  )

  test(
    "step 9: a subprotocol that stands twice or is no token is a SyntaxError",
    Effect.gen(function* () {
      for (const bad of ["", " ", "a b", "a,b", "a/b", "(a)", "é", "a\u0000", ["a", "a"], ["a", ""], [null, "null"]]) {
        assert.strictEqual(
          thrown(() => new Class(url, bad as string)),
          "SyntaxError",
          JSON.stringify(bad)
        )
      }
      const Class2 = yield* classOf()
      // Names that differ in case are two names.
      assert.strictEqual(
        thrown(() => new Class2(url, ["chat", "Chat"])),
        "nothing"
      )
    })
  )

  test(
    "step 10: the URL is serialized, and the object is in its initial state",
    Effect.gen(function* () {
      const Class = yield* classOf()
      const socket = new Class("WS://user:word@Server.TEST:80/a b/../ü?q=\uD800")
      assert.strictEqual(socket.url, "ws://user:word@server.test/%C3%BC?q=%EF%BF%BD")
      assert.deepStrictEqual(
        [socket.readyState, socket.extensions, socket.protocol, socket.bufferedAmount, socket.binaryType],
        [0, "", "", 0, "blob"]
      )
      assert.deepStrictEqual(
        [socket.onopen, socket.onmessage, socket.onerror, socket.onclose],
        [null, null, null, null]
      )
      assert.strictEqual(new Class(new URL("ws://server.test/x")).url, "ws://server.test/x")
    })
  )

  test(
    "step 12: the connection is established in parallel; no event comes in the task that made the object",
    Effect.gen(function* () {
      const Class = yield* served(echo)
      const events = yield* Effect.promise(async () => {
        const socket = new Class(url)
        const first = socket.readyState
        for (let microtask = 0; microtask < 1000; microtask++) await undefined
        const { events, opened } = record(socket)
        assert.deepStrictEqual([first, socket.readyState, events.length], [0, 0, 0])
        await Effect.runPromise(opened)
        return events
      })
      assert.deepStrictEqual(events, ["open [OPEN]"])
    })
  )

  test(
    "is an interface as Web IDL describes them",
    Effect.sync(() => {
      assert.strictEqual(
        thrown(() => new (Class as unknown as new () => unknown)()),
        "TypeError"
      )
      assert.strictEqual(
        thrown(() => (Class as unknown as (url: string) => unknown)(url)),
        "TypeError"
      )
      assert.strictEqual(
        thrown(() => Class.prototype.readyState),
        "TypeError"
      )
      assert.strictEqual(
        thrown(() => Class.prototype.close.call({} as never)),
        "TypeError"
      )
      assert.deepStrictEqual([Class.name, Class.length], ["WebSocket", 1])
      assert.deepStrictEqual([Class.prototype.close.length, Class.prototype.send.length], [0, 1])
      assert.deepStrictEqual([Class.CONNECTING, Class.OPEN, Class.CLOSING, Class.CLOSED], [0, 1, 2, 3])
      const { CLOSED, CLOSING, CONNECTING, OPEN } = Class.prototype
      assert.deepStrictEqual([CONNECTING, OPEN, CLOSING, CLOSED], [0, 1, 2, 3])
      assert.strictEqual(Object.prototype.toString.call(Class.prototype), "[object WebSocket]")
      assert.isFalse(Reflect.set(Class, "OPEN", 7))
      const standard = Object.getOwnPropertyNames(globalThis.WebSocket.prototype)
      assert.includeMembers(Object.getOwnPropertyNames(Class.prototype), standard)
      for (const name of standard) {
        if (name === "constructor") continue
        assert.isTrue(Object.prototype.propertyIsEnumerable.call(Class.prototype, name), name)
      }
    })
  )

  test(
    "leaves the fields of a class that extends it alone",
    Effect.gen(function* () {
      const Class = yield* served(echo)
      class Mine extends Class {
        connection = "mine"
        state = "mine"
      }
      const socket = new Mine(url)
      const { events, opened } = record(socket)
      yield* opened
      assert.deepStrictEqual([Object.keys(socket), socket instanceof EventTarget], [["connection", "state"], true])
      assert.deepStrictEqual(events, ["open [OPEN]"])
    })
  )
})

describe("establishing", () => {
  test(
    "sends what the handshake needs, headers of the program among it, and no user information",
    Effect.gen(function* () {
      const asked = yield* listening({ port: 8080 }, accepting("hello"))
      const Class = yield* classOf({ origin: "https://app.test", headers: [{ name: "X-All", value: "1" }] })
      const socket = new Class("ws://user:word@server.test:8080/a?b", {
        protocols: [],
        headers: { "X-One": "2" }
      })
      const { events, opened } = record(socket)
      yield* opened
      yield* until(() => events.length === 2)
      const { head, header } = asked[0]!
      assert.deepStrictEqual([head.method, head.target, header("Host")], ["GET", "/a?b", "server.test:8080"])
      assert.deepStrictEqual(
        [header("Origin"), header("X-All"), header("X-One"), header("Authorization")],
        ["https://app.test", "1", "2", undefined]
      )
    })
  )

  const failures: ReadonlyArray<readonly [string, Respond]> = [
    ["a status that is not 101", () => response("200 OK", [], "hello")],
    ["a redirect, which is not followed", () => redirect("ws://server.test/")],
    ["a wrong Accept", (asked) => acceptance(asked, { "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" })],
    ["a subprotocol that was not offered", (asked) => acceptance(asked, { "Sec-WebSocket-Protocol": "other" })],
    ["an extension that was not offered", (asked) => acceptance(asked, { "Sec-WebSocket-Extensions": "x" })],
    ["none of the subprotocols offered", (asked) => acceptance(asked)],
    ["no HTTP at all", () => "SSH-2.0-hello\r\n"],
    ["the end of the stream", () => ""]
  ]
  for (const [name, respond] of failures) {
    test(
      `fails on ${name}: error, then close with 1006, as every failure`,
      Effect.gen(function* () {
        yield* listening({ port: 8080 }, respond)
        const Class = yield* classOf()
        const { closed, events } = record(new Class("ws://server.test:8080/", "chat"))
        yield* closed
        assert.deepStrictEqual(events, ["error [CLOSED]", "close 1006 [CLOSED]"])
      })
    )
  }

  test(
    "fails where nobody listens, and the error event says why",
    Effect.gen(function* () {
      const Class = yield* classOf()
      const socket = new Class("ws://server.test:81/")
      const errors: Array<Event> = []
      socket.onerror = (event) => errors.push(event)
      const { closed, events } = record(socket)
      yield* closed
      assert.deepStrictEqual(events, ["error [CLOSED]", "close 1006 [CLOSED]"])
      assert.propertyVal((errors[0] as ErrorEvent).error, "_tag", "SocketError")
    })
  )

  test(
    "fails where the services of the class do",
    Effect.gen(function* () {
      const Class = WebSocket.makeWebSocketClass(Layer.effectContext(Effect.fail(new Error("no network"))))
      const { closed, events } = record(new Class(url))
      yield* closed
      assert.deepStrictEqual(events, ["error [CLOSED]", "close 1006 [CLOSED]"])
    })
  )
})

describe("close", () => {
  const opened = Effect.fnUntraced(function* () {
    const server = yield* keeping()
    const socket = new server.WebSocketClass(url)
    const recording = record(socket)
    yield* recording.opened
    return { ...server, ...recording, socket }
  })

  test(
    "step 1: a code that is neither 1000 nor 3000 to 4999 is an InvalidAccessError",
    Effect.gen(function* () {
      const { socket } = yield* opened()
      for (const code of [0, 1, 999, 1001, 1005, 1006, 1015, 2999, 5000, 65_536, -1, NaN, null, "x", 999.4]) {
        assert.strictEqual(
          thrown(() => socket.close(code as number)),
          "InvalidAccessError",
          String(code)
        )
      }
      // Before the check of the reason.
      assert.strictEqual(
        thrown(() => socket.close(1001, "x".repeat(124))),
        "InvalidAccessError"
      )
      assert.strictEqual(socket.readyState, 1)
    })
  )

  for (const [code, expected] of [
    ["1000", 1000],
    [999.5, 1000],
    [1000.5, 1000],
    [2999.5, 3000],
    [4999.4, 4999]
  ] as const) {
    test(
      `step 1: a code is clamped to an integer, halves to the even one: ${JSON.stringify(code)} is ${expected}`,
      Effect.gen(function* () {
        const { closure, socket } = yield* opened()
        socket.close(code as number)
        assert.strictEqual((yield* closure).received?.code, expected)
      })
    )
  }

  test(
    "step 2: a reason of more than 123 bytes of UTF-8 is a SyntaxError",
    Effect.gen(function* () {
      const { closure, socket } = yield* opened()
      assert.strictEqual(
        thrown(() => socket.close(1000, "x".repeat(124))),
        "SyntaxError"
      )
      assert.strictEqual(
        thrown(() => socket.close(1000, "é".repeat(62))),
        "SyntaxError"
      )
      assert.strictEqual(
        thrown(() => socket.close(undefined, "x".repeat(124))),
        "SyntaxError"
      )
      assert.strictEqual(socket.readyState, 1)
      const longest = `${"é".repeat(60)}\uD800`
      socket.close(3000, longest)
      assert.deepStrictEqual((yield* closure).received, { code: 3000, reason: `${"é".repeat(60)}\uFFFD` })
    })
  )

  test(
    "step 3: in CLOSING and CLOSED it does nothing",
    Effect.gen(function* () {
      const { closed, closure, events, socket } = yield* opened()
      socket.close(3001, "first")
      socket.close(3002, "second")
      assert.strictEqual(socket.readyState, 2)
      yield* closed
      socket.close(3003, "third")
      assert.strictEqual(socket.readyState, 3)
      assert.deepStrictEqual((yield* closure).received, { code: 3001, reason: "first" })
      assert.deepStrictEqual(events, ["open [OPEN]", "close 3001 first clean [CLOSED]"])
    })
  )

  test(
    "step 3: before the connection is established it fails the connection",
    Effect.gen(function* () {
      const { WebSocketClass } = yield* keeping()
      const socket = new WebSocketClass(url)
      const { closed, events } = record(socket)
      socket.close()
      assert.strictEqual(socket.readyState, 2)
      assert.deepStrictEqual(events, [])
      yield* closed
      assert.deepStrictEqual(events, ["error [CLOSED]", "close 1006 [CLOSED]"])
    })
  )

  const frames: ReadonlyArray<readonly [string, ReadonlyArray<unknown>, CloseFrame, string]> = [
    ["without arguments the close frame has no body", [], { reason: "" }, "close 1005 clean"],
    ["undefined is no argument", [undefined, undefined], { reason: "" }, "close 1005 clean"],
    ["an empty reason alone is none", [undefined, ""], { reason: "" }, "close 1005 clean"],
    ["a code is sent", [4000], { code: 4000, reason: "" }, "close 4000 clean"],
    ["a code and a reason are sent", [1000, "bye ü"], { code: 1000, reason: "bye ü" }, "close 1000 bye ü clean"],
    ["a reason alone is sent with 1000", [undefined, "bye"], { code: 1000, reason: "bye" }, "close 1000 bye clean"]
  ]
  for (const [name, args, frame, event] of frames) {
    test(
      `step 3: starts the closing handshake; ${name}`,
      Effect.gen(function* () {
        const { closed, closure, events, socket } = yield* opened()
        socket.close(...(args as []))
        assert.strictEqual(socket.readyState, 2)
        assert.deepStrictEqual((yield* closure).received, frame)
        yield* closed
        assert.deepStrictEqual(events, ["open [OPEN]", `${event} [CLOSED]`])
      })
    )
  }

  test(
    "step 3: what was sent before goes first, a Blob too",
    Effect.gen(function* () {
      const { closed, closure, messages, socket } = yield* opened()
      socket.send("first")
      socket.send(new Blob(["second"]))
      socket.send("third")
      socket.close(1000)
      socket.send("never")
      yield* closed
      const received = yield* Queue.takeAll(messages)
      assert.deepStrictEqual(received.map(String), ["first", String(Buffer.from("second").join()), "third"])
      assert.isTrue((yield* closure).clean)
      yield* turn
      assert.strictEqual(socket.bufferedAmount, "never".length)
    })
  )

  test(
    "step 3: when the server began to close, the answer is on its way",
    Effect.gen(function* () {
      const Class = yield* served((connection) =>
        Effect.andThen(connection.send("last"), connection.close(4001, "bye"))
      )
      const socket = new Class(url)
      const { closed, events } = record(socket)
      socket.addEventListener("message", () => socket.close(4002))
      yield* closed
      assert.deepStrictEqual(events, ["open [OPEN]", "message last [OPEN]", "close 4001 bye clean [CLOSED]"])
    })
  )
})

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
      const { closure, messages, WebSocketClass } = yield* keeping()
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
      yield* closure
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
})

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
      // Whoever waits for one message and then for the next gets both, though they came in one chunk.
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
    "a listener that throws harms nobody else",
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
      const { closure } = yield* keeping()
      const scope = yield* Scope.make()
      const Class = yield* Scope.provide(WebSocket.make(), scope)
      const socket = new Class(url)
      const { closed, events, opened } = record(socket)
      yield* opened
      yield* Scope.close(scope, Exit.void)
      yield* closed
      assert.strictEqual((yield* closure).received?.code, 1001)
      assert.deepStrictEqual(events, ["open [OPEN]", "close 1001 clean [CLOSED]"])
      const late = record(new Class(url))
      yield* late.closed
      assert.deepStrictEqual(late.events, ["error [CLOSED]", "close 1006 [CLOSED]"])
    })
  )
})

describe("event handlers", () => {
  test(
    "keep their place when they are replaced, lose it to null, and have the object as `this`",
    Effect.gen(function* () {
      const Class = yield* served(echo)
      const socket = new Class(url)
      const calls: Array<string> = []
      const call = (name: string) =>
        function (this: unknown) {
          calls.push(this === socket ? name : `${name} with another this`)
        }
      socket.onopen = call("first")
      socket.addEventListener("open", call("listener"))
      const second = call("second")
      socket.onopen = second
      assert.strictEqual(socket.onopen, second)
      socket.onmessage = call("dropped")
      socket.onmessage = "no handler" as never
      assert.strictEqual(socket.onmessage, null)
      socket.addEventListener("message", call("listener"))
      socket.onmessage = call("late")
      const object = {} as never
      socket.onclose = object
      assert.strictEqual(socket.onclose, object)
      yield* record(socket).opened
      socket.send("x")
      yield* until(() => calls.length === 4)
      assert.deepStrictEqual(calls, ["second", "listener", "listener", "late"])
    })
  )
})

describe("the class for the usual network", () => {
  it.live("talks over TCP, compressed", () =>
    Effect.gen(function* () {
      const { address } = yield* SocketServer.SocketServer
      yield* WebSocketServer.make(echo)
      const socket = new WebSocket.WebSocket(`ws://127.0.0.1:${(address as { port: number }).port}/`)
      const { closed, events, opened } = record(socket)
      yield* opened
      assert.strictEqual(socket.extensions, "permessage-deflate")
      socket.send("hello")
      yield* until(() => events.length === 2)
      socket.close(1000, "done")
      yield* closed
      assert.deepStrictEqual(events, ["open [OPEN]", "message hello [OPEN]", "close 1000 done clean [CLOSED]"])
    }).pipe(Effect.scoped, Effect.provide([Layer.fresh(Tcp.layerServer({ port: 0 })), PermessageDeflate.layer()]))
  )
})
