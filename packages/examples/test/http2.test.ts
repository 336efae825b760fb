import * as Certificates from "@effect-ws/test-support/Certificates"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { HttpServer } from "effect/http"
import { Client } from "effect-ws"
import { request } from "node:https"
import * as Http2 from "../src/http2.ts"

describe("WebSockets over HTTP/2", () => {
  it.live("share a session with each other, and their port with HTTP/1.1", () =>
    Effect.gen(function* () {
      const { cert, key } = yield* Effect.promise(() =>
        Certificates.makeSelfSigned({ name: "localhost", ...Certificates.localhost })
      )
      const program = Effect.gen(function* () {
        const { address } = yield* HttpServer.HttpServer
        assert(address._tag === "InetAddressV4")
        const host = `localhost:${address.port}`
        const visit = yield* Http2.visit(`wss://${host}`, ["tea", "coffee", "tea"], cert)
        assert.deepStrictEqual(visit, {
          greetings: ["tea: HTTP/2, 0 before you", "coffee: HTTP/2, 1 before you", "tea: HTTP/2, 2 before you"],
          sessions: 1
        })
        const older = yield* Client.connect(`wss://${host}/rooms/tea`, { http: "1.1", tls: { ca: cert } })
        assert.strictEqual((yield* older.receive).data, "tea: HTTP/1.1, 0 before you")
        const page = yield* Effect.callback<string>((resume) => {
          request(`https://${host}/`, { ca: cert, agent: false }, (response) => {
            response.setEncoding("utf8").once("data", (text: string) => resume(Effect.succeed(text)))
          }).end()
        })
        assert.include(page, "<title>Rooms</title>")
      })
      yield* program.pipe(
        Effect.scoped,
        Effect.provide(Layer.merge(Http2.app({ port: 0, cert, key }), Client.layerDirect()))
      )
    })
  )
})
