import type * as Accept from "@effect-ws/connection/Accept"
import type * as HandshakeRejection from "@effect-ws/protocol/HandshakeRejection"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Tcp from "@effect-ws/transport/Tcp"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as SocketServer from "effect/socket/SocketServer"
import { describe, expect, it } from "tstyche"

class Users extends Context.Service<Users, { readonly name: string }>()("typetest/Users") {}
class Sessions extends Context.Service<Sessions, { readonly count: number }>()("typetest/Sessions") {}

declare const decide: Effect.Effect<Accept.Acceptance, HandshakeRejection.HandshakeRejection, Sessions>

describe("WebSocketServer.layer", () => {
  it("requires a SocketServer and nothing else for a program that needs nothing", () => {
    expect(WebSocketServer.layer(() => Effect.void)).type.toBe<
      Layer.Layer<WebSocketServer.WebSocketServer, never, SocketServer.SocketServer>
    >()
  })

  it("adds what the program needs to its requirements", () => {
    expect(WebSocketServer.layer(() => Users)).type.toBe<
      Layer.Layer<WebSocketServer.WebSocketServer, never, SocketServer.SocketServer | Users>
    >()
  })

  it("provides a Scope and itself to the program", () => {
    const program = () => Effect.andThen(Effect.scope, WebSocketServer.WebSocketServer)
    expect(WebSocketServer.layer(program)).type.toBe<
      Layer.Layer<WebSocketServer.WebSocketServer, never, SocketServer.SocketServer>
    >()
  })

  it("never fails with what the program fails with", () => {
    expect(WebSocketServer.layer(() => Effect.fail("anything" as const))).type.toBe<
      Layer.Layer<WebSocketServer.WebSocketServer, never, SocketServer.SocketServer>
    >()
  })

  it("adds what the decision needs to its requirements", () => {
    expect(WebSocketServer.layer(() => Users, { decide: () => decide })).type.toBe<
      Layer.Layer<WebSocketServer.WebSocketServer, never, SocketServer.SocketServer | Users | Sessions>
    >()
  })

  it("is complete with a transport", () => {
    const served = WebSocketServer.layer(() => Effect.void).pipe(Layer.provide(Tcp.layerServer({ port: 0 })))
    expect(served).type.toBe<Layer.Layer<WebSocketServer.WebSocketServer, SocketServer.SocketServerError>>()
  })

  it("rejects an option that does not exist", () => {
    expect(WebSocketServer.layer).type.not.toBeCallableWith(() => Effect.void, { maxMesageSize: 1 })
  })
})
