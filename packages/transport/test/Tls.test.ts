import { assert, describe, it } from "@effect/vitest"
import type { Redacted } from "effect"
import { Effect, Fiber, Layer, Logger, Queue, References } from "effect"
import type * as NetAddress from "effect/net/NetAddress"
import type { Socket } from "effect/socket"
import * as Net from "node:net"
import { Dialer, hostPort } from "../src/Dialer.ts"
import type { PushSocket } from "../src/Push.ts"
import { isPushReader, isPushWriter, peerInfo } from "../src/Push.ts"
import { addressKey } from "../src/AddressKey.ts"
import type { Arrival } from "../src/PushSocketServer.ts"
import { PushSocketServer } from "../src/PushSocketServer.ts"
import * as Tcp from "../src/Tcp.ts"
import * as Tls from "../src/Tls.ts"
import { ca, client, other, server, stranger } from "./certificates.ts"
import { ByteRecorder } from "../src/ByteRecorder.ts"

const listen = (options?: Partial<Tls.ServerOptions>) => Tls.layerServer({ ...server, port: 0, ...options })

/** Dials the server of the context; gives both ends. */
const connect = Effect.fnUntraced(function* (options: Tls.DialerOptions) {
  const { address, accept } = yield* PushSocketServer
  const accepted = yield* Queue.unbounded<PushSocket>()
  yield* Effect.forkScoped(accept((socket) => Queue.offerUnsafe(accepted, socket)))
  const socket = yield* Effect.provide(
    Dialer.use((dialer) => dialer.dial(address)),
    Tls.layerDialer({ ca, ...options })
  )
  const reader = yield* socket.reader
  const far = yield* Queue.take(accepted)
  yield* Effect.addFinalizer(() => Effect.sync(() => far.writerUnsafe.destroy()))
  return { near: peerInfo(reader)!, far: peerInfo(far)!, reader, socket }
})

/** Dials the server of the context in vain; gives the message. */
const refusal = (options: Tls.DialerOptions) =>
  Effect.map(Effect.flip(Effect.scoped(connect(options))), (error) => (error as Socket.SocketError).message)

const rawConnection = Effect.gen(function* () {
  const { address } = yield* PushSocketServer
  const socket = Net.connect(hostPort(address as NetAddress.InetAddress))
  yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
  const closed = Effect.callback<void>((resume) => {
    socket.on("error", () => {})
    socket.on("close", () => resume(Effect.void))
    socket.resume()
  })
  return { socket, closed }
})

