/**
 * What happens between a complete request and its answer: decisions that take time, that never come, that break, and
 * clients that do not wait for them.
 */
import * as DeflateFrame from "@effect-ws/extensions/DeflateFrame"
import * as Extensions from "@effect-ws/extensions/Extensions"
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import * as HandshakeRejection from "@effect-ws/protocol/HandshakeRejection"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Stream } from "effect"
import * as Socket from "effect/socket/Socket"
import { TestClock } from "effect/testing"
import * as Accept from "@effect-ws/connection/Accept"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { network } from "@effect-ws/test-peers/InMemory"
import { connect, echo } from "@effect-ws/test-peers/Programs"
import * as RawPeer from "@effect-ws/test-peers/RawPeer"
import { requestHead, text } from "@effect-ws/test-peers/RawPeer"
import { start } from "./support/variants.ts"

const serve = (decide: Accept.Decide) => start(WebSocketServer.layer(echo, { decide }))

const asked = (server: WebSocketServer.WebSocketServer["Service"]) =>
  Effect.tap(RawPeer.dial(server.address), (peer) => peer.send(requestHead()))

/** A server that never decides, and says when it was asked and when that was interrupted. */
const undecided = Effect.gen(function* () {
  const begun = yield* Deferred.make<void>()
  const interrupted = yield* Deferred.make<void>()
  const server = yield* serve(() =>
    Effect.andThen(Deferred.succeed(begun, undefined), Effect.never).pipe(
      Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
    )
  )
  return { begun, interrupted, server }
})

