/**
 * The header of the PROXY protocol on listening sockets: TCP, TLS behind it, and Unix.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Queue } from "effect"
import type { Scope } from "effect"
import type * as NetAddress from "effect/net/NetAddress"
import type { SocketServer } from "effect/socket/SocketServer"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import * as NodeTls from "node:tls"
import { formatAddress, hostPort } from "../src/Dialer.ts"
import { peerInfo } from "../src/Push.ts"
import type { PushSocket } from "../src/Push.ts"
import { PushSocketServer } from "../src/PushSocketServer.ts"
import type { Arrival } from "../src/PushSocketServer.ts"
import * as Tcp from "../src/Tcp.ts"
import * as Tls from "../src/Tls.ts"
import * as Unix from "../src/Unix.ts"
import { ca, server as identity } from "./certificates.ts"

const line = "PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n"
const binary = Buffer.from("0d0a0d0a000d0a515549540a2111000cc0000201c6336401126701bb", "hex")
const unknown = "PROXY UNKNOWN\r\n"

const directory = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-ws-proxy-"))
process.once("exit", () => Fs.rmSync(directory, { recursive: true, force: true }))
let count = 0

const dial = Effect.gen(function* () {
  const { address } = yield* PushSocketServer
  const socket = Net.connect("path" in address ? { path: address.path } : hostPort(address as NetAddress.InetAddress))
  yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
  const closed = Effect.callback<void>((resume) => {
    if (socket.destroyed) return resume(Effect.void)
    socket.on("error", () => {})
    socket.on("close", () => resume(Effect.void))
    socket.resume()
  })
  return { socket, closed }
})

/** What the server accepts. */
const accepting = Effect.gen(function* () {
  const { accept } = yield* PushSocketServer
  const sockets = yield* Queue.unbounded<PushSocket>()
  const arrivals = yield* Queue.unbounded<Arrival>()
  yield* Effect.forkScoped(
    accept(
      (socket) => {
        Queue.offerUnsafe(sockets, socket)
      },
      { onArrival: () => {}, onIdentity: (arrival) => void Queue.offerUnsafe(arrivals, arrival), onDeparture: () => {} }
    ),
    { startImmediately: true }
  )
  return { next: Queue.take(sockets), arrival: Queue.take(arrivals), size: Queue.size(sockets) }
})

const ends = (socket: PushSocket) => {
  const { localAddress, remoteAddress, secure } = peerInfo(socket)!
  return {
    remote: remoteAddress === undefined ? undefined : formatAddress(remoteAddress),
    local: localAddress === undefined ? undefined : formatAddress(localAddress),
    secure
  }
}

/** Reads so many bytes. */
const readText = (socket: PushSocket, length: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { pull } = yield* socket.reader
      let text = ""
      while (text.length < length) text += (yield* pull).map((chunk) => Buffer.from(chunk as Uint8Array)).join("")
      return text
    })
  )

const test = <E>(
  name: string,
  layer: Layer.Layer<SocketServer | PushSocketServer, E>,
  program: Effect.Effect<void, unknown, PushSocketServer | SocketServer | Scope.Scope>
): void => {
  it.live(name, () => program.pipe(Effect.scoped, Effect.provide(Layer.fresh(layer))), 10_000)
}

const tcp = (proxyProtocol: Tcp.ServerOptions["proxyProtocol"], more?: Partial<Tcp.ServerOptions>) =>
  Tcp.layerServer({ port: 0, proxyProtocol, ...more })

