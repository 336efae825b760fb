/**
 * The method `close`, step by step as https://websockets.spec.whatwg.org numbers them.
 */
import * as SlowLink from "@effect-ws/test-support/SlowLink"
import type { CloseFrame } from "@effect-ws/protocol/CloseFrame"
import * as FaultInjection from "@effect-ws/transport/FaultInjection"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Queue } from "effect"
import type { Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"
import { WebSocketServer } from "ws"
import * as Client from "../src/Client.ts"
import * as WebSocketClass from "../src/WebSocketClass.ts"
import * as certificates from "./support/certificates.ts"
import { keeping, network, record, served, test, thrown, turn, url } from "./support/standard.ts"

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
        const { closeInfo, socket } = yield* opened()
        socket.close(code as number)
        assert.strictEqual((yield* closeInfo).received?.code, expected)
      })
    )
  }

  test(
    "step 2: a reason of more than 123 bytes of UTF-8 is a SyntaxError",
    Effect.gen(function* () {
      const { closeInfo, socket } = yield* opened()
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
      assert.deepStrictEqual((yield* closeInfo).received, { code: 3000, reason: `${"é".repeat(60)}\uFFFD` })
    })
  )

  test(
    "step 3: in CLOSING and CLOSED it does nothing",
    Effect.gen(function* () {
      const { closed, closeInfo, events, socket } = yield* opened()
      socket.close(3001, "first")
      socket.close(3002, "second")
      assert.strictEqual(socket.readyState, 2)
      yield* closed
      socket.close(3003, "third")
      assert.strictEqual(socket.readyState, 3)
      assert.deepStrictEqual((yield* closeInfo).received, { code: 3001, reason: "first" })
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
        const { closed, closeInfo, events, socket } = yield* opened()
        socket.close(...(args as []))
        assert.strictEqual(socket.readyState, 2)
        assert.deepStrictEqual((yield* closeInfo).received, frame)
        yield* closed
        assert.deepStrictEqual(events, ["open [OPEN]", `${event} [CLOSED]`])
      })
    )
  }

  test(
    "step 3: what was sent before goes first, a Blob too",
    Effect.gen(function* () {
      const { closed, closeInfo, messages, socket } = yield* opened()
      socket.send("first")
      socket.send(new Blob(["second"]))
      socket.send("third")
      socket.close(1000)
      socket.send("never")
      yield* closed
      const received = yield* Queue.takeAll(messages)
      assert.deepStrictEqual(received.map(String), ["first", String(Buffer.from("second").join()), "third"])
      assert.isTrue((yield* closeInfo).clean)
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

describe("close after much was sent", () => {
  it.effect("loses nothing, though the network takes two minutes for it", () =>
    Effect.gen(function* () {
      const { closeInfo, messages, WebSocketClass } = yield* keeping()
      const socket = new WebSocketClass(url)
      const { closed, events, opened } = record(socket)
      yield* opened
      for (let message = 0; message < 24; message++) socket.send(new Uint8Array(256 * 1024))
      socket.close(4000)
      for (let second = 0; second < 140; second++) {
        yield* TestClock.adjust("1 second")
        yield* turn
      }
      yield* closed
      assert.strictEqual(yield* Queue.size(messages), 24)
      assert.deepStrictEqual((yield* closeInfo).received, { code: 4000, reason: "" })
      assert.deepStrictEqual(events, ["open [OPEN]", "close 4000 clean [CLOSED]"])
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Layer.provideMerge(
          FaultInjection.layerDialer(() => ({ outbound: { bandwidth: 50_000 } })),
          network
        )
      )
    )
  )

  describe.each([["ws"], ["wss"]])("%s", { timeout: 60_000 }, (scheme) => {
    it.live("loses nothing where it takes longer than closeTimeout", () =>
      Effect.gen(function* () {
        let received = 0
        const { port } = yield* slowServer(scheme === "wss", 4_000_000, () => received++)
        const Class = WebSocketClass.makeWebSocketClass(Client.layerDirect(), {
          closeTimeout: "2 seconds",
          tls: { ca: certificates.ca }
        })
        const socket = new Class(`${scheme}://localhost:${port}/`)
        const { closed, events, opened } = record(socket)
        yield* opened
        for (let message = 0; message < 24; message++) socket.send(new Uint8Array(1024 * 1024))
        socket.close()
        yield* closed
        assert.deepStrictEqual(events, ["open [OPEN]", "close 1005 clean [CLOSED]"])
        assert.strictEqual(received, 24)
      }).pipe(Effect.scoped)
    )
  })
})

/** A server of `ws` behind a link that carries so many bytes a second towards it. */
const slowServer = Effect.fnUntraced(function* (isSecure: boolean, bytesPerSecond: number, onMessage: () => void) {
  const web = isSecure ? Https.createServer(certificates.server) : Http.createServer()
  const ws = new WebSocketServer({ server: web, perMessageDeflate: false })
  ws.on("connection", (far) => far.on("message", onMessage).on("error", () => {}))
  const behind = yield* listening(web)
  const link = Net.createServer((near) => SlowLink.carry(near, behind, bytesPerSecond))
  return { port: yield* listening(link) }
})

const listening = (server: Net.Server): Effect.Effect<number, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as Net.AddressInfo).port)))
    }),
    () => Effect.sync(() => void server.close())
  )
