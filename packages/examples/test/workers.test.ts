/**
 * The supervisor and its workers as they run: under load, through restarts, deaths and the end.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Queue, Ref, Stream } from "effect"
import type { Scope } from "effect"
import { Client, Reconnect } from "effect-ws"
import type { Connection } from "effect-ws"
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"

interface Supervisor {
  readonly pid: number
  readonly url: string
  /** Waits for a line that was not waited for yet. */
  readonly printed: (pattern: RegExp) => Effect.Effect<RegExpExecArray>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** Waits for the end, and gives the exit code and all that was printed. */
  readonly ended: Effect.Effect<{ readonly code: number | null; readonly output: string }>
}

const program = new URL("../src/workers.ts", import.meta.url).pathname

const supervise: Effect.Effect<Supervisor, never, Scope.Scope> = Effect.gen(function* () {
  const env = { ...process.env, PORT: "0", WORKERS: "2", DRAIN: "5 seconds" }
  const child = yield* Effect.acquireRelease(
    Effect.sync(() => spawn(process.execPath, [program], { env, stdio: ["ignore", "pipe", "pipe"] })),
    (child) => Effect.sync(() => void child.kill("SIGKILL"))
  )
  let output = ""
  let seen = 0
  const lines = yield* Queue.unbounded<void>()
  const onData = (chunk: Buffer): void => {
    output += chunk.toString()
    Queue.offerUnsafe(lines, undefined)
  }
  child.stdout.on("data", onData)
  child.stderr.on("data", onData)
  const exited = new Promise<number | null>((resolve) => child.once("close", resolve))
  child.once("close", () => Queue.offerUnsafe(lines, undefined))
  const printed = (pattern: RegExp): Effect.Effect<RegExpExecArray> =>
    Effect.suspend(() => {
      const found = pattern.exec(output.slice(seen))
      if (found !== null) {
        seen += found.index + found[0].length
        return Effect.succeed(found)
      }
      if (child.exitCode !== null) return Effect.die(new Error(`${pattern} was not printed:\n${output}`))
      return Effect.andThen(Queue.take(lines), printed(pattern))
    })
  const [, url] = yield* printed(/^listening on (.*)\n/m)
  return {
    pid: child.pid!,
    url: url!,
    printed,
    signal: (signal) => Effect.sync(() => void child.kill(signal)),
    ended: Effect.map(
      Effect.promise(() => exited),
      (code) => ({ code, output })
    )
  }
})

/** Sends numbers without a pause, two ahead of the answers, until the connection ends. Gives how many were answered. */
const converse = Effect.fnUntraced(function* (connection: Connection.Connection) {
  let sent = 0
  let answered = 0
  const send = Effect.suspend(() => connection.send(`${sent++}`))
  yield* Effect.ignore(Effect.repeat(send, { times: 1 }))
  yield* connection.messages.pipe(
    Stream.runForEach((message) => {
      assert.strictEqual(message.data, `${answered++}`)
      return Effect.ignore(send)
    }),
    Effect.ignore
  )
  return { answered, closeInfo: yield* connection.closed }
})

const childOf = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ")[0])

const workersGone = (output: string): ReadonlyArray<number> =>
  [...output.matchAll(/worker \d+ answered (\d+) messages/g)].map(([, count]) => Number(count))

describe("workers", { timeout: 60_000 }, () => {
  it.live("restart under load: every message that was accepted is answered, and no client is refused", () =>
    Effect.gen(function* () {
      const supervisor = yield* supervise
      let answers = 0
      let codes: Array<number> = []

      const open = Client.connect(supervisor.url)
      const busy = yield* Effect.forEach(Array.from({ length: 12 }), () =>
        Effect.flatMap(open, (connection) => Effect.forkChild(converse(connection)))
      )

      // A client is accepted at any moment, and served until it is told to come back.
      const coming = yield* Ref.make(true)
      let visits = 0
      const visit = Effect.scoped(
        Effect.gen(function* () {
          const connection = yield* open
          const answer = yield* Effect.exit(Effect.andThen(connection.send("hi"), connection.receive))
          if (answer._tag === "Success") answers++
          else assert.strictEqual((yield* connection.closed).error.code, 1012)
          visits++
        })
      )
      const visitors = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: 2 }), () => Effect.repeat(visit, { while: () => Ref.get(coming) }), {
          concurrency: "unbounded"
        })
      )

      // One that comes back by itself: each number is answered, by whichever worker.
      const returning = yield* Reconnect.make({ url: supervisor.url })
      const opens = yield* Queue.unbounded<void>()
      yield* Effect.forkScoped(
        Stream.runForEach(returning.events, (event) =>
          event._tag === "Open" ? Queue.offer(opens, undefined) : Effect.void
        )
      )
      yield* Queue.take(opens)

      yield* supervisor.signal("SIGHUP")
      for (const conversation of busy) {
        const { answered, closeInfo } = yield* Fiber.join(conversation)
        answers += answered
        codes.push(closeInfo.error.code)
        assert.isTrue(closeInfo.clean)
        assert.isAbove(answered, 0)
      }
      assert.deepStrictEqual(
        codes,
        codes.map(() => 1012)
      )
      yield* supervisor.printed(/restarted with 2 workers/)
      yield* Queue.take(opens)
      yield* returning.send("back")
      const [back] = yield* returning.messages.pipe(Stream.take(1), Stream.runCollect)
      assert.strictEqual(back?.data, "back")
      answers++
      yield* Ref.set(coming, false)
      yield* Fiber.join(visitors)
      assert.isAbove(visits, 10)

      // The same again for those that are there when all is over.
      const last = yield* Effect.forEach(Array.from({ length: 5 }), () =>
        Effect.flatMap(open, (connection) => Effect.forkChild(converse(connection)))
      )
      yield* supervisor.signal("SIGTERM")
      codes = []
      for (const conversation of last) {
        const { answered, closeInfo } = yield* Fiber.join(conversation)
        answers += answered
        codes.push(closeInfo.error.code)
      }
      assert.deepStrictEqual(codes, [1001, 1001, 1001, 1001, 1001])
      const { code, output } = yield* supervisor.ended
      assert.strictEqual(code, 0, output)
      const accepted = workersGone(output)
      assert.strictEqual(accepted.length, 4, output)
      assert.strictEqual(
        accepted.reduce((sum, count) => sum + count, 0),
        answers
      )
      process.stdout.write(`workers: ${answers} messages accepted and answered, ${visits} visitors, none refused\n`)
    }).pipe(Effect.scoped, Effect.provide(Client.layerDialer()))
  )

  it.live("are replaced when they die", () =>
    Effect.gen(function* () {
      const supervisor = yield* supervise
      const connection = yield* Client.connect(supervisor.url)
      yield* Effect.sync(() => process.kill(childOf(supervisor.pid), "SIGKILL"))
      yield* supervisor.printed(/Worker \d+ is replaced: it was killed by SIGKILL/)
      yield* Effect.ignore(connection.close())
      // The other one serves meanwhile.
      const next = yield* Client.connect(supervisor.url)
      yield* next.send("still here")
      assert.strictEqual((yield* next.receive).data, "still here")
      yield* supervisor.signal("SIGINT")
      const { code, output } = yield* supervisor.ended
      assert.strictEqual(code, 0, output)
    }).pipe(Effect.scoped, Effect.provide(Client.layerDialer()))
  )
})
