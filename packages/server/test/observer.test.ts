/**
 * What a server shows to the observer of its context: its start and stop, what goes over each connection, and refusals.
 */
import { CurrentServerObserver } from "@effect-ws/connection/ServerObserver"
import type { RefusedHandshake, ServerObserver } from "@effect-ws/connection/ServerObserver"
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { network, quiet } from "@effect-ws/test-peers/InMemory"
import { connect } from "@effect-ws/test-peers/Programs"
import { start } from "./support/variants.ts"

const recorder = () => {
  const log: Array<string> = []
  const refused: Array<RefusedHandshake> = []
  const observer: ServerObserver = {
    started: () => {
      log.push("started")
      return () => void log.push("stopped")
    },
    refused: (refusal) => void refused.push(refusal),
    opened: ({ request }) => {
      log.push(`opened ${request.path}`)
      return {
        arrived: (chunk) => void log.push(`arrived ${(chunk[1]! & 0x80) !== 0 ? "masked" : "plain"}`),
        received: (events) => void log.push(...events.map(({ _tag }) => `received ${_tag}`)),
        sent: (data, last) => void log.push(`sent ${String(data)}${last ? "" : "…"}`),
        written: (chunks) => void log.push(`written ${chunks.reduce((sum, { length }) => sum + length, 0)}`),
        closed: ({ error }) => void log.push(`closed ${error.code}`)
      }
    }
  }
  return { log, refused, observer }
}

describe("ServerObserver", () => {
  it.effect("is shown bytes as they are on the wire, and messages as the program has them", () =>
    Effect.gen(function* () {
      const { log, observer } = recorder()
      const scope = yield* Scope.make()
      const server = WebSocketServer.layer((connection) =>
        Effect.forever(Effect.flatMap(connection.receive, (message) => connection.send(message)))
      ).pipe(Layer.provide([PermessageDeflate.layer(), Layer.succeed(CurrentServerObserver, observer)]))
      const services = yield* Layer.buildWithScope(server, scope)
      const client = yield* connect(Context.get(services, WebSocketServer.WebSocketServer), {
        target: "/chat?token=secret"
      })
      yield* client.send("hello")
      yield* client.receive
      yield* client.close(1000)
      yield* quiet
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(log, [
        "started",
        "opened /chat",
        "arrived masked",
        "received Text",
        "sent hello",
        "written 7",
        "arrived masked",
        "received CloseReceived",
        "written 4",
        "closed 1000",
        "stopped"
      ])
    }).pipe(Effect.provide(network))
  )

  it.effect("is told of handshakes that are refused, by the policy and before a request is read", () =>
    Effect.gen(function* () {
      const { observer, refused } = recorder()
      const server = WebSocketServer.layer(() => Effect.never, { paths: ["/here"], maxConnections: 1 }).pipe(
        Layer.provide(Layer.succeed(CurrentServerObserver, observer))
      )
      const running = yield* start(server)
      yield* Effect.flip(connect(running, { target: "/there?token=secret" }))
      yield* quiet
      yield* connect(running, { target: "/here" })
      yield* Effect.flip(connect(running, { target: "/here" }))
      yield* quiet
      assert.deepStrictEqual(
        refused.map(({ path, rule, status }) => ({ path, rule, status })),
        [
          { path: "/there", rule: "UnknownLocation", status: 404 },
          { path: undefined, rule: "Overloaded", status: 503 }
        ]
      )
      for (const { peer, reason } of refused) {
        assert.isDefined(peer)
        assert.isAbove(reason.length, 0)
      }
    }).pipe(Effect.provide(network))
  )
})