describe("Tls, in particular", () => {
  it.live("tells of ALPN, SNI and certificates", () =>
    Effect.gen(function* () {
      const { near, far } = yield* connect({ servername: "localhost", alpnProtocols: ["x", "h2", "http/1.1"] })
      assert.isTrue(near.secure)
      assert.strictEqual(near.alpnProtocol, "h2")
      assert.strictEqual(far.alpnProtocol, "h2")
      assert.strictEqual(far.serverName, "localhost")
      assert.isTrue(near.authorized)
      assert.strictEqual(near.peerCertificate?.subject.CN, "server")
      assert.isTrue(far.secure)
      assert.isFalse(far.authorized)
      assert.isUndefined(far.peerCertificate)
    }).pipe(Effect.provide(listen({ alpnProtocols: ["h2", "http/1.1"] })))
  )

  it.live("asks for a name, and finds it in the certificate, without the dot at its end", () =>
    Effect.gen(function* () {
      const { far, near } = yield* connect({ servername: "localhost." })
      assert.deepStrictEqual([far.serverName, near.authorized], ["localhost", true])
      const { accept, address } = yield* PushSocketServer
      const accepted = yield* Queue.unbounded<PushSocket>()
      yield* Effect.forkScoped(accept((socket) => Queue.offerUnsafe(accepted, socket)))
      const dialer = yield* Effect.provide(
        Dialer.useSync((dialer) => dialer),
        Tcp.layerDialer()
      )
      const socket = yield* dialer.dial(address)
      const reader = yield* socket.reader
      yield* reader.upgrade({ servername: "localhost.", ca })
      const upgraded = yield* Queue.take(accepted)
      assert.deepStrictEqual([peerInfo(upgraded)?.serverName, peerInfo(reader)?.authorized], ["localhost", true])
      upgraded.writerUnsafe.destroy()
    }).pipe(Effect.scoped, Effect.provide(listen()))
  )

  it.live("shows the certificate of the name that was asked for", () =>
    Effect.gen(function* () {
      const { near, far } = yield* connect({ servername: "other.example" })
      assert.strictEqual(near.peerCertificate?.subject.CN, "other")
      assert.strictEqual(far.serverName, "other.example")
      assert.strictEqual((yield* connect({})).near.peerCertificate?.subject.CN, "server")
    }).pipe(Effect.provide(listen({ sniIdentities: { "other.example": other } })))
  )

  it.live("refuses a server that does not verify, and says why", () =>
    Effect.gen(function* () {
      assert.match(yield* refusal({ servername: "wrong.example" }), /wrong\.example/)
      assert.match(yield* refusal({ ca: stranger.cert }), /certificate|issuer/)
      assert.isFalse((yield* connect({ ca: stranger.cert, rejectUnauthorized: false })).near.authorized)
      assert.match(yield* refusal({ alpnProtocols: ["spdy"] }), /ALPN|no application protocol|alert/i)
    }).pipe(Effect.provide(listen()))
  )

  it.live("demands a certificate of its clients", () =>
    Effect.gen(function* () {
      const { far } = yield* connect({ identity: client })
      assert.isTrue(far.authorized)
      assert.strictEqual(far.peerCertificate?.subject.CN, "client")
      const { address, accept } = yield* PushSocketServer
      let accepted = 0
      yield* Effect.forkScoped(accept(() => void accepted++))
      for (const identity of [undefined, stranger]) {
        const error = yield* Effect.gen(function* () {
          const dialer = yield* Dialer
          const socket = yield* dialer.dial(address)
          const { pull } = yield* socket.reader
          yield* pull
        }).pipe(Effect.scoped, Effect.provide(Tls.layerDialer({ ca, identity })), Effect.flip)
        // In TLS 1.3 the client is done before the server has seen its certificate.
        assert.include(
          ["SocketOpenError", "SocketReadError", "SocketCloseError"],
          (error as Socket.SocketError).reason._tag
        )
      }
      assert.strictEqual(accepted, 0)
    }).pipe(Effect.provide(listen({ clientCa: ca })))
  )

  it.live("logs why it dropped a client", () =>
    Effect.gen(function* () {
      const logged = yield* Queue.unbounded<string>()
      const logger = Logger.make(({ message }) => void Queue.offerUnsafe(logged, String(message)))
      const services = yield* Layer.build(listen({ clientCa: ca, handshakeTimeout: "1 second" })).pipe(
        Effect.provide(Logger.layer([logger])),
        Effect.provideService(References.MinimumLogLevel, "Debug")
      )
      yield* Effect.gen(function* () {
        for (const [identity, why] of [
          [undefined, /certificate/],
          [stranger, /client certificate rejected: /]
        ] as const) {
          const { address } = yield* PushSocketServer
          const dialing = Effect.gen(function* () {
            const reader = yield* (yield* (yield* Dialer).dial(address)).reader
            return yield* reader.pull
          })
          yield* Effect.exit(Effect.scoped(Effect.provide(dialing, Tls.layerDialer({ ca, identity }))))
          assert.match(yield* Queue.take(logged), why)
        }
        const plain = yield* rawConnection
        plain.socket.write("SSH-2.0-OpenSSH\r\n")
        assert.match(
          yield* Queue.take(logged),
          /^Dropped a connection from 127\.0\.0\.1:\d+ to 127\.0\.0\.1:0: the peer does not speak TLS$/
        )
        yield* rawConnection
        assert.match(yield* Queue.take(logged), /TLS handshake timed out after 1000 ms/)
      }).pipe(Effect.provide(services))
    }).pipe(Effect.scoped)
  )

  it.live("drops a client that says nothing, one that drips, and one that speaks no TLS", () =>
    Effect.gen(function* () {
      const silent = yield* rawConnection
      const dripping = yield* rawConnection
      // The start of a ClientHello, byte by byte.
      const hello = Buffer.from("16030100c8010000c40303", "hex")
      let sent = 0
      yield* Effect.sync(() => dripping.socket.write(hello.subarray(sent, ++sent))).pipe(
        Effect.andThen(Effect.sleep("60 millis")),
        Effect.forever,
        Effect.forkScoped
      )
      const plain = yield* rawConnection
      plain.socket.write("GET / HTTP/1.1\r\n\r\n")
      yield* Effect.all([silent.closed, dripping.closed, plain.closed], { concurrency: 3 })
      assert.isAtLeast(sent, 3)
      yield* connect({})
    }).pipe(Effect.provide(listen({ handshakeTimeout: "300 millis" })))
  )

  it.live("releases at once a client that ends in its handshake", () =>
    Effect.gen(function* () {
      const { closed, socket } = yield* rawConnection
      // The start of a ClientHello.
      socket.end(Buffer.from("16030100c8010000c40303", "hex"))
      // The handshake itself may take ten seconds, and a test five.
      yield* closed
    }).pipe(Effect.provide(listen()))
  )

  it.live("tells a client that speaks HTTP what the port speaks", () =>
    Effect.gen(function* () {
      const { socket } = yield* rawConnection
      const answered = Effect.callback<string>((resume) => {
        let text = ""
        socket.on("data", (bytes: Buffer) => (text += bytes.toString("latin1")))
        socket.on("close", () => resume(Effect.succeed(text)))
      })
      socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
      assert.match(yield* answered, /^HTTP\/1\.1 400 Bad Request\r\n[^]*\r\n\r\nthis port requires TLS: use wss:/)
    }).pipe(Effect.provide(listen()))
  )

  it.live("reports each handshake to the observer of arrivals, and drops one when told to", () =>
    Effect.gen(function* () {
      const { accept, address } = yield* PushSocketServer
      const log = yield* Queue.unbounded<string>()
      const arrivals: Array<Arrival> = []
      yield* Effect.forkScoped(
        accept(
          (socket, arrival) => {
            Queue.offerUnsafe(log, `socket of arrival ${arrivals.indexOf(arrival!)}`)
            socket.writerUnsafe.destroy()
          },
          {
            onArrival: (arrival) => {
              const { hasSent, remoteAddress } = arrival
              Queue.offerUnsafe(log, `arrival from ${addressKey(remoteAddress)}, ${hasSent}`)
              arrivals.push(arrival)
            },
            onIdentity: () => {},
            onDeparture: (arrival) => void Queue.offerUnsafe(log, `departure ${arrivals.indexOf(arrival)}`)
          }
        ),
        { startImmediately: true }
      )
      const silent = yield* rawConnection
      assert.strictEqual(yield* Queue.take(log), "arrival from 127.0.0.1, false")
      silent.socket.end()
      assert.strictEqual(yield* Queue.take(log), "departure 0")
      const dropped = yield* rawConnection
      assert.strictEqual(yield* Queue.take(log), "arrival from 127.0.0.1, false")
      arrivals[1]!.drop()
      yield* dropped.closed
      const dialer = yield* Effect.provide(
        Dialer.useSync((dialer) => dialer),
        Tls.layerDialer({ ca })
      )
      yield* (yield* dialer.dial(address)).reader
      assert.strictEqual(yield* Queue.take(log), "arrival from 127.0.0.1, false")
      assert.strictEqual(yield* Queue.take(log), "socket of arrival 2")
      assert.isTrue(arrivals[2]!.hasSent)
    }).pipe(Effect.scoped, Effect.provide(listen()))
  )

  it.live("tells of the handshakes that began before anybody listened", () =>
    Effect.gen(function* () {
      const { accept } = yield* PushSocketServer
      const { socket } = yield* rawConnection
      yield* Effect.callback<void>((resume) => void socket.once("connect", () => resume(Effect.void)))
      yield* Effect.sleep("20 millis")
      const arrived = yield* Queue.unbounded<Arrival>()
      const onArrival = (arrival: Arrival): void => void Queue.offerUnsafe(arrived, arrival)
      yield* Effect.forkScoped(accept(() => {}, { onArrival, onIdentity: () => {}, onDeparture: () => {} }))
      assert.strictEqual(addressKey((yield* Queue.take(arrived)).remoteAddress), "127.0.0.1")
    }).pipe(Effect.scoped, Effect.provide(listen()))
  )

  it.live("bounds by maxPending the handshakes that are not observed", () =>
    Effect.gen(function* () {
      const kept = yield* Effect.forEach(Array.from({ length: 3 }), () => rawConnection)
      yield* kept[0]!.closed
      assert.deepStrictEqual(
        kept.map(({ socket }) => socket.destroyed),
        [true, false, false]
      )
    }).pipe(Effect.provide(listen({ maxPending: 2 })))
  )

  it.live("keeps a connection whose handshake was in time", () =>
    Effect.gen(function* () {
      const { reader } = yield* connect({})
      const pull = yield* Effect.timeoutOption(reader.pull, "400 millis")
      assert.strictEqual(pull._tag, "None")
    }).pipe(Effect.provide(listen({ handshakeTimeout: "200 millis" })))
  )

  it.live("fails with the address where key and certificate do not belong together", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Layer.build(listen({ key: other.key })))
      assert.match(error.message, /^cannot listen on 127\.0\.0\.1:0: /)
      assert.notInclude(JSON.stringify(error), "PRIVATE KEY")
    })
  )

  it.live("starts TLS on an open plain socket, whose early bytes are TLS too, and pushes over it", () =>
    Effect.gen(function* () {
      const listening = yield* PushSocketServer
      const accepted = yield* Queue.unbounded<PushSocket>()
      yield* Effect.forkScoped(listening.accept((socket) => Queue.offerUnsafe(accepted, socket)))
      const dialer = yield* Dialer
      const socket = yield* dialer.dial(listening.address)
      const reader = yield* socket.reader
      const writer = yield* socket.writer
      const far = yield* Queue.take(accepted)
      yield* writer.write("STARTTLS")
      yield* far.readerUnsafe.pull
      const upgrading = yield* Effect.forkChild(
        reader.upgrade({ servername: "localhost", ca, alpnProtocols: ["http/1.1"] })
      )
      // Time for the ClientHello to be read ahead as if it were plain.
      yield* Effect.sleep("50 millis")
      yield* far.readerUnsafe.upgrade({
        cert: server.cert,
        key: server.key as Redacted.Redacted<string>,
        alpnProtocols: ["http/1.1"]
      })
      yield* Fiber.join(upgrading)
      assert.isTrue(peerInfo(socket)?.secure)
      assert.strictEqual(peerInfo(socket)?.alpnProtocol, "http/1.1")
      assert.strictEqual(peerInfo(far)?.serverName, "localhost")
      if (!isPushReader(reader) || !isPushWriter(writer)) return assert.fail("no push")
      const sink = new ByteRecorder()
      reader.subscribe(sink)
      far.writerUnsafe.writeUnsafe(new TextEncoder().encode("secret"))
      yield* sink.until((self) => self.text === "secret")
      const again = yield* Effect.flip(far.readerUnsafe.upgrade({}))
      assert.strictEqual(again.reason._tag, "SocketUpgradeError")
      far.writerUnsafe.shutdown()
      writer.shutdown()
      yield* sink.closed
      assert.deepStrictEqual(sink.log, ["chunk", "end", "close"])
    }).pipe(Effect.provide(Tcp.layer({ port: 0 })))
  )

  it.live("gives up an upgrade inside of TLS that the other end does not answer", () =>
    Effect.gen(function* () {
      const listening = yield* PushSocketServer
      const accepted = yield* Queue.unbounded<PushSocket>()
      yield* Effect.forkScoped(listening.accept((socket) => Queue.offerUnsafe(accepted, socket)))
      const dialer = yield* Dialer
      const reader = yield* (yield* dialer.dial(listening.address)).reader
      const far = yield* Queue.take(accepted)
      const { reason } = yield* Effect.flip(reader.upgrade({ servername: "localhost", ca }))
      assert.strictEqual(reason._tag, "SocketUpgradeError")
      assert.include(String((reason as Socket.SocketUpgradeError).cause), "TLS handshake timed out after 200 ms")
      yield* Effect.flip(reader.pull)
      far.writerUnsafe.destroy()
    }).pipe(
      Effect.provide(
        Layer.provideMerge(Tls.layerDialer({ ca, servername: "localhost", upgradeTimeout: "200 millis" }), listen({}))
      )
    )
  )

  it.live("fails an upgrade that cannot be, with a typed error", () =>
    Effect.gen(function* () {
      const listening = yield* PushSocketServer
      yield* Effect.forkScoped(
        listening.accept((socket) => void socket.writerUnsafe.writeUnsafe(new TextEncoder().encode("no TLS here")))
      )
      const dialer = yield* Dialer
      const socket = yield* dialer.dial(listening.address)
      const reader = yield* socket.reader
      const error = yield* Effect.flip(reader.upgrade({ servername: "localhost", ca }))
      assert.strictEqual(error.reason._tag, "SocketUpgradeError")
    }).pipe(Effect.provide(Tcp.layer({ port: 0 })))
  )
})
