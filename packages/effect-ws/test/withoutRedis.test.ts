/** Who does not use Redis does not load it, or need to have it. */
import { assert, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"

/** The packages of Redis that a program imports, anything that it imports included. */
const redisImports = (program: string): ReadonlyArray<string> => {
  const script = `
    import { registerHooks } from "node:module"
    const found = new Set()
    registerHooks({
      resolve: (specifier, context, next) => {
        if (/^(@redis\\/|i?oredis$|redis$)/.test(specifier)) found.add(specifier)
        return next(specifier, context)
      }
    })
    ${program}
    process.stdout.write(JSON.stringify([...found]))
    process.exit(0)
  `
  const { status, stderr, stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    cwd: new URL("..", import.meta.url),
    encoding: "utf8",
    timeout: 60_000
  })
  assert.strictEqual(status, 0, stderr)
  return JSON.parse(stdout) as ReadonlyArray<string>
}

it("a program with topics in memory never imports redis", { timeout: 120_000 }, () => {
  const found = redisImports(`
    const { Effect, Layer } = await import("effect")
    const { TopicLog } = await import("effect-ws")
    await Effect.runPromise(
      Effect.provide(TopicLog.TopicLog.use((log) => log.append("room", "x")), TopicLog.layerMemory())
    )
  `)
  assert.deepStrictEqual(found, [])
})

it("one that connects to Redis does, which the test before this would notice", { timeout: 120_000 }, () => {
  assert.include(redisImports(`await import("@effect/platform-node/NodeRedis")`), "redis")
})
