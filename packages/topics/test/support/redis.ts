/** A Redis server of the test's own: a free port, a folder that is removed, stopped by its process id. */
import * as Executable from "@effect-ws/test-support/Executable"
import { freePort } from "@effect-ws/test-support/LocalPort"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { it } from "@effect/vitest"
import { Context, Effect, Layer, Logger, Schedule } from "effect"
import type { Scope } from "effect"
import type * as Redis from "effect/persistence/Redis"
import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import * as TopicLog from "../../src/TopicLog.ts"
import type { RedisOptions } from "../../src/TopicLog.ts"

const isPresent = Executable.runs("redis-server", "--version")

/** A test that needs redis-server: left out by name where it is missing, which in CI is a failure. */
export const testWithRedis = (
  name: string,
  effect: () => Effect.Effect<void, unknown, Scope.Scope>,
  timeout = 30_000
): void => {
  // A node whose server is killed says so in its log, which is not what these tests are about.
  if (isPresent) it.live(name, () => Effect.provide(Effect.scoped(effect()), Logger.layer([])), timeout)
  else if (process.env["CI"] === undefined) it.skip(`${name} (left out: no redis-server here)`, () => {})
  else it(name, () => Promise.reject(new Error("redis-server is not installed")))
}

const ended = (child: ChildProcess): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
  })

/** A Redis server that can be killed, stopped and started again with the data that it has on disk. */
export class RedisServer {
  readonly port: number
  readonly folder: string
  private readonly flags: ReadonlyArray<string>
  private child: ChildProcess | undefined = undefined

  private constructor(port: number, folder: string, flags: ReadonlyArray<string>) {
    this.port = port
    this.folder = folder
    this.flags = flags
  }

  static start(...flags: ReadonlyArray<string>): Effect.Effect<RedisServer, unknown, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.gen(function* () {
        const folder = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-ws-redis-"))
        const server = new RedisServer(yield* freePort, folder, flags)
        yield* server.run
        return server
      }),
      (server) =>
        Effect.andThen(
          server.kill,
          Effect.sync(() => Fs.rmSync(server.folder, { recursive: true, force: true }))
        )
    )
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** Starts the process and waits until it serves. */
  readonly run: Effect.Effect<void, unknown> = Effect.suspend(() => {
    this.child = spawn(
      "redis-server",
      ["--port", String(this.port), "--bind", "127.0.0.1", "--dir", this.folder, "--save", "", ...this.flags],
      { stdio: "ignore" }
    )
    const ping = Effect.suspend(() =>
      Effect.flatMap(this.command("PING"), (reply) =>
        reply.startsWith("+PONG") ? Effect.void : Effect.fail(new Error(`redis-server answered ${reply}`))
      )
    )
    return Effect.retry(ping, { schedule: Schedule.spaced("25 millis"), times: 400 })
  })

  readonly kill: Effect.Effect<void> = Effect.suspend(() => {
    const { child } = this
    if (child === undefined) return Effect.void
    // A process that is stopped dies of it as well.
    child.kill("SIGKILL")
    return ended(child)
  })

  /** Removes the end of the newest append-only file, as when a machine loses what was not on its disk yet. */
  cutAppendOnlyFile(bytes: number): Effect.Effect<void> {
    return Effect.sync(() => {
      const folder = Path.join(this.folder, "appendonlydir")
      const newest = Fs.readdirSync(folder)
        .filter((name) => name.endsWith(".incr.aof"))
        .map((name) => Path.join(folder, name))
        .sort((a, b) => Fs.statSync(b).mtimeMs - Fs.statSync(a).mtimeMs)[0]!
      Fs.truncateSync(newest, Math.max(0, Fs.statSync(newest).size - bytes))
    })
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): Effect.Effect<void> {
    return Effect.sync(() => void this.child?.kill(signal))
  }

  /** Sends a command past everything that is tested, and gives what comes back first. */
  command(...words: ReadonlyArray<string>): Effect.Effect<string, Error> {
    return Effect.callback((resume) => {
      const socket = Net.connect(this.port, "127.0.0.1")
      socket.once("connect", () => {
        socket.write(
          `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`
        )
      })
      socket.once("data", (chunk: Buffer) => {
        socket.destroy()
        resume(Effect.succeed(chunk.toString()))
      })
      socket.once("error", (error) => resume(Effect.fail(error)))
      socket.once("close", () => resume(Effect.fail(new Error("closed"))))
      return Effect.sync(() => socket.destroy())
    })
  }
}

/** How the tests connect. */
export const connection = (url: string): Layer.Layer<Redis.Redis, Redis.RedisError> =>
  NodeRedis.layer({ url, disableOfflineQueue: true, socket: { connectTimeout: 1000, reconnectStrategy: false } })

/** A node over a Redis. */
export const makeNode = (url: string, options?: Partial<RedisOptions>) =>
  Effect.map(
    Layer.build(
      TopicLog.layerRedis({ redis: connection(url), commandTimeout: "1 second", blockTimeout: "1 second", ...options })
    ),
    (context) => Context.get(context, TopicLog.TopicLog)
  )
