import { TransportSuite } from "@effect-ws/testing"
import { Client, Dialer, WebSocketServer } from "effect-ws"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import type { NetAddress } from "effect/net"
import * as Transport from "../src/transport.ts"

const cases = TransportSuite.cases({
  layer: Transport.layer(0),
  listenAgain: (address) => Transport.layerServer(Dialer.hostPort(address as NetAddress.InetAddress).port),
  unused: { host: "127.0.0.1", port: 9 },
  resets: true,
  pushes: true,
  connects: 200,
  transferBytes: 32 << 20
})

describe("a transport over node:net passes the suite of transports", () => {
  for (const { name, run, timeout } of cases) it.live(name, () => run, timeout)
})

describe("a transport over node:net", () => {
  it.live("carries a WebSocket", () =>
    Effect.gen(function* () {
      const { address } = yield* WebSocketServer.WebSocketServer
      const connection = yield* Client.connect(`ws://${Dialer.formatAddress(address)}/`)
      yield* connection.send("hello")
      assert.strictEqual((yield* connection.receive).data, "hello")
    }).pipe(
      Effect.provide(
        WebSocketServer.layer((connection) =>
          Stream.runForEach(connection.messages, (message) => connection.send(message))
        ).pipe(Layer.provideMerge(Transport.layer(0)))
      )
    )
  )
})
