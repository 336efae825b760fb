/**
 * Fibers that wait for a connection resume inside it, and a program may observe the end of a fiber with a function that
 * throws. That costs the connection, as every defect does, and none of the others that wait.
 */
import type * as CloseError from "@effect-ws/protocol/CloseError"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Logger, Schema, Stream } from "effect"
import { Budget } from "../src/Budget.ts"
import type { ConnectionImpl } from "../src/internal/ConnectionImpl.ts"
import { SessionCore } from "../src/internal/resumable/SessionCore.ts"
import * as Polling from "../src/Polling.ts"
import { frame, open } from "./support/StubSocket.ts"
import type { StubSocket } from "./support/StubSocket.ts"

const bug = (): never => {
  throw new Error("a bug of the program")
}

/** Runs an effect whose end the program observes with a function that throws. */
const runBroken = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<void> =>
  Effect.sync(() => void Effect.runCallback(effect, { onExit: bug }))

const wait = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<Fiber.Fiber<Exit.Exit<A, E>>> =>
  Effect.forkDetach(Effect.exit(effect), { startImmediately: true })

/** Opens a connection for a test, and returns what was logged. */
const logged = Effect.fnUntraced(function* (
  test: (connection: ConnectionImpl, socket: StubSocket) => Effect.Effect<void>,
  options: Parameters<typeof open>[0] = {}
) {
  const logs: Array<string> = []
  const capture = Logger.layer([
    Logger.make(({ cause, logLevel, message }) => void logs.push(`${logLevel} ${message} ${Cause.pretty(cause)}`))
  ])
  yield* Effect.gen(function* () {
    const { connection, socket } = yield* open({ keepalive: false, ...options })
    yield* test(connection, socket)
  }).pipe(Effect.scoped, Effect.provide(capture))
  return logs
})

const logsBug = (logs: ReadonlyArray<string>, count = 1): void => {
  assert.strictEqual(logs.length, count, logs.join("\n"))
  for (const log of logs) assert.match(log, /^Error .*a bug of the program/s)
}

describe("a fiber whose observer throws", () => {
  it.effect("at the end of the connection keeps no other from its end", () =>
    Effect.gen(function* () {
      const logs = yield* logged((connection, socket) =>
        Effect.gen(function* () {
          const effects = [connection.closed, connection.ping(), connection.receive] as const
          for (const effect of effects) yield* runBroken<unknown, unknown>(effect)
          const others = yield* Effect.forEach(effects, (effect) => wait<unknown, unknown>(effect))
          socket.end()
          const exits = yield* Effect.forEach(others, (fiber) => Fiber.join(fiber))
          assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, false, false])
        })
      )
      logsBug(logs, 3)
    })
  )

  it.effect("in a drain keeps no other sender waiting", () =>
    Effect.gen(function* () {
      const budget = new Budget()
      const logs = yield* logged(
        (connection, socket) =>
          Effect.gen(function* () {
            socket.takes = false
            yield* Effect.forkChild(connection.send(new Uint8Array(200_000)), { startImmediately: true })
            yield* Effect.yieldNow
            yield* runBroken(connection.drained)
            const other = yield* wait(connection.drained)
            socket.takes = true
            socket.drain()
            yield* Fiber.join(other)
            assert.isTrue(socket.isDestroyed)
            assert.strictEqual(budget.used, 0)
          }),
        { budget }
      )
      logsBug(logs)
    })
  )

  it.effect("in a detach keeps no other sender waiting", () =>
    Effect.gen(function* () {
      const logs = yield* logged((connection, socket) =>
        Effect.gen(function* () {
          socket.takes = false
          yield* Effect.forkChild(connection.send(new Uint8Array(200_000)), { startImmediately: true })
          yield* Effect.yieldNow
          yield* runBroken(connection.drained)
          const others = yield* Effect.forEach([connection.drained, connection.receive], (effect) =>
            wait<unknown, CloseError.CloseError>(effect)
          )
          connection.detach(1000)
          for (const other of others) assert.isTrue(Exit.isFailure(yield* Fiber.join(other)))
        })
      )
      logsBug(logs)
    })
  )

  it.effect("for a message aborts the connection, and no other reader waits", () =>
    Effect.gen(function* () {
      const logs = yield* logged((connection, socket) =>
        Effect.gen(function* () {
          yield* runBroken(connection.receive)
          const others = yield* Effect.forEach([connection.receive, connection.receive], wait)
          socket.receive(frame(0x81, "x"))
          for (const other of others) assert.isTrue(Exit.isFailure(yield* Fiber.join(other)))
          assert.isTrue(socket.isDestroyed)
        })
      )
      logsBug(logs)
    })
  )

  it.effect("for a pong aborts the connection, and no other ping waits", () =>
    Effect.gen(function* () {
      const logs = yield* logged((connection, socket) =>
        Effect.gen(function* () {
          yield* runBroken(connection.ping(new Uint8Array([1])))
          const other = yield* wait(connection.ping(new Uint8Array([2])))
          yield* Effect.yieldNow
          socket.receive(frame(0x8a, new Uint8Array([2])))
          yield* Fiber.join(other)
          assert.isTrue(socket.isDestroyed)
        })
      )
      logsBug(logs)
    })
  )
})