describe("a TCP server with proxyProtocol", () => {
  for (const [name, header] of [
    ["version 1", line],
    ["version 2", binary]
  ] as const) {
    test(
      `tells the addresses of the header, and reads on behind it: ${name}`,
      tcp(true),
      Effect.gen(function* () {
        const { next } = yield* accepting
        for (const pieces of [[Buffer.concat([Buffer.from(header), Buffer.from("hello")])], [header, "hello"]]) {
          const { socket } = yield* dial
          socket.setNoDelay(true)
          for (const piece of pieces)
            yield* Effect.callback<void>((resume) => void socket.write(piece, () => resume(Effect.void)))
          const accepted = yield* next
          assert.deepStrictEqual(ends(accepted), { remote: "192.0.2.1:4711", local: "198.51.100.1:443", secure: false })
          assert.strictEqual(yield* readText(accepted, 5), "hello")
        }
      })
    )
  }

  test(
    "reads a header that comes byte by byte",
    tcp(true),
    Effect.gen(function* () {
      const { next } = yield* accepting
      const { socket } = yield* dial
      socket.setNoDelay(true)
      for (const byte of line) {
        yield* Effect.callback<void>((resume) => void socket.write(byte, () => resume(Effect.void)))
      }
      socket.end("hello")
      const accepted = yield* next
      assert.strictEqual(ends(accepted).remote, "192.0.2.1:4711")
      assert.strictEqual(yield* readText(accepted, 5), "hello")
    })
  )

  test(
    "keeps the addresses of the connection where the proxy does not say others",
    tcp(true),
    Effect.gen(function* () {
      const { next } = yield* accepting
      const { socket } = yield* dial
      socket.write(unknown)
      assert.strictEqual(ends(yield* next).remote, `127.0.0.1:${socket.localPort}`)
    })
  )

  for (const [name, bytes] of [
    ["without a header", "GET / HTTP/1.1\r\n\r\n"],
    ["with a malformed one", "PROXY TCP4 192.0.2.1\r\n"]
  ] as const) {
    test(
      `drops a connection ${name}, and goes on`,
      tcp(true),
      Effect.gen(function* () {
        const { next, size } = yield* accepting
        const { closed, socket } = yield* dial
        socket.write(bytes)
        yield* closed
        const other = yield* dial
        other.socket.write(line)
        yield* next
        assert.strictEqual(yield* size, 0)
      })
    )
  }

  test(
    "drops a connection that ends, or is reset, before its header is complete",
    tcp(true),
    Effect.gen(function* () {
      const { next, size } = yield* accepting
      const half = yield* dial
      half.socket.end(line.slice(0, 10))
      yield* half.closed
      const reset = yield* dial
      yield* Effect.callback<void>((resume) => void reset.socket.write("PROXY", () => resume(Effect.void)))
      reset.socket.resetAndDestroy()
      const other = yield* dial
      other.socket.write(line)
      yield* next
      assert.strictEqual(yield* size, 0)
    })
  )

  test(
    "drops a connection whose header does not come in time",
    tcp({ headerTimeout: "50 millis" }),
    Effect.gen(function* () {
      yield* accepting
      const { closed, socket } = yield* dial
      socket.write("PROXY ")
      yield* closed
    })
  )

  test(
    "drops the connection that waits longest where too many wait for their header",
    tcp({ headerTimeout: "1 minute" }, { maxPending: 2 }),
    Effect.gen(function* () {
      const { next } = yield* accepting
      const peers = [yield* dial, yield* dial, yield* dial]
      yield* peers[0]!.closed
      for (const { socket } of peers.slice(1)) socket.write(line)
      yield* next
      yield* next
    })
  )

  test(
    "takes the header from trusted proxies alone",
    tcp({ trustedProxies: ["10.0.0.0/8"] }),
    Effect.gen(function* () {
      const { size } = yield* accepting
      const { closed, socket } = yield* dial
      socket.write(line)
      yield* closed
      assert.strictEqual(yield* size, 0)
    })
  )

  test(
    "takes it from those that are",
    tcp({ trustedProxies: ["127.0.0.0/8"] }),
    Effect.gen(function* () {
      const { next } = yield* accepting
      const { socket } = yield* dial
      socket.write(line)
      assert.strictEqual(ends(yield* next).remote, "192.0.2.1:4711")
    })
  )

  it.live("does not start with a trusted proxy that is no address", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(Layer.build(tcp({ trustedProxies: ["proxy.example"] }))))
      assert.include(error.message, "trustedProxies[0]: expected an IP address")
    })
  )

  it.live("drops those that wait for their header when it stops", () =>
    Effect.gen(function* () {
      const waiting = yield* Effect.provide(
        Effect.tap(dial, ({ socket }) =>
          Effect.callback<void>((resume) => void socket.write("PROXY", () => resume(Effect.void)))
        ),
        Layer.fresh(tcp({ headerTimeout: "1 minute" }))
      )
      yield* waiting.closed
    }).pipe(Effect.scoped)
  )
})

