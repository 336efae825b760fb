import * as Client from "@effect-ws/client/Client"
import type { Connection } from "@effect-ws/connection/Connection"
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Inspector from "../src/Inspector.ts"
import * as Recording from "../src/Recording.ts"
import * as Replay from "../src/Replay.ts"
import { quiet } from "@effect-ws/test-peers/InMemory"

/** Counts what it is told, and says so a second later. */
const counter =
  (limit: number) =>
  (connection: Connection): Effect.Effect<void, unknown> => {
    let count = 0
    return Stream.runForEach(connection.messages, ({ data }) =>
      data === "leave"
        ? connection.close(4000, "as you wish")
        : Effect.delay(connection.send(`${Math.min(limit, ++count)}: ${data.length}`), "1 second")
    )
  }

/** What a client does to a counter, recorded. */
const record = <E>(
  act: (client: Connection) => Effect.Effect<unknown, E>,
  options: Inspector.Options = { payloads: "full", frames: "all" },
  extensions: Layer.Layer<never> = Layer.empty
) =>
  Effect.gen(function* () {
    const client = yield* Client.connect("ws://counter.test/count?token=secret", {
      headers: { "X-Team": "blue" }
    })
    yield* Effect.forkScoped(Effect.ignore(Stream.runDrain(client.messages)))
    yield* act(client)
    yield* quiet
    const inspector = yield* Inspector.Inspector
    const [connection] = [...(yield* inspector.closed), ...(yield* inspector.connections)]
    return yield* Recording.parse(Recording.stringify((yield* inspector.recording(connection!.id))!))
  }).pipe(
    Effect.provide(
      WebSocketServer.layer(counter(100)).pipe(
        Layer.provideMerge(Inspector.layer(options)),
        Layer.provideMerge(extensions),
        Layer.provideMerge(Layer.fresh(Memory.layer({ port: 80 })))
      )
    ),
    Effect.scoped
  )

const pass = (time: "1 second" | "30 seconds") => Effect.andThen(quiet, Effect.andThen(TestClock.adjust(time), quiet))

const conversation = (client: Connection) =>
  Effect.gen(function* () {
    yield* client.send("one")
    yield* pass("1 second")
    yield* client.send(new Uint8Array([1, 2, 3]))
    yield* pass("30 seconds")
    yield* client.sendStream({ _tag: "Text", chunks: Stream.make("in ", "pieces ", "and ".repeat(1000)) })
    yield* pass("1 second")
    yield* client.send("leave")
    yield* quiet
  })

describe("Replay", () => {
  for (const [name, extensions] of [
    ["as they are", Layer.empty],
    ["compressed", PermessageDeflate.layer()]
  ] as const) {
    it.effect(`answers as it did, of messages that were recorded ${name}`, () =>
      Effect.gen(function* () {
        const recording = yield* record(conversation, undefined, extensions)
        assert.strictEqual(
          recording.frames.some(({ decoded }) => decoded === true),
          name === "compressed"
        )
        let path: string | undefined
        let team: string | undefined
        const { closed, differences, recorded, sent } = yield* Replay.run(recording, (connection: Connection) => {
          path = connection.request.path
          team = connection.request.headers.find(({ name }) => name === "X-Team")?.value
          return counter(100)(connection)
        })
        assert.deepStrictEqual(differences, [])
        assert.deepStrictEqual([path, team], ["/count", "blue"])
        assert.deepStrictEqual(
          sent.map(({ at, data }) => [at, data]),
          [
            [1000, "1: 3"],
            [2000, "2: 3"],
            [32_000, "3: 4010"]
          ]
        )
        assert.deepStrictEqual(recorded, sent)
        assert.include(closed!.error, { code: 4000, reason: "as you wish" })
      })
    )
  }

  it.effect("tells what is different", () =>
    Effect.gen(function* () {
      const recording = yield* record(conversation)
      const { differences } = yield* Replay.run(recording, (connection) =>
        Effect.andThen(Effect.ignore(counter(2)(connection)), connection.close(4001))
      )
      assert.deepStrictEqual(differences, ['message 3: recorded "3: 4010", replayed "2: 4010"'])
      const { differences: all } = yield* Replay.run(recording, (connection: Connection) => connection.close(4009))
      assert.deepStrictEqual(all, [
        'message 1: recorded "1: 3", replayed nothing',
        'message 2: recorded "2: 3", replayed nothing',
        'message 3: recorded "3: 4010", replayed nothing',
        "close: recorded 4000, replayed 4009"
      ])
    })
  )

  it.effect("breaks the rules that were broken, and the connection that broke off", () =>
    Effect.gen(function* () {
      const bits = { fin: true, rsv1: false, rsv2: false, rsv3: false }
      const wrong = yield* record((client) =>
        Effect.andThen(
          client.sendFrame({ ...bits, opcode: 3, payload: new Uint8Array(2) }, { unchecked: true }),
          client.closed
        )
      )
      assert.strictEqual(wrong.frames[0]?.violation, "ReservedOpcode")
      const replayed = yield* Replay.run(wrong, counter(100))
      assert.deepStrictEqual(replayed.differences, [])
      assert.strictEqual(replayed.closed!.received?.code, 1002)

      const lost = yield* record((client) => Effect.andThen(client.send("one"), Effect.andThen(quiet, client.abort())))
      assert.strictEqual(lost.closing?.closed.initiator, "transport")
      let code: number | undefined
      yield* Replay.run(lost, (connection: Connection) =>
        Effect.map(connection.closed, ({ error }) => (code = error.code))
      )
      yield* quiet
      assert.strictEqual(code, 1006)
    })
  )

  it.effect("says why a recording cannot be replayed", () =>
    Effect.gen(function* () {
      const without = yield* record(conversation, { payloads: "preview", frames: "all", previewBytes: 2 })
      assert.include((yield* Effect.flip(Replay.run(without, counter(1)))).message, "frame 1 has no payload")
      const short = yield* record(conversation, { payloads: "full", frames: "all", maxFrames: 3 })
      assert.include((yield* Effect.flip(Replay.run(short, counter(1)))).message, "its first frames are missing")
      const refused = yield* Effect.flip(Replay.run(yield* record(conversation), counter(1), { paths: ["/other"] }))
      assert.include(refused.message, "the server refuses the connection")
    })
  )

  it.effect("reads no text that is no recording, and says which line it is", () =>
    Effect.gen(function* () {
      const text = Recording.stringify(yield* record(conversation))
      const failure = (text: string) => Effect.map(Effect.flip(Recording.parse(text)), ({ line }) => line)
      assert.strictEqual(yield* failure(""), 1)
      assert.strictEqual(yield* failure(text.replace('"recording":1', '"recording":2')), 1)
      assert.strictEqual(yield* failure(text.split("\n").with(2, "{").join("\n")), 3)
      assert.strictEqual(yield* failure(text.split("\n").with(1, '{"at":"soon"}').join("\n")), 2)
      assert.strictEqual(yield* failure(text + text.split("\n")[1]), text.split("\n").length)
    })
  )
})
