import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Client, Memory, Message } from "effect-ws"
import { server } from "../src/authenticated.ts"

const network = server.pipe(Layer.provideMerge(Layer.fresh(Memory.layer({ port: 80 }))))

const credentials = { _tag: "Password", username: "alice", password: Redacted.make("wonderland") } as const
const bearer = { _tag: "Token", token: Redacted.make("an-opaque-token") } as const

describe("an authenticated server", () => {
  for (const [name, options, greeting] of [
    ["a password by Digest", { credentials, authSchemes: ["Digest"] }, "hello alice"],
    ["a password by Basic", { credentials, authSchemes: ["Basic"] }, "hello alice"],
    ["a token", { credentials: bearer }, "hello a service"]
  ] as const) {
    it.effect(`greets a client with ${name}`, () =>
      Effect.gen(function* () {
        const connection = yield* Client.connect("ws://server.test/", options)
        assert.deepStrictEqual(yield* connection.receive, Message.text(greeting))
        yield* connection.send("and an echo")
        assert.deepStrictEqual(yield* connection.receive, Message.text("and an echo"))
      }).pipe(Effect.provide(network))
    )
  }

  for (const [name, options] of [
    ["nothing", {}],
    ["a wrong password", { credentials: { ...credentials, password: Redacted.make("rabbit") } }],
    ["a wrong token", { credentials: { ...bearer, token: Redacted.make("guess") } }]
  ] as const) {
    it.effect(`turns away who shows ${name}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Client.connect("ws://server.test/", options))
        assert(error._tag === "UnexpectedResponse")
        assert.strictEqual(error.status, 401)
        assert.notMatch(String(error), /rabbit|guess/)
      }).pipe(Effect.provide(network))
    )
  }
})
