/** Sessions that outlive their connections: each message once and in order, or an unknown outcome. */
import * as ResumableClient from "@effect-ws/connection/ResumableClient"
import * as ResumableServer from "@effect-ws/connection/ResumableServer"
import type { ResumableSession } from "@effect-ws/connection/ResumableSession"
import type { SessionExpired } from "@effect-ws/connection/ResumableSession"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import type { Dialer } from "@effect-ws/transport/Dialer"
import * as FaultInjection from "@effect-ws/transport/FaultInjection"
import * as Memory from "@effect-ws/transport/Memory"
import type { MemoryNetwork } from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Queue, Schema, Scope, Stream } from "effect"
import { SocketServer } from "effect/socket"
import { TestClock } from "effect/testing"
import * as Client from "../src/Client.ts"

type Services = MemoryNetwork | Dialer | Scope.Scope
type Session = ResumableSession<number, string, SessionExpired>

const types = {
  client: { receive: Schema.String, send: Schema.Int },
  server: { receive: Schema.Int, send: Schema.String }
}

const test = (
  name: string,
  program: Effect.Effect<void, unknown, Services>,
  faults?: FaultInjection.OptionsFor
): void => {
  const dialer =
    faults === undefined ? Memory.layerDialer : Layer.provide(FaultInjection.layerDialer(faults), Memory.layerDialer)
  it.effect(name, () => Effect.provide(program, Layer.provideMerge(dialer, Memory.layerNetwork())), 10_000)
}

/** A server of sessions on port 80, which can be taken down with its sessions. */
const serve = Effect.fnUntraced(function* (
  program: (session: Session) => Effect.Effect<unknown, unknown>,
  options?: Partial<ResumableServer.ResumableServerOptions<typeof Schema.Int, typeof Schema.String>>
) {
  const network = yield* Memory.MemoryNetwork
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
  const sockets = yield* Scope.provide(network.listen({ port: 80 }), scope)
  const handler = yield* Scope.provide(ResumableServer.make({ ...types.server, ...options }, program), scope)
  const server = yield* WebSocketServer.make(handler).pipe(
    Effect.provideService(SocketServer.SocketServer, Context.get(sockets, SocketServer.SocketServer)),
    Scope.provide(scope)
  )
  /** Cuts the connections that there are. */
  const cut = Effect.flatMap(server.connections, (all) => Effect.forEach(all, (connection) => connection.abort()))
  return { cut, stop: Scope.close(scope, Exit.void) }
})

const begin = (
  options?: Partial<ResumableClient.ResumableClientOptions<typeof Schema.String, typeof Schema.Int, never>>
) =>
  ResumableClient.make(Client.connect("ws://sessions/"), {
    ...types.client,
    ...options
  } as ResumableClient.ResumableClientOptions<typeof Schema.String, typeof Schema.Int, unknown>)

/** Moves the clock until a fiber is done, at most so far. */
const passTime = Effect.fnUntraced(function* <A, E>(fiber: Fiber.Fiber<A, E>, seconds = 120) {
  for (let n = 0; n < seconds * 4 && fiber.pollUnsafe() === undefined; n++) {
    yield* TestClock.adjust("250 millis")
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
  }
  return yield* Fiber.join(fiber)
})

const record = (into: Array<number>) => (session: Session) =>
  Stream.runForEach(session.messages, (n) => Effect.sync(() => into.push(n)))

