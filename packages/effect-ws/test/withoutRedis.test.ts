/** A program without `TopicLog.layerRedis` never loads `redis`, which many installations do not have. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"

const program = `
import { registerHooks } from "node:module"
const loaded = []
registerHooks({
  load(url, context, nextLoad) {
    loaded.push(url)
    return nextLoad(url, context)
  }
})
const { Effect } = await import("effect")
const { TopicLog, Topics, WebSocketServer, Client } = await import("effect-ws")
await Promise.all(["TopicClient", "TopicPresence", "TopicServer"].map((name) => import("effect-ws/" + name)))
const offset = await Effect.runPromise(
  Effect.flatMap(TopicLog.TopicLog, (log) => Effect.map(log.append("room", "x"), ({ position }) => position.offset)).pipe(
    Effect.provide(TopicLog.layerMemory())
  )
)
if (WITH_REDIS) await import("@effect/platform-node/NodeRedis")
console.log(JSON.stringify({ offset, count: loaded.length, redis: loaded.filter((url) => /node_modules\\/(?:@redis|redis|ioredis)\\//.test(url)).length }))
`

const run = (
  withRedis: boolean
): Effect.Effect<{ readonly offset: number; readonly count: number; readonly redis: number }> =>
  Effect.callback((resume) => {
    const source = program.replace("WITH_REDIS", String(withRedis))
    const cwd = fileURLToPath(new URL("..", import.meta.url))
    execFile(process.execPath, ["--input-type=module", "--eval", source], { cwd }, (error, stdout) =>
      resume(error === null ? Effect.succeed(JSON.parse(stdout)) : Effect.die(error))
    )
  })

it.live(
  "topics in memory never load redis",
  () =>
    Effect.gen(function* () {
      const without = yield* run(false)
      assert.deepStrictEqual([without.offset, without.redis], [1, 0])
      assert.isAbove(without.count, 100)
      // The check would notice.
      assert.isAbove((yield* run(true)).redis, 0)
    }),
  60_000
)
