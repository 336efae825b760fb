/** Connections whose messages are values: every codec, every kind of invalid message, and what is done about it. */
import * as MessageCodec from "@effect-ws/connection/MessageCodec"
import * as TypedConnection from "@effect-ws/connection/TypedConnection"
import * as Message from "@effect-ws/protocol/Message"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Schema, SchemaGetter, Stream } from "effect"
import { pair } from "./support/pair.ts"

const FromClient = Schema.TaggedUnion({
  Say: { text: Schema.String.check(Schema.isMaxLength(10)), at: Schema.Date },
  Move: { places: Schema.Array(Schema.Struct({ x: Schema.Int, y: Schema.Int })) },
  Count: { words: Schema.Record(Schema.String, Schema.Int) }
})
const FromServer = Schema.Struct({ said: Schema.String, bytes: Schema.Uint8Array })

const say = (text: string) => ({ _tag: "Say", text, at: new Date(0) }) as const

const inMemory = Effect.provide(Memory.layer({ port: 80 }))

/** Two ends of a protocol, and the raw connections below. */
const typedPair = Effect.fnUntraced(function* (codec?: MessageCodec.MessageCodec<unknown>) {
  const { client, server } = yield* pair({})
  const protocol = TypedConnection.protocol({ fromClient: FromClient, fromServer: FromServer, codec })
  return {
    client: yield* TypedConnection.make(client, protocol.client),
    server: yield* TypedConnection.make(server, protocol.server)
  }
})

const lines = MessageCodec.format({
  name: "lines",
  kind: "Binary",
  parse: (bytes) => {
    const text = new TextDecoder().decode(bytes)
    if (!text.startsWith("line ")) throw new Error("not a line")
    return JSON.parse(text.slice(5)) as unknown
  },
  print: (encoded) => new TextEncoder().encode(`line ${JSON.stringify(encoded)}`)
})

