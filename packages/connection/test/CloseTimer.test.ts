import type { CloseInfo } from "@effect-ws/protocol/Session"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import type { Connection } from "../src/Connection.ts"
import * as Polling from "../src/Polling.ts"
import { frame, open } from "./support/StubSocket.ts"

/** Lets what was sent in this turn be written. */
const turn = Effect.andThen(
  Effect.yieldNow,
  Effect.promise(() => Promise.resolve())
)

const endOf = (connection: Connection): CloseInfo | undefined => connection.closeInfo

/** A connection of either role that closes while what was sent waits for the peer. */
const closing = Effect.fnUntraced(function* (role: "client" | "server", options: Parameters<typeof open>[0] = {}) {
  const opened = yield* open({ keepalive: false, role, ...options })
  Polling.poll(opened.connection, [], { onReady: () => {} }).done()
  opened.socket.takes = false
  for (let at = 0; at < 3; at++) yield* opened.connection.send(new Uint8Array(60_000))
  yield* turn
  yield* Effect.forkScoped(opened.connection.close(1000), { startImmediately: true })
  return opened
})

describe.each(["client", "server"] as const)("closing, as %s", (role) => {
  it.effect("gives the peer its time from when the system has taken the close frame", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* closing(role)
      yield* TestClock.adjust("30 seconds")
      assert.isUndefined(endOf(connection))
      socket.takes = true
      socket.drain()
      assert.deepStrictEqual(socket.opcodes, [2, 2, 2, 8])
      yield* TestClock.adjust("9999 millis")
      assert.isUndefined(endOf(connection))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(endOf(connection)?.error.code, 1006)
      // An end, and no reset: the peer may still read.
      assert.deepStrictEqual([socket.isShut, socket.isDestroyed], [true, false])
    })
  )

  it.effect("ends well where the peer answers in that time", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* closing(role)
      yield* TestClock.adjust("30 seconds")
      socket.takes = true
      socket.drain()
      yield* TestClock.adjust("9 seconds")
      const answer = frame(0x88, new Uint8Array([3, 232]))
      // A server does not mask.
      socket.receive(role === "server" ? answer : Uint8Array.of(0x88, 2, 3, 232))
      socket.end()
      assert.isTrue(endOf(connection)?.clean)
      assert.isFalse(socket.isDestroyed)
    })
  )

  it.effect("drops a peer that does not take what was sent before, after maxCloseTime", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* closing(role, { maxCloseTime: "45 seconds" })
      yield* TestClock.adjust("44999 millis")
      assert.isUndefined(endOf(connection))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(endOf(connection)?.error.code, 1006)
      assert.isTrue(socket.isDestroyed)
    })
  )

  it.effect("sends what waits also where it was the peer that closed", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({ keepalive: false, role })
      Polling.poll(connection, [], { onReady: () => {} }).done()
      socket.takes = false
      for (let at = 0; at < 3; at++) yield* connection.send(new Uint8Array(60_000))
      yield* turn
      socket.receive(role === "server" ? frame(0x88, new Uint8Array([3, 232])) : Uint8Array.of(0x88, 2, 3, 232))
      yield* TestClock.adjust("5 seconds")
      assert.isUndefined(endOf(connection))
      for (let at = 0; at < 3; at++) socket.drain()
      assert.deepStrictEqual(socket.opcodes, [2, 2, 2, 8])
      socket.end()
      socket.drain()
      assert.isTrue(endOf(connection)?.clean)
      assert.isFalse(socket.isDestroyed)
    })
  )
})
