/**
 * Other people's WebSockets at the other end: Node's own client and `ws` against our server, and our client against the
 * server of `ws`.
 */
import * as Connect from "@effect-ws/connection/Connect"
import type { Connection } from "@effect-ws/connection/Connection"
import * as CloseError from "@effect-ws/protocol/CloseError"
import { Dialer, hostPort } from "@effect-ws/transport/Dialer"
import * as Tcp from "@effect-ws/transport/Tcp"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Layer, Queue, Stream } from "effect"
import type { Scope } from "effect"
import type * as NetAddress from "effect/net/NetAddress"
import type { SocketServer } from "effect/socket"
import * as Ws from "ws"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { echo, patterned } from "@effect-ws/test-peers/Programs"
import { start } from "./support/variants.ts"

const serve = (
  handler: (connection: Connection) => Effect.Effect<unknown, unknown>,
  options?: WebSocketServer.ServerOptions
) =>
  start(WebSocketServer.layer(handler, options)).pipe(
    Effect.map((server) => `ws://127.0.0.1:${hostPort(server.address as NetAddress.InetAddress).port}/chat`)
  )

const test = (
  name: string,
  program: Effect.Effect<void, unknown, SocketServer.SocketServer | Dialer | Scope.Scope>
): void => {
  it.live(name, () => program.pipe(Effect.scoped, Effect.provide(Layer.fresh(Tcp.layer({ port: 0 })))), 10_000)
}

/** Someone else's socket, open: what it received, and how it was closed. */
interface Other {
  readonly send: (data: string | Uint8Array) => void
  readonly close: (code?: number, reason?: string) => void
  readonly protocol: string
  readonly received: Queue.Queue<string | Buffer>
  readonly closed: Effect.Effect<{
    readonly code: number
    readonly reason: string
    readonly clean: boolean | undefined
  }>
}

const nodeClient = Effect.fnUntraced(function* (
  url: string,
  protocols: ReadonlyArray<string> = []
): Effect.fn.Return<Other, string, Scope.Scope> {
  const received = yield* Queue.unbounded<string | Buffer>()
  const closed = yield* Deferred.make<{ code: number; reason: string; clean: boolean }>()
  const opened = yield* Deferred.make<void, string>()
  const socket = new WebSocket(url, [...protocols])
  socket.binaryType = "arraybuffer"
  socket.addEventListener("open", () => Deferred.doneUnsafe(opened, Effect.void))
  socket.addEventListener("error", () => Deferred.doneUnsafe(opened, Effect.fail("it did not open")))
  socket.addEventListener("message", ({ data }: { data: unknown }) => {
    Queue.offerUnsafe(received, typeof data === "string" ? data : Buffer.from(data as ArrayBuffer))
  })
  socket.addEventListener("close", ({ code, reason, wasClean }) => {
    Deferred.doneUnsafe(closed, Effect.succeed({ code, reason, clean: wasClean }))
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => socket.close()))
  yield* Deferred.await(opened)
  return {
    send: (data) => socket.send(data as string),
    close: (code, reason) => socket.close(code, reason),
    protocol: socket.protocol,
    received,
    closed: Deferred.await(closed)
  }
})

const wsClient = Effect.fnUntraced(function* (
  url: string,
  protocols: ReadonlyArray<string> = []
): Effect.fn.Return<Other & { readonly socket: Ws.WebSocket }, string, Scope.Scope> {
  const received = yield* Queue.unbounded<string | Buffer>()
  const closed = yield* Deferred.make<{ code: number; reason: string; clean: undefined }>()
  const opened = yield* Deferred.make<void, string>()
  const socket = new Ws.WebSocket(url, [...protocols], { perMessageDeflate: false })
  socket.on("open", () => Deferred.doneUnsafe(opened, Effect.void))
  socket.on("error", (error) => Deferred.doneUnsafe(opened, Effect.fail(error.message)))
  socket.on("message", (data: Buffer, isBinary) => Queue.offerUnsafe(received, isBinary ? data : data.toString()))
  socket.on("close", (code, reason) => {
    Deferred.doneUnsafe(closed, Effect.succeed({ code, reason: reason.toString(), clean: undefined }))
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => socket.terminate()))
  yield* Deferred.await(opened)
  return {
    socket,
    send: (data) => socket.send(data),
    close: (code, reason) => socket.close(code, reason),
    protocol: socket.protocol,
    received,
    closed: Deferred.await(closed)
  }
})

