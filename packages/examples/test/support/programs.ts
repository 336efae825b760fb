/** Programs that the tests of examples run: a start that waits until it accepts, an end by process id. */
import { Effect } from "effect"
import type { Scope } from "effect"
import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import * as Net from "node:net"

const accepts = (port: number): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const socket = Net.connect(port, "127.0.0.1")
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.once("error", () => resume(Effect.succeed(false)))
  })

/** Runs a program until the Scope closes, or it is killed; waits until it accepts. */
export const start = Effect.fnUntraced(function* (
  command: string,
  args: ReadonlyArray<string>,
  port: number,
  env: Readonly<Record<string, string>> = {}
): Effect.fn.Return<ChildProcess, never, Scope.Scope> {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(command, args, { stdio: "ignore", env: { ...process.env, ...env } })),
    (child) => kill(child)
  )
  while (!(yield* accepts(port))) {
    if (child.exitCode !== null) return yield* Effect.die(new Error(`${command} ended with ${child.exitCode}`))
    yield* Effect.sleep("50 millis")
  }
  return child
})

/** Ends a program, and waits for its end. */
export const kill = (child: ChildProcess, signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill(signal)
  })
