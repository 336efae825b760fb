/**
 * Clients whose options come from `Config`: values of the environment, defaults, and errors that name the key.
 */
import * as ClientAuth from "@effect-ws/protocol/ClientAuth"
import * as HeaderFields from "@effect-ws/protocol/HeaderFields"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { Dialer } from "@effect-ws/transport/Dialer"
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Layer, Stream } from "effect"
import { Socket } from "effect/socket"
import * as Client from "../src/Client.ts"
import * as ClientSocket from "../src/ClientSocket.ts"
import { network } from "./support/standard.ts"

const environment = (values: Readonly<Record<string, string>>) =>
  ConfigProvider.layer(ConfigProvider.fromUnknown(values))

/** A server that sends what it was asked for. */
const serving = WebSocketServer.make((connection) =>
  Effect.andThen(
    connection.send(
      `${connection.request.path} ${HeaderFields.get(connection.request.headers, "Authorization") ?? "no credentials"}`
    ),
    Stream.runDrain(connection.messages)
  )
)

describe("ClientSocket.layerConfig", () => {
  const received = Socket.Socket.use(({ reader }) => Effect.flatMap(reader, ({ pull }) => pull)).pipe(Effect.scoped)

  it.effect("connects to the URL of the environment", () =>
    Effect.gen(function* () {
      yield* serving
      const socket = ClientSocket.layerConfig(Config.URL("SERVER_URL"))
      const answer = yield* Effect.provide(
        received,
        socket.pipe(Layer.provide(environment({ SERVER_URL: "ws://server.test/chat" })))
      )
      assert.deepStrictEqual(answer, ["/chat no credentials"])
    }).pipe(Effect.provide(network))
  )

  it.effect("takes options of the environment", () =>
    Effect.gen(function* () {
      yield* serving
      const socket = ClientSocket.layerConfig(
        Config.String("SERVER_URL").pipe(Config.withDefault("ws://server.test/default")),
        { credentials: Config.Redacted("TOKEN").pipe(Config.map(ClientAuth.token)) }
      )
      const answer = yield* Effect.provide(received, socket.pipe(Layer.provide(environment({ TOKEN: "abc" }))))
      assert.deepStrictEqual(answer, ["/default Bearer abc"])
    }).pipe(Effect.provide(network))
  )

  it.effect("fails with a ConfigError that names the key of a value that is missing or invalid", () =>
    Effect.gen(function* () {
      for (const values of [{}, { SERVER_URL: "no URL" }]) {
        const socket = ClientSocket.layerConfig(Config.URL("SERVER_URL")).pipe(Layer.provide(environment(values)))
        const error = yield* Effect.flip(Layer.build(socket))
        assert.instanceOf(error, Config.ConfigError)
        assert.include(error.message, "SERVER_URL")
      }
    }).pipe(Effect.provide(network))
  )
})

describe("Client.layerDialerConfig", () => {
  const dialer = Client.layerDialerConfig({ connectTimeout: Config.Duration("CONNECT_TIMEOUT") })

  it.effect("makes the dialer with the options of the environment", () =>
    Effect.gen(function* () {
      // The check of the value shows that it arrives.
      const exit = yield* Effect.exit(
        Layer.build(dialer.pipe(Layer.provide(environment({ CONNECT_TIMEOUT: "-1 seconds" }))))
      )
      assert.include(String(exit), "connectTimeout")
      yield* Dialer.pipe(Effect.provide(dialer.pipe(Layer.provide(environment({ CONNECT_TIMEOUT: "1 second" })))))
    })
  )

  it.effect("fails with a ConfigError that names the key of a value that is missing", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Layer.build(dialer.pipe(Layer.provide(environment({})))))
      assert.instanceOf(error, Config.ConfigError)
      assert.include(error.message, "CONNECT_TIMEOUT")
    })
  )
})
