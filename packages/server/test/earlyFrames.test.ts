/**
 * Frames that come in the same packet as the handshake count like all others: a program that does not read holds the
 * peer back.
 */
import * as Connect from "@effect-ws/connection/Connect"
import type { Connection } from "@effect-ws/connection/Connection"
import { Dialer } from "@effect-ws/transport/Dialer"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue, Stream } from "effect"
import { SocketServer } from "effect/socket/SocketServer"
import { network, quiet } from "@effect-ws/test-peers/InMemory"
import * as RawPeer from "@effect-ws/test-peers/RawPeer"
import { frame } from "@effect-ws/test-peers/RawPeer"
import { direct, start } from "./support/variants.ts"

const KiB = 1024

const messages = (count: number, masked: boolean): Buffer =>
  Buffer.concat(Array.from({ length: count }, () => frame({ opcode: 2, payload: new Uint8Array(KiB), masked })))

/** Floods a connection whose program does not read, then reads it all. */
const isHeldBack = Effect.fnUntraced(function* (connection: Connection, flood: Effect.Effect<void, unknown>) {
  yield* Effect.forkScoped(Effect.forEach(Array.from({ length: 100 }), () => flood, { discard: true }))
  yield* quiet
  assert.isBelow(connection.buffered.inbound, 300 * KiB)
  const received = yield* Stream.runCount(Stream.take(connection.messages, 100 + 100 * 100))
  assert.strictEqual(received, 100 + 100 * 100)
})

describe("frames behind the handshake", () => {
  for (const { layer, name } of direct) {
    it.effect(`do not switch backpressure off at a server (${name})`, () =>
      Effect.gen(function* () {
        const connections = yield* Queue.unbounded<Connection>()
        const server = yield* start(
          layer((connection) => Effect.andThen(Queue.offer(connections, connection), Effect.never), {
            drainTimeout: 0,
            keepalive: false
          })
        )
        const peer = yield* RawPeer.dial(server.address)
        yield* peer.send(RawPeer.requestHead(), messages(100, true))
        const connection = yield* Queue.take(connections)
        yield* isHeldBack(connection, peer.send(messages(100, true)))
      }).pipe(Effect.provide(network))
    )
  }

  it.effect("do not switch backpressure off at a client", () =>
    Effect.gen(function* () {
      const sockets = yield* SocketServer
      yield* Effect.forkScoped(
        sockets.run((socket) =>
          Effect.scoped(
            Effect.gen(function* () {
              const { pull } = yield* socket.reader
              const { write } = yield* socket.writer
              const request = Buffer.concat((yield* pull) as ReadonlyArray<Uint8Array>).toString("latin1")
              const key = /^Sec-WebSocket-Key: (.*)\r$/im.exec(request)![1]!
              const head = [
                "HTTP/1.1 101 Switching Protocols",
                "Upgrade: websocket",
                "Connection: Upgrade",
                `Sec-WebSocket-Accept: ${RawPeer.acceptFor(key)}`,
                "\r\n"
              ]
              yield* write(Buffer.concat([Buffer.from(head.join("\r\n")), messages(100, false)]))
              yield* Effect.forever(write(messages(100, false)))
            })
          )
        )
      )
      const dialer = yield* Dialer
      const socket = yield* dialer.dial(sockets.address)
      const connection = yield* Connect.connect(socket, "ws://localhost/", { keepalive: false })
      yield* isHeldBack(connection, Effect.void)
    }).pipe(Effect.provide(network))
  )
})
