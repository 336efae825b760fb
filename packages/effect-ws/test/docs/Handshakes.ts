/** Tests of what the pages show on what both ends agree on: who a client is, and extensions. */
import * as Client from "@effect-ws/client/Client"
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import * as ClientAuth from "@effect-ws/protocol/ClientAuth"
import type { HandshakeRejection } from "@effect-ws/protocol/HandshakeRejection"
import type { UpgradeRequest } from "@effect-ws/protocol/ServerHandshake"
import * as Auth from "@effect-ws/server/Auth"
import type { AuthNonces } from "@effect-ws/server/AuthNonces"
import * as WebSocketServer from "@effect-ws/server/WebSocketServer"
import * as Memory from "@effect-ws/transport/Memory"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as Pages from "../support/Pages.ts"
import * as Peers from "../support/Peers.ts"

export const covers: Pages.Covers = {
  "authentication-1": Pages.run(
    "lets in who knows the password, and greets them by name",
    Effect.gen(function* () {
      const { port } = yield* Pages.startServer("authentication-1", [["port: 8000", "port: 0"]])
      const connect = (user: string, options?: Client.ClientOptions) =>
        Effect.provide(Client.connect(`ws://${user}127.0.0.1:${port}/chat`, options), Client.layerDirect())
      for (const scheme of ["Digest", "Basic"] as const) {
        const connection = yield* connect("alice:wonderland@", { authSchemes: [scheme] })
        assert.strictEqual((yield* connection.receive).data, "hello alice")
      }
      for (const user of ["", "alice:rabbit@"]) assert.match((yield* Effect.flip(connect(user))).message, /401/)
    })
  ),
  "authentication-2": Pages.run(
    "is a policy that looks at a cookie",
    Effect.gen(function* () {
      const { session } = yield* Pages.load<{
        readonly session: (request: UpgradeRequest) => Effect.Effect<string, HandshakeRejection>
      }>("authentication-2", [
        [
          "declare const findSession: (cookie: string) => Effect.Effect<Option.Option<string>>",
          'const findSession = (cookie) => Effect.succeed(cookie === "s=1" ? Option.some("alice") : Option.none())'
        ]
      ])
      const request = (cookie: string) =>
        ({ headers: [{ name: "Cookie", value: cookie }] }) as unknown as UpgradeRequest
      assert.strictEqual(yield* session(request("s=1")), "alice")
      assert.strictEqual((yield* Effect.flip(session(request("s=2")))).status, 403)
    })
  ),
  "authentication-3": Pages.run(
    "is a memory of nonces that a server asks",
    Effect.gen(function* () {
      const { SharedNonces } = yield* Pages.load<{ readonly SharedNonces: Layer.Layer<AuthNonces> }>(
        "authentication-3",
        [
          [
            "declare const issueInStore: Effect.Effect<string>",
            'const issueInStore = Effect.succeed("from-the-store")'
          ],
          [
            "declare const useInStore: (nonce: string, count: number) => Effect.Effect<AuthNonces.NonceVerdict>",
            'const useInStore = (nonce, count) => Effect.succeed(nonce === "from-the-store" && count === 1 ? "fresh" : "stale")'
          ]
        ]
      )
      const Server = WebSocketServer.layer((connection) => connection.send("welcome"), {
        decide: Auth.required(
          Auth.digest({ realm: "r", ...Auth.users([["alice", Redacted.make("wonderland")]]) }),
          () => Effect.succeed({})
        )
      })
      const credentials = ClientAuth.password("alice", "wonderland")
      yield* Effect.gen(function* () {
        const connection = yield* Client.connect("ws://server.test/", { credentials })
        assert.strictEqual((yield* connection.receive).data, "welcome")
      }).pipe(Effect.provide(Server.pipe(Layer.provide(SharedNonces), Layer.provideMerge(Memory.layer({ port: 80 })))))
    })
  ),
  "authentication-4": Pages.run(
    "answers a challenge",
    Effect.gen(function* () {
      const challenge = 'Digest realm="r", qop="auth", algorithm=SHA-256, nonce="n"'
      const { authorization } = yield* Pages.load<{ readonly authorization: Option.Option<string> }>(
        "authentication-4",
        [
          [
            "declare const response: { readonly headers: HeaderFields.HeaderFields }",
            `const response = { headers: [{ name: "WWW-Authenticate", value: ${JSON.stringify(challenge)} }] }`
          ],
          [
            "declare const hashes: DigestAuth.Hashes",
            'const hashes = { "SHA-256": (bytes) => createHash("sha256").update(bytes).digest() }'
          ],
          ["import { Option } from", 'import { createHash } from "node:crypto"\nimport { Option } from']
        ]
      )
      assert.match(Option.getOrThrow(authorization), /^Digest .*username="alice".*uri="\/chat"/)
    })
  ),

  "extensions-1": Pages.run(
    "is offered, and one of the two accepted",
    Effect.gen(function* () {
      const { extensions } = yield* Pages.load<{ readonly extensions: Layer.Layer<never> }>("extensions-1")
      const offers: Array<string> = []
      const url = yield* Peers.ws((_, { headers }) => offers.push(String(headers["sec-websocket-extensions"])), {
        perMessageDeflate: true
      })
      const connection = yield* Client.connect(url).pipe(Effect.provide([Client.layerDirect(), extensions]))
      assert.deepStrictEqual(
        connection.extensions.map(({ name }) => name),
        ["permessage-deflate"]
      )
      assert.match(offers[0]!, /^permessage-deflate.*, deflate-frame/)
    })
  ),
  "extensions-2": Pages.example("checksum", "checksum"),
  "extensions-3": Pages.run(
    "is what an extension compresses with",
    Effect.gen(function* () {
      const { MyZlib, used } = yield* Pages.load<{ readonly MyZlib: Layer.Layer<never>; readonly used: Set<string> }>(
        "extensions-3",
        [
          [
            "declare const mine: Zlib.Service",
            `export const used = new Set()
            const mine = new Proxy(Zlib.makePortable(), {
              get: (service, key) => (used.add(key), Reflect.get(service, key))
            })`
          ]
        ]
      )
      const Echo = WebSocketServer.layer((connection) =>
        Stream.runForEach(connection.messages, (message) => connection.send(message))
      )
      const text = "hello ".repeat(1000)
      yield* Effect.gen(function* () {
        const connection = yield* Client.connect("ws://echo.test/")
        yield* connection.send(text)
        assert.strictEqual((yield* connection.receive).data, text)
      }).pipe(
        Effect.provide(Echo.pipe(Layer.provideMerge(Memory.layer({ port: 80 })))),
        Effect.provide(PermessageDeflate.layer().pipe(Layer.provideMerge(MyZlib)))
      )
      assert.isAbove(used.size, 0)
    })
  ),

  "topics-1": Pages.itself,
  "topics-2": Pages.itself,
  "topics-3": Pages.itself
}
