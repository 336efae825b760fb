import { PermessageDeflate } from "@effect-ws/extensions"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { Client, CloseError, Memory, Message, Tcp, WebSocketServer } from "effect-ws"
import * as Frame from "effect-ws/Frame"
import type { Connection } from "effect-ws"
import * as Checksum from "../src/checksum.ts"

const Echo = WebSocketServer.layer((connection) =>
  Stream.runForEach(connection.messages, (message) => connection.send(message))
)

const networks = { Memory: Memory.layer({ port: 0 }), Tcp: Tcp.layer({ port: 0 }) }

/** Runs a program at the client of an echo server, each with its extensions. */
const test = <E>(
  name: string,
  extensions: { readonly server: Layer.Layer<never>; readonly client: Layer.Layer<never> },
  program: (connection: Connection.Connection) => Effect.Effect<void, E>
): void => {
  for (const [network, layer] of Object.entries(networks)) {
    it.live(`${name} (${network})`, () =>
      Effect.gen(function* () {
        const { address } = yield* WebSocketServer.WebSocketServer
        assert(address._tag !== "UnixPathAddress")
        const connection = yield* Client.connect(`ws://127.0.0.1:${address.port}/`).pipe(
          Effect.provide(extensions.client)
        )
        yield* program(connection)
      }).pipe(
        Effect.scoped,
        Effect.provide(Echo.pipe(Layer.provide(extensions.server), Layer.provideMerge(Layer.fresh(layer))))
      )
    )
  }
}

const names = (connection: Connection.Connection): ReadonlyArray<string> =>
  connection.extensions.map(({ name }) => name)

const messages = [
  Message.text("Grüße"),
  Message.text(""),
  Message.binary(Uint8Array.from({ length: 70_000 }, (_, i) => i)),
  Message.text("more of the same, ".repeat(1000))
]

const exchange = Effect.fnUntraced(function* (connection: Connection.Connection) {
  for (const message of messages) {
    yield* connection.send(message, { fragmentSize: 20_000 })
    assert.deepStrictEqual(yield* connection.receive, message)
  }
})

describe("checksum", () => {
  test(
    "both ends agree on it, and messages arrive as they were",
    { server: Checksum.layer, client: Checksum.layer },
    (connection) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(names(connection), ["x-frame-checksum"])
        yield* exchange(connection)
      })
  )

  // `sendFrame` goes past the extensions, so this is what is on the wire. The Adler-32 of "Wikipedia" is 11E60398.
  const onTheWire = (payload: string): Frame.Frame => Frame.binary(Buffer.from(payload, "latin1"), { rsv2: true })

  test("takes a frame with the checksum of Adler", { server: Checksum.layer, client: Checksum.layer }, (connection) =>
    Effect.gen(function* () {
      yield* connection.sendFrame(onTheWire("Wikipedia\x11\xe6\x03\x98"), { unchecked: true })
      assert.deepStrictEqual(yield* connection.receive, Message.binary(Buffer.from("Wikipedia")))
    })
  )

  for (const [why, payload] of [
    ["a wrong checksum", "Wikipedia\x11\xe6\x03\x99"],
    ["a frame without its checksum", "\x11\xe6\x03"]
  ] as const) {
    test(`closes with 1007 on ${why}`, { server: Checksum.layer, client: Checksum.layer }, (connection) =>
      Effect.gen(function* () {
        yield* connection.sendFrame(onTheWire(payload), { unchecked: true })
        const error = yield* Effect.flip(connection.receive)
        assert.deepStrictEqual(error, new CloseError.InvalidPayload({ reason: why }))
      })
    )
  }

  const withDeflate = Layer.provideMerge(PermessageDeflate.layer({ threshold: 0 }), Checksum.layer)

  test("goes with compression, which takes another bit", { server: withDeflate, client: withDeflate }, (connection) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(names(connection), ["x-frame-checksum", "permessage-deflate"])
      yield* exchange(connection)
    })
  )

  for (const [without, extensions] of [
    ["server", { server: Layer.empty, client: Checksum.layer }],
    ["client", { server: Checksum.layer, client: Layer.empty }]
  ] as const) {
    test(`is left out where the ${without} does not have it`, extensions, (connection) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(names(connection), [])
        yield* exchange(connection)
      })
    )
  }
})
