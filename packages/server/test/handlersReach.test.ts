/**
 * What a program can reach from a handler: its own server, news of everything that it sends, and no way of reading that
 * would take from the handlers what is theirs. On every kind of server.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as Frame from "@effect-ws/protocol/Frame"
import type * as Message from "@effect-ws/protocol/Message"
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Layer, Stream } from "effect"
import type { Scope } from "effect"
import type { SocketServer } from "effect/socket"
import type { Handlers } from "../src/Handlers.ts"
import { WebSocketServer } from "../src/WebSocketServer.ts"
import * as Server from "../src/WebSocketServer.ts"
import { network, quiet } from "@effect-ws/test-peers/InMemory"
import { captureLogs, connect, receiveText } from "@effect-ws/test-peers/Programs"
import type { Entry } from "@effect-ws/test-peers/Programs"
import { handled, start } from "./support/variants.ts"

type OwnServer = Handlers<unknown, WebSocketServer | Scope.Scope>

const servers: ReadonlyArray<{
  readonly name: string
  // What it needs says that its handlers' own server is not asked of anybody.
  readonly layer: (
    handlers: OwnServer,
    options?: Server.ServerOptions<WebSocketServer>
  ) => Layer.Layer<WebSocketServer, never, SocketServer.SocketServer>
}> = [
  { name: "fiber", layer: Server.layer },
  { name: "queue", layer: Server.layerQueue }
]

for (const { layer, name } of servers) {
  describe(`a handler of the ${name} server`, () => {
    it.effect("reaches its own server", () =>
      Effect.gen(function* () {
        const handlers: OwnServer = {
          onOpen: () => Effect.addFinalizer(() => Effect.void),
          onMessage: Effect.fnUntraced(function* (connection, { data }) {
            const server = yield* WebSocketServer
            const count = (yield* server.connections).length
            yield* server.broadcast(`${data}, one of ${count}`, { except: connection })
          })
        }
        const server = yield* start(layer(handlers, { keepalive: false }))
        const [ann, bob, eve] = [yield* connect(server), yield* connect(server), yield* connect(server)]
        yield* ann.send("ann")
        assert.strictEqual(yield* receiveText(bob), "ann, one of 3")
        assert.strictEqual(yield* receiveText(eve), "ann, one of 3")
      }).pipe(Effect.scoped, Effect.provide(network))
    )

    it.effect("reaches its own, and not one that the server was built with", () =>
      Effect.gen(function* () {
        const other = yield* start(layer({}, { keepalive: false }))
        const handlers: OwnServer = {
          onMessage: (connection) =>
            Effect.flatMap(WebSocketServer, (own) => connection.send(own === other ? "another" : "its own"))
        }
        const second = Layer.fresh(Memory.layer({ port: 0 }))
        yield* Effect.gen(function* () {
          const server = yield* start(Layer.provide(layer(handlers), Layer.succeed(WebSocketServer, other)))
          const client = yield* connect(server)
          yield* client.send("?")
          assert.strictEqual(yield* receiveText(client), "its own")
        }).pipe(Effect.scoped, Effect.provide(second))
      }).pipe(Effect.scoped, Effect.provide(network))
    )

    it.effect("does so from its decision too", () =>
      Effect.gen(function* () {
        const decide = () =>
          Effect.flatMap(WebSocketServer, ({ connections }) =>
            Effect.map(connections, ({ length }) => ({ headers: [{ name: "X-Before-You", value: `${length}` }] }))
          )
        const server = yield* start(layer({}, { decide, keepalive: false }))
        yield* connect(server)
        yield* quiet
        const second = yield* connect(server)
        yield* quiet
        assert.strictEqual((yield* server.connections).length, 2)
        assert.isUndefined(second.closeInfo)
      }).pipe(Effect.scoped, Effect.provide(network))
    )
  })
}

for (const { layer, name } of handled) {
  const record = (sent: Array<Message.Message>, onMessage: Handlers<unknown>["onMessage"]): Handlers<unknown> => ({
    onMessage,
    onSent: (_, message) => Effect.sync(() => void sent.push(message))
  })

  for (const [compression, extensions] of [
    ["without compression", Layer.empty],
    ["with permessage-deflate", PermessageDeflate.layer({ threshold: 0 })]
  ] as const) {
    describe(`onSent on the ${name} server, ${compression}`, () => {
      const run = Effect.fnUntraced(function* (act: (connection: Connection) => Effect.Effect<unknown, unknown>) {
        const sent: Array<Message.Message> = []
        const handlers = record(sent, (connection) => act(connection))
        const server = yield* start(Layer.provide(layer(handlers, { keepalive: false }), extensions))
        const client = yield* Effect.provide(connect(server), extensions)
        yield* Effect.forkScoped(Effect.ignore(Stream.runDrain(client.messages)))
        yield* client.send("go")
        // Compression off the main thread takes real time.
        for (let look = 0; look < 100 && sent.length < 2; look++) yield* quiet
        return sent.map((message) => ({ _tag: message._tag, data: Buffer.from(message.data as string).toString() }))
      })
      const last = { _tag: "Text", data: "last" }

      it.effect("comes once for a message that was sent as a stream, with all of it", () =>
        Effect.gen(function* () {
          const sent = yield* run((connection) =>
            Effect.andThen(
              connection.sendStream({ _tag: "Text", chunks: Stream.make("hel", "", "lo \ud83d", "\udc4b") }),
              connection.send("last")
            )
          )
          assert.deepStrictEqual(sent, [{ _tag: "Text", data: "hello 👋" }, last])
        }).pipe(Effect.scoped, Effect.provide(network))
      )

      for (const chunks of [["ab", "", "c"], []]) {
        it.effect(`comes for one of bytes in ${chunks.length} pieces`, () =>
          Effect.gen(function* () {
            const bytes = Stream.fromIterable(chunks.map((chunk) => Buffer.from(chunk)))
            const sent = yield* run((connection) =>
              Effect.andThen(connection.sendStream({ _tag: "Binary", chunks: bytes }), connection.send("last"))
            )
            assert.deepStrictEqual(sent, [{ _tag: "Binary", data: chunks.join("") }, last])
          }).pipe(Effect.scoped, Effect.provide(network))
        )
      }

      it.effect("comes for frames that end a message, and not for control frames", () =>
        Effect.gen(function* () {
          const sent = yield* run((connection) =>
            Effect.forEach(
              [
                Frame.text("hel", { fin: false }),
                Frame.ping("?"),
                Frame.continuation("lo"),
                Frame.pong("!"),
                Frame.text("last")
              ],
              (frame) => connection.sendFrame(frame)
            )
          )
          assert.deepStrictEqual(sent, [{ _tag: "Text", data: "hello" }, last])
        }).pipe(Effect.scoped, Effect.provide(network))
      )
    })
  }

  describe(`frames beside handlers, ${name} server`, () => {
    for (const where of ["onOpen", "onMessage"] as const) {
      it.effect(`are refused in ${where}: the connection closes with 1011, and the log says what to do`, () =>
        Effect.gen(function* () {
          const logs: Array<Entry> = []
          const read = (connection: Connection): Effect.Effect<unknown, unknown> => Stream.runHead(connection.frames)
          const server = yield* start(Layer.provide(layer({ [where]: read }, { keepalive: false }), captureLogs(logs)))
          const client = yield* connect(server)
          yield* Effect.forkScoped(Effect.ignore(Stream.runDrain(client.messages)))
          yield* Effect.ignore(client.send("one"))
          yield* Effect.ignore(client.send("two"))
          yield* quiet
          assert.strictEqual((yield* client.closed).received?.code, 1011)
          const errors = logs.filter(({ level }) => level === "Error")
          assert.strictEqual(errors.length, 1)
          assert.include(Cause.pretty(errors[0]!.cause), "frames: the handlers of the server take what arrives")
        }).pipe(Effect.scoped, Effect.provide(network))
      )
    }
  })
}