for (const [name, open] of [
  ["Node's WebSocket", nodeClient],
  ["the client of ws", wsClient]
] as const) {
  describe(`${name} and our server`, () => {
    test(
      "exchange text and binary messages, small and large, in order",
      Effect.gen(function* () {
        const other = yield* open(yield* serve(echo))
        const large = patterned(4 << 20)
        const messages: ReadonlyArray<string | Uint8Array> = [
          "hello",
          "",
          "Grüße 👋",
          patterned(3),
          large,
          "x".repeat(100_000)
        ]
        for (const message of messages) other.send(message)
        for (const message of messages) {
          const got = yield* Queue.take(other.received)
          if (typeof message === "string") assert.strictEqual(got, message)
          else assert.isTrue(typeof got !== "string" && Buffer.compare(got, message) === 0)
        }
      })
    )

    test(
      "join what is sent in fragments and in streams",
      Effect.gen(function* () {
        const url = yield* serve((connection) =>
          Effect.gen(function* () {
            yield* connection.send("fragments of text: é€👋", { fragmentSize: 1 })
            yield* connection.sendStream({ _tag: "Binary", chunks: Stream.make(patterned(10), patterned(70_000)) })
            yield* Effect.never
          })
        )
        const other = yield* open(url)
        assert.strictEqual(yield* Queue.take(other.received), "fragments of text: é€👋")
        assert.strictEqual((yield* Queue.take(other.received)).length, 70_010)
      })
    )

    test(
      "agree on a subprotocol",
      Effect.gen(function* () {
        const other = yield* open(yield* serve(echo, { subprotocols: ["chat"] }), ["superchat", "chat"])
        assert.strictEqual(other.protocol, "chat")
      })
    )

    test(
      "tell each other why they close: we begin",
      Effect.gen(function* () {
        const url = yield* serve(() => Effect.fail(new CloseError.PolicyViolation({ reason: "no bots" })))
        const other = yield* open(url)
        const closed = yield* other.closed
        assert.deepStrictEqual([closed.code, closed.reason], [1008, "no bots"])
        assert.isTrue(closed.clean ?? true)
      })
    )

    test(
      "tell each other why they close: they begin",
      Effect.gen(function* () {
        const seen = yield* Deferred.make<unknown>()
        const url = yield* serve((connection) =>
          Effect.flatMap(Effect.exit(Stream.runDrain(connection.messages)), (exit) =>
            Deferred.succeed(seen, exit._tag === "Failure" ? Cause.squash(exit.cause) : "ended")
          )
        )
        const other = yield* open(url)
        other.close(4001, "enough")
        const closed = yield* other.closed
        assert.deepStrictEqual([closed.code, closed.reason], [4001, "enough"])
        assert.deepStrictEqual(
          yield* Deferred.await(seen),
          new CloseError.ApplicationClose({ code: 4001, reason: "enough" })
        )
      })
    )

    test(
      "close without a code",
      Effect.gen(function* () {
        const ended = yield* Deferred.make<void>()
        const url = yield* serve((connection) =>
          Effect.andThen(Stream.runDrain(connection.messages), Deferred.succeed(ended, undefined))
        )
        const other = yield* open(url)
        other.close()
        assert.strictEqual((yield* other.closed).code, 1005)
        yield* Deferred.await(ended)
      })
    )

    test(
      "part at a violation of the limit",
      Effect.gen(function* () {
        const other = yield* open(yield* serve(echo, { maxMessageSize: 1000 }))
        other.send("x".repeat(1001))
        const closed = yield* other.closed
        assert.strictEqual(closed.code, 1009)
        assert.match(closed.reason, /limit/)
      })
    )

    test(
      "do not meet where the origin is refused, or the path unknown",
      Effect.gen(function* () {
        const url = yield* serve(echo, { paths: ["/elsewhere"] })
        const error = yield* Effect.flip(open(url))
        assert.isTrue(error === "it did not open" || error.includes("404"), error)
      })
    )

    test(
      "answer our pings",
      Effect.gen(function* () {
        const latency = yield* Deferred.make<unknown>()
        const url = yield* serve((connection) =>
          Effect.flatMap(connection.ping(), (roundTrip) => Deferred.succeed(latency, roundTrip))
        )
        yield* open(url)
        yield* Deferred.await(latency)
      })
    )
  })
}

