/**
 * What a program plugs into a connection may throw where no fiber of the program runs: in a callback of the transport,
 * in a timer, or in another connection's turn. It costs the connection, and nothing else.
 */
import type { AsyncTransform, ExtensionInstance, Transform } from "@effect-ws/protocol/Extension"
import * as PreparedMessage from "@effect-ws/protocol/PreparedMessage"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Logger } from "effect"
import { TestClock } from "effect/testing"
import { Budget } from "../src/Budget.ts"
import type { ConnectionObserver } from "../src/ServerObserver.ts"
import { frame, open } from "./support/StubSocket.ts"
import type { OpenOptions, StubSocket } from "./support/StubSocket.ts"

const text = (payload: string): Uint8Array => frame(0x81, payload)

const bug = (): never => {
  throw new Error("a bug of the program")
}

const extension = (decode: Transform, encode: Transform = () => undefined): ExtensionInstance => ({
  name: "x-broken",
  rsv: 0,
  opcodes: [],
  level: "message",
  decode,
  encode
})

/** Replaces the payload by what is none, which throws behind the extension. */
const corrupt: Transform = (part) => {
  part.payload = undefined as never
}

/** Opens a connection, does something that throws in it, and looks for what is left. */
const aborts = Effect.fnUntraced(function* (
  options: OpenOptions,
  act: (socket: StubSocket) => Effect.Effect<unknown> | void,
  code = 1006
) {
  const logs: Array<string> = []
  const capture = Logger.layer([
    Logger.make(({ cause, logLevel, message }) => void logs.push(`${logLevel} ${message} ${Cause.pretty(cause)}`))
  ])
  yield* Effect.gen(function* () {
    const budget = new Budget()
    const { connection, socket } = yield* open({ keepalive: false, ...options, budget })
    const closed = yield* Effect.forkChild(connection.closed, { startImmediately: true })
    const pinging = yield* Effect.forkChild(Effect.exit(connection.ping()), { startImmediately: true })
    const reading = yield* Effect.forkChild(Effect.exit(Effect.forever(connection.receive)), {
      startImmediately: true
    })
    const acting = act(socket)
    if (acting !== undefined) yield* acting
    yield* Effect.yieldNow
    assert.isTrue(socket.isDestroyed)
    assert.strictEqual((yield* Fiber.join(closed)).error.code, code)
    assert.isTrue(Exit.isFailure(yield* Fiber.join(pinging)))
    assert.isTrue(Exit.isFailure(yield* Fiber.join(reading)))
    assert.strictEqual(budget.used, 0)
    assert.strictEqual(logs.length, 1, logs.join("\n"))
    assert.match(logs[0]!, /^Error A connection failed and is aborted/)
  }).pipe(Effect.scoped, Effect.provide(capture))
})

const watchedBy = (observer: Partial<ConnectionObserver>): OpenOptions => ({ observer })

describe("a connection is aborted, with everything released,", () => {
  it.effect("when an extension decodes to what is no payload", () =>
    aborts({ extensions: [extension(corrupt)] }, (socket) => socket.receive(text("x")))
  )

  it.effect("when an extension does so later", () => {
    let done = (): void => undefined
    const later: Transform = (part): AsyncTransform => ({
      _tag: "Pending",
      start: (resume) => {
        done = () => {
          part.payload = undefined as never
          resume()
        }
      }
    })
    return aborts({ extensions: [extension(later)] }, (socket) => {
      socket.receive(text("x"), text("y"))
      done()
    })
  })

  it.effect("when an observer throws for bytes that arrive", () =>
    aborts(watchedBy({ arrived: bug }), (socket) => socket.receive(text("x")))
  )

  it.effect("when an observer throws for what they mean", () =>
    aborts(watchedBy({ received: bug }), (socket) => socket.receive(text("x")))
  )

  it.effect("when the transport throws for what is written at the end of a callback", () =>
    aborts({}, (socket) => {
      socket.writeUnsafe = bug
      // A ping is answered.
      socket.receive(frame(0x89, "x"))
    })
  )

  it.effect("when the transport throws in a drain", () =>
    aborts({}, (socket) => {
      socket.accepts = false
      socket.receive(frame(0x89, "one"))
      socket.receive(frame(0x89, "two"))
      socket.writeUnsafe = bug
      socket.drain()
    })
  )

  it.effect("when the transport throws for the close frame after a violation", () =>
    aborts(
      {},
      (socket) => {
        socket.writeUnsafe = bug
        // A frame that is not masked.
        socket.receive(0x81, 0x00)
      },
      1002
    )
  )

  it.effect("when no masking key is there for the ping of the keepalive", () => {
    let isBroken = false
    const maskingKey = (): number => (isBroken ? bug() : 0)
    return aborts({ role: "client", maskingKey, keepalive: { interval: "10 seconds", timeout: "10 seconds" } }, () =>
      Effect.suspend(() => {
        isBroken = true
        return TestClock.adjust("15 seconds")
      })
    )
  })
})

