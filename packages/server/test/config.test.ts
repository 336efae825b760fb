/**
 * Servers whose options come from `Config`: values of the environment, defaults, and errors that name the key.
 */
import * as Connect from "@effect-ws/connection/Connect"
import { Dialer } from "@effect-ws/transport/Dialer"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Layer } from "effect"
import { HttpServer } from "effect/http"
import * as Http from "node:http"
import * as WebSocketRoute from "../src/WebSocketRoute.ts"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { echo, echoHandlers } from "@effect-ws/test-peers/Programs"

const connectTo = (port: number) =>
  Dialer.use(({ dial }) =>
    Effect.flatMap(dial({ host: "a.test", port }), (socket) => Connect.connect(socket, `ws://a.test:${port}/`))
  )

const environment = (values: Readonly<Record<string, string>>) =>
  ConfigProvider.layer(ConfigProvider.fromUnknown(values))

const network = Memory.layerDialer.pipe(Layer.provideMerge(Memory.layerNetwork()))

const maxConnections = Config.Int("MAX_CONNECTIONS")
const optional = maxConnections.pipe(Config.withDefault(2))

describe.each([
  [
    "fiber",
    WebSocketServer.layerConfig(echo, { maxConnections }),
    WebSocketServer.layerConfig(echo, { maxConnections: optional })
  ],
  [
    "queue",
    WebSocketServer.layerQueueConfig(echoHandlers, { maxConnections }),
    WebSocketServer.layerQueueConfig(echoHandlers, { maxConnections: optional })
  ]
] as const)("a %s server with options from Config", (_, required, defaulted) => {
  const serves = Effect.fnUntraced(function* (port: number, most: number) {
    for (let count = 0; count < most; count++) {
      const connection = yield* connectTo(port)
      yield* connection.send("hello")
      assert.strictEqual((yield* connection.receive).data, "hello")
    }
    const error = yield* Effect.flip(connectTo(port))
    assert.strictEqual(error._tag === "HandshakeError" ? error.status : error, 503)
  })

  it.effect("takes the values of the environment", () =>
    Effect.gen(function* () {
      yield* Layer.build(
        required.pipe(Layer.provide([Memory.layerServer({ port: 1 }), environment({ MAX_CONNECTIONS: "1" })]))
      )
      yield* serves(1, 1)
    }).pipe(Effect.provide(network))
  )

  it.effect("keeps the default of a value that the environment does not have", () =>
    Effect.gen(function* () {
      yield* Layer.build(defaulted.pipe(Layer.provide([Memory.layerServer({ port: 1 }), environment({})])))
      yield* serves(1, 2)
    }).pipe(Effect.provide(network))
  )

  it.effect("serves each listener that it is given", () =>
    Effect.gen(function* () {
      const on = (port: number) => required.pipe(Layer.provide(Memory.layerServer({ port })))
      yield* Layer.build(Layer.merge(on(1), on(2)).pipe(Layer.provide(environment({ MAX_CONNECTIONS: "1" }))))
      for (const port of [1, 2]) yield* serves(port, 1)
    }).pipe(Effect.provide(network))
  )

  it.effect("fails with a ConfigError that names the key of a value that is missing or invalid", () =>
    Effect.gen(function* () {
      for (const values of [{}, { MAX_CONNECTIONS: "many" }]) {
        const error = yield* Effect.flip(
          Layer.build(required.pipe(Layer.provide([Memory.layerServer({ port: 1 }), environment(values)])))
        )
        assert.instanceOf(error, Config.ConfigError)
        assert.include(error.message, "MAX_CONNECTIONS")
      }
    }).pipe(Effect.provide(network))
  )
})

describe("WebSocketRoute.layerServerConfig", () => {
  const server = WebSocketRoute.layerServerConfig(Http.createServer, {
    port: Config.Int("PORT"),
    host: Config.String("HOST").pipe(Config.withDefault("127.0.0.1"))
  })

  it.live("listens at the port of the environment", () =>
    Effect.gen(function* () {
      const { address } = yield* HttpServer.HttpServer
      assert.strictEqual(address._tag, "InetAddressV4")
    }).pipe(Effect.provide(server.pipe(Layer.provide(environment({ PORT: "0" })))))
  )

  it.effect("fails with a ConfigError that names the key of a value that is missing", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Layer.build(server.pipe(Layer.provide(environment({})))))
      assert.instanceOf(error, Config.ConfigError)
      assert.include(error.message, "PORT")
    })
  )
})
