import { Extensions, Negotiation, PermessageDeflate, Zlib } from "@effect-ws/extensions"
import type { SessionEvent, Session } from "@effect-ws/protocol"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import * as NodeZlib from "node:zlib"
import type { Pair } from "./Pair.ts"
import { bytesFrom, cutRandomly, deliver, fromHex, hex, makePair, randomFrom, receive, written } from "./Pair.ts"

const pairOf = (options?: PermessageDeflate.Options, limits?: Parameters<typeof makePair>[0]["limits"]) =>
  makePair({ client: [PermessageDeflate.make(options)], server: [PermessageDeflate.make(options)], limits })

const text = (events: ReadonlyArray<SessionEvent.SessionEvent>): ReadonlyArray<string> =>
  events.map((event) =>
    event._tag === "Text" ? event.data : event._tag === "Failed" ? `failed ${event.error.code}` : event._tag
  )

const sent = (from: Session.Session, ...args: Parameters<Session.Session["send"]>): Effect.Effect<string> =>
  Effect.suspend(() => {
    assert.isUndefined(from.send(...args))
    return Effect.map(written(from), hex)
  })

// Short frames as a client sends them, with a masking key of zeros.
const masked = (frames: Uint8Array): Uint8Array => {
  const pieces: Array<Uint8Array> = []
  for (let at = 0; at < frames.length;) {
    const length = frames[at + 1]!
    pieces.push(Uint8Array.of(frames[at]!, length | 0x80, 0, 0, 0, 0), frames.subarray(at + 2, at + 2 + length))
    at += 2 + length
  }
  return new Uint8Array(Buffer.concat(pieces))
}

describe("permessage-deflate, RFC 7692 7.2.3", () => {
  const everything = { threshold: 0 }

  it.effect("7.2.3.1 and 7.2.3.2: one block, and a shared window", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pairOf(everything)
      assert.strictEqual(yield* sent(server, "Hello"), "c107f248cdc9c90700")
      assert.strictEqual(yield* sent(server, "Hello"), "c105f200110000")
      const wire = fromHex("c107f248cdc9c90700 c105f200110000")
      assert.deepStrictEqual(text(yield* receive(client, wire)), ["Hello", "Hello"])
    })
  )

  it.effect("7.2.3.2: without contextTakeover each message stands alone", () =>
    Effect.gen(function* () {
      const { client } = yield* pairOf({ ...everything, serverContextTakeover: false })
      const wire = fromHex("c107f248cdc9c90700 c107f248cdc9c90700")
      assert.deepStrictEqual(text(yield* receive(client, wire)), ["Hello", "Hello"])
      assert.deepStrictEqual(text(yield* receive(client, fromHex("c105f200110000"))), ["failed 1007"])
    })
  )

  const received = [
    ["7.2.3.1: in fragments", "4103f248cd 8004c9c90700", ["Hello"]],
    ["7.2.3.1: in fragments with a ping between them", "4103f248cd 8900 8004c9c90700", ["Ping", "Hello"]],
    ["7.2.3.3: a block without compression", "c10b000500faff48656c6c6f00", ["Hello"]],
    ["7.2.3.4: a final block", "c108f348cdc9c9070000 c107f248cdc9c90700", ["Hello", "Hello"]],
    ["7.2.3.5: two blocks", "c10df248050000 00ffffcac9c90700", ["Hello"]],
    ["7.2.3.6: an empty message", "c10100 c1020200", ["", ""]],
    [
      "7.2.3.6: an empty last fragment",
      "410af24805000000ffffcac9 8003c9070000".replace(
        "410af24805000000ffffcac9 8003c9070000",
        "410bf248cdc9c907000000ffff 800100"
      ),
      ["Hello"]
    ],
    [
      "an uncompressed message between compressed ones",
      "c107f248cdc9c90700 8102 4869 c105f200110000",
      ["Hello", "Hi", "Hello"]
    ],
    ["RSV1 on a continuation", "4103f248cd c004c9c90700", ["failed 1002"]],
    ["RSV1 on a control frame", "c900", ["failed 1002"]],
    ["RSV2", "a10548656c6c6f", ["failed 1002"]],
    ["garbage", "c105ffffffffff", ["failed 1007"]],
    ["text that is not UTF-8 when decompressed", "c103fa0700", ["failed 1007"]]
  ] as const

  it.effect.each(received)("%s", ([, wire, expected]) =>
    Effect.gen(function* () {
      // What a server sends is not masked, so the bytes can be written down.
      for (const longest of [1, 3, 100]) {
        const { client } = yield* pairOf(everything)
        const events = yield* receive(client, fromHex(wire), cutRandomly(randomFrom(longest), longest))
        assert.deepStrictEqual(text(events), expected)
      }
    })
  )
})