describe("a poller that throws", () => {
  /** Polls a connection with `onReady` and returns how each call ended. */
  const poll = (connection: ConnectionImpl, onReady: (poll: Polling.Poll, call: number) => void): Array<string> => {
    const calls: Array<string> = []
    const polling = Polling.poll(connection, [], {
      onReady: () => {
        calls.push(polling.isEnded ? "end" : "events")
        onReady(polling, calls.length)
      }
    })
    assert.isTrue(polling.done())
    return calls
  }

  it.effect("for events is called again for the end, as its connection is aborted", () =>
    Effect.gen(function* () {
      const logs = yield* logged((connection, socket) =>
        Effect.gen(function* () {
          const calls = poll(connection, (poll, call) => {
            poll.take(Infinity)
            if (call === 1) bug()
            assert.isFalse(poll.done())
          })
          socket.receive(frame(0x81, "x"))
          assert.deepStrictEqual(calls, ["events", "end"])
          assert.isTrue(socket.isDestroyed)
          assert.strictEqual((yield* connection.closed).error.code, 1006)
        })
      )
      logsBug(logs)
    })
  )

  it.effect("for the end, too, is not called a third time", () =>
    Effect.gen(function* () {
      const logs = yield* logged((connection, socket) =>
        Effect.gen(function* () {
          const calls = poll(connection, bug)
          socket.receive(frame(0x81, "x"))
          connection.onClose(undefined)
          assert.deepStrictEqual(calls, ["events", "events"])
          yield* connection.closed
        })
      )
      logsBug(logs, 2)
    })
  )
})

describe("a resumable session", () => {
  it.effect("fails every value that was not acknowledged when it ends, also after one that throws", () =>
    Effect.gen(function* () {
      const session = yield* SessionCore.make("id", { receive: Schema.String, send: Schema.String })
      yield* runBroken(session.send("x"))
      const other = yield* wait(session.send("y"))
      const reading = yield* wait(Stream.runDrain(session.messages))
      assert.throws(() => session.finish(Exit.void), "a bug of the program")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(other)))
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(reading)))
    })
  )
})

describe("a budget", () => {
  it.effect("goes on with other connections when one cannot be closed", () =>
    Effect.gen(function* () {
      const budget = new Budget({ limit: 100, minPerConnection: 10 })
      const closed: Array<string> = []
      const hold = (name: string, bytes: number, letGo: () => void = () => {}) => {
        const holding = budget.open({ remoteAddress: undefined, letGo: () => (closed.push(name), letGo()) })
        budget.update(holding, bytes)
        return holding
      }
      hold("broken", 60, bug)
      const other = hold("other", 30, () => budget.update(other, 0))
      hold("asking", 60)
      assert.deepStrictEqual(closed, ["broken", "other"])
      assert.strictEqual(budget.used, 120)
    })
  )
})
