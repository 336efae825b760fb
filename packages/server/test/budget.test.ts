/**
 * A budget that all connections share: who is closed for it, who is not, and that every byte comes back.
 */
import { Budget, CurrentBudget } from "@effect-ws/connection/Budget"
import * as Connect from "@effect-ws/connection/Connect"
import type { Connection } from "@effect-ws/connection/Connection"
import { Dialer } from "@effect-ws/transport/Dialer"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Queue, Schema, Stream } from "effect"
import type { Handlers } from "../src/Handlers.ts"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { network, quiet } from "@effect-ws/test-peers/InMemory"
import * as RawPeer from "@effect-ws/test-peers/RawPeer"
import { frame } from "@effect-ws/test-peers/RawPeer"
import { handled } from "./support/variants.ts"

const KiB = 1024

const echo: Handlers = { onMessage: (connection, message) => Effect.ignore(connection.send(message)) }

/** A server with a budget of its own; its clients have another. */
const serve = Effect.fnUntraced(function* (
  server: Layer.Layer<WebSocketServer.WebSocketServer, never, never>,
  budget: Budget
) {
  const context = yield* Layer.build(server.pipe(Layer.provide(Layer.succeed(CurrentBudget, budget))))
  return Context.get(context, WebSocketServer.WebSocketServer)
})

const connect = Effect.fnUntraced(function* (server: WebSocketServer.WebSocketServer["Service"]) {
  const dialer = yield* Dialer
  return yield* Connect.connect(yield* dialer.dial(server.address), "ws://localhost/")
})

/** Half of a message of `size` bytes. */
const half = (size: number): Buffer => frame({ opcode: 2, payload: new Uint8Array(size / 2), announced: size })

