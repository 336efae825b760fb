/**
 * A server that stops waits for nothing without a bound: whatever of the program cannot be interrupted is left behind
 * and named in the log. On every kind of server, under a clock that only the test moves.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import type { Dialer } from "@effect-ws/transport/Dialer"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Layer, Scope } from "effect"
import type { SocketServer } from "effect/socket"
import { TestClock } from "effect/testing"
import type { Handlers } from "../src/Handlers.ts"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { network, quiet } from "@effect-ws/test-peers/InMemory"
import { captureLogs, connect } from "@effect-ws/test-peers/Programs"
import type { Entry } from "@effect-ws/test-peers/Programs"
import * as RawPeer from "@effect-ws/test-peers/RawPeer"

const stuck = Effect.uninterruptible(Effect.never)

type Program = Handlers<unknown, Scope.Scope>

const servers: ReadonlyArray<{
  readonly name: string
  readonly layer: (
    program: Program,
    options: WebSocketServer.ServerOptions
  ) => Layer.Layer<WebSocketServer.WebSocketServer, never, SocketServer.SocketServer>
}> = [
  { name: "fiber", layer: WebSocketServer.layer },
  { name: "queue", layer: WebSocketServer.layerQueue },
  {
    name: "queue with one worker",
    layer: (program, options) => WebSocketServer.layerQueue(program, { ...options, workers: 1 })
  }
]

const onMessage = (connection: Connection): Effect.Effect<unknown, unknown> => connection.send("never comes")

const programs: Readonly<Record<string, Program>> = {
  "onOpen hangs": { onOpen: () => stuck, onMessage },
  "onMessage hangs": { onMessage: () => stuck },
  "onError hangs": { onMessage: () => Effect.fail("no"), onError: () => stuck },
  "onClose hangs": { onMessage: () => Effect.fail("no"), onClose: () => stuck },
  "a finalizer hangs": { onOpen: () => Effect.addFinalizer(() => stuck), onMessage }
}

const stops = Effect.fnUntraced(function* (
  layer: Layer.Layer<WebSocketServer.WebSocketServer, never, SocketServer.SocketServer>,
  act: (server: WebSocketServer.WebSocketServer["Service"]) => Effect.Effect<unknown, unknown, Dialer | Scope.Scope>
) {
  const logs: Array<Entry> = []
  const scope = yield* Scope.make()
  const context = yield* Effect.context<SocketServer.SocketServer | Dialer>()
  const server = yield* layer.pipe(
    Layer.provide(Layer.succeedContext(context)),
    Layer.provide(captureLogs(logs)),
    (layer) => Layer.buildWithScope(layer, scope),
    Effect.map((built) => Effect.provide(WebSocketServer.WebSocketServer, Layer.succeedContext(built)))
  )
  yield* act(yield* server)
  yield* quiet
  const closing = yield* Effect.forkDetach(Scope.close(scope, Exit.void), { startImmediately: true })
  // Within drainTimeout and as much again.
  for (let step = 0; step < 16; step++) yield* Effect.andThen(TestClock.adjust("250 millis"), quiet)
  assert.isDefined(closing.pollUnsafe(), "the server does not stop")
  return logs.filter(({ level }) => level === "Warn").map(({ message }) => message)
})

for (const server of servers) {
  describe(`a ${server.name} server that stops`, () => {
    for (const [name, program] of Object.entries(programs)) {
      it.effect(`while ${name} and cannot be interrupted leaves it behind, and says on which connection`, () =>
        Effect.gen(function* () {
          let id = 0
          const seen: Program = {
            ...program,
            onOpen: (connection) => {
              id = connection.id
              return program.onOpen?.(connection) ?? Effect.void
            }
          }
          const warnings = yield* stops(
            server.layer(seen, { keepalive: false, drainTimeout: "2 seconds" }),
            (running) =>
              Effect.gen(function* () {
                const client = yield* connect(running, { keepalive: false, target: "/room?key=secret" })
                yield* client.send("hello")
              })
          )
          assert.deepStrictEqual(warnings, [
            `Stopped while handlers that cannot be interrupted still run: connection ${id} (/room)`
          ])
        }).pipe(Effect.scoped, Effect.provide(network))
      )
    }

    it.effect("does not wait for a decision that cannot be interrupted", () =>
      Effect.gen(function* () {
        const begun = yield* Deferred.make<void>()
        const decide = () => Effect.andThen(Deferred.succeed(begun, undefined), stuck)
        const options: WebSocketServer.ServerOptions = { decide, handshakeTimeout: "1 hour" }
        const warnings = yield* stops(server.layer({}, options), (running) =>
          Effect.gen(function* () {
            const peer = yield* RawPeer.dial(running.address)
            yield* peer.send(RawPeer.requestHead())
            yield* Deferred.await(begun)
          })
        )
        assert.deepStrictEqual(warnings, [])
      }).pipe(Effect.scoped, Effect.provide(network))
    )

    it.effect("says nothing where all can be interrupted", () =>
      Effect.gen(function* () {
        const program: Program = { onMessage: () => Effect.never, onClose: () => Effect.never }
        const warnings = yield* stops(server.layer(program, { keepalive: false }), (running) =>
          Effect.gen(function* () {
            const client = yield* connect(running, { keepalive: false })
            yield* client.send("hello")
          })
        )
        assert.deepStrictEqual(warnings, [])
      }).pipe(Effect.scoped, Effect.provide(network))
    )
  })
}
