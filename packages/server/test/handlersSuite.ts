/**
 * The `Handlers` record, over every transport and every kind of server: which handler hears what, in which order, and
 * how a connection ends by what its handlers do.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as CloseError from "@effect-ws/protocol/CloseError"
import * as Frame from "@effect-ws/protocol/Frame"
import * as Message from "@effect-ws/protocol/Message"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Fiber, Latch, Layer, Queue, Stream } from "effect"
import type { Scope } from "effect"
import type { SocketServer } from "effect/socket"
import type { Dialer } from "@effect-ws/transport/Dialer"
import type { Handlers } from "../src/Handlers.ts"
import type * as WebSocketServer from "../src/WebSocketServer.ts"
import { captureLogs, connect, echoHandlers, patterned, receiveText } from "@effect-ws/test-peers/Programs"
import type { Entry } from "@effect-ws/test-peers/Programs"
import type { Transport } from "./support/transports.ts"
import { start } from "./support/variants.ts"
import type { Variant } from "./support/variants.ts"

type Requirements = SocketServer.SocketServer | Dialer | Scope.Scope

export const handlersSuite = (transport: Transport, variant: Variant<Handlers<unknown>>): void => {
  const serve = (handlers: Handlers<unknown>, options?: WebSocketServer.ServerOptions) =>
    start(variant.layer(handlers, options))

  const test = (
    name: string,
    program: (logs: ReadonlyArray<Entry>) => Effect.Effect<void, unknown, Requirements>
  ): void => {
    it.live(
      name,
      () => {
        const logs: Array<Entry> = []
        return program(logs).pipe(Effect.scoped, Effect.provide([Layer.fresh(transport.layer), captureLogs(logs)]))
      },
      10_000
    )
  }

  /** Handlers that write down what they hear. */
  const recorded = Effect.fnUntraced(function* (handlers: Handlers<unknown> = echoHandlers) {
    const heard: Array<string> = []
    const over = yield* Deferred.make<void>()
    const note =
      <A extends ReadonlyArray<unknown>>(
        render: (...args: A) => string,
        handler: ((connection: Connection, ...args: A) => Effect.Effect<unknown, unknown>) | undefined
      ) =>
      (connection: Connection, ...args: A): Effect.Effect<unknown, unknown> =>
        Effect.suspend(() => {
          heard.push(render(...args))
          return handler?.(connection, ...args) ?? Effect.void
        })
    const server = yield* serve({
      onOpen: note(() => "open", handlers.onOpen),
      onMessage: note((message) => `message ${message.data.length}`, handlers.onMessage),
      onPing: note((data) => `ping ${data.length}`, handlers.onPing),
      onPong: note((data) => `pong ${data.length}`, handlers.onPong),
      onSent: note((message) => `sent ${message.data.length}`, handlers.onSent),
      onError: note((cause) => `error ${String((Cause.squash(cause) as Error).message)}`, handlers.onError),
      onClose: (connection, closeInfo) =>
        Effect.suspend(() => {
          heard.push(`close ${closeInfo.error.code}`)
          return handlers.onClose?.(connection, closeInfo) ?? Effect.void
        }).pipe(Effect.ensuring(Deferred.succeed(over, undefined)))
    })
    return { server, heard, over: Deferred.await(over) }
  })

  describe(`${transport.name}, handlers on the ${variant.name} server`, () => {
    test("hear everything in order, open first and close last, once", () =>
      Effect.gen(function* () {
        const { heard, over, server } = yield* recorded()
        const client = yield* connect(server)
        yield* client.send("one")
        yield* client.ping(new Uint8Array(2))
        yield* client.pong(new Uint8Array(3))
        yield* client.send(new Uint8Array(4))
        assert.strictEqual(yield* receiveText(client), "one")
        yield* client.receive
        yield* client.close(4001)
        yield* over
        assert.deepStrictEqual(
          heard.filter((event) => !event.startsWith("sent")),
          ["open", "message 3", "ping 2", "pong 3", "message 4", "close 4001"]
        )
      }))

    test("hear of each message of ours when it was written, in order", () =>
      Effect.gen(function* () {
        const sizes = [1, 2, transport.large, 3]
        const sent = yield* Queue.unbounded<number>()
        const { server } = yield* recorded({
          onOpen: (connection) => Effect.forEach(sizes, (size) => connection.send(patterned(size))),
          onSent: (_, message) => Queue.offer(sent, message.data.length)
        })
        const client = yield* connect(server)
        for (const size of sizes) assert.strictEqual((yield* client.receive).data.length, size)
        assert.deepStrictEqual(yield* Effect.forEach(sizes, () => Queue.take(sent)), sizes)
      }))

    test("echo many messages of many connections, each in order", () =>
      Effect.gen(function* () {
        const server = yield* serve(echoHandlers)
        const texts = Array.from({ length: 300 }, (_, n) => `${n}`)
        yield* Effect.forEach(
          Array.from({ length: 8 }),
          () =>
            Effect.gen(function* () {
              const client = yield* connect(server)
              yield* Effect.forkChild(Effect.forEach(texts, (text) => client.send(text)))
              const back = yield* client.messages.pipe(
                Stream.take(texts.length),
                Stream.map(({ data }) => data),
                Stream.runCollect
              )
              assert.deepStrictEqual(back, texts)
            }),
          { concurrency: "unbounded" }
        )
      }))

    test("echo a large message", () =>
      Effect.gen(function* () {
        const server = yield* serve(echoHandlers)
        const client = yield* connect(server)
        const bytes = patterned(transport.large)
        yield* Effect.forkChild(client.send(bytes))
        const message = yield* client.receive
        assert.isTrue(message._tag === "Binary" && Buffer.compare(message.data, bytes) === 0)
        yield* client.ping()
      }))

    test("of one connection never run side by side", () =>
      Effect.gen(function* () {
        let running = 0
        let most = 0
        const server = yield* serve({
          onMessage: (connection, message) =>
            Effect.gen(function* () {
              most = Math.max(most, ++running)
              yield* Effect.yieldNow
              running--
              yield* connection.send(message)
            })
        })
        const client = yield* connect(server)
        for (let n = 0; n < 50; n++) yield* client.send(`${n}`)
        const back = yield* client.messages.pipe(
          Stream.take(50),
          Stream.map(({ data }) => data),
          Stream.runCollect
        )
        assert.deepStrictEqual(
          back,
          Array.from({ length: 50 }, (_, n) => `${n}`)
        )
        assert.strictEqual(most, 1)
      }))

    test("that fail with a typed close close with it, heard by onError and onClose", () =>
      Effect.gen(function* () {
        const { heard, over, server } = yield* recorded({
          onMessage: () => Effect.fail(new CloseError.PolicyViolation({ reason: "no bots" }))
        })
        const client = yield* connect(server)
        yield* client.send("x")
        assert.strictEqual((yield* client.closed).error.message, "1008 PolicyViolation: no bots")
        yield* over
        assert.deepStrictEqual(heard, ["open", "message 1", "error 1008 PolicyViolation: no bots", "close 1008"])
      }))

    for (const [which, handlers] of [
      ["onOpen", { onOpen: () => Effect.die(new Error("a secret")) }],
      ["onMessage", { onMessage: () => Effect.die(new Error("a secret")) }],
      ["onPing", { onPing: () => Effect.fail(new Error("a secret")) }]
    ] as ReadonlyArray<readonly [string, Handlers<unknown>]>) {
      test(`that die in ${which} close with 1011, are logged, and others notice nothing`, (logs) =>
        Effect.gen(function* () {
          let connections = 0
          const server = yield* serve({
            onOpen: (connection) =>
              ++connections === 1 ? Effect.void : (handlers.onOpen?.(connection) ?? Effect.void),
            onMessage: (connection, message) =>
              message.data === "break"
                ? (handlers.onMessage?.(connection, message) ?? Effect.void)
                : connection.send(message),
            onPing: handlers.onPing
          })
          const other = yield* connect(server)
          yield* other.send("one")
          assert.strictEqual(yield* receiveText(other), "one")
          const client = yield* connect(server)
          yield* Effect.ignore(client.send("break"))
          yield* Effect.forkChild(Effect.ignore(client.ping()))
          const closed = yield* client.closed
          assert.deepStrictEqual([closed.received?.code, closed.received?.reason], [1011, ""])
          yield* other.send("two")
          assert.strictEqual(yield* receiveText(other), "two")
          const errors = logs.filter(({ level }) => level === "Error")
          assert.strictEqual(errors.length, 1)
          assert.include(Cause.pretty(errors[0]!.cause), "a secret")
        }))
    }

    test("hear of a peer that breaks a rule, and of one that is gone", () =>
      Effect.gen(function* () {
        const first = yield* recorded()
        const bad = yield* connect(first.server)
        yield* bad.sendFrame(Frame.make(3, "x"), { unchecked: true })
        yield* first.over
        assert.deepStrictEqual(first.heard.length, 3)
        assert.match(first.heard[1]!, /^error 1002 ProtocolError/)
        assert.strictEqual(first.heard[2], "close 1002")
      }))

    test("hear of a peer that is gone", () =>
      Effect.gen(function* () {
        const { heard, over, server } = yield* recorded()
        const client = yield* connect(server)
        yield* client.ping()
        yield* client.abort()
        yield* over
        assert.match(heard.at(-2)!, /^error 1006 AbnormalClosure/)
        assert.strictEqual(heard.at(-1), "close 1006")
      }))

    test("may close, from within and from without", () =>
      Effect.gen(function* () {
        const { over, server } = yield* recorded({
          onMessage: (connection, message) =>
            Effect.andThen(connection.send(message), Effect.forkDetach(connection.close(4000, "done")))
        })
        const client = yield* connect(server)
        yield* client.send("x")
        const back = yield* Effect.forkChild(Effect.exit(Stream.runCollect(client.messages)))
        assert.strictEqual((yield* client.closed).error.message, "4000 ApplicationClose: done")
        yield* Fiber.join(back)
        yield* over
      }))

    test("answer what came before the peer's close, before the answer to it", () =>
      Effect.gen(function* () {
        const server = yield* serve(echoHandlers)
        const client = yield* connect(server)
        // By hand, so that this end goes on reading.
        for (let n = 0; n < 20; n++) yield* client.send(`${n}`)
        yield* client.sendFrame(Frame.close(new Uint8Array([0x0f, 0xa0])), { unchecked: true })
        const texts: Array<string> = []
        const end = yield* Effect.flip(
          Stream.runForEach(client.messages, ({ data }) => Effect.sync(() => void texts.push(String(data))))
        )
        assert.deepStrictEqual(
          texts,
          Array.from({ length: 20 }, (_, n) => `${n}`)
        )
        assert.strictEqual(end.code, 4000)
      }))

    test("finish what was received when the server drains", () =>
      Effect.gen(function* () {
        const go = yield* Latch.make()
        const working = yield* Deferred.make<void>()
        let closes = 0
        const server = yield* serve({
          onClose: () => Effect.sync(() => void closes++),
          onMessage: (connection, message) =>
            Deferred.succeed(working, undefined).pipe(
              Effect.andThen(go.await),
              Effect.andThen(connection.send(message))
            )
        })
        const client = yield* connect(server)
        for (const text of ["one", "two", "three"]) yield* client.send(text)
        yield* client.ping()
        yield* Deferred.await(working)
        const draining = yield* Effect.forkChild(server.drain({ timeout: "8 seconds" }), { startImmediately: true })
        const error = yield* Effect.flip(connect(server))
        assert.isTrue(error._tag === "HandshakeError" && error.status === 503)
        yield* go.open
        assert.deepStrictEqual(yield* Stream.runCollect(client.messages), [
          Message.text("one"),
          Message.text("two"),
          Message.text("three")
        ])
        assert.strictEqual((yield* client.closed).received?.code, 1001)
        yield* Fiber.join(draining)
        assert.deepStrictEqual(yield* server.connections, [])
        assert.strictEqual(closes, 1)
      }))

    test("keep the limits of the server", () =>
      Effect.gen(function* () {
        const server = yield* serve(echoHandlers, { maxConnections: 1, maxMessageSize: 10 })
        const client = yield* connect(server)
        const error = yield* Effect.flip(connect(server))
        assert.isTrue(error._tag === "HandshakeError" && error.status === 503)
        yield* client.send("x".repeat(11))
        assert.strictEqual((yield* client.closed).received?.code, 1009)
      }))
  })
}