describe("a budget", () => {
  it("says what is wrong with its options", () => {
    assert.throws(() => new Budget({ limit: -1 }), "limit: expected an integer of at least 0, or Infinity, found -1")
    assert.throws(
      () => new Budget({ minPerConnection: Number.NaN }),
      "minPerConnection: expected an integer of at least 0, or Infinity, found NaN"
    )
  })

  for (const { layer, name } of handled) {
    const build = (budget: Budget, handlers: Handlers<unknown> = echo, options?: WebSocketServer.ServerOptions) =>
      Effect.flatMap(Effect.context<Layer.Success<typeof network>>(), (context) =>
        serve(layer(handlers, options).pipe(Layer.provide(Layer.succeedContext(context))), budget)
      )

    it.effect(`closes the connection without progress, not the one that needs memory (${name})`, () =>
      Effect.gen(function* () {
        const budget = new Budget({ limit: 1024 * KiB, minPerConnection: 64 * KiB })
        const server = yield* build(budget)
        const small = yield* connect(server)
        const halves = yield* Effect.forEach(Array.from({ length: 4 }), () => RawPeer.upgrade(server.address))
        for (const peer of halves.slice(0, 3)) {
          yield* peer.send(half(600 * KiB))
          yield* quiet
        }
        assert.isAbove(budget.used, 890 * KiB)
        assert.isFalse(budget.isExceeded)
        // Progress: now the second is the one without it for longest.
        yield* halves[0]!.send(new Uint8Array(1))
        yield* quiet
        yield* halves[3]!.send(half(600 * KiB))
        const { frames } = yield* halves[1]!.rest
        assert.deepStrictEqual(frames, ["close 1013 try again later"])
        yield* quiet
        assert.strictEqual(budget.closed, 1)
        assert.isBelow(budget.used, 1024 * KiB)

        // A connection that holds nothing has nothing to fear, and the others can go on.
        yield* small.send("still here")
        assert.strictEqual((yield* small.receive).data, "still here")
        yield* halves[0]!.send(new Uint8Array(300 * KiB - 1))
        assert.strictEqual((yield* halves[0]!.frame).payload.length, 600 * KiB)
        yield* halves[3]!.send(new Uint8Array(300 * KiB))
        assert.strictEqual((yield* halves[3]!.frame).payload.length, 600 * KiB)
      }).pipe(Effect.provide(network))
    )

    it.effect(
      `lets one large message complete among 2000 that do not go on (${name})`,
      () =>
        Effect.gen(function* () {
          const budget = new Budget({ limit: 32 * 1024 * KiB })
          const server = yield* build(budget)
          const size = 16 * 1024 * KiB
          const holders = yield* Effect.forEach(Array.from({ length: 2000 }), () => RawPeer.upgrade(server.address))
          for (const peer of holders) yield* peer.send(half(30 * KiB))
          yield* quiet
          assert.isAbove(budget.used, 29 * 1024 * KiB)
          assert.strictEqual(budget.closed, 0)
          const honest = yield* RawPeer.upgrade(server.address)
          const bytes = frame({ opcode: 2, payload: new Uint8Array(size) })
          for (let at = 0; at < bytes.length; at += 64 * KiB) yield* honest.send(bytes.subarray(at, at + 64 * KiB))
          assert.strictEqual((yield* honest.frame).payload.length, size)
          assert.isAbove(budget.closed, 500)
          assert.isAtMost(budget.peak, 32 * 1024 * KiB + 64 * KiB)
          // A newcomer is served too.
          const late = yield* connect(server)
          yield* late.send("hello")
          assert.strictEqual((yield* late.receive).data, "hello")
        }).pipe(Effect.provide(network)),
      60_000
    )

    it.effect(`closes a connection that does not read what it is sent, too (${name})`, () =>
      Effect.gen(function* () {
        const connections = yield* Queue.unbounded<Connection>()
        const budget = new Budget({ limit: 1024 * KiB, minPerConnection: 64 * KiB })
        const server = yield* build(budget, { onOpen: (connection) => Queue.offer(connections, connection) })
        yield* RawPeer.upgrade(server.address)
        const deaf = yield* Queue.take(connections)
        const message = new Uint8Array(400 * KiB)
        yield* Effect.forkScoped(Effect.forEach(Array.from({ length: 2 }), () => Effect.ignore(deaf.send(message))))
        yield* quiet
        const held = deaf.buffered.outbound
        assert.isAbove(held, 64 * KiB)
        const peer = yield* RawPeer.upgrade(server.address)
        yield* peer.send(half(2 * (1025 * KiB - held)))
        const closeInfo = yield* deaf.closed
        assert.strictEqual(closeInfo.error._tag, "TryAgainLater")
        yield* quiet
        assert.isAtMost(budget.used, 1025 * KiB - held)
      }).pipe(Effect.provide(network))
    )

    it.effect(`refuses new handshakes while it is exceeded, with 503 (${name})`, () =>
      Effect.gen(function* () {
        const budget = new Budget({ limit: 100, minPerConnection: 64 * KiB })
        const server = yield* build(budget)
        const peer = yield* RawPeer.upgrade(server.address)
        yield* peer.send(half(1000))
        yield* quiet
        assert.isTrue(budget.isExceeded)
        const refused = yield* RawPeer.dial(server.address)
        yield* refused.send(RawPeer.requestHead())
        const { body, status } = yield* refused.response
        assert.deepStrictEqual([status, body], [503, "the server is busy\n"])
        yield* peer.send(new Uint8Array(500))
        yield* peer.frame
        yield* quiet
        assert.strictEqual((yield* RawPeer.upgrade(server.address)) instanceof RawPeer.RawPeer, true)
      }).pipe(Effect.provide(network))
    )

    it.effect(`tells what a connection holds (${name})`, () =>
      Effect.gen(function* () {
        const connections = yield* Queue.unbounded<Connection>()
        const budget = new Budget()
        const server = yield* build(budget, { onOpen: (connection) => Queue.offer(connections, connection) })
        const peer = yield* RawPeer.upgrade(server.address)
        const connection = yield* Queue.take(connections)
        assert.deepStrictEqual(connection.buffered, { inbound: 0, outbound: 0 })
        yield* peer.send(half(200 * KiB))
        yield* quiet
        assert.deepStrictEqual(connection.buffered, { inbound: 100 * KiB, outbound: 0 })
        // Until the pipe is full, which the peer does not read.
        const message = new Uint8Array(100 * KiB)
        yield* Effect.forkScoped(Effect.forEach(Array.from({ length: 20 }), () => connection.send(message)))
        yield* quiet
        assert.isAbove(connection.buffered.outbound, 0)
        // What leaves in parts is noticed when all of it has.
        assert.isAtLeast(budget.used, connection.buffered.inbound + connection.buffered.outbound)
        yield* peer.reset
        yield* connection.closed
        yield* quiet
        assert.deepStrictEqual([connection.buffered, budget.used], [{ inbound: 0, outbound: 0 }, 0])
      }).pipe(Effect.provide(network))
    )
  }

  const Step = Schema.TaggedUnion({
    Half: { peer: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 })), kib: Schema.Literals([1, 100, 300]) },
    Whole: { peer: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 })), kib: Schema.Literals([0, 1, 200]) },
    Reset: { peer: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 })) },
    Close: { peer: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 })) },
    Settle: {}
  })

  for (const { layer, name } of handled.slice(0, 2)) {
    it.effect.prop(
      `gets every byte back, whatever six peers do (${name})`,
      [Schema.Array(Step).check(Schema.isMaxLength(30))],
      ([steps]) =>
        Effect.gen(function* () {
          const budget = new Budget({ limit: 500 * KiB, minPerConnection: 8 * KiB })
          yield* Effect.scoped(
            Effect.gen(function* () {
              const context = yield* Effect.context<Layer.Success<typeof network>>()
              const server = yield* serve(
                layer(echo, { drainTimeout: 0 }).pipe(Layer.provide(Layer.succeedContext(context))),
                budget
              )
              const peers: Array<RawPeer.RawPeer | undefined> = []
              for (const step of steps) {
                if (step._tag === "Settle") {
                  yield* quiet
                  continue
                }
                const peer = (peers[step.peer] ??= yield* Effect.orElseSucceed(
                  RawPeer.upgrade(server.address),
                  () => undefined
                ))
                if (peer === undefined) continue
                if (step._tag === "Reset") yield* peer.reset
                else
                  yield* Effect.ignore(
                    peer.send(
                      step._tag === "Half"
                        ? half(2 * step.kib * KiB)
                        : step._tag === "Whole"
                          ? frame({ opcode: 2, payload: new Uint8Array(step.kib * KiB) })
                          : RawPeer.close(1000)
                    )
                  )
                // What the pipe holds back is read, or the peer would wait for itself.
                yield* Effect.forkScoped(Stream.runDrain(Stream.fromEffect(peer.rest)))
                peers[step.peer] = step._tag === "Whole" ? peer : undefined
              }
              yield* quiet
              assert.isAtMost(budget.peak, 500 * KiB + 300 * KiB)
            }).pipe(Effect.provide(network))
          )
          yield* quiet
          assert.strictEqual(budget.used, 0)
        }),
      { arbitrary: { runs: 100 } }
    )
  }
})
