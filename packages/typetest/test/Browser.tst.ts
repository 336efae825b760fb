import type { BrowserConnection } from "@effect-ws/browser/BrowserConnection"
import * as Reconnect from "@effect-ws/browser/Reconnect"
import type { BrowserConnectError } from "@effect-ws/browser/BrowserConnectError"
import type { MessageConnection } from "@effect-ws/connection/MessageConnection"
import type * as CloseError from "@effect-ws/protocol/CloseError"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { describe, expect, it } from "tstyche"

declare const connection: BrowserConnection

describe("BrowserConnection", () => {
  it("has nothing that a browser hides", () => {
    expect<keyof BrowserConnection & ("closed" | "messages")>().type.toBe<"closed" | "messages">()
    type Hidden = "abort" | "extensions" | "frames" | "latency" | "ping" | "remoteAddress" | "request" | "response"
    expect<Extract<keyof BrowserConnection, Hidden | "sendFrame">>().type.toBe<never>()
  })

  it("closes with the codes that a browser may send alone", () => {
    expect(connection.close).type.toBeCallableWith(1000)
    expect(connection.close).type.toBeCallableWith(3000, "reason")
    expect(connection.close).type.toBeCallableWith(4999)
    expect(connection.close).type.not.toBeCallableWith(1001)
    expect(connection.close).type.not.toBeCallableWith(2999)
    expect(connection.close).type.not.toBeCallableWith(5000)
  })

  it("is what typed messages need", () => {
    expect<BrowserConnection>().type.toBeAssignableTo<
      MessageConnection<CloseError.CloseError, void, CloseError.CloseError>
    >()
  })
})

describe("Reconnect in a page", () => {
  it("needs no dialer, and fails with what a browser tells", () => {
    const client = Reconnect.make({ url: "wss://server.example/" })
    expect<Effect.Services<typeof client>>().type.toBe<Scope.Scope>()
    type Client = Effect.Success<typeof client>
    expect<Stream.Error<Client["messages"]>>().type.toBe<BrowserConnectError | CloseError.CloseError>()
    expect<Effect.Success<Client["connection"]>>().type.toBe<BrowserConnection>()
  })
})
