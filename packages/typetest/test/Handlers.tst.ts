import type { Connection } from "@effect-ws/connection/Connection"
import type * as Message from "@effect-ws/protocol/Message"
import type * as Handlers from "@effect-ws/server/Handlers"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as SocketServer from "effect/socket/SocketServer"
import { describe, expect, it } from "tstyche"

class Users extends Context.Service<Users, { readonly name: string }>()("typetest/Users") {}
class Log extends Context.Service<Log, { readonly lines: number }>()("typetest/Log") {}

declare const handler: Effect.Effect<void, Error, Users>

describe("Handlers", () => {
  it("needs no handler", () => {
    expect<Handlers.Handlers>().type.toBeAssignableFrom<{}>()
  })

  it("takes handlers that fail with E and need R", () => {
    expect<Handlers.Handlers<Error, Users>>().type.toBeAssignableFrom<{ onOpen: () => typeof handler }>()
    expect<Handlers.Handlers<never, Users>>().type.not.toBeAssignableFrom<{ onOpen: () => typeof handler }>()
    expect<Handlers.Handlers<Error>>().type.not.toBeAssignableFrom<{ onOpen: () => typeof handler }>()
  })

  it("gives onMessage a message and onError a cause", () => {
    expect<Parameters<NonNullable<Handlers.Handlers["onMessage"]>>>().type.toBe<
      [connection: Connection, message: Message.Message]
    >()
    expect<Parameters<NonNullable<Handlers.Handlers["onError"]>>[1]>().type.toBe<Cause.Cause<unknown>>()
  })

  it("passes what its handlers need on to the layer, for both servers", () => {
    const handlers = { onOpen: () => handler, onMessage: () => Log } satisfies Handlers.Handlers<Error, Users | Log>
    type Served = Layer.Layer<WebSocketServer.WebSocketServer, never, SocketServer.SocketServer | Users | Log>
    const typed: Handlers.Handlers<Error, Users | Log> = handlers
    expect(WebSocketServer.layer(typed)).type.toBe<Served>()
    expect(WebSocketServer.layerQueue(typed)).type.toBe<Served>()
  })

  it("is what the queue server takes: it has no function form", () => {
    expect(WebSocketServer.layerQueue).type.toBeCallableWith({ onMessage: () => Effect.void })
    expect(WebSocketServer.layerQueue).type.not.toBeCallableWith(() => handler)
  })
})