describe("the client of ws and our server", () => {
  test(
    "ping and pong, also between fragments",
    Effect.gen(function* () {
      const other = yield* wsClient(yield* serve(echo))
      const pongs = yield* Queue.unbounded<string>()
      other.socket.on("pong", (data) => Queue.offerUnsafe(pongs, data.toString()))
      other.socket.send("in ", { fin: false })
      other.socket.ping("payload")
      other.socket.send("pieces", { fin: true })
      assert.strictEqual(yield* Queue.take(pongs), "payload")
      assert.strictEqual(yield* Queue.take(other.received), "in pieces")
    })
  )

  test(
    "survive each other's sudden death",
    Effect.gen(function* () {
      const url = yield* serve(echo)
      const other = yield* wsClient(url)
      other.socket.terminate()
      const next = yield* wsClient(url)
      next.send("alive")
      assert.strictEqual(yield* Queue.take(next.received), "alive")
    })
  )
})

describe("our client and the server of ws", () => {
  const wsServer = (onConnection: (socket: Ws.WebSocket) => void, options?: Ws.ServerOptions) =>
    Effect.acquireRelease(
      Effect.callback<Ws.WebSocketServer>((resume) => {
        const server = new Ws.WebSocketServer({ port: 0, host: "127.0.0.1", ...options })
        server.on("connection", onConnection)
        server.on("listening", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.sync(() => {
          for (const socket of server.clients) socket.terminate()
          server.close()
        })
    )

  const connect = Effect.fnUntraced(function* (server: Ws.WebSocketServer, options?: Connect.ConnectOptions) {
    const { port } = server.address() as { port: number }
    const dialer = yield* Dialer
    const socket = yield* dialer.dial({ host: "127.0.0.1", port })
    return yield* Connect.connect(socket, `ws://127.0.0.1:${port}/`, options)
  })

  const wsEcho = (socket: Ws.WebSocket): void => {
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }))
  }

  test(
    "exchange text and binary messages, small and large, in fragments and in streams",
    Effect.gen(function* () {
      const connection = yield* connect(yield* wsServer(wsEcho))
      const large = patterned(4 << 20)
      yield* connection.send("hello")
      assert.strictEqual((yield* connection.receive).data, "hello")
      yield* connection.send("é€👋".repeat(100), { fragmentSize: 7 })
      assert.strictEqual((yield* connection.receive).data, "é€👋".repeat(100))
      yield* Effect.forkChild(connection.send(large))
      const message = yield* connection.receive
      assert.isTrue(message._tag === "Binary" && Buffer.compare(message.data, large) === 0)
      yield* connection.sendStream({ _tag: "Text", chunks: Stream.make("a", "👋", "b") })
      assert.strictEqual((yield* connection.receive).data, "a👋b")
      yield* connection.ping()
    })
  )

  test(
    "agree on a subprotocol",
    Effect.gen(function* () {
      const server = yield* wsServer(wsEcho, { handleProtocols: (offered) => (offered.has("chat") ? "chat" : false) })
      const connection = yield* connect(server, { subprotocols: ["other", "chat"] })
      assert.strictEqual(connection.subprotocol, "chat")
    })
  )

  test(
    "tell each other why they close",
    Effect.gen(function* () {
      const seen = yield* Queue.unbounded<string>()
      const server = yield* wsServer((socket) => {
        socket.on("close", (code, reason) => Queue.offerUnsafe(seen, `${code} ${reason.toString()}`))
        socket.on("message", () => socket.close(4002, "theirs"))
      })
      const first = yield* connect(server)
      const closeInfo = yield* first.close(4001, "ours")
      assert.deepStrictEqual([closeInfo.clean, closeInfo.received?.code], [true, 4001])
      assert.strictEqual(yield* Queue.take(seen), "4001 ours")
      const second = yield* connect(server)
      yield* second.send("close, please")
      assert.strictEqual((yield* Effect.flip(second.receive)).message, "4002 ApplicationClose: theirs")
      assert.isTrue((yield* second.closed).clean)
    })
  )

  test(
    "part, typed, where the server dies",
    Effect.gen(function* () {
      const connection = yield* connect(yield* wsServer((socket) => socket.terminate()))
      assert.strictEqual((yield* Effect.flip(connection.receive))._tag, "AbnormalClosure")
    })
  )
})
