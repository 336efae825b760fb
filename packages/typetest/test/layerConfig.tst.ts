import * as Client from "@effect-ws/client/Client"
import * as ClientSocket from "@effect-ws/client/ClientSocket"
import type * as Accept from "@effect-ws/connection/Accept"
import * as Budget from "@effect-ws/connection/Budget"
import type * as HandshakeRejection from "@effect-ws/protocol/HandshakeRejection"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import type { Dialer } from "@effect-ws/transport/Dialer"
import type { PushSocketServer } from "@effect-ws/transport/PushSocketServer"
import * as Tcp from "@effect-ws/transport/Tcp"
import * as Tls from "@effect-ws/transport/Tls"
import * as Unix from "@effect-ws/transport/Unix"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Socket from "effect/socket/Socket"
import type * as SocketServer from "effect/socket/SocketServer"
import { describe, expect, it } from "tstyche"

class Users extends Context.Service<Users, { readonly name: string }>()("typetest/Users") {}
class Sessions extends Context.Service<Sessions, { readonly count: number }>()("typetest/Sessions") {}

declare const decide: Effect.Effect<Accept.Acceptance, HandshakeRejection.HandshakeRejection, Sessions>

const port = Config.Port("PORT")

describe("layerServerConfig of the transports", () => {
  it("has ConfigError beside the error of listening", () => {
    type Servers<More = never> = Layer.Layer<
      SocketServer.SocketServer | PushSocketServer | More,
      SocketServer.SocketServerError | Config.ConfigError
    >
    expect(Tcp.layerServerConfig({ port })).type.toBe<Servers>()
    expect(Unix.layerServerConfig({ path: Config.String("SOCKET_PATH") })).type.toBe<Servers>()
    expect(Tls.layerServerConfig({ port, cert: Config.String("TLS_CERT"), key: Config.Redacted("TLS_KEY") })).type.toBe<
      Servers<Tls.TlsServer>
    >()
  })

  it("takes a Config for each option, or one Config of them all", () => {
    expect(Tcp.layerServerConfig).type.toBeCallableWith({ port, host: Config.String("HOST") })
    expect(Tcp.layerServerConfig).type.toBeCallableWith({ port, http2: Config.succeed({ maxStreams: 10 }) })
    expect(Tcp.layerServerConfig).type.toBeCallableWith({ fd: Config.Int("LISTEN_FD") })
    expect(Tcp.layerServerConfig).type.toBeCallableWith(Config.all({ port }))
    expect(Tcp.layerServerConfig).type.toBeCallableWith(Config.all({ fd: Config.Int("LISTEN_FD") }))
  })

  it("rejects a value of another type, a plain value, and options without a port", () => {
    expect(Tcp.layerServerConfig).type.not.toBeCallableWith({ port: Config.String("PORT") })
    expect(Tcp.layerServerConfig).type.not.toBeCallableWith({ port: 80 })
    expect(Tcp.layerServerConfig).type.not.toBeCallableWith({ host: Config.String("HOST") })
    expect(Tcp.layerServerConfig).type.not.toBeCallableWith({ port, hots: Config.String("HOST") })
  })

  it("rejects a key that is not redacted", () => {
    expect(Tls.layerServerConfig).type.not.toBeCallableWith({
      port,
      cert: Config.String("TLS_CERT"),
      key: Config.String("TLS_KEY")
    })
  })
})

describe("WebSocketServer.layerConfig", () => {
  const maxConnections = Config.Int("MAX_CONNECTIONS")

  it("fails with ConfigError, and requires what the program needs", () => {
    type Server<R> = Layer.Layer<WebSocketServer.WebSocketServer, Config.ConfigError, SocketServer.SocketServer | R>
    expect(WebSocketServer.layerConfig(() => Users, { maxConnections })).type.toBe<Server<Users>>()
    expect(WebSocketServer.layerQueueConfig({ onOpen: () => Users }, { maxConnections })).type.toBe<Server<Users>>()
  })

  it("adds what the decision needs to its requirements", () => {
    type Server = Layer.Layer<WebSocketServer.WebSocketServer, Config.ConfigError, SocketServer.SocketServer | Sessions>
    expect(
      WebSocketServer.layerConfig(() => Effect.void, { maxConnections, decide: Config.succeed(() => decide) })
    ).type.toBe<Server>()
    expect(
      WebSocketServer.layerConfig(
        () => Effect.void,
        Config.map(maxConnections, (maxConnections) => ({ maxConnections, decide: () => decide }))
      )
    ).type.toBe<Server>()
  })

  it("is complete with a transport", () => {
    const served = WebSocketServer.layerConfig(() => Effect.void, { maxConnections }).pipe(
      Layer.provide(Tcp.layerServerConfig({ port }))
    )
    expect(served).type.toBe<
      Layer.Layer<WebSocketServer.WebSocketServer, SocketServer.SocketServerError | Config.ConfigError>
    >()
  })

  it("takes durations, and rejects an option that does not exist", () => {
    const drainTimeout = Config.Duration("DRAIN_TIMEOUT")
    expect(WebSocketServer.layerConfig).type.toBeCallableWith(() => Effect.void, { drainTimeout })
    expect(WebSocketServer.layerConfig).type.not.toBeCallableWith(() => Effect.void, { drainTimeot: drainTimeout })
  })
})

describe("layers of clients and budgets with options from Config", () => {
  it("have ConfigError in their error", () => {
    expect(ClientSocket.layerConfig(Config.URL("SERVER_URL"))).type.toBe<
      Layer.Layer<Socket.Socket, Config.ConfigError, Dialer>
    >()
    expect(Client.layerDialerConfig({ noDelay: Config.Boolean("NO_DELAY") })).type.toBe<
      Layer.Layer<Dialer, Config.ConfigError>
    >()
    expect(Budget.layerConfig({ limit: Config.Int("MEMORY_LIMIT") })).type.toBe<
      Layer.Layer<never, Config.ConfigError>
    >()
  })
})
