/**
 * Errors of an open TLS socket: Node emits them and leaves the socket as it is, so it is ours to end the connection.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Queue, Redacted } from "effect"
import type { Scope } from "effect"
import type * as NetAddress from "effect/net/NetAddress"
import type { Socket } from "effect/socket"
import * as Https from "node:https"
import * as Net from "node:net"
import * as NodeTls from "node:tls"
import { Dialer, hostPort } from "../src/Dialer.ts"
import * as HttpUpgrade from "../src/HttpUpgrade.ts"
import { isPushReader } from "../src/Push.ts"
import type { PushReader, PushSocket } from "../src/Push.ts"
import { PushSocketServer } from "../src/PushSocketServer.ts"
import * as Tcp from "../src/Tcp.ts"
import * as Tls from "../src/Tls.ts"
import { ca, server as identity } from "./certificates.ts"
import { ByteRecorder } from "../src/ByteRecorder.ts"

const listenHttps = Layer.unwrap(
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<Https.Server>((resume) => {
        const server = Https.createServer({
          cert: identity.cert as string,
          key: Redacted.value(identity.key) as string
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close())
    ),
    (server) => HttpUpgrade.layerServer(server)
  )
)

const servers = [
  { name: "Tls.layerServer", layer: Tls.layerServer({ ...identity, port: 0 }) },
  { name: "https with HttpUpgrade", layer: listenHttps }
]

const upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

type Direction = "toServer" | "toClient"

/** Forwards bytes between a client and the server; damages the next record of a direction when told to. */
const relayTo = Effect.fnUntraced(function* (address: NetAddress.SocketAddress) {
  const damaged = new Set<Direction>()
  const sockets = new Set<Net.Socket>()
  const forward = (from: Net.Socket, to: Net.Socket, direction: Direction): void => {
    sockets.add(from)
    from.on("error", () => {})
    from.on("close", () => to.destroy())
    from.on("end", () => to.end())
    from.on("data", (bytes: Buffer) => {
      if (damaged.delete(direction)) bytes[bytes.length - 1]! ^= 1
      to.write(bytes)
    })
  }
  const relay = Net.createServer({ allowHalfOpen: true }, (near) => {
    const far = Net.connect({ ...hostPort(address as NetAddress.InetAddress), allowHalfOpen: true })
    forward(near, far, "toServer")
    forward(far, near, "toClient")
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void relay.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.sync(() => {
        relay.close()
        for (const socket of sockets) socket.destroy()
      })
  )
  return {
    port: (relay.address() as Net.AddressInfo).port,
    damageNext: (direction: Direction) => damaged.add(direction)
  }
})

const accepting = Effect.gen(function* () {
  const { accept, address } = yield* PushSocketServer
  const accepted = yield* Queue.unbounded<PushSocket>()
  yield* Effect.forkScoped(accept((socket) => Queue.offerUnsafe(accepted, socket)))
  yield* Effect.addFinalizer(() =>
    Effect.map(Queue.clear(accepted), (sockets) => sockets.forEach((socket) => socket.writerUnsafe.destroy()))
  )
  return { accepted, address }
})

const tlsClient = (
  port: number,
  options?: NodeTls.ConnectionOptions
): Effect.Effect<NodeTls.TLSSocket, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<NodeTls.TLSSocket>((resume) => {
      const client = NodeTls.connect({ port, host: "127.0.0.1", ca, servername: "localhost", ...options }, () =>
        resume(Effect.succeed(client))
      )
      client.on("error", () => {})
    }),
    (client) => Effect.sync(() => client.destroy())
  )

/** A dialer that speaks TLS, or one whose sockets are upgraded to it. */
const dialerFor = (way: "dialed" | "upgraded"): Effect.Effect<Dialer["Service"]> =>
  Effect.provide(
    Dialer.useSync((dialer) => dialer),
    way === "dialed" ? Tls.layerDialer({ ca }) : Tcp.layerDialer()
  )

