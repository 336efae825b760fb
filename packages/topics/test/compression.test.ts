/**
 * What is published is compressed once for all whose parameters allow it, and right for all others: with our own
 * client, and with `ws`.
 */
import type { Connection } from "@effect-ws/connection/Connection"
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import * as Zlib from "@effect-ws/extensions/Zlib"
import { hostPort } from "@effect-ws/transport/Dialer"
import * as Memory from "@effect-ws/transport/Memory"
import * as Tcp from "@effect-ws/transport/Tcp"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Queue } from "effect"
import type * as NetAddress from "effect/net/NetAddress"
import * as Ws from "ws"
import type { Handlers } from "@effect-ws/server/Handlers"
import * as Topics from "../src/Topics.ts"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import { connect } from "@effect-ws/test-peers/Programs"
import { handled } from "./support/variants.ts"

/** The ordinary service, which notes what was compressed: with takeover or without. */
const counting = (counts: { takeover: number; alone: number }): Zlib.Service => {
  const zlib = Zlib.make()
  return {
    inflater: zlib.inflater,
    deflater: (options) => {
      const deflater = zlib.deflater(options)
      return {
        close: () => deflater.close(),
        deflate: (input, last) => {
          counts[options.contextTakeover ? "takeover" : "alone"]++
          return deflater.deflate(input, last)
        }
      }
    }
  }
}

/** Text that compresses to something, and is the same each time. */
const prose = (length: number): string => {
  let text = ""
  for (let at = 0; text.length < length; at++) text += `${at}: ${(at * 2_654_435_761) % 1_000_003}; `
  return text.slice(0, length)
}

for (const variant of handled) {
  const start = Effect.fnUntraced(function* (zlib: Zlib.Service) {
    const topics = yield* Topics.make({ batchSize: 4 })
    const accepted = yield* Queue.unbounded<Connection>()
    const handlers: Handlers<unknown> = {
      onOpen: (connection) =>
        Effect.andThen(
          topics.subscribe(connection, "x", { onSlowSubscriber: "wait" }),
          Queue.offer(accepted, connection)
        )
    }
    const server = yield* Layer.build(
      variant
        .layer(handlers, { writeHighWaterMark: 1 << 20 })
        .pipe(Layer.provide(PermessageDeflate.layer()), Layer.provide(Layer.succeed(Zlib.Zlib, zlib)))
    )
    return { topics, accepted, server: Context.get(server, WebSocketServer.WebSocketServer) }
  })

  describe(`compressed topics, ${variant.name}`, () => {
    it.effect("are compressed once for all who agreed on the same and keep no window", () =>
      Effect.gen(function* () {
        const counts = { takeover: 0, alone: 0 }
        const { accepted, server, topics } = yield* start(counting(counts))
        const clientsWith = (count: number, options?: PermessageDeflate.Options) =>
          Effect.forEach(Array.from({ length: count }), () => {
            const client = connect(server)
            return options === undefined ? client : Effect.provide(client, PermessageDeflate.layer(options))
          })
        const clients = [
          ...(yield* clientsWith(5, { serverContextTakeover: false })),
          ...(yield* clientsWith(3)),
          ...(yield* clientsWith(2, {})),
          ...(yield* clientsWith(4, { serverContextTakeover: false, serverMaxWindowBits: 10 })),
          ...(yield* clientsWith(5, { serverContextTakeover: false }))
        ]
        yield* Effect.forEach(clients, () => Queue.take(accepted))
        // The first is compressed at once, the second on another thread; the third is too short.
        for (const [text, alone, takeover] of [
          [prose(5000), 2, 2],
          [prose(200_000), 2, 2],
          ["short", 0, 0],
          [prose(5000), 2, 2]
        ] as const) {
          counts.alone = counts.takeover = 0
          const publishing = yield* Effect.forkScoped(
            Effect.all([topics.publish("x", text), topics.publish("x", "next")], { concurrency: "unbounded" })
          )
          for (const client of clients) {
            for (const expected of [text, "next"]) {
              const message = yield* client.receive
              assert.isTrue(message.data === expected, `${expected.length} characters`)
            }
          }
          for (const { delivered } of yield* Fiber.join(publishing)) assert.strictEqual(delivered, clients.length)
          assert.deepStrictEqual(counts, { alone, takeover })
        }
        counts.alone = counts.takeover = 0
        yield* topics.publish("x", "asked for", { compress: true })
        yield* topics.publish("x", prose(5000), { compress: false })
        for (const client of clients) assert.strictEqual((yield* client.receive).data, "asked for")
        for (const client of clients) assert.strictEqual((yield* client.receive).data, prose(5000))
        assert.deepStrictEqual(counts, { alone: 2, takeover: 2 })
      }).pipe(Effect.provide(Layer.fresh(Memory.layer({ port: 0, pipeSize: 1 << 20 }))))
    )

    it.live("are understood by ws, with and without compression", () =>
      Effect.gen(function* () {
        const { accepted, server, topics } = yield* start(Zlib.make())
        const { port } = hostPort(server.address as NetAddress.InetAddress)
        const texts = [prose(3000), "short", prose(300_000), prose(3001)]
        const received: Array<Array<string>> = []
        const settings = [false, true, { serverNoContextTakeover: true }, { serverNoContextTakeover: true }] as const
        for (const perMessageDeflate of settings) {
          const got: Array<string> = []
          received.push(got)
          const socket = yield* Effect.acquireRelease(
            Effect.sync(() => new Ws.WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate })),
            (socket) => Effect.sync(() => socket.terminate())
          )
          socket.on("message", (data: Buffer, isBinary) => got.push(isBinary ? "binary" : data.toString()))
          yield* Queue.take(accepted)
        }
        for (const text of texts) assert.strictEqual((yield* topics.publish("x", text)).delivered, settings.length)
        while (received.some((got) => got.length < texts.length)) yield* Effect.sleep("5 millis")
        for (const got of received) assert.isTrue(got.join() === texts.join())
      }).pipe(Effect.scoped, Effect.provide(Layer.fresh(Tcp.layer({ port: 0 }))))
    )
  })
}
