import { DeflateFrame, Zlib } from "@effect-ws/extensions"
import { ExtensionHeader } from "@effect-ws/protocol"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { bytesFrom, cutRandomly, deliver, fromHex, hex, makePair, randomFrom, receive, written } from "./Pair.ts"

describe("deflate-frame", () => {
  it.effect("each frame is compressed on its own, control frames never", () =>
    Effect.gen(function* () {
      const extensions = [DeflateFrame.make({ threshold: 0 })]
      const { answers, client, server } = yield* makePair({ client: extensions, server: extensions })
      assert.strictEqual(ExtensionHeader.render(answers), "deflate-frame")
      server.send("Hello")
      server.send("HelloHello", { fragmentSize: 5 })
      server.ping(Buffer.from("ping"))
      const wire = yield* written(server)
      // The window is kept from frame to frame, of which each has RSV1, the continuation too.
      assert.strictEqual(hex(wire), ["c107f248cdc9c90700", "4105f200110000", "c00402130000", "890470696e67"].join(""))
      const events = yield* receive(client, wire, cutRandomly(randomFrom(1), 4))
      assert.deepStrictEqual(
        events.map((event) => (event._tag === "Text" ? event.data : event._tag)),
        ["Hello", "HelloHello", "Ping"]
      )
    })
  )

  it.effect("a frame may be left as it is, within a compressed message too", () =>
    Effect.gen(function* () {
      const extensions = [DeflateFrame.make()]
      const { client } = yield* makePair({ client: extensions, server: extensions })
      for (const wire of ["4107f248cdc9c90700 800548656c6c6f", "010548656c6c6f c007f248cdc9c90700"]) {
        const [event] = yield* receive(client, fromHex(wire))
        assert.isTrue(event?._tag === "Text" && event.data === "HelloHello")
      }
    })
  )

  it.effect("is known under its old name too", () =>
    Effect.gen(function* () {
      const client = DeflateFrame.make()
      const { answers } = yield* makePair({
        client: [{ ...client, offers: client.offers.filter(({ name }) => name.startsWith("x-")) }],
        server: [DeflateFrame.make()]
      })
      assert.strictEqual(ExtensionHeader.render(answers), "x-webkit-deflate-frame")
    })
  )

  it.effect("the header asks its receiver to keep to its parameters", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const real = Zlib.make()
      const spy: Zlib.Service = {
        deflater: (options) => {
          log.push(`deflate ${options.windowBits} ${options.contextTakeover}`)
          return real.deflater(options)
        },
        inflater: (options) => {
          log.push(`inflate ${options.windowBits} ${options.contextTakeover}`)
          return real.inflater(options)
        }
      }
      const { answers, client, server } = yield* makePair({
        client: [DeflateFrame.make({ peerMaxWindowBits: 9, threshold: 0 })],
        server: [DeflateFrame.make({ peerMaxWindowBits: 12, peerContextTakeover: false, threshold: 0 })]
      }).pipe(Effect.provideService(Zlib.Zlib, spy))
      assert.sameMembers(
        answers[0]!.params.map(({ name, value }) => `${name}=${value}`),
        ["max_window_bits=12", "no_context_takeover=undefined"]
      )
      server.send("a".repeat(100))
      assert.lengthOf(yield* deliver(server, client), 1)
      assert.deepStrictEqual(log, ["deflate 9 true", "inflate 9 true"])
      client.send("a".repeat(100))
      assert.lengthOf(yield* deliver(client, server), 1)
      assert.deepStrictEqual(log.slice(2), ["deflate 12 false", "inflate 12 false"])
    })
  )

  const Bits = Schema.Int.check(Schema.isBetween({ minimum: 8, maximum: 15 }))
  const Case = Schema.Struct({
    seed: Schema.Int,
    maxWindowBits: Bits,
    peerMaxWindowBits: Bits,
    contextTakeover: Schema.Boolean,
    peerContextTakeover: Schema.Boolean,
    threshold: Schema.Literals([0, 100])
  })

  it.effect.prop(
    "what arrives is what was sent: any messages, fragments, cuts and parameters, in both directions",
    [Case],
    ([options]) =>
      Effect.gen(function* () {
        const random = randomFrom(options.seed)
        const extensions = [DeflateFrame.make(options)]
        const pair = yield* makePair({ client: extensions, server: extensions }).pipe(
          Effect.provideService(Zlib.Zlib, Zlib.make({ inlineBytes: 1000 }))
        )
        for (let message = 0; message < 6; message++) {
          const [from, to] = random() < 0.5 ? [pair.client, pair.server] : [pair.server, pair.client]
          const data = bytesFrom(random, Math.floor(random() ** 2 * 4000))
          const fragmentSize = random() < 0.3 ? undefined : 20 + Math.floor(random() * 1500)
          from.send(data, { fragmentSize, compress: random() < 0.8 ? undefined : false })
          const [event] = yield* deliver(from, to, cutRandomly(random, 3000))
          assert.isTrue(event?._tag === "Binary" && Buffer.from(event.data).equals(data))
        }
      }),
    { arbitrary: { runs: 1000 }, timeout: 120_000 }
  )

  it.effect("a frame that decompresses to more than the message limit gets 1009, garbage 1007", () =>
    Effect.gen(function* () {
      const extensions = [DeflateFrame.make()]
      const limits = { maxMessageSize: 5000 }
      for (const [data, code] of [
        ["a".repeat(6000), 1009],
        ["", 1007]
      ] as const) {
        const { client, server } = yield* makePair({ client: extensions, server: extensions, limits })
        server.send(data, { compress: true })
        const wire = code === 1007 ? fromHex("c102ffff") : yield* written(server)
        const [event] = yield* receive(client, wire)
        assert.isTrue(event?._tag === "Failed" && event.error.code === code)
      }
    })
  )
})
