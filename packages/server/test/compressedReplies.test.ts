/**
 * Replies that are compressed off the main thread: when the compression is done, the connection reads on, tells the
 * budget, and sees its end.
 */
import { Budget, CurrentBudget } from "@effect-ws/connection/Budget"
import * as PermessageDeflate from "@effect-ws/extensions/PermessageDeflate"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer } from "effect"
import type { CloseInfo } from "@effect-ws/protocol/Session"
import { network, quiet } from "@effect-ws/test-peers/InMemory"
import { connect } from "@effect-ws/test-peers/Programs"
import { handled, start } from "./support/variants.ts"

const KiB = 1024

/** Bytes that do not compress well, the same each time. */
const noise = (size: number): Uint8Array => {
  const bytes = new Uint8Array(size)
  for (let at = 0, state = 1; at < size; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes[at] = state >>> 24
  }
  return bytes
}

describe("compressed replies above the outbound buffer", () => {
  for (const { layer, name } of handled) {
    it.effect(`leave the connection reading, and nothing in the budget (${name})`, () =>
      Effect.gen(function* () {
        const budget = new Budget()
        const closed = yield* Deferred.make<CloseInfo>()
        const server = yield* start(
          layer(
            {
              onMessage: (connection) =>
                Effect.forEach([1, 2, 3, 4], () => connection.send(noise(40 * KiB)), { discard: true }),
              onClose: (_, closeInfo) => Deferred.succeed(closed, closeInfo)
            },
            { keepalive: false }
          ).pipe(Layer.provide(PermessageDeflate.layer()), Layer.provide(Layer.succeed(CurrentBudget, budget)))
        )
        const client = yield* connect(server, { keepalive: false })
        for (let round = 0; round < 2; round++) {
          yield* client.send("go")
          for (let reply = 0; reply < 4; reply++) {
            const { data } = yield* client.receive
            assert.deepStrictEqual(data, noise(40 * KiB))
          }
        }
        yield* quiet
        assert.strictEqual(budget.used, 0)
        yield* client.close()
        assert.isTrue((yield* Deferred.await(closed)).clean)
      }).pipe(Effect.provide([PermessageDeflate.layer(), network]))
    )
  }
})