describe("TypedConnection", () => {
  it.effect.each([
    ["JSON", undefined, "Text"],
    ["Effect's binary encoding", MessageCodec.binary(), "Binary"],
    ["fingerprinted binary encoding", MessageCodec.binary({ fingerprint: true }), "Binary"]
  ] as const)("talks both ways in %s", ([, codec, kind]) =>
    Effect.gen(function* () {
      const { client, server } = yield* typedPair(codec)
      yield* client.send(say("hello"))
      yield* client.send({ _tag: "Move", places: [{ x: 1, y: 2 }] })
      assert.deepStrictEqual(yield* server.receive, say("hello"))
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(server.messages, 1)), [
        { _tag: "Move", places: [{ x: 1, y: 2 }] }
      ])
      yield* server.send({ said: "hello", bytes: Uint8Array.of(1, 2) })
      assert.deepStrictEqual(yield* client.receive, { said: "hello", bytes: Uint8Array.of(1, 2) })
      yield* server.send({ said: "", bytes: Uint8Array.of() })
      assert.strictEqual((yield* client.connection.receive)._tag, kind)
    }).pipe(inMemory)
  )

  it.effect("talks in a format of the program's own", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({})
      const types = {
        receive: Schema.Struct({ n: Schema.Number }),
        send: Schema.Struct({ n: Schema.Number }),
        codec: lines
      }
      const typed = yield* TypedConnection.make(server, types)
      yield* client.send(new TextEncoder().encode('line {"n":1}'))
      assert.deepStrictEqual(yield* typed.receive, { n: 1 })
      yield* typed.send({ n: 2 })
      assert.deepStrictEqual((yield* client.receive).data, new TextEncoder().encode('line {"n":2}'))
      yield* client.send(new TextEncoder().encode("{}"))
      const error = yield* Effect.flip(typed.receive)
      assert.deepStrictEqual([error.code, error.reason], [1007, "the message is not lines"])
    }).pipe(inMemory)
  )

  it.effect("takes Schemas that encode to the content of a message themselves, of their own kind only", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({})
      const typed = yield* TypedConnection.make(server, {
        receive: Schema.NumberFromString,
        send: Schema.Uint8ArrayFromBase64.pipe(Schema.flip),
        codec: MessageCodec.encoded
      })
      yield* client.send("12")
      assert.strictEqual(yield* typed.receive, 12)
      yield* typed.send("AQI=")
      assert.deepStrictEqual(yield* client.receive, Message.binary(Uint8Array.of(1, 2)))
      yield* client.send(Uint8Array.of(1))
      assert.strictEqual((yield* Effect.flip(typed.receive)).code, 1003)
    }).pipe(inMemory)
  )

  it.effect("sends nothing where the Schema refuses the value", () =>
    Effect.gen(function* () {
      const { client, server } = yield* typedPair()
      const error = yield* Effect.flip(client.send(say("far too long")))
      assert.strictEqual(error._tag, "SchemaError")
      yield* client.send(say("short"))
      assert.deepStrictEqual(yield* server.receive, say("short"))
    }).pipe(inMemory)
  )

  const secret = "hunter2"
  it.effect.each([
    ["binary where text is read", Uint8Array.of(1), undefined, 1003, "expected text, received binary"],
    ["text where binary is read", "x", MessageCodec.binary(), 1003, "expected binary, received text"],
    ["what is not JSON", `{"${secret}`, undefined, 1007, "the message is not JSON"],
    [
      "bytes that are not Effect's binary encoding",
      Uint8Array.of(1, 2, 3),
      MessageCodec.binary(),
      1007,
      "the message is not Effect's binary encoding"
    ],
    ["an unknown tag", `{"_tag":"${secret}"}`, undefined, 1008, "the message does not match its schema"],
    [
      "a wrong value deep inside",
      `{"_tag":"Move","places":[{"x":1,"y":1},{"x":"${secret}","y":1}]}`,
      undefined,
      1008,
      "the message does not match its schema at places[1].x"
    ],
    [
      "a missing key",
      `{"_tag":"Say","at":"2020-01-01T00:00:00Z"}`,
      undefined,
      1008,
      "the message does not match its schema at text"
    ],
    [
      "a wrong value under a key of the peer's choice",
      `{"_tag":"Count","words":{"${secret}":"x"}}`,
      undefined,
      1008,
      "the message does not match its schema at words[*]"
    ]
  ] as const)("closes for %s", ([, sent, codec, code, reason]) =>
    Effect.gen(function* () {
      const { client, server } = yield* typedPair(codec)
      yield* client.connection.send(sent)
      const reading = yield* Effect.forkChild(Stream.runDrain(client.messages).pipe(Effect.flip))
      const error = yield* Effect.flip(Stream.runDrain(server.messages))
      assert.deepStrictEqual([error.code, error.reason], [code, reason])
      const seen = yield* Fiber.join(reading)
      assert.deepStrictEqual([seen.code, seen.reason], [code, reason])
      assert.strictEqual((yield* server.connection.closed).error.code, code)
      // What comes after the end is the end.
      assert.strictEqual((yield* Effect.flip(server.receive)).code, code)
    }).pipe(inMemory)
  )

  it.effect("keeps the reason within 123 bytes, in whole paths", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({})
      const fields: Record<string, typeof Schema.Int> = {}
      for (let n = 0; n < 20; n++) fields[`längerer Name ${n}`] = Schema.Int
      const Many = Schema.Struct(fields)
      const typed = yield* TypedConnection.make(server, { receive: Schema.Union([Many, Schema.Tuple([])]), send: Many })
      yield* client.send("{}")
      const { reason } = yield* Effect.flip(typed.receive)
      assert.isAtMost(new TextEncoder().encode(reason).length, 123)
      assert.match(reason, /at längerer Name 0$/)
    }).pipe(inMemory)
  )

  it.effect("refuses what is nested too deeply for a recursive Schema, and goes on", () =>
    Effect.gen(function* () {
      interface Tree {
        readonly children: ReadonlyArray<Tree>
      }
      const Tree = Schema.Struct({ children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree)) })
      const { client, server } = yield* pair({})
      const typed = yield* TypedConnection.make(server, { receive: Tree, send: Tree })
      const depth = 50_000
      yield* client.send(`${'{"children":['.repeat(depth)}${"]}".repeat(depth)}`)
      const error = yield* Effect.flip(typed.receive)
      assert.deepStrictEqual([error.code, error.reason], [1008, "the message does not match its schema"])
    }).pipe(inMemory)
  )

  it.effect("skips invalid messages where it is told to", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({})
      const typed = yield* TypedConnection.make(server, { receive: FromClient, send: FromServer, onInvalid: "skip" })
      const ok = JSON.stringify(Schema.encodeSync(Schema.toCodecJson(FromClient))(say("ok")))
      for (const sent of ["no", ok, Uint8Array.of(1), ok, "{}", ok]) yield* client.send(sent)
      assert.deepStrictEqual(yield* typed.receive, say("ok"))
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(typed.messages, 2)), [say("ok"), say("ok")])
    }).pipe(inMemory)
  )

  it.effect("asks the program about invalid messages, which may answer, count or fail", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({})
      const rules: Array<string> = []
      const typed = yield* TypedConnection.make(server, {
        receive: FromClient,
        send: FromServer,
        onInvalid: Effect.fnUntraced(function* (invalid) {
          rules.push(`${invalid.rule}: ${invalid.message}`)
          if (invalid.rule === "Malformed") return yield* Effect.fail("enough" as const)
          yield* server.send("please say that again")
        })
      })
      for (const sent of [Uint8Array.of(1), "{}", "no"]) yield* client.send(sent)
      assert.strictEqual(yield* Effect.flip(typed.receive), "enough")
      assert.deepStrictEqual(rules, [
        "WrongKind: expected text, received binary",
        "SchemaMismatch: the message does not match its schema",
        "Malformed: the message is not JSON"
      ])
      assert.strictEqual((yield* client.receive).data, "please say that again")
      assert.isUndefined(server.closeInfo)
    }).pipe(inMemory)
  )

  class Prefix extends Context.Service<Prefix, string>()("test/Prefix") {}
  const Prefixed = Schema.String.pipe(
    Schema.decodeTo(Schema.String, {
      decode: SchemaGetter.transformEffect((text: string) => Effect.map(Prefix, (prefix) => prefix + text)),
      encode: SchemaGetter.transformEffect((text: string) => Effect.map(Prefix, (prefix) => text.slice(prefix.length)))
    })
  )

  it.effect("takes the services of its Schemas from where it is made", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({})
      const typed = yield* TypedConnection.make(server, { receive: Prefixed, send: Prefixed }).pipe(
        Effect.provideService(Prefix, "> ")
      )
      yield* client.send('"hello"')
      assert.strictEqual(yield* typed.receive, "> hello")
      yield* typed.send("> back")
      assert.strictEqual((yield* client.receive).data, '"back"')
    }).pipe(inMemory)
  )

  it.effect("leaves the other messages to the next read where one ends early", () =>
    Effect.gen(function* () {
      const { client, server } = yield* typedPair()
      for (const text of ["a", "b", "c", "d"]) yield* client.send(say(text))
      const texts = (count: number) =>
        Effect.map(Stream.runCollect(Stream.take(server.messages, count)), (all) =>
          all.map((one) => "text" in one && one.text)
        )
      assert.deepStrictEqual(yield* texts(1), ["a"])
      assert.deepStrictEqual(yield* texts(2), ["b", "c"])
      yield* Effect.forkChild(client.connection.close(), { startImmediately: true })
      assert.deepStrictEqual(yield* texts(5), ["d"])
    }).pipe(inMemory)
  )

  it.effect("ends as the connection below ends", () =>
    Effect.gen(function* () {
      const { client, server } = yield* typedPair()
      const reading = yield* Effect.forkChild(Effect.flip(Stream.runDrain(server.messages)))
      yield* client.connection.close(4001, "enough")
      assert.strictEqual((yield* Fiber.join(reading))._tag, "ApplicationClose")
      assert.strictEqual(
        (yield* Effect.flip(server.send({ said: "", bytes: Uint8Array.of() })))._tag,
        "ApplicationClose"
      )
    }).pipe(inMemory)
  )

  it.effect("prepares a value once for many connections", () =>
    Effect.gen(function* () {
      const { client, server } = yield* typedPair(MessageCodec.binary())
      const value = { said: "all", bytes: Uint8Array.of(7) }
      const types = { send: FromServer, codec: MessageCodec.binary() }
      yield* server.connection.send(yield* TypedConnection.prepare(types, value))
      assert.deepStrictEqual(yield* client.receive, value)
      const wrong = { said: 1, bytes: Uint8Array.of() } as unknown as typeof value
      assert.strictEqual((yield* Effect.flip(TypedConnection.prepare(types, wrong)))._tag, "SchemaError")
    }).pipe(inMemory)
  )

  it.effect("works over whatever has messages, send and close", () =>
    Effect.gen(function* () {
      const sent: Array<string | Uint8Array> = []
      const closes: Array<unknown> = []
      const typed = yield* TypedConnection.make(
        {
          messages: Stream.fromIterable([Message.text("1"), Message.text("2"), Message.text("x"), Message.text("3")]),
          receive: Effect.succeed(Message.text("0")),
          send: (data: string | Uint8Array) => Effect.sync(() => sent.push(data)),
          close: (code?: number, reason?: string) => Effect.sync(() => closes.push([code, reason]))
        },
        { receive: Schema.Number, send: Schema.Number }
      )
      const read: Array<number> = []
      const error = yield* Effect.flip(Stream.runForEach(typed.messages, (n) => Effect.sync(() => read.push(n))))
      assert.deepStrictEqual([read, error.code, closes], [[1, 2], 1007, [[1007, "the message is not JSON"]]])
      assert.strictEqual(yield* typed.send(4), 1)
      assert.strictEqual(yield* typed.receive, 0)
      assert.deepStrictEqual(sent, ["4"])
    })
  )
})
