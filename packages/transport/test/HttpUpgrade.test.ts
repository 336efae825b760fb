/**
 * Upgrades of a `node:http` server as sockets: which are taken, what comes with them, what becomes of the others.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Logger, Queue, Redacted, Scope } from "effect"
import type * as NetAddress from "effect/net/NetAddress"
import { SocketServer } from "effect/socket"
import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"
import * as NodeTls from "node:tls"
import { hostPort } from "../src/Dialer.ts"
import * as HttpUpgrade from "../src/HttpUpgrade.ts"
import type { PushSocket } from "../src/Push.ts"
import { parsedUpgrade, peerInfo } from "../src/Push.ts"
import { PushSocketServer } from "../src/PushSocketServer.ts"
import { ca, server as identity } from "./certificates.ts"

const page: Http.RequestListener = (_, response) => void response.end("a page\n")

const listening = <Server extends Net.Server>(server: Server): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    () => Effect.sync(() => server.close())
  )

const portOf = (server: Net.Server): number => (server.address() as Net.AddressInfo).port

const upgradeTo = (target: string, ...more: ReadonlyArray<string>): string =>
  [`GET ${target} HTTP/1.1`, "Host: a", "Connection: Upgrade", "Upgrade: websocket", ...more, "", ""].join("\r\n")

/** A client that speaks bytes. */
const dial = (port: number): Effect.Effect<Net.Socket, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Net.Socket>((resume) => {
      const client = Net.connect({ port, host: "127.0.0.1", allowHalfOpen: true })
      client.on("error", () => {})
      client.once("connect", () => resume(Effect.succeed(client)))
    }),
    (client) => Effect.sync(() => client.destroy())
  )

/** Everything that arrives up to the end of the stream. */
const answer = (client: Net.Socket): Effect.Effect<string> =>
  Effect.callback((resume) => {
    let text = ""
    client.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")))
    const done = (): void => resume(Effect.succeed(text))
    client.on("end", done)
    client.on("close", done)
  })

/** The first line of the answer to a request. */
const statusOf = (port: number, text: string): Effect.Effect<string> =>
  Effect.gen(function* () {
    const client = yield* dial(port)
    const answered = yield* Effect.forkChild(answer(client), { startImmediately: true })
    client.write(text)
    return (yield* Fiber.join(answered)).split("\r\n")[0]!
  }).pipe(Effect.scoped)

/** Takes the upgrades of a server for as long as the Scope is open. */
const take = Effect.fnUntraced(function* (server: HttpUpgrade.HttpServer, options?: HttpUpgrade.ServerOptions) {
  const services = yield* Layer.build(HttpUpgrade.layerServer(server, options))
  const accepted = yield* Queue.unbounded<PushSocket>()
  const { accept, stopAccepting } = Context.get(services, PushSocketServer)
  const taking = yield* Effect.forkScoped(
    accept((socket) => Queue.offerUnsafe(accepted, socket)),
    { startImmediately: true }
  )
  yield* Effect.addFinalizer(() =>
    Effect.map(Queue.clear(accepted), (sockets) => sockets.forEach((socket) => socket.writerUnsafe.destroy()))
  )
  return { services, accepted, taking, stopAccepting }
})

/** Answers with the name of who took it, and closes. */
const sign = (accepted: Queue.Queue<PushSocket>, name: string): Effect.Effect<void> =>
  Effect.forever(
    Effect.map(Queue.take(accepted), (socket) => {
      socket.writerUnsafe.writeUnsafe(new TextEncoder().encode(`HTTP/1.1 299 ${name}\r\n\r\n`))
      socket.close()
    })
  )

