// The attributes are what is tested.
/* oxlint-disable unicorn/prefer-add-event-listener */
/**
 * The class, its constructor and how it connects, step by step as https://websockets.spec.whatwg.org numbers them.
 */
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as Tcp from "@effect-ws/transport/Tcp"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { SocketServer } from "effect/socket"
import * as WebSocketClass from "../src/WebSocketClass.ts"
import { classOf, echo, record, served, test, thrown, until, url } from "./support/standard.ts"
import { acceptance, accepting, listening, redirect, response } from "./support/web.ts"
import type { Respond } from "./support/web.ts"

describe("the constructor", () => {
  const Class = WebSocketClass.makeWebSocketClass(Context.makeUnsafe<Dialer>(new Map()))

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
    "all arguments are converted, in their order, before the first step",
    Effect.sync(() => {
      const seen: Array<string> = []
      const noting = (name: string, text: string): string =>
        ({
          toString: () => {
            seen.push(name)
            return text
          }
        }) as unknown as string
      assert.strictEqual(
        thrown(() => new Class(noting("url", "/no/base"), [noting("protocols", "chat")])),
        "SyntaxError"
      )
      assert.deepStrictEqual(seen, ["url", "protocols"])
      const symbol = Symbol("no string") as unknown as string
      assert.strictEqual(
        thrown(() => new Class("/no/base", [symbol])),
        "TypeError"
      )
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
      const Class = yield* classOf({ origin: "https://app.test", headers: { "X-All": "1" } })
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
    "fails on a port that Fetch blocks, before it dials",
    Effect.gen(function* () {
      const Class = yield* classOf()
      for (const port of [6667, 10080, 5060, 25]) {
        const asked = yield* listening({ port }, accepting("hello"))
        const { closed, events } = record(new Class(`ws://server.test:${port}/`))
        yield* closed
        assert.deepStrictEqual(events, ["error [CLOSED]", "close 1006 [CLOSED]"])
        assert.strictEqual(asked.length, 0)
      }
      assert.strictEqual(
        thrown(() => new Class("ws://server.test:22/")),
        "nothing"
      )
    })
  )

  test(
    "closed before it is open, the error event says so",
    Effect.gen(function* () {
      yield* listening({ port: 8080 }, () => () => Effect.never)
      const Class = yield* classOf()
      const socket = new Class("ws://server.test:8080/")
      const { closed } = record(socket)
      let said = ""
      socket.onerror = (event) => (said = (event as ErrorEvent).message)
      socket.close()
      yield* closed
      assert.strictEqual(said, "the WebSocket was closed before the connection opened")
    })
  )

  test(
    "fails where no server listens, and the error event says why",
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
      const Class = WebSocketClass.makeWebSocketClass(Layer.effectContext(Effect.fail(new Error("no network"))))
      const { closed, events } = record(new Class(url))
      yield* closed
      assert.deepStrictEqual(events, ["error [CLOSED]", "close 1006 [CLOSED]"])
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
      const socket = new WebSocketClass.WebSocket(`ws://127.0.0.1:${(address as { port: number }).port}/`)
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
