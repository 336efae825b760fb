import * as Client from "@effect-ws/client/Client"
import type { ConnectError } from "@effect-ws/client/ConnectError"
import type { Connection } from "@effect-ws/connection/Connection"
import type * as CloseError from "@effect-ws/protocol/CloseError"
import type { Dialer } from "@effect-ws/transport/Dialer"
import type * as Message from "@effect-ws/protocol/Message"
import type * as Scope from "effect/Scope"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import { describe, expect, it } from "tstyche"

declare const connection: Connection

describe("Client.connect", () => {
  it("gives a Connection, fails with ConnectError, and needs a Dialer and a Scope", () => {
    expect(Client.connect("ws://localhost/")).type.toBe<Effect.Effect<Connection, ConnectError, Dialer | Scope.Scope>>()
  })

  it("takes a URL, and options", () => {
    expect(Client.connect).type.toBeCallableWith(new URL("wss://localhost/"), { maxRedirects: 0 })
    expect(Client.connect).type.not.toBeCallableWith(80)
    expect(Client.connect).type.not.toBeCallableWith("ws://localhost/", { maxRedirect: 0 })
  })

  it("has errors that are told apart by their tags", () => {
    expect<ConnectError["_tag"]>().type.not.toBeAssignableFrom<string>()
    expect<ConnectError["_tag"]>().type.toBeAssignableFrom<"UnexpectedResponse">()
    expect<ConnectError["_tag"]>().type.toBeAssignableFrom<"SocketError">()
  })
})

describe("Connection", () => {
  it("ends its messages, or fails them with the close", () => {
    expect(connection.messages).type.toBe<Stream.Stream<Message.Message, CloseError.CloseError>>()
    expect(connection.receive).type.toBe<Effect.Effect<Message.Message, CloseError.CloseError>>()
  })

  it("sends text, bytes and messages, and nothing else", () => {
    expect(connection.send).type.toBeCallableWith("text")
    expect(connection.send).type.toBeCallableWith(new Uint8Array(1), { fragmentSize: 10 })
    expect(connection.send).type.not.toBeCallableWith(1)
    expect(connection.send).type.not.toBeCallableWith({ text: "no" })
    expect(connection.send).type.not.toBeCallableWith(new ArrayBuffer(1))
  })

  it("never fails to tell how it ended", () => {
    expect<Effect.Error<typeof connection.closed>>().type.toBe<never>()
    expect<Effect.Services<typeof connection.closed>>().type.toBe<never>()
  })

  it("cannot be changed", () => {
    expect<Pick<Connection, "subprotocol">>().type.toBe<{ readonly subprotocol: string | undefined }>()
  })
})
