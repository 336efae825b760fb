/**
 * Servers whose options come from `Config`: values of the environment, defaults, and errors that name the key.
 */
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Context, Effect, Layer, Redacted } from "effect"
import type * as NetAddress from "effect/net/NetAddress"
import { SocketServer } from "effect/socket"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { Dialer, formatAddress, hostPort } from "../src/Dialer.ts"
import { PushSocketServer } from "../src/PushSocketServer.ts"
import * as Tcp from "../src/Tcp.ts"
import * as Tls from "../src/Tls.ts"
import * as Unix from "../src/Unix.ts"
import { ca, server as identity } from "./certificates.ts"

const build = <A, E>(layer: Layer.Layer<A, E>, environment: Readonly<Record<string, string>>) =>
  Layer.build(layer).pipe(Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(environment)))

const failure = <A, E>(layer: Layer.Layer<A, E>, environment: Readonly<Record<string, string>>) =>
  Effect.map(Effect.flip(build(layer, environment)), (error) => {
    assert.instanceOf(error, Config.ConfigError)
    return error.message
  })

const addressOf = (context: Context.Context<SocketServer.SocketServer>) =>
  Context.get(context, SocketServer.SocketServer).address

// Unlike `Config.Port` this allows 0, for any free port.
const port = Config.Int("PORT")

describe("Tcp.layerServerConfig", () => {
  const host = Config.String("HOST").pipe(Config.withDefault("127.0.0.1"))

  it.live("listens at the host and port of the environment", () =>
    Effect.gen(function* () {
      const server = yield* build(Tcp.layerServerConfig({ port, host }), { PORT: "0", HOST: "::1" })
      assert.match(formatAddress(addressOf(server)), /^\[::1\]:\d+$/)
    })
  )

  it.live("keeps the default of a value that the environment does not have", () =>
    Effect.gen(function* () {
      const server = yield* build(Tcp.layerServerConfig({ port, host }), { PORT: "0" })
      assert.match(formatAddress(addressOf(server)), /^127\.0\.0\.1:\d+$/)
    })
  )

  it.live("keeps the default of an option that is left out", () =>
    Effect.gen(function* () {
      const server = yield* build(Tcp.layerServerConfig({ port }), { PORT: "0" })
      assert.match(formatAddress(addressOf(server)), /^127\.0\.0\.1:\d+$/)
      assert.strictEqual(Context.get(server, PushSocketServer).address, addressOf(server))
    })
  )

  it.live("takes one Config of all options", () =>
    Effect.gen(function* () {
      const options = Config.all({ port: Config.Int("port"), host: Config.String("host") })
      const server = yield* build(Tcp.layerServerConfig(options.pipe(Config.nested("listen"))), {
        listen: { port: "0", host: "::1" }
      } as never)
      assert.match(formatAddress(addressOf(server)), /^\[::1\]:\d+$/)
    })
  )

  it.effect("fails with a ConfigError that names the key of a value that is missing", () =>
    Effect.gen(function* () {
      assert.include(yield* failure(Tcp.layerServerConfig({ port, host }), {}), "PORT")
      assert.include(yield* failure(Tcp.layerServerConfig({ fd: Config.Int("LISTEN_FD") }), {}), "LISTEN_FD")
    })
  )

  it.effect("fails with a ConfigError that names the key of a value that is invalid", () =>
    Effect.gen(function* () {
      const server = Tcp.layerServerConfig({ port: Config.Port("PORT") })
      for (const PORT of ["http", "70000"]) assert.include(yield* failure(server, { PORT }), "PORT")
    })
  )
})

describe("Tls.layerServerConfig", () => {
  const options = { port, cert: Config.String("TLS_CERT"), key: Config.Redacted("TLS_KEY") }

  it.live("listens with the certificate and the key of the environment", () =>
    Effect.gen(function* () {
      const environment = { PORT: "0", TLS_CERT: `${identity.cert}`, TLS_KEY: `${Redacted.value(identity.key)}` }
      const server = yield* build(Tls.layerServerConfig(options), environment)
      yield* Effect.forkScoped(Context.get(server, SocketServer.SocketServer).run(() => Effect.never))
      const target = hostPort(addressOf(server) as NetAddress.InetAddress)
      yield* Dialer.use(({ dial }) => Effect.flatMap(dial(target), ({ reader }) => reader)).pipe(
        Effect.provide(Tls.layerDialer({ ca }))
      )
    })
  )

  it.effect("fails with a ConfigError that names the key of a value that is missing", () =>
    Effect.gen(function* () {
      assert.include(
        yield* failure(Tls.layerServerConfig(options), { PORT: "0", TLS_CERT: "a certificate" }),
        "TLS_KEY"
      )
    })
  )
})

describe("Unix.layerServerConfig", () => {
  const options = { path: Config.String("SOCKET_PATH") }

  it.live("listens at the path of the environment", () =>
    Effect.gen(function* () {
      const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-ws-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true })))
      const path = Path.join(directory, "config.sock")
      const server = yield* build(Unix.layerServerConfig(options), { SOCKET_PATH: path })
      assert.strictEqual(formatAddress(addressOf(server)), formatAddress({ path }))
    })
  )

  it.effect("fails with a ConfigError that names the key of a value that is missing", () =>
    Effect.gen(function* () {
      assert.include(yield* failure(Unix.layerServerConfig(options), {}), "SOCKET_PATH")
    })
  )
})
