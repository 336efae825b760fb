import type { Recipient } from "@effect-ws/connection/Fanout"
import * as PreparedMessage from "@effect-ws/protocol/PreparedMessage"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Logger } from "effect"
import { Dispatcher } from "../src/internal/Dispatcher.ts"
import { PublishJob } from "../src/internal/PublishJob.ts"
import { SliceScheduler } from "../src/internal/SliceScheduler.ts"
import { subscriberQueueOptions } from "../src/internal/SubscriberQueue.ts"

const unused = (): never => {
  throw new Error("there are no receivers")
}

/** A dispatcher without receivers. */
const makeDispatcher = (): Dispatcher<Recipient> =>
  new Dispatcher<Recipient>(
    { recipient: unused, member: unused, includes: unused, queue: unused },
    () => [].values(),
    new SliceScheduler(10)
  )

const job = (number: number): PublishJob =>
  new PublishJob(PreparedMessage.make("x"), {}, subscriberQueueOptions(), number, undefined)

describe("a publisher whose fiber is observed by what throws", () => {
  it.effect("keeps no other publisher waiting, and its topic goes on", () => {
    const logs: Array<unknown> = []
    return Effect.gen(function* () {
      const dispatcher = makeDispatcher()
      Effect.runCallbackWith(yield* Effect.context<never>())(job(1).run(dispatcher), {
        onExit: () => {
          throw new Error("a bug of the program")
        }
      })
      const other = yield* Effect.forkChild(job(2).run(dispatcher), { startImmediately: true })
      assert.strictEqual((yield* Fiber.join(other)).subscribers, 0)
      yield* job(3).run(dispatcher)
      assert.strictEqual(logs.length, 1)
      assert.match(String(logs[0]), /fiber that published threw/)
    }).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => void logs.push(message))])))
  })
})