/** Subscribes; the recorder hears all that comes from then on. */
const record = (reader: PushReader): ByteRecorder => {
  const sink = new ByteRecorder()
  reader.subscribe(sink)
  return sink
}

const causeOf = (error: Socket.SocketError | undefined): string =>
  error !== undefined && "cause" in error.reason ? String((error.reason.cause as Error).message) : "no cause"

describe("an error on an open TLS socket", { timeout: 20_000 }, () => {
  for (const { layer, name } of servers) {
    it.live(`ends a connection of ${name} when a record is damaged, and says why`, () =>
      Effect.gen(function* () {
        const { accepted, address } = yield* accepting
        const relay = yield* relayTo(address)
        const client = yield* tlsClient(relay.port)
        client.write(upgrade)
        const far = yield* Queue.take(accepted)
        const sink = record(far.readerUnsafe)
        relay.damageNext("toServer")
        client.write("hello")
        yield* sink.closed
        assert.match(causeOf(sink.error), /bad record mac|decryption failed/i)
        assert.match(sink.error!.message, /bad record mac|decryption failed/i)
        assert.isFalse(far.writerUnsafe.writeUnsafe(new Uint8Array(1)))
      }).pipe(Effect.scoped, Effect.provide(layer))
    )

    it.live(`ends a connection of ${name} whose client renegotiates without end`, () =>
      Effect.gen(function* () {
        const { accepted, address } = yield* accepting
        const port = hostPort(address as NetAddress.InetAddress).port
        const client = yield* tlsClient(port, { maxVersion: "TLSv1.2" })
        client.write(upgrade)
        const sink = record((yield* Queue.take(accepted)).readerUnsafe)
        let performed = 0
        const again = (): void => {
          if (performed === 30 || client.destroyed) return
          client.renegotiate({ rejectUnauthorized: false }, (error) => {
            if (error !== null) return
            performed++
            setImmediate(again)
          })
        }
        again()
        yield* sink.closed
        // Node's tls.CLIENT_RENEG_LIMIT is 3.
        assert.isAtMost(performed, 4)
        assert.match(sink.error!.message, /renegotiation/i)
      }).pipe(Effect.scoped, Effect.provide(layer))
    )
  }

  for (const way of ["dialed", "upgraded"] as const) {
    it.live(`ends a connection that was ${way} when a record is damaged, and says why`, () =>
      Effect.gen(function* () {
        const { accepted, address } = yield* accepting
        const relay = yield* relayTo(address)
        const socket = yield* (yield* dialerFor(way)).dial({ host: "127.0.0.1", port: relay.port })
        const reader = yield* socket.reader
        if (way === "upgraded") yield* reader.upgrade({ servername: "localhost", ca })
        const far = yield* Queue.take(accepted)
        if (!isPushReader(reader)) return assert.fail("no push")
        // TLS 1.3 sends session tickets behind its handshake.
        yield* far.writerUnsafe.write("hello")
        const sink = record(reader)
        yield* sink.until((self) => self.text === "hello")
        relay.damageNext("toClient")
        yield* far.writerUnsafe.write("more")
        yield* sink.closed
        assert.match(sink.error!.message, /bad record mac|decryption failed/i)
      }).pipe(Effect.scoped, Effect.provide(servers[0]!.layer))
    )

    it.live(`tells a client that was ${way} that the server demands a certificate`, () =>
      Effect.gen(function* () {
        const { address } = yield* accepting
        const error = yield* Effect.gen(function* () {
          const socket = yield* (yield* dialerFor(way)).dial(address)
          const reader = yield* socket.reader
          if (way === "upgraded") yield* reader.upgrade({ servername: "localhost", ca })
          // In TLS 1.3 the client is done before the server has seen its certificate.
          return yield* reader.pull
        }).pipe(Effect.scoped, Effect.flip)
        const { message } = error as Socket.SocketError
        assert.strictEqual(message, 'read failed: the peer sent the TLS alert "certificate required"')
      }).pipe(Effect.scoped, Effect.provide(Tls.layerServer({ ...identity, port: 0, clientCa: ca })))
    )
  }
})
