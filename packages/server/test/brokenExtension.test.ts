/**
 * An extension of the program that throws closes its own connection with 1011 and is logged; the process and all other
 * connections go on. On every kind of server, for what is received, sent and broadcast.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as Extension from "@effect-ws/extensions/Extension"
import * as Extensions from "@effect-ws/extensions/Extensions"
import type { MessagePart, AsyncTransform } from "@effect-ws/protocol/Extension"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Layer, Schema, Stream } from "effect"
import { network, quiet } from "@effect-ws/test-peers/InMemory"
import { captureLogs, connect, receiveText } from "@effect-ws/test-peers/Programs"
import type { Entry } from "@effect-ws/test-peers/Programs"
import { handled, start } from "./support/variants.ts"

const None = Schema.Struct({})

const bug = (): never => {
  throw new Error("a bug in the extension")
}

type Where = "encode" | "decode" | "encode later" | "decode later" | "close"

/** What does nothing, but for messages that say "break", where the server's end throws. */
const extension = (where: Where) =>
  Extension.make({
    name: "x-fragile",
    rsv: 0,
    level: "message",
    offer: None,
    answer: None,
    offers: [{}],
    accept: () => ({}),
    open: ({ role }) => {
      const act =
        (here: string) =>
        (part: MessagePart): AsyncTransform | undefined => {
          if (role !== "server" || Buffer.from(part.payload).toString() !== "break") return undefined
          if (where === here) bug()
          return where === `${here} later` ? { _tag: "Pending", start: bug } : undefined
        }
      return Effect.succeed({
        encode: act("encode"),
        decode: act("decode"),
        close: () => (role === "server" && where === "close" ? bug() : undefined)
      })
    }
  })

for (const { layer, name } of handled) {
  describe(`an extension on the ${name} server`, () => {
    for (const where of ["encode", "decode", "encode later", "decode later"] as const) {
      it.effect(`that throws in ${where} closes its connection with 1011`, () =>
        Effect.gen(function* () {
          const logs: Array<Entry> = []
          const extensions = Extensions.layer([extension(where)])
          const echo = {
            onMessage: (connection: Connection, message: { readonly data: string | Uint8Array }) =>
              connection.send(message.data)
          }
          const server = yield* start(
            layer(echo, { keepalive: false }).pipe(Layer.provide(extensions), Layer.provide(captureLogs(logs)))
          )
          const other = yield* Effect.provide(connect(server, { keepalive: false }), extensions)
          const client = yield* Effect.provide(connect(server, { keepalive: false }), extensions)
          yield* client.send("break")
          yield* Effect.ignore(Stream.runDrain(client.messages))
          assert.deepStrictEqual((yield* client.closed).received, { code: 1011, reason: "" })
          yield* quiet
          const errors = logs.filter(({ level }) => level === "Error")
          assert.strictEqual(errors.length, 1)
          assert.include(Cause.pretty(errors[0]!.cause), "a bug in the extension")
          yield* other.send("still here")
          assert.strictEqual(yield* receiveText(other), "still here")
        }).pipe(Effect.scoped, Effect.provide(network))
      )
    }

    it.effect("that throws for a broadcast closes the connections that have it, and no other", () =>
      Effect.gen(function* () {
        const extensions = Extensions.layer([extension("encode")])
        const server = yield* start(Layer.provide(layer({}, { keepalive: false }), extensions))
        const fragile = yield* Effect.provide(connect(server, { keepalive: false }), extensions)
        const plain = yield* connect(server, { keepalive: false })
        yield* quiet
        const delivery = yield* server.broadcast("break")
        assert.deepStrictEqual([delivery.subscribers, delivery.delivered, delivery.closed], [2, 1, 1])
        assert.strictEqual(yield* receiveText(plain), "break")
        yield* Effect.ignore(Stream.runDrain(fragile.messages))
        assert.strictEqual((yield* fragile.closed).received?.code, 1011)
      }).pipe(Effect.scoped, Effect.provide(network))
    )

    it.effect("that throws when it is closed leaves nothing behind", () =>
      Effect.gen(function* () {
        const logs: Array<Entry> = []
        const extensions = Extensions.layer([extension("close")])
        const server = yield* start(
          layer({}, { keepalive: false }).pipe(Layer.provide(extensions), Layer.provide(captureLogs(logs)))
        )
        const client = yield* Effect.provide(connect(server, { keepalive: false }), extensions)
        yield* quiet
        yield* client.close()
        yield* quiet
        assert.deepStrictEqual(yield* server.connections, [])
        assert.include(logs.map(({ cause }) => Cause.pretty(cause)).join("\n"), "a bug in the extension")
      }).pipe(Effect.scoped, Effect.provide(network))
    )
  })
}