describe("a decision", () => {
  it.effect("that takes time keeps what the client sends meanwhile, in order", () =>
    Effect.gen(function* () {
      const decided = yield* Deferred.make<Accept.Acceptance>()
      const server = yield* serve(() => Deferred.await(decided))
      const peer = yield* RawPeer.dial(server.address)
      yield* peer.send(Buffer.concat([Buffer.from(requestHead()), text("a")]))
      for (const letter of "bcd") {
        yield* Effect.yieldNow
        yield* peer.send(text(letter))
      }
      yield* Deferred.succeed(decided, {})
      assert.strictEqual((yield* peer.head).status, 101)
      for (const letter of "abcd") assert.strictEqual(RawPeer.render(yield* peer.frame), `text ${letter}`)
    }).pipe(Effect.provide(network))
  )

  it.effect("that never comes is interrupted at the handshake timeout, and the client gets 503", () =>
    Effect.gen(function* () {
      const { begun, interrupted, server } = yield* undecided
      const peer = yield* asked(server)
      yield* Deferred.await(begun)
      yield* TestClock.adjust("10 seconds")
      const { body, status } = yield* peer.response
      assert.strictEqual(status, 503)
      assert.include(body, "did not decide within 10s")
      yield* Deferred.await(interrupted)
    }).pipe(Effect.provide(network))
  )

  it.effect("is interrupted when the client is gone", () =>
    Effect.gen(function* () {
      const { begun, interrupted, server } = yield* undecided
      const peer = yield* asked(server)
      yield* Deferred.await(begun)
      yield* peer.reset
      yield* Deferred.await(interrupted)
      assert.deepStrictEqual(yield* server.connections, [])
    }).pipe(Effect.provide(network))
  )

  for (const [name, decide] of [
    [
      "throws",
      () => {
        throw new Error("a secret")
      }
    ],
    ["dies", () => Effect.die(new Error("a secret"))],
    ["dies later", () => Effect.andThen(Effect.yieldNow, Effect.die(new Error("a secret")))],
    ["chooses what was not offered", () => Effect.succeed({ subprotocol: "chat" })]
  ] satisfies ReadonlyArray<readonly [string, Accept.Decide]>) {
    it.effect(`that ${name} is answered with 500, which tells nothing`, () =>
      Effect.gen(function* () {
        const server = yield* serve(decide)
        const { body, status } = yield* (yield* asked(server)).response
        assert.strictEqual(status, 500)
        assert.notInclude(body, "secret")
      }).pipe(Effect.provide(network))
    )
  }

  it.effect("of a socket that is not of our transports is written in full before the socket is given back", () =>
    Effect.gen(function* () {
      const written: Array<string> = []
      let pulled = false
      const socket = Socket.make({
        reader: Effect.succeed({
          pull: Effect.suspend(() => {
            if (pulled) return Effect.never
            pulled = true
            return Effect.succeed([Buffer.from(requestHead())] as const)
          }),
          upgrade: () => Effect.void
        }),
        writer: Effect.succeed({
          write: (chunk) =>
            Effect.andThen(
              Effect.sleep("1 second"),
              Effect.sync(() => void (Socket.isCloseEvent(chunk) || written.push(String(chunk))))
            ),
          writeAll: (chunks) =>
            Effect.andThen(
              Effect.sleep("1 second"),
              Effect.sync(() => void written.push(...chunks.map((chunk) => Buffer.from(chunk).toString())))
            )
        })
      })
      const decide = () => Effect.fail(new HandshakeRejection.HandshakeRejection({ status: 403, reason: "no" }))
      const accepting = yield* Effect.forkChild(Effect.flip(Accept.accept(socket, { decide })), {
        startImmediately: true
      })
      yield* TestClock.adjust("1 second")
      const exit = accepting.pollUnsafe()
      assert.strictEqual(exit?._tag, "Success")
      assert.match(written.join(""), /^HTTP\/1\.1 403 /)
    })
  )

  it.effect("is interrupted with the server, and leaves no fiber behind", () =>
    Effect.gen(function* () {
      const interrupted = yield* Deferred.make<void>()
      const begun = yield* Deferred.make<void>()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const server = yield* serve(() =>
            Effect.andThen(Deferred.succeed(begun, undefined), Effect.never).pipe(
              Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
            )
          )
          yield* asked(server)
          yield* Deferred.await(begun)
        })
      )
      yield* Deferred.await(interrupted)
    }).pipe(Effect.provide(network))
  )

  it.effect("is asked for once for each of many at the same time, and each gets its own", () =>
    Effect.gen(function* () {
      const server = yield* serve((request) =>
        Effect.andThen(
          Effect.yieldNow,
          request.query === "odd"
            ? Effect.fail(new HandshakeRejection.HandshakeRejection({ status: 403, reason: "odd" }))
            : Effect.succeed({})
        )
      )
      const statuses = yield* Stream.runCollect(
        Stream.mapEffect(
          Stream.range(0, 199),
          (index) =>
            Effect.gen(function* () {
              const peer = yield* RawPeer.dial(server.address)
              yield* peer.send(requestHead({}, `GET /${index % 2 === 1 ? "?odd" : ""} HTTP/1.1`))
              return (yield* peer.head).status
            }),
          { concurrency: 50 }
        )
      )
      assert.deepStrictEqual(
        statuses,
        Array.from({ length: 200 }, (_, index) => (index % 2 === 1 ? 403 : 101))
      )
    }).pipe(Effect.provide(network))
  )

  describe("on extensions", () => {
    const offers = "x-webkit-deflate-frame, permessage-deflate; client_max_window_bits, deflate-frame"
    const have = Extensions.layer([PermessageDeflate.make(), DeflateFrame.make()])
    const answered = (chosen: ReadonlyArray<string> | undefined, layer = have, extensions: string = offers) =>
      Effect.gen(function* () {
        const server = yield* start(
          Layer.provide(WebSocketServer.layer(echo, { decide: () => Effect.succeed({ extensions: chosen }) }), layer)
        )
        const peer = yield* RawPeer.dial(server.address)
        yield* peer.send(requestHead({ "Sec-WebSocket-Extensions": extensions }))
        const { headers, status } = yield* peer.head
        const [connection] = yield* server.connections
        const names = connection?.extensions.map(({ name }) => name)
        assert.strictEqual(headers.get("sec-websocket-extensions")?.split(/[;,]/)[0], names?.[0])
        return status === 101 ? names : status
      }).pipe(Effect.scoped, Effect.provide(network))

    it.effect("leaves the choice to the negotiation where it names none", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* answered(undefined), ["x-webkit-deflate-frame"])
      })
    )

    it.effect("allows no extension, or some of those that the server has", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* answered([]), [])
        assert.deepStrictEqual(yield* answered(["permessage-deflate"]), ["permessage-deflate"])
        assert.deepStrictEqual(yield* answered(["deflate-frame", "permessage-deflate"]), ["permessage-deflate"])
        assert.deepStrictEqual(yield* answered(["deflate-frame"]), ["deflate-frame"])
      })
    )

    it.effect("goes without one that the client does not offer", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* answered(["deflate-frame"], have, "permessage-deflate"), [])
      })
    )

    it.effect("is answered with 500 where it allows what the server does not have, offered or not", () =>
      Effect.gen(function* () {
        for (const extensions of [offers, "x-other"]) {
          assert.strictEqual(yield* answered(["permessage_deflate"], have, extensions), 500)
          assert.strictEqual(yield* answered(["permessage-deflate"], Extensions.layer([]), extensions), 500)
        }
      })
    )

    it.effect("works by path, user and origin", () =>
      Effect.gen(function* () {
        const server = yield* start(
          Layer.provide(
            WebSocketServer.layer(echo, {
              origins: "any",
              decide: ({ origin, path, peer }) =>
                Effect.succeed(
                  path === "/secrets" || origin === "https://other.example" || peer.remoteAddress === undefined
                    ? { extensions: [] }
                    : {}
                )
            }),
            PermessageDeflate.layer()
          )
        )
        const agreed = (target: string, origin?: string) =>
          Effect.map(
            Effect.provide(connect(server, { target, origin }), PermessageDeflate.layer()),
            ({ extensions }) => extensions.length
          )
        assert.deepStrictEqual(
          [yield* agreed("/"), yield* agreed("/secrets"), yield* agreed("/", "https://other.example")],
          [1, 0, 0]
        )
      }).pipe(Effect.provide(network))
    )
  })
})
