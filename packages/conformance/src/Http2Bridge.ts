/**
 * Carries the connections of the suite over HTTP/2 (RFC 8441), because the suite speaks only HTTP/1.1. Each connection
 * becomes a stream of one session. The bridge translates the handshake and relays all bytes after it, so the suite
 * sees every byte that our end sends.
 *
 * Both ends of the stream use our transport: the bridge to our server is an HTTP/2 client, and the bridge to the suite
 * is an HTTP/2 server.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"
import { Dialer, Tcp, Tls } from "effect-ws"
import * as HandshakeKey from "effect-ws/HandshakeKey"
import * as HeaderFields from "effect-ws/HeaderFields"
import * as Http2Head from "effect-ws/Http2Head"
import * as Http2Session from "effect-ws/Http2Session"
import * as HttpHead from "effect-ws/HttpHead"
import * as Push from "effect-ws/Push"
import { hash, randomBytes } from "node:crypto"
import { ConformanceError } from "./ConformanceError.ts"
import * as Relay from "./Relay.ts"

const handshakeFields = new Set(["sec-websocket-version", "sec-websocket-extensions", "sec-websocket-protocol"])

/** Returns the handshake fields that mean the same over HTTP/1.1 and HTTP/2. */
const common = (headers: HeaderFields.HeaderFields): HeaderFields.HeaderFields =>
  headers.filter(({ name }) => handshakeFields.has(name.toLowerCase()))

const sha1: HandshakeKey.Sha1 = (text) => hash("sha1", text, "base64")

const parse = (address: string): Dialer.DialAddress => {
  const colon = address.lastIndexOf(":")
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) }
}

/** Serves each accepted socket until the Scope closes. Returns the address as `HOST:PORT`. */
const listen = Effect.fnUntraced(
  function* <E>(
    layer: Layer.Layer<SocketServer.SocketServer, SocketServer.SocketServerError>,
    serve: (socket: Socket.Socket) => Effect.Effect<void, E, Scope.Scope>
  ) {
    const server = Context.get(yield* Layer.build(layer), SocketServer.SocketServer)
    // If a connection fails, the suite reports the case as failed.
    yield* Effect.forkScoped(server.run((socket) => Effect.ignore(Effect.scoped(serve(socket)))))
    return Dialer.formatAddress(server.address)
  },
  Effect.mapError(({ message }) => new ConformanceError({ message: `the bridge cannot listen: ${message}` }))
)

/**
 * Lets the suite, as a client, connect to our HTTP/2 server with TLS at `address`, whose certificate is `ca`. Returns
 * the address of the bridge.
 */
export const toServer = Effect.fnUntraced(function* (
  address: string,
  ca: string
): Effect.fn.Return<string, ConformanceError, Scope.Scope> {
  const dialer = Context.get(yield* Layer.build(Tls.layerDialer({ ca, alpnProtocols: ["h2"] })), Dialer.Dialer)
  const session = yield* Effect.gen(function* () {
    const socket = yield* dialer.dial(parse(address))
    return yield* Http2Session.connect(yield* socket.reader, address)
  }).pipe(Effect.mapError(({ message }) => new ConformanceError({ message: `the bridge cannot connect: ${message}` })))
  return yield* listen(
    Tcp.layerServer({ port: 0 }),
    Effect.fnUntraced(function* (socket) {
      const near = yield* Relay.open(socket)
      const { head, rest } = yield* Relay.readHead("request", near)
      const answer = Deferred.makeUnsafe<Http2Session.ResponseHead>()
      const fields = Http2Head.toFields({
        method: "CONNECT",
        protocol: "websocket",
        scheme: "https",
        authority: "localhost",
        path: head.target,
        headers: common(head.headers)
      })
      const stream = yield* session.request(fields, (response) => Deferred.doneUnsafe(answer, Effect.succeed(response)))
      const far = yield* Relay.open(stream)
      const { headers, status } = yield* Deferred.await(answer)
      const key = HeaderFields.get(head.headers, "Sec-WebSocket-Key") ?? ""
      const opened = [
        { name: "Upgrade", value: "websocket" },
        { name: "Connection", value: "Upgrade" },
        { name: "Sec-WebSocket-Accept", value: HandshakeKey.acceptFor(key, sha1) }
      ]
      const response = {
        version: "HTTP/1.1",
        status: status === 200 ? 101 : status,
        reason: "",
        headers: status === 200 ? [...opened, ...common(headers)] : [{ name: "Connection", value: "close" }]
      } as const
      yield* near.writer.write(yield* Effect.fromResult(HttpHead.encodeResponse(response)))
      yield* far.writer.writeAll(rest)
      yield* Relay.run(near, far)
    })
  )
})

/** Lets our client connect over HTTP/2 to the suite, a server at `address`. Returns the address of the bridge. */
export const toSuite = Effect.fnUntraced(function* (
  address: string
): Effect.fn.Return<string, ConformanceError, Scope.Scope> {
  const dialer = Context.get(yield* Layer.build(Tcp.layerDialer()), Dialer.Dialer)
  return yield* listen(
    Tcp.layerServer({ port: 0, http2: true }),
    Effect.fnUntraced(function* (socket) {
      const { head, respond } = Push.parsedUpgrade(socket) ?? {}
      if (head === undefined || respond === undefined) return
      const request = yield* Effect.fromResult(Http2Head.fromFields(head.headers))
      const near = yield* Relay.open(socket)
      const far = yield* Relay.open(yield* dialer.dial(parse(address)))
      const upgrade = {
        method: "GET",
        target: request.path ?? "/",
        version: "HTTP/1.1",
        headers: [
          { name: "Host", value: address },
          { name: "Upgrade", value: "websocket" },
          { name: "Connection", value: "Upgrade" },
          { name: "Sec-WebSocket-Key", value: HandshakeKey.fromRandom(randomBytes(16)) },
          ...common(request.headers)
        ]
      } as const
      yield* far.writer.write(yield* Effect.fromResult(HttpHead.encodeRequest(upgrade)))
      const { head: response, rest } = yield* Relay.readHead("response", far)
      if (response.status !== 101) return respond(response.status, [], new Uint8Array(0))
      respond(200, Http2Head.withoutConnectionFields(common(response.headers)), undefined)
      yield* near.writer.writeAll(rest)
      yield* Relay.run(near, far)
    })
  )
})