describe("HttpUpgrade", { timeout: 10_000 }, () => {
  it.live("gives the request as it was sent, and what came behind it", () =>
    Effect.gen(function* () {
      const server = yield* listening(Http.createServer(page))
      const { accepted, services } = yield* take(server)
      const client = yield* dial(portOf(server))
      client.write(Buffer.from(`${upgradeTo("/a?b=c", "X-Twice: 1", "x-twice: 2", "X-Bytes: \xff")}early`, "latin1"))
      const socket = yield* Queue.take(accepted)
      const { head } = parsedUpgrade(socket)!
      assert.deepStrictEqual([head.method, head.target, head.version], ["GET", "/a?b=c", "HTTP/1.1"])
      assert.deepStrictEqual(head.headers.slice(-3), [
        { name: "X-Twice", value: "1" },
        { name: "x-twice", value: "2" },
        { name: "X-Bytes", value: "\xff" }
      ])
      const reader = yield* socket.reader
      assert.strictEqual(new TextDecoder().decode((yield* reader.pull)[0] as Uint8Array), "early")
      client.write("later")
      assert.strictEqual(new TextDecoder().decode((yield* reader.pull)[0] as Uint8Array), "later")

      // It is answered, once, and then forgotten.
      socket.writerUnsafe.writeUnsafe(Buffer.from("HTTP/1.1 101 Switching Protocols\r\n\r\n"))
      assert.isUndefined(parsedUpgrade(socket))
      const remote = hostPort(peerInfo(socket)!.remoteAddress as NetAddress.InetAddress)
      assert.strictEqual(remote.port, client.localPort)
      assert.isFalse(peerInfo(socket)!.secure)
      const address = Context.get(services, SocketServer.SocketServer).address as NetAddress.InetAddress
      assert.strictEqual(hostPort(address).port, portOf(server))
    })
  )

  it.live("takes what paths and filter say, first come first served, and answers what no handler takes", () =>
    Effect.gen(function* () {
      const server = yield* listening(Http.createServer(page))
      const chat = yield* take(server, { paths: ["/chat"] })
      const api = yield* take(server, { filter: (request) => request.headers["x-version"] === "2" })
      yield* Effect.forkScoped(sign(chat.accepted, "chat"))
      yield* Effect.forkScoped(sign(api.accepted, "api"))
      const status = (text: string) => statusOf(portOf(server), text)
      assert.strictEqual(yield* status(upgradeTo("/chat?room=1")), "HTTP/1.1 299 chat")
      assert.strictEqual(yield* status(upgradeTo("http://a/chat")), "HTTP/1.1 299 chat")
      assert.strictEqual(yield* status(upgradeTo("/chat", "X-Version: 2")), "HTTP/1.1 299 chat")
      assert.strictEqual(yield* status(upgradeTo("/else", "X-Version: 2")), "HTTP/1.1 299 api")
      assert.strictEqual(yield* status(upgradeTo("/else")), "HTTP/1.1 404 Not Found")
      assert.strictEqual(yield* status(upgradeTo("/chat/")), "HTTP/1.1 404 Not Found")
      const other = upgradeTo("/chat").replace("websocket", "h2c")
      assert.strictEqual(yield* status(other), "HTTP/1.1 200 OK", "an ordinary request")
      const withBody = other.replace("\r\n\r\n", "\r\nContent-Length: 3\r\n\r\n")
      assert.strictEqual(yield* status(withBody), "HTTP/1.1 426 Upgrade Required")
      assert.strictEqual(yield* status("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), "HTTP/1.1 200 OK")
    })
  )

  it.live("answers completely, and drops a client that does not", () =>
    Effect.gen(function* () {
      const server = yield* listening(Http.createServer(page))
      yield* take(server, { paths: [] })
      const client = yield* dial(portOf(server))
      const answered = yield* Effect.forkChild(answer(client), { startImmediately: true })
      const connections = Effect.callback<number>((resume) => {
        server.getConnections((_, count) => resume(Effect.succeed(count)))
      })
      client.write(upgradeTo("/"))
      const text = yield* Fiber.join(answered)
      assert.match(text, /^HTTP\/1\.1 404 Not Found\r\nConnection: close\r\n/)
      assert.include(text, "\r\nContent-Length: 31\r\n\r\nnothing is served at this path\n")
      // The client keeps its half open.
      yield* Effect.sleep("2500 millis")
      assert.strictEqual(yield* connections, 0)
    })
  )

  it.live("leaves to other listeners what it does not want", () =>
    Effect.gen(function* () {
      const server = yield* listening(Http.createServer(page))
      const { accepted } = yield* take(server, { paths: ["/ours"] })
      yield* Effect.forkScoped(sign(accepted, "ours"))
      server.on("upgrade", (request, stream) => {
        if (request.url !== "/ours") stream.end("HTTP/1.1 299 theirs\r\n\r\n")
      })
      assert.strictEqual(yield* statusOf(portOf(server), upgradeTo("/ours")), "HTTP/1.1 299 ours")
      assert.strictEqual(yield* statusOf(portOf(server), upgradeTo("/theirs")), "HTTP/1.1 299 theirs")
    })
  )

  it.live("answers 500 where the filter throws, and logs it", () => {
    const logged: Array<unknown> = []
    return Effect.gen(function* () {
      const server = yield* listening(Http.createServer(page))
      yield* take(server, {
        filter: () => {
          throw new Error("a bug")
        }
      })
      assert.strictEqual(yield* statusOf(portOf(server), upgradeTo("/")), "HTTP/1.1 500 Internal Server Error")
      assert.include(String(logged), "The filter of upgrades failed")
    }).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => logged.push(message))])))
  })

  it.live("keeps upgrades that come before anyone accepts, up to maxPending, and refuses more with 503", () =>
    Effect.gen(function* () {
      const server = yield* listening(Http.createServer(page))
      const scope = yield* Scope.make()
      const services = yield* Layer.build(HttpUpgrade.layerServer(server, { maxPending: 2 })).pipe(
        Effect.provideService(Scope.Scope, scope)
      )
      const clients = yield* Effect.forEach([1, 2], (n) =>
        Effect.tap(dial(portOf(server)), (client) => Effect.sync(() => client.write(upgradeTo(`/${n}`))))
      )
      yield* Effect.sleep("50 millis")
      assert.strictEqual(yield* statusOf(portOf(server), upgradeTo("/3")), "HTTP/1.1 503 Service Unavailable")
      const accepted = yield* Queue.unbounded<PushSocket>()
      const fiber = yield* Effect.forkChild(
        Context.get(services, PushSocketServer).accept((socket) => Queue.offerUnsafe(accepted, socket))
      )
      const first = yield* Queue.take(accepted)
      assert.strictEqual(parsedUpgrade(first)!.head.target, "/1")
      yield* Fiber.interrupt(fiber)

      // Closing the Scope takes the listener away: an upgrade is an ordinary request again.
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(server.listenerCount("upgrade"), 0)
      const client = yield* dial(portOf(server))
      const answered = yield* Effect.forkChild(answer(client), { startImmediately: true })
      client.end(upgradeTo("/"))
      assert.match(yield* Fiber.join(answered), /^HTTP\/1\.1 200 OK\r\n/)
      assert.isTrue(server.listening)
      assert.isFalse(first.isClosed, "what was accepted stays open")
      clients.forEach((client) => client.destroy())
    })
  )

  it.live("refuses where Node may have dropped fields without a word", () =>
    Effect.gen(function* () {
      const server = yield* listening(Http.createServer(page))
      server.maxHeadersCount = 8
      const { accepted } = yield* take(server)
      yield* Effect.forkScoped(sign(accepted, "ours"))
      const fields = Array.from({ length: 8 }, (_, n) => `X-${n}: ${n}`)
      assert.strictEqual(yield* statusOf(portOf(server), upgradeTo("/", ...fields.slice(4))), "HTTP/1.1 299 ours")
      assert.strictEqual(
        yield* statusOf(portOf(server), upgradeTo("/", ...fields, "Host: b")),
        "HTTP/1.1 431 Request Header Fields Too Large"
      )
    })
  )

  it.live("drops an upgrade behind a request that is not answered yet", () =>
    Effect.gen(function* () {
      const server = yield* listening(Http.createServer(() => {}))
      const { accepted } = yield* take(server)
      const client = yield* dial(portOf(server))
      const answered = yield* Effect.forkChild(answer(client), { startImmediately: true })
      client.write(`GET /slow HTTP/1.1\r\nHost: a\r\n\r\n${upgradeTo("/")}`)
      assert.strictEqual(yield* Fiber.join(answered), "")
      assert.isTrue((yield* Queue.take(accepted)).isClosed)
    })
  )

  it.live("survives resets between the request and its answer, whichever side has the socket", () =>
    Effect.gen(function* () {
      const server = yield* listening(Http.createServer(page))
      const { accepted } = yield* take(server, { paths: ["/taken"] })
      server.on("upgrade", () => {}) // takes, and never answers
      const port = portOf(server)
      yield* Effect.forEach(
        Array.from({ length: 200 }, (_, n) => (n % 2 === 0 ? "/taken" : "/left")),
        (target) =>
          Effect.scoped(
            Effect.gen(function* () {
              const client = yield* dial(port)
              client.write(upgradeTo(target))
              if (target === "/taken") yield* Queue.take(accepted)
              client.resetAndDestroy()
            })
          ),
        { concurrency: 8, discard: true }
      )
      yield* Effect.sleep("50 millis")
      const client = yield* dial(port)
      client.write(upgradeTo("/taken"))
      assert.isFalse((yield* Queue.take(accepted)).isClosed)
    })
  )

  it.live("is built when the server listens, and fails where it cannot", () =>
    Effect.gen(function* () {
      const server = Http.createServer(page)
      const building = yield* Effect.forkScoped(Effect.exit(take(server)), { startImmediately: true })
      assert.isUndefined(building.pollUnsafe())
      yield* listening(server)
      const { services } = yield* Fiber.join(building).pipe(Effect.flatten)
      const address = Context.get(services, PushSocketServer).address as NetAddress.InetAddress
      assert.strictEqual(hostPort(address).port, portOf(server))

      const second = Http.createServer(page)
      const failing = yield* Effect.forkScoped(Effect.flip(take(second)), { startImmediately: true })
      second.listen(portOf(server), "127.0.0.1")
      assert.include((yield* Fiber.join(failing)).message, "EADDRINUSE")
    })
  )

  it.live("knows the peer of an https server, and sends to one that has ended its half", () =>
    Effect.gen(function* () {
      const server = yield* listening(
        Https.createServer({ cert: identity.cert as string, key: Redacted.value(identity.key) as string }, page)
      )
      const { accepted } = yield* take(server)
      const client = yield* Effect.acquireRelease(
        Effect.callback<NodeTls.TLSSocket>((resume) => {
          const options: NodeTls.ConnectionOptions & Net.SocketConstructorOpts = {
            port: portOf(server),
            host: "127.0.0.1",
            ca,
            servername: "localhost",
            allowHalfOpen: true
          }
          const client = NodeTls.connect(options, () => resume(Effect.succeed(client)))
        }),
        (client) => Effect.sync(() => client.destroy())
      )
      const answered = yield* Effect.forkChild(answer(client), { startImmediately: true })
      client.end(upgradeTo("/"))
      const socket = yield* Queue.take(accepted)
      const peer = peerInfo(socket)!
      assert.deepStrictEqual([peer.secure, peer.serverName], [true, "localhost"])
      const reader = yield* socket.reader
      assert.strictEqual((yield* Effect.flip(reader.pull)).reason._tag, "SocketCloseError")
      socket.writerUnsafe.writeUnsafe(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"))
      socket.close()
      assert.match(yield* Fiber.join(answered), /^HTTP\/1\.1 400 /)
    })
  )

  it.live("lets upgrades to other protocols be ordinary requests", () =>
    Effect.gen(function* () {
      const server = yield* listening(
        Http.createServer({ shouldUpgradeCallback: HttpUpgrade.isWebSocketUpgrade }, page)
      )
      const { accepted } = yield* take(server)
      yield* Effect.forkScoped(sign(accepted, "ours"))
      const client = yield* dial(portOf(server))
      const answered = yield* Effect.forkChild(answer(client), { startImmediately: true })
      client.end(upgradeTo("/").replace("websocket", "h2c"))
      assert.match(yield* Fiber.join(answered), /^HTTP\/1\.1 200 OK\r\n[^]*a page/)
      assert.strictEqual(yield* statusOf(portOf(server), upgradeTo("/")), "HTTP/1.1 299 ours")
    })
  )

  it.live("tells of an end that came before anyone read", () =>
    Effect.gen(function* () {
      const server = yield* listening(Http.createServer(page))
      const { accepted } = yield* take(server)
      const client = yield* dial(portOf(server))
      client.end(upgradeTo("/"))
      const socket = yield* Queue.take(accepted)
      yield* Effect.sleep("50 millis")
      const ended = Effect.callback<void>((resume) => {
        socket.readerUnsafe.subscribe({
          onChunk() {},
          onDrain() {},
          onEnd: () => resume(Effect.void),
          onClose() {}
        })
      })
      yield* ended
    })
  )

  it.live("tells by fromUpgrade with which status it was answered, or that it was not", () =>
    Effect.gen(function* () {
      const server = yield* listening(Http.createServer(page))
      const told = yield* Queue.unbounded<number | undefined>()
      const left = yield* Queue.unbounded<PushSocket>()
      server.on("upgrade", (request, stream, head) => {
        const onAnswer = (status: number | undefined): void => void Queue.offerUnsafe(told, status)
        const socket = HttpUpgrade.fromUpgrade(request, stream, { head, onAnswer })
        if (request.url !== "/answered") return void Queue.offerUnsafe(left, socket)
        socket.writerUnsafe.writeUnsafe(Buffer.from("HTTP/1.1 403 Forbidden\r\n\r\n"))
        socket.close()
      })
      assert.strictEqual(yield* statusOf(portOf(server), upgradeTo("/answered")), "HTTP/1.1 403 Forbidden")
      assert.strictEqual(yield* Queue.take(told), 403)
      const client = yield* dial(portOf(server))
      client.write(upgradeTo("/left"))
      ;(yield* Queue.take(left)).writerUnsafe.destroy()
      assert.isUndefined(yield* Queue.take(told))
    })
  )
})
