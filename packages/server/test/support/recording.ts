/**
 * A server for the tests of bad input, on any way to serve: it echoes, and keeps the record of each close.
 */
import type { CloseInfo } from "@effect-ws/protocol/Session"
import type { Dialer } from "@effect-ws/transport/Dialer"
import { assert, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import type { Scope } from "effect"
import type * as NetAddress from "effect/net/NetAddress"
import type * as WebSocketServer from "../../src/WebSocketServer.ts"
import { captureLogs, connect, echo, echoHandlers, receiveText } from "@effect-ws/test-peers/Programs"
import type { Programs, Way } from "./ways.ts"

export interface Server {
  readonly address: NetAddress.SocketAddress
  /** The record of the next close. */
  readonly closed: Effect.Effect<CloseInfo>
  /** How many connections are open. */
  readonly open: () => number
}

/** Proves that a server still serves. */
export const stillServes = Effect.fnUntraced(function* (server: Server) {
  const client = yield* connect(server)
  yield* client.send("alive")
  assert.strictEqual(yield* receiveText(client), "alive")
  yield* client.close()
}, Effect.scoped)

/** Starts servers, and declares tests, on a way to serve. */
export const recording = (way: Way, kind: keyof Programs) => {
  /** A server that echoes and keeps the record of each close. */
  const serve = Effect.fnUntraced(function* (
    options?: WebSocketServer.ServerOptions
  ): Effect.fn.Return<Server, unknown, Scope.Scope> {
    const closures = yield* Queue.unbounded<CloseInfo>()
    let open = 0
    const begin = Effect.sync(() => void open++)
    const end = (closeInfo: CloseInfo) =>
      Effect.sync(() => {
        open--
        Queue.offerUnsafe(closures, closeInfo)
      })
    const programs: Programs = {
      fiber: (connection) =>
        Effect.andThen(begin, echo(connection)).pipe(
          Effect.ensuring(Effect.forkDetach(Effect.flatMap(connection.closed, end)))
        ),
      queue: { ...echoHandlers, onOpen: () => begin, onClose: (_, closeInfo) => end(closeInfo) }
    }
    return { address: yield* way.serve(kind, programs, options), closed: Queue.take(closures), open: () => open }
  })

  const test = (name: string, program: Effect.Effect<void, unknown, Dialer | Scope.Scope>): void => {
    it.live(name, () => program.pipe(Effect.scoped, Effect.provide([way.dialer, captureLogs([])])), 10_000)
  }

  return { serve, test }
}