describe("what throws in one connection", () => {
  it.effect("does not keep a broadcast from the others", () =>
    Effect.gen(function* () {
      const broken = yield* open({ observer: { sent: bug }, keepalive: false })
      const other = yield* open({ keepalive: false })
      const message = PreparedMessage.make("x")
      const failures = [broken, other].map(({ connection }) => {
        const failure = connection.sender.sendUnsafe(message)
        connection.sender.flushUnsafe()
        return failure?._tag
      })
      assert.deepStrictEqual(failures, ["AbnormalClosure", undefined])
      assert.isTrue(broken.socket.isDestroyed)
      assert.deepStrictEqual(other.socket.opcodes, [1])
    }).pipe(Effect.provide(Logger.layer([])))
  )

  it.effect("does not reach a broadcast that asks whether it takes more", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({ keepalive: false })
      const { sender } = connection
      socket.writeUnsafe = bug
      const message = PreparedMessage.make(new Uint8Array(200_000))
      assert.isUndefined(sender.sendUnsafe(message))
      // Asking writes what is above the high-water mark.
      assert.isTrue(sender.isWritable)
      assert.isFalse(sender.canSend)
      assert.strictEqual(sender.sendUnsafe(message)?._tag, "AbnormalClosure")
      assert.isTrue(socket.isDestroyed)
    }).pipe(Effect.provide(Logger.layer([])))
  )

  it.effect("does not reach a broadcast that prepares its message", () =>
    Effect.gen(function* () {
      const broken = { ...extension(() => undefined), shared: { key: "broken", encode: corrupt } }
      const { connection, socket } = yield* open({ keepalive: false, extensions: [broken] })
      assert.isUndefined(connection.sender.pendingPrepare(PreparedMessage.make("x")))
      assert.isTrue(socket.isDestroyed)
    }).pipe(Effect.provide(Logger.layer([])))
  )

  it.effect("does not keep the keepalive from the others", () => {
    let isBroken = false
    const maskingKey = (): number => (isBroken ? bug() : 0)
    const keepalive = { interval: "10 seconds", timeout: "10 seconds" } as const
    return Effect.gen(function* () {
      yield* open({ role: "client", maskingKey, keepalive })
      const other = yield* open({ role: "client", keepalive })
      isBroken = true
      yield* TestClock.adjust("15 seconds")
      assert.deepStrictEqual(other.socket.opcodes, [9])
    }).pipe(Effect.provide(Logger.layer([])))
  })

  it.effect("does not reach the connection for which the budget closes it", () =>
    Effect.gen(function* () {
      const budget = new Budget({ limit: 1000, minPerConnection: 10 })
      const broken = yield* open({ budget, keepalive: false })
      const asking = yield* open({ budget, keepalive: false })
      broken.socket.receive(text("x".repeat(600)))
      broken.socket.writeUnsafe = bug
      asking.socket.receive(text("x".repeat(600)))
      assert.isTrue(broken.socket.isDestroyed)
      assert.isFalse(asking.socket.isDestroyed)
      assert.strictEqual(budget.used, asking.connection.inboundBytes)
      assert.strictEqual((yield* asking.connection.receive).data.length, 600)
    }).pipe(Effect.provide(Logger.layer([])))
  )

  it.effect("at the end of the connection still ends every wait", () =>
    Effect.gen(function* () {
      const { connection, socket } = yield* open({ observer: { closed: bug }, keepalive: false })
      const closed = yield* Effect.forkChild(connection.closed, { startImmediately: true })
      const pinging = yield* Effect.forkChild(Effect.exit(connection.ping()), { startImmediately: true })
      const reading = yield* Effect.forkChild(Effect.exit(connection.receive), { startImmediately: true })
      socket.end()
      assert.strictEqual((yield* Fiber.join(closed)).error.code, 1006)
      assert.isTrue(Exit.isFailure(yield* Fiber.join(pinging)))
      assert.isTrue(Exit.isFailure(yield* Fiber.join(reading)))
    }).pipe(Effect.provide(Logger.layer([])))
  )
})

describe("an extension that throws", () => {
  it.effect("closes its connection with 1011, and everything is released", () =>
    Effect.gen(function* () {
      const budget = new Budget()
      const { connection, socket } = yield* open({ budget, extensions: [extension(bug)], keepalive: false })
      const reading = yield* Effect.forkChild(Effect.exit(connection.receive), { startImmediately: true })
      socket.receive(text("x"))
      assert.deepStrictEqual(socket.opcodes, [8])
      assert.isTrue(Exit.isFailure(yield* Fiber.join(reading)))
      assert.strictEqual((yield* connection.closed).error.code, 1011)
      assert.strictEqual(budget.used, 0)
    }).pipe(Effect.provide(Logger.layer([])))
  )
})
