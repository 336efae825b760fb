/**
 * Who the peer is, as the decision over the handshake and the handler see it: connected directly, over TLS, and behind
 * proxies that are trusted or not.
 */
import type * as Accept from "@effect-ws/connection/Accept"
import type { Connection } from "@effect-ws/connection/Connection"
import type * as Peer from "@effect-ws/connection/Peer"
import { formatAddress } from "@effect-ws/transport/Dialer"
import * as Tls from "@effect-ws/transport/Tls"
import * as Unix from "@effect-ws/transport/Unix"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Deferred, Effect, Exit, Layer, Option, Redacted } from "effect"
import * as Auth from "../src/Auth.ts"
import * as WebSocketServer from "../src/WebSocketServer.ts"
import { network } from "@effect-ws/test-peers/InMemory"
import { captureLogs, connect, echo, echoHandlers } from "@effect-ws/test-peers/Programs"
import * as RawPeer from "@effect-ws/test-peers/RawPeer"
import { requestHead } from "@effect-ws/test-peers/RawPeer"
import { certificate, route, socketPath, upgrades } from "./support/transports.ts"
import { start } from "./support/variants.ts"
import { ways } from "./support/ways.ts"

const describePeer = ({ authorized, peerCertificate, proxy, remoteAddress, secure }: Peer.Peer) => ({
  address: remoteAddress === undefined ? undefined : formatAddress(remoteAddress).replace(/:\d{5}$/, ":*"),
  secure,
  authorized,
  certificate: peerCertificate?.subject.CN,
  proxy: proxy === undefined ? undefined : { authorized: proxy.authorized }
})

/** A server that keeps what its decision and its handler see. */
const serve = Effect.fnUntraced(function* (options?: WebSocketServer.ServerOptions) {
  const decided = yield* Deferred.make<Accept.HandshakeRequest>()
  const opened = yield* Deferred.make<Connection>()
  const server = yield* start(
    WebSocketServer.layer((connection) => Effect.andThen(Deferred.succeed(opened, connection), echo(connection)), {
      ...options,
      decide: (request) => Effect.as(Deferred.succeed(decided, request), {})
    })
  )
  return { server, decided: Deferred.await(decided), opened: Deferred.await(opened) }
})

/** Asks with headers; gives the status, and what was seen where it is 101. */
const ask = Effect.fnUntraced(function* (
  headers: Readonly<Record<string, string>>,
  options?: WebSocketServer.ServerOptions
) {
  const { decided, opened, server } = yield* serve(options)
  const peer = yield* RawPeer.dial(server.address)
  yield* peer.send(requestHead(headers))
  const { status } = yield* peer.head
  if (status !== 101) return { status }
  const request = yield* decided
  const connection = yield* opened
  assert.deepStrictEqual(describePeer(connection.peer), describePeer(request.peer))
  assert.strictEqual(connection.remoteAddress, connection.peer.remoteAddress)
  return { status, ...describePeer(connection.peer), host: connection.request.host }
})

const local = ["127.0.0.0/8"]

