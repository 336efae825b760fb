/**
 * Runs the checks on the runtime that runs this program, and prints a line of JSON for each. With a URL it also talks
 * to the echo server there; with `serve` it is one itself, prints its host and port, and ends when its standard input
 * does.
 */
import { Cause, Effect, Exit, Logger } from "effect"
import { checks, serveEcho, talkTo } from "./checks.ts"
import type { Check } from "./checks.ts"

const run = (check: Check): Promise<Exit.Exit<unknown, unknown>> =>
  Effect.runPromiseExit(Effect.scoped(check).pipe(Effect.timeout("20 seconds"), Effect.provide(Logger.layer([]))))

const say = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

const [what] = process.argv.slice(2)
if (what === "serve") {
  const program = Effect.gen(function* () {
    say({ host: yield* serveEcho })
    yield* Effect.callback<void>((resume) => {
      process.stdin.on("end", () => resume(Effect.void)).resume()
    })
  })
  await run(program as Check)
} else {
  const all = Object.entries(checks)
  if (what !== undefined) all.push(["an echo server on Node", talkTo(what)])
  const report = async ([name, check]: readonly [string, Check]): Promise<void> => {
    const exit = await run(check)
    say(Exit.isSuccess(exit) ? { name, ok: true } : { name, ok: false, why: Cause.pretty(exit.cause) })
  }
  await Effect.runPromise(
    Effect.forEach(all, (check) => Effect.promise(() => report(check)), { concurrency: 4, discard: true })
  )
}
process.exit(0)