test(
  "a TCP server without proxyProtocol takes the header for data",
  tcp(false),
  Effect.gen(function* () {
    const { next } = yield* accepting
    const { socket } = yield* dial
    socket.write(line)
    const accepted = yield* next
    assert.strictEqual(ends(accepted).remote, `127.0.0.1:${socket.localPort}`)
    assert.strictEqual(yield* readText(accepted, line.length), line)
  })
)

describe("a TLS server with proxyProtocol", () => {
  const layer = Tls.layerServer({ ...identity, port: 0, proxyProtocol: true })

  for (const [name, coalesced] of [
    ["in a segment of its own", false],
    ["in one segment with the ClientHello", true]
  ] as const) {
    test(
      `reads the header before the ClientHello: ${name}`,
      layer,
      Effect.gen(function* () {
        const { arrival, next } = yield* accepting
        const { socket } = yield* dial
        socket.setNoDelay(true)
        if (coalesced) socket.cork()
        socket.write(binary)
        if (!coalesced) {
          const arrived = yield* arrival
          assert.strictEqual(formatAddress(arrived.remoteAddress!), "192.0.2.1:4711")
          assert.isFalse(arrived.hasSent)
        }
        const secured = NodeTls.connect({ socket, ca, servername: "localhost" })
        secured.on("error", () => {})
        if (coalesced) setImmediate(() => socket.uncork())
        secured.write("hello")
        const accepted = yield* next
        assert.deepStrictEqual(ends(accepted), { remote: "192.0.2.1:4711", local: "198.51.100.1:443", secure: true })
        assert.strictEqual(peerInfo(accepted)!.serverName, "localhost")
        assert.strictEqual(yield* readText(accepted, 5), "hello")
      })
    )
  }

  test(
    "drops a health check that ends behind its header, and goes on",
    layer,
    Effect.gen(function* () {
      const { next, size } = yield* accepting
      for (const header of [line, unknown]) {
        const { closed, socket } = yield* dial
        socket.end(header)
        // The time of the TLS handshake would be 10 seconds.
        yield* Effect.timeout(closed, "5 seconds")
      }
      assert.strictEqual(yield* size, 0)
      const { socket } = yield* dial
      socket.write(line)
      const secured = NodeTls.connect({ socket, ca, servername: "localhost" })
      secured.on("error", () => {})
      yield* next
    })
  )

  test(
    "drops a ClientHello without a header",
    layer,
    Effect.gen(function* () {
      const { size } = yield* accepting
      const { closed, socket } = yield* dial
      const secured = NodeTls.connect({ socket, ca, servername: "localhost" })
      secured.on("error", () => {})
      yield* closed
      assert.strictEqual(yield* size, 0)
    })
  )
})

describe("a server at a path with proxyProtocol", () => {
  for (const [trustedProxies, trusted] of [
    [["unix"], true],
    [["127.0.0.1"], false]
  ] as const) {
    test(
      `${trusted ? "takes the header" : "drops the connection"} where it trusts ${trustedProxies[0]}`,
      Layer.unwrap(
        Effect.sync(() =>
          Unix.layerServer({ path: Path.join(directory, `${++count}.sock`), proxyProtocol: { trustedProxies } })
        )
      ),
      Effect.gen(function* () {
        const { next } = yield* accepting
        const { closed, socket } = yield* dial
        socket.write(line)
        if (trusted) assert.strictEqual(ends(yield* next).remote, "192.0.2.1:4711")
        else yield* closed
      })
    )
  }
})