describe("a resumable session", () => {
  test(
    "acknowledges what the program has taken, both ways",
    Effect.gen(function* () {
      yield* serve((session) => Stream.runForEach(session.messages, (n) => session.send(`got ${n}`)))
      const session = yield* begin()
      const sending = yield* Effect.forkChild(Effect.forEach([1, 2, 3], (n) => session.send(n), { concurrency: 3 }))
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(session.messages, 3)), ["got 1", "got 2", "got 3"])
      yield* passTime(sending)
      assert.deepStrictEqual([session.pending, session.isConnected], [0, true])
    })
  )

  test(
    "goes on after its connection is cut, with everything once and in order",
    Effect.gen(function* () {
      const received: Array<number> = []
      let runs = 0
      const { cut } = yield* serve((session) => {
        runs++
        return record(received)(session)
      })
      const session = yield* begin()
      const count = 60
      const sending = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: count }, (_, n) => n),
          (n) => (n % 7 === 3 ? Effect.andThen(cut, session.send(n)) : session.send(n)),
          { concurrency: 5, discard: true }
        )
      )
      yield* passTime(sending)
      assert.deepStrictEqual(
        received,
        Array.from({ length: count }, (_, n) => n)
      )
      assert.strictEqual(runs, 1)
    })
  )

  for (const bytes of [40, 60, 95, 145, 200, 250, 300, 333, 400, 500]) {
    let dialed = 0
    test(
      `loses and repeats nothing where the network resets each connection after ${200 + bytes} bytes, in either direction`,
      Effect.gen(function* () {
        const received: Array<number> = []
        yield* serve((session) =>
          Stream.runForEach(session.messages, (n) => {
            received.push(n)
            return Effect.forkChild(Effect.ignore(session.send(`got ${n}`)))
          })
        )
        const session = yield* begin({ ackTimeout: "10 minutes" })
        const answers: Array<string> = []
        yield* Effect.forkScoped(Stream.runForEach(session.messages, (text) => Effect.sync(() => answers.push(text))))
        const numbers = Array.from({ length: 20 }, (_, n) => n)
        const sending = yield* Effect.forkChild(
          Effect.forEach(numbers, (n) => session.send(n), { concurrency: 4, discard: true })
        )
        yield* passTime(sending, 1200)
        const settling = yield* Effect.forkChild(
          Effect.repeat(Effect.yieldNow, { until: () => answers.length >= numbers.length })
        )
        yield* passTime(settling, 1200)
        assert.deepStrictEqual(received, numbers)
        assert.deepStrictEqual(
          answers,
          numbers.map((n) => `got ${n}`)
        )
        assert.isAbove(dialed, 2)
      }),
      // The handshake takes most of it; each connection gets a little further than the one before.
      (connection) => {
        dialed = connection + 1
        const resetAfter = 200 + bytes + 5 * connection
        return connection % 2 === 0 ? { outbound: { resetAfter } } : { inbound: { resetAfter } }
      }
    )
  }

  test(
    "takes back what was never written, and does not know of what was",
    Effect.gen(function* () {
      const { cut, stop } = yield* serve(() => Effect.never)
      const session = yield* begin({ ackTimeout: "5 seconds" })
      const written = yield* Effect.forkChild(Effect.flip(session.send(1)), { startImmediately: true })
      while (!session.isConnected) yield* Effect.yieldNow
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      yield* cut
      yield* stop
      while (session.isConnected) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      const unwritten = yield* Effect.forkChild(Effect.flip(session.send(2)), { startImmediately: true })
      assert.strictEqual(session.pending, 2)
      const [first, second] = [yield* passTime(written), yield* passTime(unwritten)]
      assert.deepStrictEqual(
        [first, second].map((error) => [error._tag, "reason" in error && error.reason]),
        [
          ["OutcomeUnknown", "Timeout"],
          ["NotSent", "Timeout"]
        ]
      )
      assert.strictEqual(session.pending, 0)
    })
  )

  test(
    "keeps a bounded number of messages and bytes",
    Effect.gen(function* () {
      yield* serve(() => Effect.never)
      const session = yield* begin({ maxPendingMessages: 2, maxPendingBytes: 100 })
      for (const n of [1, 2]) yield* Effect.forkChild(session.send(n), { startImmediately: true })
      const error = yield* Effect.flip(session.send(3))
      assert.deepStrictEqual([error._tag, "reason" in error && error.reason], ["NotSent", "Full"])
    })
  )

  test(
    "tells the client that a server which restarted has lost it, and begins anew",
    Effect.gen(function* () {
      const first = yield* serve(() => Effect.never)
      const session = yield* begin()
      const lost = yield* Effect.forkChild(Effect.flip(session.send(1)), { startImmediately: true })
      while (!session.isConnected) yield* Effect.yieldNow
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      const stopping = yield* Effect.forkChild(first.stop)
      yield* passTime(stopping)
      const received: Array<number> = []
      const second = yield* serve(record(received))
      const kept = yield* Effect.forkChild(session.send(2), { startImmediately: true })
      const error = yield* passTime(lost)
      assert.deepStrictEqual([error._tag, "reason" in error && error.reason], ["OutcomeUnknown", "SessionLost"])
      yield* passTime(kept)
      assert.deepStrictEqual(received, [2])
      yield* Effect.forkChild(second.stop)
    })
  )

  test(
    "ends at both ends when one ends it",
    Effect.gen(function* () {
      const ended = yield* Queue.unbounded<string>()
      yield* serve((session) =>
        Stream.runForEach(session.messages, (n) => (n === 0 ? session.close : Effect.void)).pipe(
          Effect.andThen(Queue.offer(ended, session.id))
        )
      )
      const byClient = yield* begin()
      yield* byClient.send(1)
      yield* byClient.close
      assert.strictEqual(yield* Queue.take(ended), byClient.id)
      assert.strictEqual((yield* Effect.flip(byClient.send(1)))._tag, "NotSent")

      const byServer = yield* begin()
      yield* Effect.forkChild(Effect.ignore(byServer.send(0)))
      assert.deepStrictEqual(yield* Stream.runCollect(byServer.messages), [])
      assert.strictEqual(yield* Queue.take(ended), byServer.id)
    })
  )

  test(
    "expires at the server when its client does not come back",
    Effect.gen(function* () {
      const ended = yield* Queue.unbounded<string>()
      yield* serve(
        (session) =>
          Effect.andThen(Effect.flip(Stream.runDrain(session.messages)), ({ _tag }) => Queue.offer(ended, _tag)),
        { sessionTimeout: "20 seconds" }
      )
      const scope = yield* Scope.make()
      // A client that is gone without a word.
      const client = yield* Scope.provide(Client.connect("ws://sessions/"), scope)
      yield* client.send('{"_tag":"Hello","session":"0123456789abcdef","received":0,"taken":0}')
      yield* client.receive
      yield* client.abort()
      yield* TestClock.adjust("19 seconds")
      assert.strictEqual(yield* Queue.size(ended), 0)
      const waiting = yield* Effect.forkChild(Queue.take(ended))
      assert.strictEqual(yield* passTime(waiting), "SessionExpired")
    })
  )

  test(
    "interrupts a program that goes on after the session is over",
    Effect.gen(function* () {
      const interrupted = yield* Queue.unbounded<string>()
      yield* serve((session) => Effect.onInterrupt(Effect.never, () => Queue.offer(interrupted, session.id)), {
        handlerTimeoutAfterClose: "10 seconds"
      })
      const session = yield* begin()
      while (!session.isConnected) yield* Effect.yieldNow
      yield* session.close
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(yield* Queue.size(interrupted), 0)
      const waiting = yield* Effect.forkChild(Queue.take(interrupted))
      assert.strictEqual(yield* passTime(waiting), session.id)
    })
  )

  test(
    "is not expired while its client comes and goes",
    Effect.gen(function* () {
      const { cut } = yield* serve(() => Effect.never, { sessionTimeout: "20 seconds" })
      const session = yield* begin()
      for (let n = 0; n < 10; n++) {
        const sending = yield* Effect.forkChild(session.send(n), { startImmediately: true })
        yield* cut
        yield* TestClock.adjust("5 seconds")
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        assert.isUndefined(sending.pollUnsafe())
        yield* Fiber.interrupt(sending)
      }
      // A session that had expired would have been lost.
      assert.strictEqual(session.pending, 10)
    })
  )

  test(
    "belongs to its owner, and begins with a proper greeting",
    Effect.gen(function* () {
      yield* serve(() => Effect.never, { owner: ({ request }) => request.path })
      const hello = '{"_tag":"Hello","session":"0123456789abcdef","received":0,"taken":0}'
      const greet = Effect.fnUntraced(function* (path: string, text: string) {
        const connection = yield* Client.connect(`ws://sessions${path}`)
        yield* connection.send(text)
        const answer = yield* Effect.exit(connection.receive)
        return Exit.isSuccess(answer) ? answer.value.data : (yield* Effect.flip(answer)).reason
      })
      assert.strictEqual(yield* greet("/ada", hello), '{"_tag":"Welcome","resumed":false,"received":0,"taken":0}')
      assert.strictEqual(yield* greet("/eve", hello), "the session has another owner")
      assert.strictEqual(yield* greet("/ada", hello), '{"_tag":"Welcome","resumed":true,"received":0,"taken":0}')
      assert.strictEqual(yield* greet("/ada", '{"_tag":"Bye"}'), "the session does not begin with Hello")
      assert.strictEqual(
        yield* greet("/ada", hello.replace("0123456789abcdef", "guess")),
        "the session does not begin with Hello"
      )
    })
  )
})