/** Waits until there is memory for a compressor again. */
const compressible = (zlib: Zlib.Service): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const attempt = (): void => {
      const deflater = zlib.deflater({ windowBits: 15, level: 6, memLevel: 8, contextTakeover: true })
      const output = deflater.deflate(new Uint8Array(1), true)
      deflater.close()
      if (output === "OutOfMemory") setTimeout(attempt, 5)
      else resume(Effect.void)
    }
    attempt()
  })

describe("permessage-deflate", () => {
  it.effect.each([
    ["an empty payload", "c100"],
    ["two empty fragments", "4100 8000"],
    ["an end inside a block with codes", "c104f248cdc9"],
    ["an end inside a block without compression", "c108000500faff48656c"],
    ["an end behind a block, without the beginning of the next", "c106f248cdc9c907"],
    ["the tail that should have been left off", "c10bf248cdc9c907000000ffff"]
  ] as const)("fails a compressed message with %s with 1007, in both roles", ([, wire]) =>
    Effect.gen(function* () {
      const hello = "c107f248cdc9c90700"
      for (const options of [{}, { serverContextTakeover: false, clientContextTakeover: false }]) {
        for (const role of ["client", "server"] as const) {
          const pair = yield* pairOf(options)
          const unmasked = fromHex(hello + wire)
          const bytes = role === "client" ? unmasked : masked(unmasked)
          assert.deepStrictEqual(text(yield* receive(pair[role], bytes)), ["Hello", "failed 1007"])
          // The context goes on to serve another connection.
          const next = yield* pairOf(options)
          const again = fromHex(hello + hello)
          const events = yield* receive(next[role], role === "client" ? again : masked(again))
          assert.deepStrictEqual(text(events), ["Hello", "Hello"])
        }
      }
    })
  )

  it.effect("takes an empty fragment before the first byte of a compressed message", () =>
    Effect.gen(function* () {
      const { client } = yield* pairOf()
      const events = yield* receive(client, fromHex("4100 0000 8007f248cdc9c90700"))
      assert.deepStrictEqual(text(events), ["Hello"])
    })
  )

  const words = "all work and no play makes Jack a dull boy. ".repeat(50)

  it.effect("compresses what is worth it, and what the sender wants", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pairOf({ serverContextTakeover: false })
      const isCompressed = (wire: string): boolean => (Number.parseInt(wire.slice(0, 2), 16) & 0x40) !== 0
      const sizes = [
        [words, undefined, true],
        [words.slice(0, 1024), undefined, true],
        [words.slice(0, 1023), undefined, false],
        [words, false, false],
        [words.slice(0, 200), true, true],
        ["", undefined, false],
        // nothing to gain
        ["x", true, false],
        [new Uint8Array(NodeZlib.deflateRawSync(bytesFrom(randomFrom(4), 9000))), undefined, false]
      ] as const
      for (const [data, compress, expected] of sizes) {
        const wire = yield* sent(server, data, { compress })
        assert.strictEqual(isCompressed(wire), expected, `${data.length} ${compress}`)
        const [event] = yield* receive(client, fromHex(wire))
        assert.isTrue(event?._tag === "Text" || event?._tag === "Binary")
        if (event?._tag === "Text") assert.strictEqual(event.data, data)
        if (event?._tag === "Binary") assert.deepStrictEqual(Buffer.from(event.data), Buffer.from(data))
      }
    })
  )

  it.effect("compresses what does not become smaller too, if told to", () =>
    Effect.gen(function* () {
      const { server } = yield* pairOf({ serverContextTakeover: false, threshold: 0, skipIfLarger: false })
      assert.strictEqual(yield* sent(server, "Hello"), "c107f248cdc9c90700")
      assert.strictEqual(yield* sent(server, ""), "c10100")
    })
  )

  it.effect("a message in pieces is compressed piece by piece, and each piece can be read at once", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pairOf()
      server.setReadMode("fragment")
      const pieces = [words, "", "and the end"]
      for (const [index, piece] of pieces.entries()) {
        client.sendFragment("Text", piece, index === 2)
        const events = yield* deliver(client, server)
        const got = events.map((event) => (event._tag === "Fragment" ? event.data : event._tag)).join("")
        assert.strictEqual(got, piece)
      }
    })
  )

  it.effect("order is kept while long messages are worked on elsewhere", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pairOf({ threshold: 10 })
      const random = randomFrom(2)
      const messages = Array.from({ length: 40 }, (_, index) => {
        return Buffer.from(bytesFrom(random, index % 4 === 0 ? 150_000 : 100)).toString("latin1")
      })
      for (const message of messages) client.send(message)
      client.ping()
      assert.isDefined(client.pendingEncode)
      const events = yield* deliver(client, server, cutRandomly(random, 100_000))
      const texts = text(events).filter((each) => each !== "Ping")
      assert.strictEqual(texts.length, messages.length, texts.at(-1)!.slice(0, 100))
      for (const [index, message] of messages.entries()) assert.isTrue(texts[index] === message, `message ${index}`)
    })
  )

  it.effect("work that is started twice is done once", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pairOf()
      const long = words.repeat(30)
      for (let message = 0; message < 2; message++) {
        client.send(long)
        client.pendingEncode!.start(() => client.resumeSend())
        client.send("and more")
        const pending = client.pendingEncode!
        pending.start(() => assert.fail("done twice"))
        while (client.pendingEncode !== undefined) {
          yield* Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
        }
        assert.deepStrictEqual(text(yield* deliver(client, server)), [long, "and more"])
      }
    })
  )

  it.effect("more than the message limit is refused with 1009", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pairOf({}, { maxMessageSize: 10_000 })
      client.send("a".repeat(10_000))
      client.send("a".repeat(10_001))
      assert.deepStrictEqual(text(yield* deliver(client, server)), ["a".repeat(10_000), "failed 1009"])
    })
  )

  it.effect("nothing is sent compressed, and decompressing closes with 1013, without memory", () =>
    Effect.gen(function* () {
      const { server } = yield* pairOf().pipe(Effect.provide(Zlib.layer({ memoryBudget: 1000 })))
      const { client } = yield* pairOf()
      assert.strictEqual((yield* sent(server, words)).slice(0, 2), "81")
      client.send(words)
      assert.deepStrictEqual(text(yield* deliver(client, server)), ["failed 1013"])
    })
  )

  it.effect("works with another implementation of the zlib service", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const stored: Zlib.Service = {
        deflater: (options) => ({
          // blocks without compression only
          deflate: (input, last) => {
            log.push(`deflate ${options.windowBits} ${options.contextTakeover}`)
            const block = new Uint8Array(input.length + 5 + (last ? 1 : 5))
            new DataView(block.buffer).setUint16(1, input.length, true)
            new DataView(block.buffer).setUint16(3, ~input.length & 0xffff, true)
            block.set(input, 5)
            if (!last) block.set([0xff, 0xff], block.length - 2)
            return block
          },
          close: () => void log.push("close")
        }),
        inflater: () => ({
          inflate: (input, _, limit) => ({
            _tag: "Deferred",
            start: (done) => setImmediate(() => done(input.length - 6 > limit ? "TooBig" : input.slice(5, -1)))
          }),
          close: () => void log.push("close")
        })
      }
      const { client, server } = yield* pairOf({ serverMaxWindowBits: 12, threshold: 0 }).pipe(
        Effect.provideService(Zlib.Zlib, stored)
      )
      server.send("one")
      server.send("two")
      assert.deepStrictEqual(text(yield* deliver(server, client)), ["one", "two"])
      assert.deepStrictEqual(log, ["deflate 12 true", "deflate 12 true"])
      // and zlib can read it
      const real = yield* pairOf({ serverMaxWindowBits: 12, threshold: 0 })
      server.send("three")
      assert.deepStrictEqual(text(yield* deliver(server, real.client)), ["three"])
    })
  )

  it.effect("is added by its layer", () =>
    Effect.gen(function* () {
      const extensions = yield* Extensions.current
      const offers = Negotiation.offer(extensions)
      assert.deepStrictEqual(offers, [
        { name: "permessage-deflate", params: [{ name: "client_max_window_bits", value: "9" }] }
      ])
    }).pipe(Effect.provide(Layer.mergeAll(PermessageDeflate.layer({ clientMaxWindowBits: 9 }))))
  )

  const Bits = Schema.Int.check(Schema.isBetween({ minimum: 8, maximum: 15 }))
  const Case = Schema.Struct({
    seed: Schema.Int,
    serverMaxWindowBits: Bits,
    clientMaxWindowBits: Bits,
    serverContextTakeover: Schema.Boolean,
    clientContextTakeover: Schema.Boolean,
    level: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 })),
    memLevel: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 })),
    threshold: Schema.Literals([0, 100, 1024]),
    portable: Schema.Boolean
  })

  it.effect.prop(
    "what arrives is what was sent: any messages, fragments, cuts and parameters, in both directions",
    [Case],
    ([options]) =>
      Effect.gen(function* () {
        const random = randomFrom(options.seed)
        const zlib = (options.portable ? Zlib.makePortable : Zlib.make)({ inlineBytes: 4000 })
        const pair = yield* pairOf(options).pipe(Effect.provideService(Zlib.Zlib, zlib))
        yield* converse(pair, random, 2 + Math.floor(random() * 12), 6000)
      }),
    { arbitrary: { runs: 1000 }, timeout: 120_000 }
  )

  it.effect(
    "what arrives is what was sent, over a long run with contextTakeover",
    () =>
      Effect.gen(function* () {
        for (const bits of [8, 9, 12, 15]) {
          const options = { serverMaxWindowBits: bits, clientMaxWindowBits: bits, threshold: 50 }
          yield* converse(yield* pairOf(options), randomFrom(bits), 800, 3000)
        }
      }),
    120_000
  )

  it.effect.prop(
    "garbage closes with 1007 or 1009, or passes for a message, and nothing else",
    [Schema.Int],
    ([seed]) =>
      Effect.gen(function* () {
        const random = randomFrom(seed)
        const { client } = yield* pairOf({}, { maxMessageSize: 50_000 })
        for (let message = 0; message < 5; message++) {
          const good = NodeZlib.deflateRawSync(bytesFrom(random, 2000)).subarray(0, 120)
          const payload = random() < 0.5 ? bytesFrom(random, Math.floor(random() * 120)) : good
          if (payload.length > 0) payload[Math.floor(random() * payload.length)]! ^= 1 << Math.floor(random() * 8)
          const events = yield* receive(client, Buffer.concat([Uint8Array.of(0xc2, payload.length), payload]))
          const [outcome] = text(events)
          assert.isTrue(["Binary", "failed 1007", "failed 1009"].includes(outcome!), outcome)
          if (outcome !== "Binary") return
        }
      }),
    { arbitrary: { runs: 1000 }, timeout: 120_000 }
  )

  it.effect(
    "contexts are released with the Scope: many connections on a budget for two",
    () =>
      Effect.gen(function* () {
        const zlib = Zlib.make({ memoryBudget: 700 * 1024 })
        const rounds = process.env["CI"] ? 5000 : 1000
        for (let round = 0; round < rounds; round++) {
          yield* Effect.scoped(
            Effect.gen(function* () {
              const { client, server } = yield* pairOf({ threshold: 0 })
              const wire = yield* sent(client, words)
              // Were a context lost, this message would soon leave uncompressed, or not be read.
              assert.strictEqual(wire.slice(0, 2), "c1")
              assert.deepStrictEqual(text(yield* receive(server, fromHex(wire))), [words])
              if (round % 50 === 0) {
                client.send(words.repeat(20))
                client.pendingEncode!.start(() => assert.fail("reported after close"))
              }
            })
          ).pipe(Effect.provideService(Zlib.Zlib, zlib))
          // Until then the thread pool works on the last message, in a context that is not free.
          if (round % 50 === 0) yield* compressible(zlib)
        }
      }),
    120_000
  )
})

/** Random messages in both directions, checked one by one. */
const converse = Effect.fnUntraced(function* (pair: Pair, random: () => number, messages: number, longest: number) {
  for (let message = 0; message < messages; message++) {
    const [from, to] = random() < 0.5 ? [pair.client, pair.server] : [pair.server, pair.client]
    const data = bytesFrom(random, Math.floor(random() ** 2 * longest))
    const compress = random() < 0.7 ? undefined : random() < 0.5
    const fragmentSize = random() < 0.5 ? undefined : 1 + Math.floor(random() * 500)
    if (random() < 0.7) from.send(data, { compress, fragmentSize })
    else {
      const pieces = cutRandomly(random, 1000)(data)
      for (const piece of pieces) from.sendFragment("Binary", piece, false, { compress, fragmentSize })
      from.sendFragment("Binary", new Uint8Array(0), true, { compress, fragmentSize })
    }
    const events = yield* deliver(from, to, cutRandomly(random, random() < 0.5 ? 50 : 5000))
    assert.strictEqual(events.length, 1)
    const [event] = events
    if (event?._tag !== "Binary") throw new Error(text(events).join())
    assert.isTrue(Buffer.from(event.data).equals(data))
  }
})
