import * as CloseError from "@effect-ws/protocol/CloseError"
import * as Memory from "@effect-ws/transport/Memory"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { pair } from "./support/pair.ts"
import { frame, open } from "./support/StubSocket.ts"

const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

// No time passes in these tests, so whatever waits for `closeReplyTimeout` waits for ever.
describe("a close of the server", () => {
  it.effect("is answered when the client has taken the last message, though it asks for no other", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({})
      yield* server.send("one")
      yield* server.send("two")
      const closing = yield* Effect.forkScoped(server.close(1000, "done"))
      // The peer's close frame has come before anything is taken.
      while (client.buffered.inbound < 6) yield* turn
      for (let turns = 0; turns < 10; turns++) yield* turn
      assert.strictEqual((yield* client.receive).data, "one")
      yield* turn
      assert.isUndefined(closing.pollUnsafe())
      assert.strictEqual((yield* client.receive).data, "two")
      yield* Fiber.join(closing)
      const { clean, error } = yield* server.closed
      assert.isTrue(clean)
      assert.instanceOf(error, CloseError.NormalClosure)
    }).pipe(Effect.provide(Memory.layer({ port: 80 })))
  )

  it.effect("is answered at once where the client has nothing left to take", () =>
    Effect.gen(function* () {
      const { client, server } = yield* pair({})
      yield* server.send("one")
      assert.strictEqual((yield* client.receive).data, "one")
      yield* server.close(1000, "done")
      assert.isTrue((yield* server.closed).clean)
    }).pipe(Effect.provide(Memory.layer({ port: 80 })))
  )
})

describe("a failure of the connection", () => {
  for (const role of ["client", "server"] as const) {
    it.effect(`is told after what the ${role} replied to what came before it in the same chunk`, () =>
      Effect.gen(function* () {
        const { connection, socket } = yield* open({ role })
        // An empty text, and another with an RSV bit of no extension.
        socket.receive(...(role === "client" ? [0x81, 0, 0xc1, 0] : [frame(0x81), frame(0xc1)]))
        yield* Effect.forkScoped(Stream.runForEach(connection.messages, (message) => connection.send(message)))
        yield* turn
        assert.deepStrictEqual(socket.opcodes, [1, 8])
      })
    )
  }
})