describe("a decision and a handler", () => {
  it.effect("see the address of a peer that is connected directly, whatever it claims", () =>
    Effect.gen(function* () {
      const claims = { "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "a.example" }
      for (const trustedProxies of [undefined, [], ["10.0.0.0/8", "unix"]]) {
        assert.deepStrictEqual(yield* Effect.scoped(ask(claims, { trustedProxies })), {
          status: 101,
          address: "127.0.0.1:*",
          secure: false,
          authorized: false,
          certificate: undefined,
          proxy: undefined,
          host: "localhost"
        })
      }
    }).pipe(Effect.provide(network))
  )

  for (const [forwardedHeaders, headers] of [
    [
      "X-Forwarded",
      { "X-Forwarded-For": "203.0.113.9, 192.0.2.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "a.example" }
    ],
    ["Forwarded", { Forwarded: "for=203.0.113.9, for=192.0.2.1;proto=https;host=a.example" }]
  ] as const) {
    it.effect(`see the client that a trusted proxy forwards for: ${forwardedHeaders}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* ask(headers, { trustedProxies: local, forwardedHeaders }), {
          status: 101,
          address: "192.0.2.1:0",
          secure: true,
          authorized: false,
          certificate: undefined,
          proxy: { authorized: false },
          host: "a.example"
        })
      }).pipe(Effect.provide(network))
    )
  }

  it.effect("see the proxy where what it says makes no sense, and the connection opens", () =>
    Effect.gen(function* () {
      const headers = { "X-Forwarded-For": "nonsense", "X-Forwarded-Proto": "?", "X-Forwarded-Host": "a b" }
      assert.deepInclude(yield* ask(headers, { trustedProxies: local }), {
        status: 101,
        address: "127.0.0.1:*",
        secure: false,
        host: "localhost"
      })
    }).pipe(Effect.provide(network))
  )

  it.effect("do not read the headers that the proxies were not said to set", () =>
    Effect.gen(function* () {
      const headers = { Forwarded: "for=192.0.2.1", "X-Forwarded-For": "192.0.2.2" }
      assert.deepInclude(yield* Effect.scoped(ask(headers, { trustedProxies: local })), { address: "192.0.2.2:0" })
      assert.deepInclude(yield* Effect.scoped(ask(headers, { trustedProxies: local, forwardedHeaders: "Forwarded" })), {
        address: "192.0.2.1:0"
      })
    }).pipe(Effect.provide(network))
  )

  for (const [name, layer] of [
    ["Unix", (path: string) => Unix.layerServer({ path })],
    ["HttpUpgrade", (path: string) => upgrades({ path })],
    ["WebSocketRoute", (path: string) => route({ path })]
  ] as const) {
    it.live(`see the client behind a proxy over a Unix socket that is trusted: ${name}`, () =>
      Effect.gen(function* () {
        const headers = { "X-Forwarded-For": "192.0.2.1" }
        const addresses = yield* Effect.forEach([["unix"], local, undefined], (trustedProxies) =>
          Effect.map(
            ask(headers, { trustedProxies }).pipe(
              Effect.scoped,
              Effect.provide(Layer.fresh(Layer.merge(layer(socketPath()), Unix.layerDialer())))
            ),
            (seen) => ("address" in seen ? seen.address : seen.status)
          )
        )
        assert.deepStrictEqual(addresses, ["192.0.2.1:0", undefined, undefined])
      }).pipe(Effect.provide(captureLogs([])))
    )
  }

  it.live("see the TLS identity of a peer, and not a proxy's in the place of its client's", () =>
    Effect.gen(function* () {
      const identity = { cert: certificate.cert, key: Redacted.make(certificate.key) }
      const layer = Tls.layer({
        server: { ...identity, port: 0, clientCa: certificate.cert },
        dialer: { ca: certificate.cert, identity, servername: "localhost" }
      })
      const see = (options: WebSocketServer.ServerOptions) =>
        Effect.gen(function* () {
          const { decided, opened, server } = yield* serve(options)
          yield* connect(server)
          const { peer } = yield* decided
          assert.strictEqual((yield* opened).peer.peerCertificate?.subject.CN, peer.peerCertificate?.subject.CN)
          return { ...describePeer(peer), alpn: peer.alpnProtocol, name: peer.serverName }
        }).pipe(Effect.scoped, Effect.provide(Layer.fresh(layer)))
      assert.deepStrictEqual(yield* see({}), {
        address: "127.0.0.1:*",
        secure: true,
        authorized: true,
        certificate: "localhost",
        proxy: undefined,
        alpn: "http/1.1",
        name: "localhost"
      })
      assert.deepStrictEqual(yield* see({ trustedProxies: local }), {
        address: "127.0.0.1:*",
        secure: true,
        authorized: false,
        certificate: undefined,
        proxy: { authorized: true },
        alpn: undefined,
        name: undefined
      })
    }).pipe(Effect.provide(captureLogs([])))
  )

  it.effect("see what authentication has found out, which a decision cannot replace", () =>
    Effect.gen(function* () {
      class User extends Context.Service<User, string>()("test/User") {}
      const policy: Auth.Policy<string> = ({ path, peer }) =>
        path === "/nobody"
          ? Effect.fail(Auth.unauthorized([], "who are you?"))
          : Effect.succeed(`user at ${formatAddress(peer.remoteAddress!)}`)
      const decide: Accept.Decide = (request) =>
        Effect.map(Auth.identity(request, User), (user) => {
          seen.push(user)
          return { context: Context.make(User, "somebody else") as Context.Context<never> }
        })
      const seen: Array<string> = []
      const headers = [{ name: "X-Forwarded-For", value: "192.0.2.1" }]
      const server = yield* start(
        WebSocketServer.layer(echo, {
          decide: Auth.required(policy, decide, { as: User }),
          trustedProxies: local
        })
      )
      yield* connect(server, { headers })
      const [connection] = yield* server.connections
      assert.deepStrictEqual(Context.getOption(connection!.context, User), Option.some("user at 192.0.2.1:0"))
      assert.match((yield* Effect.flip(connect(server, { target: "/nobody" }))).message, /401/)
      assert.deepStrictEqual(seen, ["user at 192.0.2.1:0"])
    }).pipe(Effect.provide(network))
  )

  it.effect("are asked after the checks of path and origin, in the order authentication, decision", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const server = yield* start(
        WebSocketServer.layer(echo, {
          paths: ["/chat"],
          decide: Auth.required(
            ({ path }) => Effect.sync(() => void asked.push(`authenticate ${path}`)),
            ({ path }) => Effect.sync(() => (asked.push(`decide ${path}`), {}))
          )
        })
      )
      assert.match((yield* Effect.flip(connect(server, { target: "/other" }))).message, /404/)
      const foreign = { target: "/chat", origin: "https://evil.example" }
      assert.match((yield* Effect.flip(connect(server, foreign))).message, /403/)
      assert.deepStrictEqual(asked, [])
      yield* connect(server, { target: "/chat" })
      assert.deepStrictEqual(asked, ["authenticate /chat", "decide /chat"])
    }).pipe(Effect.provide(network))
  )
})

for (const way of ways) {
  for (const kind of ["fiber", "queue"] as const) {
    it.live(`the peer is known to the decision and the handler over ${way.name}, ${kind}`, () =>
      Effect.gen(function* () {
        const see = Effect.fnUntraced(function* (options: WebSocketServer.ServerOptions) {
          const decided = yield* Deferred.make<Peer.Peer>()
          const opened = yield* Deferred.make<Peer.Peer>()
          const onOpen = (connection: Connection) => Deferred.succeed(opened, connection.peer)
          const address = yield* way.serve(
            kind,
            {
              fiber: (connection) => Effect.andThen(onOpen(connection), echo(connection)),
              queue: { ...echoHandlers, onOpen }
            },
            { ...options, decide: ({ peer }) => Effect.as(Deferred.succeed(decided, peer), {}) }
          )
          const peer = yield* RawPeer.dial(address)
          yield* peer.send(requestHead({ "X-Forwarded-For": "192.0.2.1" }))
          assert.strictEqual((yield* peer.head).status, 101)
          const seen = yield* decided.pipe(Deferred.await)
          assert.deepStrictEqual(describePeer(yield* Deferred.await(opened)), describePeer(seen))
          return seen
        }, Effect.scoped)
        const direct = yield* see({})
        assert.strictEqual(describePeer(direct).address, way.name === "Unix" ? undefined : "127.0.0.1:*")
        assert.deepStrictEqual(
          [direct.secure, direct.serverName, direct.alpnProtocol],
          way.secure ? [true, "localhost", "http/1.1"] : [false, undefined, undefined]
        )
        const forwarded = yield* see({ trustedProxies: [...local, "unix"] })
        assert.strictEqual(describePeer(forwarded).address, "192.0.2.1:0")
        assert.strictEqual(forwarded.proxy?.secure, way.secure)
      }).pipe(Effect.scoped, Effect.provide([way.dialer, captureLogs([])]))
    )
  }
}

describe("the check of the origin", () => {
  const page = { Origin: "https://a.example" }
  const forwarded = { "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "a.example" }

  for (const [name, headers, trustedProxies, status] of [
    ["takes the host that a trusted proxy says", { ...page, ...forwarded }, local, 101],
    ["does not take the host that a peer says which is not trusted", { ...page, ...forwarded }, undefined, 403],
    [
      "takes no page of plain HTTP where a trusted proxy says https",
      { ...forwarded, Origin: "http://a.example" },
      local,
      403
    ],
    [
      "takes no page of another host than the trusted proxy says",
      { ...forwarded, Origin: "https://b.example" },
      local,
      403
    ],
    [
      "takes no page of the host that the proxy dialed",
      { ...forwarded, Host: "inner", Origin: "https://inner" },
      local,
      403
    ]
  ] as const) {
    it.effect(name, () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* ask(headers, { trustedProxies })).status, status)
      }).pipe(Effect.provide(network))
    )
  }
})

describe("a server", () => {
  it.effect("does not start with a trusted proxy that is no address", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(serve({ trustedProxies: ["10.0.0.1/8"] }))
      assert.isTrue(Exit.isFailure(exit))
      if (Exit.isFailure(exit)) assert.match(Cause.pretty(exit.cause), /trustedProxies\[0\]: expected .*10\.0\.0\.1\/8/)
    }).pipe(Effect.provide(network))
  )
})
